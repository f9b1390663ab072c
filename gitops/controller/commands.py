"""What operators tell a controller through the store: overrides that stand (suspended, approved), and requests.

A request (sync, refresh) is answered with how it ended; so is a ping. Answers, and approvals that have been used, are
kept until the store has them: a store that is away for a while loses none.
"""

from collections.abc import Callable

from gitops.controller.state import ApplicationState
from gitops.engine.states import Override, Response
from gitops.model.operator_command import APPROVED, DELETE, SUSPENDED, OperatorRequest, answer_text
from gitops.model.result import Outcome
from gitops.ports import Store


async def forget_overrides(store: Store, identity: str) -> None:
    """An Application of this name that comes later is another one, that nobody suspended or approved. StoreError."""
    for name in (SUSPENDED, APPROVED):
        await store.set_setting(identity, name, None)


class OperatorCommands:
    """`changed` hears of each Application whose overrides change; `take` takes a request (True), or leaves it."""

    def __init__(self, store: Store, changed: Callable[[str], None], take: Callable[[OperatorRequest], bool]) -> None:
        self._store = store
        self._changed = changed
        self._take = take
        self._suspended: dict[str, str] = {}
        self._approved: dict[str, str] = {}
        self._taken: set[int] = set()
        self._answers: dict[int, str] = {}  # number → the answer that the store does not have yet
        self._used: dict[str, str] = {}  # identity → the approval that was used, and stands in the store yet

    def override_of(self, state: ApplicationState) -> Override:
        identity = state.identity
        return Override(
            state.schedule.requested_sync is not None, self.is_suspended(identity), self._approved.get(identity, "")
        )

    def is_suspended(self, identity: str) -> bool:
        return identity in self._suspended

    def give_back(self, request: OperatorRequest) -> None:
        """The request is another replica's now; if it comes back unanswered, it is taken again."""
        self._taken.discard(request.number)

    def answer(self, request: OperatorRequest, outcome: Outcome, message: str) -> None:
        """How a request ended; `write` brings it to the store."""
        self._answers[request.number] = answer_text(outcome, message)

    def consumes_approval(self, state: ApplicationState, *, terminated: bool = False) -> bool:
        """Whether the pass that has just ended used its approval up: one is for one sync, of the plan that waited.

        `write` has the store forget it.
        """
        override = self.override_of(state)
        is_done = terminated or (
            state.times.sync_seconds is not None
            and (state.last.outcome not in (Outcome.FAILED, Outcome.OVERTAKEN) or state.is_given_up)
        )
        is_used = bool(override.approved and (is_done or state.has_another_plan(override)))
        if is_used:
            self._used[state.identity] = self._approved.pop(state.identity)
        return is_used

    async def forget(self, identity: str) -> None:
        """The Application is no more, nor what it owned. Raises StoreError."""
        await forget_overrides(self._store, identity)
        for overrides in (self._suspended, self._approved, self._used):
            overrides.pop(identity, None)

    async def write(self) -> None:
        """Write the answers, and forget the used approvals, that are due. Raises StoreError; what failed stays due."""
        for number, text in list(self._answers.items()):
            await self._store.answer(number, text)
            self._answers.pop(number, None)
        for identity, approval in list(self._used.items()):
            if await self._store.setting(identity, APPROVED) == approval:  # not one that was given meanwhile
                await self._store.set_setting(identity, APPROVED, None)
            if self._used.get(identity) == approval:  # another may have been used while this one was written
                del self._used[identity]

    async def read_overrides(self) -> None:
        """Raises StoreError."""
        before = (self._suspended, self._approved)
        self._suspended = await self._store.settings(SUSPENDED)
        approved = await self._store.settings(APPROVED)
        self._approved = {name: plan for name, plan in approved.items() if self._used.get(name) != plan}
        for old, new in zip(before, (self._suspended, self._approved), strict=True):
            for identity in old.keys() | new.keys():
                if old.get(identity) != new.get(identity):
                    self._changed(identity)

    async def read_requests(self) -> None:
        """Raises StoreError."""
        requests = await self._store.requests()
        self._taken &= {request.number for request in requests}
        for request in requests:
            if request.number not in self._taken and self._take(request):
                self._taken.add(request.number)


def command_result(state: ApplicationState) -> tuple[Outcome, str]:
    """What the pass that has just ended came to, for whoever asked for it."""
    if state.schedule.act_result is not None:
        return state.schedule.act_result
    if state.problem:
        return Outcome.FAILED, state.problem
    if state.times.sync_seconds is not None and state.last.outcome is not None:
        return state.last.outcome, state.last.message
    if state.last.response in (Response.HELD, Response.APPROVAL, Response.SUSPENDED):
        return Outcome.HELD, state.last.message
    return Outcome.IN_SYNC, "" if state.last.response is Response.SETTLED else state.last.message


def result_when_gone(state: ApplicationState, asked: OperatorRequest) -> tuple[Outcome, str]:
    """What a request came to whose Application is gone: a deletion has told that already."""
    return (state.schedule.act_result if asked.verb == DELETE else None) or (Outcome.FAILED, "it is gone")
