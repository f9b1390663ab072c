"""What people ask the controller for through the store: each request is begun here, and answered when it has ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from gitops.controller.state import ApplicationState
from gitops.controller.termination import Answer, Terminations
from gitops.model.operator_command import DELETE, PING, REFRESH, ROLLBACK, SYNC, TERMINATE, TEST, OperatorRequest
from gitops.model.result import Outcome

log = structlog.get_logger()
_KNOWN: Final = (SYNC, REFRESH, ROLLBACK, TERMINATE, TEST, DELETE)
# What is done whatever the repository holds now, and what is said of the pass that it ends.
_WITHOUT_LOOK: Final = {ROLLBACK: "goes back to a release", DELETE: "deletes it"}


@dataclass(frozen=True, slots=True)
class OperatorRequests:
    """`running` gives an Application that this replica runs; `answer` takes how a request ended.

    `look` has its repository looked at, `wake` has it passed over.
    """

    running: Callable[[str], ApplicationState | None]
    answer: Answer
    look: Callable[[ApplicationState], None]
    wake: Callable[[ApplicationState], None]
    terminations: Terminations

    def take(self, asked: OperatorRequest) -> bool:
        """Begin what is asked for; False where it is another replica's."""
        state = self.running(asked.application)
        if state is None:
            return False
        if asked in (state.schedule.operator_request, state.schedule.refresh_request):
            return True  # its pass has taken it already
        if asked.verb not in _KNOWN:  # a ping, or a word of a newer version
            self.answer(asked, Outcome.IN_SYNC if asked.verb == PING else Outcome.FAILED, f"{asked.verb} is heard")
            return True
        log.info("request.taken", application=asked.application, verb=asked.verb, actor=asked.actor)
        if asked.verb == TERMINATE:
            if self.terminations.take(state, asked):
                self.wake(state)
        elif asked.verb == TEST:
            self._begin_tests(state, asked)
        else:
            self._begin(state, asked)
        return True

    def ended(self, state: ApplicationState, asked: OperatorRequest | None, *, finished: bool) -> bool:
        """A pass has ended, which was `asked` for; whether a person terminated it."""
        schedule = state.schedule
        if self.terminations.ended(state, asked, finished=finished):
            return True
        if not finished and asked is not None and asked.verb == TEST and schedule.operator_request is asked:
            self.answer(asked, Outcome.FAILED, "the tests were cut short: something else is to be done now")
            schedule.operator_request = None
        return False

    def _begin_tests(self, state: ApplicationState, asked: OperatorRequest) -> None:
        """They are of what was synced, and wait for nobody: what was asked for before goes first."""
        schedule = state.schedule
        before = schedule.refresh_request or schedule.operator_request
        if before is not None:
            self.answer(asked, Outcome.HELD, f"the {before.verb} that {before.actor} asked for is not done yet")
            return
        schedule.operator_request = asked
        self.wake(state)

    def _begin(self, state: ApplicationState, asked: OperatorRequest) -> None:
        schedule = state.schedule
        for other in schedule.take_requests():
            why = f"{asked.actor} asked for a {asked.verb} meanwhile, which is done instead"
            self.answer(other, Outcome.FAILED, why)
            if other.verb == TEST:
                schedule.cancel(why)
        schedule.begin_anew()
        state.drift.begin_anew(keeps_corrections=True)
        if asked.verb in _WITHOUT_LOOK:
            schedule.operator_request = asked
            schedule.cancel(f"{asked.actor} {_WITHOUT_LOOK[asked.verb]}")
            self.wake(state)
            return
        schedule.refresh_request = asked
        self.look(state)
