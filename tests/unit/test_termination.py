"""What a termination ends: what is under way, and what was asked for before it and has not begun."""

import asyncio
from pathlib import Path

from gitops.controller.state import ApplicationState
from gitops.controller.termination import Terminations
from gitops.model.application import Application, Destination, SourceSpec
from gitops.model.operator_command import REFRESH, SYNC, TERMINATE, TEST, OperatorRequest
from gitops.model.plan import Plan
from gitops.model.result import Outcome
from gitops.model.revision import Revision
from gitops.sync import events


def state_of():
    source = SourceSpec(repoURL=Path("/nowhere").as_uri(), path="")
    return ApplicationState(Application("app", "gitops", source=source, destination=Destination(namespace="x")))


def asked(number, verb):
    return OperatorRequest(number, "gitops/app", verb, {}, "ada", "2026-01-01T00:00:00Z")


class Told:
    """The answers, by the numbers of the requests."""

    def __init__(self):
        self.by_number = {}
        self.terminations = Terminations(self.answer)

    def answer(self, request, outcome, message):
        self.by_number[request.number] = (outcome, message)

    async def ended(self, state, request=None, *, begins=True, meanwhile=lambda: None):
        """A pass that is terminated by request 9 ends, after what happens `meanwhile`."""
        task = asyncio.create_task(asyncio.sleep(60))
        state.schedule.task = task
        if begins:
            self.terminations.on_event(state.identity, events.PlanMade(Plan("gitops/app", Revision("a", ""), "d", ())))
        self.terminations.take(state, asked(9, TERMINATE))
        meanwhile()
        await asyncio.gather(task, return_exceptions=True)
        state.schedule.task = None
        return self.terminations.ended(state, request, finished=False)


def test_tests_that_have_not_begun_are_withdrawn_and_the_sync_is_not_given_up():
    state, told = state_of(), Told()
    state.schedule.operator_request = asked(1, TEST)
    assert told.terminations.take(state, asked(2, TERMINATE))
    assert {number: outcome for number, (outcome, _) in told.by_number.items()} == {1: Outcome.FAILED, 2: Outcome.DONE}
    assert told.by_number[2][1] == "its tests were ended"
    assert (state.schedule.failures, state.last.outcome, state.schedule.operator_request) == (0, None, None)


def test_a_sync_that_has_not_begun_is_withdrawn_with_the_pass_before_it():
    state, told = state_of(), Told()
    for begins in (True, False):
        state.schedule.operator_request = asked(1, SYNC)
        assert asyncio.run(told.ended(state, begins=begins))
        assert told.by_number[1] == (Outcome.FAILED, "terminated by ada")
        assert state.schedule.operator_request is None
        assert told.by_number.pop(9)[0] is Outcome.DONE


def test_who_asked_for_a_look_that_became_the_sync_is_told_too():
    state, told = state_of(), Told()
    state.schedule.operator_request = look = asked(1, REFRESH)
    assert asyncio.run(told.ended(state, look))
    assert told.by_number[1] == (Outcome.FAILED, "terminated by ada")
    assert state.schedule.operator_request is None


def test_what_was_asked_for_after_the_termination_is_still_to_be_done():
    state, told = state_of(), Told()

    def ask():
        state.schedule.refresh_request = asked(10, REFRESH)
        state.schedule.operator_request = asked(11, SYNC)

    assert asyncio.run(told.ended(state, meanwhile=ask))
    assert (state.schedule.refresh_request.number, state.schedule.operator_request.number) == (10, 11)
    assert told.by_number.keys() == {9}


def test_all_who_terminate_one_sync_are_told_how_that_ended():
    state, told = state_of(), Told()
    asyncio.run(told.ended(state, meanwhile=lambda: told.terminations.take(state, asked(12, TERMINATE))))
    assert told.by_number[12] == told.by_number[9] == (Outcome.DONE, told.by_number[9][1])

    async def late():
        state.schedule.task = task = asyncio.create_task(asyncio.sleep(60))
        told.terminations.on_event(state.identity, events.PlanMade(Plan("gitops/app", Revision("a", ""), "d", ())))
        for number in (13, 14):
            told.terminations.take(state, asked(number, TERMINATE))
        assert {13, 14}.isdisjoint(told.by_number)
        told.terminations.ended(state, None, finished=True)
        task.cancel()

    asyncio.run(late())
    assert told.by_number[13] == told.by_number[14]
    assert told.by_number[13][0] is Outcome.FAILED


def test_a_deletion_is_not_terminated():
    state, told = state_of(), Told()
    state.leaving = True
    state.schedule.operator_request = asked(1, SYNC)
    told.terminations.take(state, asked(2, TERMINATE))
    assert told.by_number.keys() == {2}
    assert told.by_number[2] == (Outcome.FAILED, "it is being deleted, and that is not terminated")
