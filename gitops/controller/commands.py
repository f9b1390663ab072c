"""What people tell a controller through the store: words that stand (suspended, approved), and wishes (sync, refresh).

A wish is answered with how it ended; so is the question whether anybody is there.
"""

from collections.abc import Callable

from gitops.controller.state import ApplicationState
from gitops.engine.drift import Override, Response
from gitops.model.operator_command import APPROVED, SUSPENDED
from gitops.model.result import Outcome
from gitops.ports import OperatorRequest, Store


async def forget_words(store: Store, identity: str) -> None:
    """An Application of this name that comes later is another one, of which nobody has said anything. StoreError."""
    for name in (SUSPENDED, APPROVED):
        await store.set_setting(identity, name, None)


class OperatorCommands:
    """`changed` hears of each Application about which another word stands now; `wish` takes a wish, or leaves it."""

    def __init__(self, store: Store, changed: Callable[[str], None], wish: Callable[[OperatorRequest], bool]) -> None:
        self._store = store
        self._changed = changed
        self._wish = wish
        self._suspended: dict[str, str] = {}
        self._approved: dict[str, str] = {}
        self._taken: set[int] = set()

    def override_of(self, state: ApplicationState) -> Override:
        identity = state.identity
        return Override(state.requested_sync is not None, self.is_suspended(identity), self._approved.get(identity, ""))

    def is_suspended(self, identity: str) -> bool:
        return identity in self._suspended

    def give_back(self, asked: OperatorRequest) -> None:
        """The wish is another replica's now; if it comes back unanswered, it is taken again."""
        self._taken.discard(asked.number)

    def consumes_approval(self, state: ApplicationState) -> bool:
        """Whether the pass that has just ended used its approval up: one is for one sync, of the plan that waited.

        The caller has it forgotten by the store, too.
        """
        word = self.override_of(state)
        is_done = state.sync_seconds is not None and (
            state.outcome not in (Outcome.FAILED, Outcome.OVERTAKEN) or state.is_given_up
        )
        is_used = bool(word.approved and (is_done or state.has_another_plan(word)))
        if is_used:
            del self._approved[state.identity]
        return is_used

    async def forget(self, identity: str) -> None:
        """The Application is no more, nor what it owned. Raises StoreError."""
        await forget_words(self._store, identity)
        for words in (self._suspended, self._approved):
            words.pop(identity, None)

    async def read_words(self) -> None:
        """Raises StoreError."""
        before = (self._suspended, self._approved)
        self._suspended = await self._store.settings(SUSPENDED)
        self._approved = await self._store.settings(APPROVED)
        for old, new in zip(before, (self._suspended, self._approved), strict=True):
            for identity in old.keys() | new.keys():
                if old.get(identity) != new.get(identity):
                    self._changed(identity)

    async def read_wishes(self) -> None:
        """Raises StoreError."""
        asked = await self._store.requests()
        self._taken &= {one.number for one in asked}
        for one in asked:
            if one.number not in self._taken and self._wish(one):
                self._taken.add(one.number)


def command_result(state: ApplicationState) -> tuple[Outcome, str]:
    """What the pass that has just ended came to, for who wished for it."""
    if state.problem:
        return Outcome.FAILED, state.problem
    if state.sync_seconds is not None and state.outcome is not None:
        return state.outcome, state.message
    if state.response in (Response.HELD, Response.APPROVAL, Response.SUSPENDED):
        return Outcome.HELD, state.message
    return Outcome.IN_SYNC, "" if state.response is Response.SETTLED else state.message
