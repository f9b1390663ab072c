"""The end of a sync that a person terminates: the pass is cancelled, and what it synced is not tried again by itself.

What was applied stays. Another commit, another spec or a person's word has it synced again, as after the last retry.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from gitops.controller.state import ApplicationState, attempt_name
from gitops.model.operator_command import DELETE, ROLLBACK, SYNC, TEST, OperatorRequest
from gitops.model.result import Outcome
from gitops.sync import events

Answer = Callable[[OperatorRequest, Outcome, str], None]
_NOTHING: Final = "no sync of it is under way"
_WAY_BACK: Final = "it goes back to a release, and half of the way back is not left behind: that is not terminated"
_LATE: Final = "what was under way came to its end before it could be terminated"
_DELETED: Final = "it is being deleted, and that is not terminated"
_TESTS: Final = "its tests were ended"
_STAYS: Final = "what was applied stays; it is synced again after another commit, another spec, or a sync or refresh"


class _Ending(NamedTuple):
    """A termination whose pass has not ended yet: of which act, and of which commit and spec.

    `asked` are all who ended it, `before` is what had been asked for by then.
    """

    asked: list[OperatorRequest]
    act: str
    attempt: str
    before: list[OperatorRequest]


class Terminations:
    """Knows which syncs are under way, from what passes tell; `answer` takes how a request ended."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._under_way: dict[str, str] = {}
        self._endings: dict[str, _Ending] = {}

    def on_event(self, identity: str, event: events.Event) -> None:
        """For the event bus."""
        match event:
            case events.PlanMade():
                self._under_way[identity] = SYNC
            case events.RollingBack():
                self._under_way[identity] = ROLLBACK
            case events.Finished():
                self._under_way.pop(identity, None)
            case _:
                pass

    def take(self, state: ApplicationState, asked: OperatorRequest) -> bool:
        """End what is under way; the request is answered when it has ended.

        Whether something is ended that had not begun, so that no pass tells of it by itself.
        """
        act = self._act(state)
        if state.leaving or _is_deleted(state):
            self._answer(asked, Outcome.FAILED, _DELETED)
        elif (ending := self._endings.get(state.identity)) is not None:
            ending.asked.append(asked)
        elif act == ROLLBACK:
            self._answer(asked, Outcome.FAILED, _WAY_BACK)
        elif act and state.schedule.task is not None:
            attempt, before = attempt_name(state.app, state.source), _open(state)
            self._endings[state.identity] = _Ending([asked], act, attempt, before)
            state.schedule.termination = _told(asked)
            state.schedule.cancel(_told(asked))
        elif act:
            for one in state.schedule.take_requests():
                self._answer(one, Outcome.FAILED, _told(asked))
            if act == SYNC:
                _give_up(state, _told(asked))
            self._answer(asked, Outcome.DONE, _STAYS if act == SYNC else _TESTS)
            return True
        else:
            self._answer(asked, Outcome.FAILED, _NOTHING)
        return False

    def ended(self, state: ApplicationState, asked: OperatorRequest | None, *, finished: bool) -> bool:
        """A pass has ended, which was `asked` for; whether a person ended it, so that `asked` is answered."""
        self._under_way.pop(state.identity, None)
        ending, said = self._endings.pop(state.identity, None), state.schedule.termination
        state.schedule.termination = ""
        if ending is None:
            return False
        if finished:
            self._tell(ending, Outcome.FAILED, _LATE)
            return False
        # Also what had been asked for by then, and would begin now.
        for one in ending.before if asked is None or asked in ending.before else [*ending.before, asked]:
            if state.schedule.withdraw(one) or one is asked:
                self._answer(one, Outcome.FAILED, said)
        is_tests = ending.act == TEST
        # A newer commit is not held for what became of this one.
        if not is_tests and attempt_name(state.app, state.source) == ending.attempt:
            _give_up(state, said)
        self._tell(ending, Outcome.DONE, _TESTS if is_tests else _STAYS)
        return True

    def _tell(self, ending: _Ending, outcome: Outcome, message: str) -> None:
        for one in ending.asked:
            self._answer(one, outcome, message)

    def _act(self, state: ApplicationState) -> str:
        """What is under way, or asked for: a sync, a rollback, tests; "" for nothing that can be ended."""
        pending = state.schedule.operator_request
        if state.schedule.task is not None and pending is not None and pending.verb == ROLLBACK:
            return ROLLBACK
        if state.schedule.task is not None and state.identity in self._under_way:
            return self._under_way[state.identity]
        verbs = {one.verb for one in _open(state)}
        return next((verb for verb in (SYNC, TEST) if verb in verbs), "")


def _is_deleted(state: ApplicationState) -> bool:
    asked = state.schedule.operator_request
    return asked is not None and asked.verb == DELETE


def _open(state: ApplicationState) -> list[OperatorRequest]:
    """The syncs and tests that are asked for."""
    found = (state.schedule.operator_request, state.schedule.refresh_request)
    return [one for one in found if one is not None and one.verb in (SYNC, TEST)]


def _give_up(state: ApplicationState, said: str) -> None:
    """As after the last retry: neither time nor an event has it tried again, nor does a restart."""
    state.schedule.failures = max(state.schedule.failures, state.app.sync.retry.limit + 1)
    state.schedule.approved_set = ""
    state.report.ended(Outcome.FAILED, f"{said}; {_STAYS}")
    state.report.stopped()


def _told(asked: OperatorRequest) -> str:
    reason = str(asked.detail.get("reason") or "")
    return f"terminated by {asked.actor}" + (f": {reason}" if reason else "")
