"""What operators ask for: who takes it, what it displaces, and that each is answered once."""

import asyncio
from itertools import count

import pytest

from gitops.controller.operator_requests import OperatorRequests
from gitops.controller.state import ApplicationState
from gitops.controller.termination import Terminations
from gitops.model.application import Application, Destination, SourceSpec
from gitops.model.operator_command import DELETE, PING, REFRESH, ROLLBACK, SYNC, TERMINATE, TEST, OperatorRequest
from gitops.model.result import Outcome

SHOP = Application("shop", "team", SourceSpec(path="apps/shop"), Destination(namespace="shop"))


_numbers = count(1)


class Asked:
    """A controller's requests, and what came of them: (number, outcome) of answers, who was looked at and woken."""

    def __init__(self, *, runs=True):
        self.state, self.answers, self.looked, self.woken = ApplicationState(SHOP), [], 0, 0
        running = {SHOP.identity: self.state} if runs else {}
        self.requests = OperatorRequests(running.get, self.answer, self.look, self.wake, Terminations(self.answer))

    def answer(self, asked, outcome, message):
        self.answers.append((asked.verb, outcome))

    def look(self, state):
        self.looked += 1

    def wake(self, state):
        self.woken += 1

    def ask(self, *verbs):
        return [self.requests.take(request(verb)) for verb in verbs]


def request(verb):
    return OperatorRequest(next(_numbers), SHOP.identity, verb, {}, "ada", "2026-01-01T00:00:00Z")


def test_a_request_that_a_pass_took_from_the_store_itself_is_not_answered_as_overtaken_by_itself():
    asked = Asked()
    one = asked.state.schedule.operator_request = request(DELETE)
    assert asked.requests.take(one)
    assert (asked.answers, asked.woken, asked.state.schedule.operator_request) == ([], 0, one)


@pytest.mark.parametrize("verb", [DELETE, SYNC, REFRESH, ROLLBACK, TERMINATE, TEST, PING])
def test_what_is_asked_of_an_application_that_another_replica_runs_is_left_to_that_one(verb):
    asked = Asked(runs=False)
    assert asked.ask(verb) == [False]
    assert (asked.answers, asked.looked, asked.woken) == ([], 0, 0)


def test_a_ping_is_answered_at_once_and_a_word_of_a_newer_version_is_refused():
    asked = Asked()
    assert asked.ask(PING, "dance") == [True, True]
    assert asked.answers == [(PING, Outcome.IN_SYNC), ("dance", Outcome.FAILED)]


def test_a_sync_looks_at_the_repository_first_and_a_rollback_does_not():
    asked = Asked()
    asked.ask(SYNC)
    assert (asked.looked, asked.woken) == (1, 0)
    asked.ask(ROLLBACK)
    assert (asked.looked, asked.woken) == (1, 1)
    assert asked.answers == [(SYNC, Outcome.FAILED)], "the sync is told that a rollback is done instead"


@pytest.mark.parametrize(("verb", "is_ended"), [(ROLLBACK, True), (DELETE, True), (SYNC, False), (REFRESH, False)])
def test_what_is_done_whatever_the_repository_holds_ends_the_pass_that_is_under_way(verb, is_ended):
    async def story():
        asked = Asked()
        asked.state.schedule.task = under_way = asyncio.create_task(asyncio.Event().wait())
        asked.ask(verb)
        was_ended = under_way.cancelling() > 0
        under_way.cancel()
        return was_ended

    assert asyncio.run(story()) is is_ended


@pytest.mark.parametrize("verb", [SYNC, REFRESH, ROLLBACK])
def test_what_failed_before_a_person_asked_delays_nothing_any_more(verb):
    asked = Asked()
    schedule = asked.state.schedule
    schedule.failures, schedule.misses, schedule.unanswered, schedule.not_before = 3, 3, 3, 3.0
    asked.ask(verb)
    assert (schedule.failures, schedule.misses, schedule.unanswered, schedule.not_before) == (0, 0, 0, 0.0)


def test_tests_wait_for_nobody_and_are_held_by_what_was_asked_for_before():
    asked = Asked()
    asked.ask(TEST)
    assert (asked.answers, asked.woken) == ([], 1)
    asked.ask(TEST)
    assert (asked.answers, asked.woken) == ([(TEST, Outcome.HELD)], 1)


@pytest.mark.parametrize(("verb", "finished", "answers"), [(TEST, False, [TEST]), (TEST, True, []), (SYNC, False, [])])
def test_tests_that_were_cut_short_are_answered_and_nothing_else_is(verb, finished, answers):
    asked, own = Asked(), request(verb)
    asked.state.schedule.operator_request = own
    assert not asked.requests.ended(asked.state, own, finished=finished)
    assert [verb for verb, _ in asked.answers] == answers
    assert (asked.state.schedule.operator_request is None) is bool(answers)


def test_a_pass_that_nobody_asked_for_answers_nobody():
    asked = Asked()
    asked.ask(TEST)
    assert not asked.requests.ended(asked.state, None, finished=False)
    assert asked.state.schedule.operator_request is not None
    assert asked.answers == []
