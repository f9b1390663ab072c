"""What a controller knows of an Application between passes, and how it finds one by what it owns or waits for."""

import asyncio
from dataclasses import replace

import pytest

from gitops.controller.state import ApplicationIndex, ApplicationState, Schedule, SourceState, SyncTimes, attempt_name
from gitops.engine.states import Override, Response
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application, Destination, SourceSpec
from gitops.model.health import Health, HealthWord
from gitops.model.operator_command import REFRESH, ROLLBACK, SYNC, OperatorRequest
from gitops.model.revision import Revision
from gitops.testing.clock import SteppedClock

SHA = "c" * 40
APP = Application("app", source=SourceSpec(repoURL="https://git"), destination=Destination(namespace="shop"))
A, B = (ResourceKey("apps", "Deployment", "shop", name) for name in "ab")


def asked(verb, number=1):
    return OperatorRequest(number, APP.identity, verb, {}, "ada", "2026-01-01T00:00:00Z")


def known(**last):
    """One whose newest commit was planned."""
    state = ApplicationState(APP)
    state.source = SourceState(observed_revision=Revision(SHA, "main"), equivalent_revision=SHA)
    state.report.result = replace(state.last, response=Response.SETTLED, **last)
    state.live.owns = True
    return state


# ── how it stands ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("response", "sync"),
    [
        (Response.SETTLED, "Synced"),
        (Response.SYNC, "OutOfSync"),
        (Response.REPORT, "OutOfSync"),
        (Response.HELD, "OutOfSync"),
        (Response.APPROVAL, "OutOfSync"),
        (Response.SUSPENDED, "OutOfSync"),
        (None, "Unknown"),
    ],
)
def test_it_is_synced_where_the_newest_commit_was_planned_and_nothing_is_to_be_done(response, sync):
    state = known()
    state.report.result = replace(state.last, response=response)
    assert state.sync == sync


def test_nothing_is_known_of_a_commit_that_was_not_planned_or_with_a_problem():
    unread, newer, faulty = known(), known(), known(error="it cannot be rendered")
    unread.source = SourceState()
    newer.source = replace(newer.source, observed_revision=Revision("d" * 40, "main"))
    assert [state.sync for state in (unread, newer, faulty)] == ["Unknown"] * 3


def test_the_problem_is_that_of_its_spec_then_of_its_pass_then_of_its_repository():
    state = known(error="it cannot be rendered")
    state.source = replace(state.source, look_error="the host is away")
    state.spec_error = "spec.x: unknown field"
    assert state.problem == "spec.x: unknown field"
    state.spec_error = ""
    assert state.problem == "it cannot be rendered"
    state.report.well_again()
    assert state.problem == "the host is away"


def test_its_health_is_that_of_the_worst_object_with_what_its_pods_say():
    state = known()
    assert state.health.word is HealthWord.HEALTHY
    state.live.unhealthy = {
        A: Health(HealthWord.PROGRESSING, "1 of 2 run"),
        B: Health(HealthWord.DEGRADED, "it takes too long"),
    }
    assert (state.health.word, state.health.message) == (HealthWord.DEGRADED, "it takes too long")
    state.live.failures = {A: "no such image", B: "it crashes"}
    assert state.health.message == "it takes too long; it crashes"
    state.live.unhealthy = {B: Health(HealthWord.DEGRADED, "")}
    assert state.health.message == "it crashes"


def test_its_health_is_missing_before_a_sync_and_not_known_where_nobody_can_look():
    state = known()
    state.live.owns = False
    assert (state.health.word, state.health.message) == (HealthWord.MISSING, "it has not been synced")
    state.live.owns = None
    assert state.health.word is HealthWord.UNKNOWN
    state.live.owns = True
    state.missed("nobody answers", is_away=True)
    assert (state.health.word, state.health.message) == (HealthWord.UNKNOWN, "nobody answers")
    assert state.schedule.misses == 1
    state.report.reached()
    assert state.health.word is HealthWord.HEALTHY


def test_a_pass_has_work_once_a_commit_was_seen_or_cannot_be_and_where_it_is_deleted():
    state = ApplicationState(APP)
    assert not state.has_work
    state.leaving = True
    assert state.has_work
    state.leaving, state.source = False, SourceState(look_error="the host is away")
    assert state.has_work
    assert known().has_work


def test_what_depends_on_it_hears_once_that_it_stands_otherwise():
    state = known()
    assert [state.stands_otherwise() for _ in range(2)] == [True, False]
    state.live.unhealthy = {A: Health(HealthWord.DEGRADED, "it crashes")}
    assert [state.stands_otherwise() for _ in range(2)] == [True, False]


def test_it_is_given_up_after_the_last_retry_and_not_before():
    state = known()
    limit = APP.sync.retry.limit
    assert not state.is_given_up
    state.schedule.failures = limit
    assert not state.is_given_up
    state.schedule.failures = limit + 1
    assert state.is_given_up
    state.schedule.begin_anew()
    assert not state.is_given_up


def test_another_plan_than_was_approved_is_another_but_for_the_rest_of_the_same_set():
    plan, other = "a" * 64, "b" * 64
    state = known(plan_id=plan, digest="set")
    assert state.has_another_plan(Override(approved=other))
    assert not state.has_another_plan(Override(approved=plan))
    state.schedule.approved_set = "set"
    assert not state.has_another_plan(Override(approved=other))
    state.schedule.approved_set = "another set"
    assert state.has_another_plan(Override(approved=other))
    assert not known().has_another_plan(Override(approved=other)), "there is no plan yet"


def test_what_was_tried_has_another_name_with_another_commit_or_spec():
    source = known().source
    name = attempt_name(APP, source)
    assert name == attempt_name(replace(APP), source)
    assert name != attempt_name(replace(APP, interval=7.0), source)
    assert name != attempt_name(APP, replace(source, observed_revision=Revision("d" * 40, "main")))
    assert attempt_name(APP, SourceState()).startswith(" ")


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_asked_for_is_taken_once_in_the_order_in_which_it_is_done():
    look, sync = asked(REFRESH, 1), asked(SYNC, 2)
    schedule = Schedule(refresh_request=look, operator_request=sync)
    assert (schedule.requested_sync, schedule.is_for_person) == (sync, True)
    assert schedule.take_requests() == [look, sync]
    assert schedule.take_requests() == []
    assert (schedule.requested_sync, schedule.is_for_person) == (None, False)


@pytest.mark.parametrize(("verb", "is_for_person"), [(REFRESH, False), (SYNC, True), (ROLLBACK, True)])
def test_a_look_may_be_anybodys_and_only_a_sync_is_a_sync(verb, is_for_person):
    schedule = Schedule(operator_request=asked(verb))
    assert schedule.is_for_person is is_for_person
    assert (schedule.requested_sync is None) is (verb != SYNC)


def test_what_is_withdrawn_is_not_done_and_the_rest_is():
    look, sync = asked(REFRESH, 1), asked(SYNC, 2)
    schedule = Schedule(refresh_request=look, operator_request=sync)
    assert not schedule.withdraw(asked(SYNC, 3))
    assert schedule.withdraw(look)
    assert (schedule.refresh_request, schedule.operator_request) == (None, sync)
    assert schedule.withdraw(sync)
    assert schedule.operator_request is None
    assert not schedule.withdraw(sync)


def test_a_pass_is_ended_for_the_first_cause_that_was_given():
    async def story():
        schedule = Schedule()
        schedule.cancel("nothing is under way")
        assert schedule.cancelled_by == ""
        schedule.task = asyncio.create_task(asyncio.Event().wait())
        schedule.cancel("there is a newer commit")
        schedule.cancel("it is gone")
        assert schedule.cancelled_by == "there is a newer commit"
        await asyncio.wait([schedule.task])
        assert schedule.task.cancelled()

    asyncio.run(story())


def test_whatever_begins_anew_has_failed_never():
    schedule = Schedule(failures=3, misses=2, unanswered=1, not_before=9.0, approved_set="set")
    schedule.begin_anew()
    assert schedule == Schedule(approved_set="set")
    assert [schedule.failed(), schedule.failed()] == [1, 2]


def test_how_long_things_took_is_told_once():
    async def story():
        clock, times = SteppedClock(), SyncTimes()
        times.healthy(clock)
        assert times.healthy_seconds is None, "no commit was seen yet"
        await clock.step(10)
        times.pushed_at = started = clock.monotonic()
        await clock.step(5)
        assert times.sync_ended(clock, started) == 5.0
        assert times.synced_at == clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        await clock.step(2)
        times.healthy(clock)
        times.healthy(clock)
        assert (times.sync_seconds, times.healthy_seconds, times.pushed_at) == (5.0, 7.0, 0.0)
        times.counted()
        assert (times.sync_seconds, times.healthy_seconds) == (None, None)

    asyncio.run(story())


# ── who is whose ─────────────────────────────────────────────────────────────────────────────────────────────────────


def named(name, **parts):
    return replace(APP, name=name, **parts)


def names(states):
    return [state.app.name for state in states]


def test_an_object_is_heard_of_by_whom_it_names_else_by_all_who_want_its_set():
    index = ApplicationIndex()
    one = index.add(APP)
    other = index.add(replace(APP, namespace="team"))
    far = index.add(replace(APP, namespace="far", destination=replace(APP.destination, cluster="far")))
    assert index.owners("", one.set_id, "") == [one, other]
    assert index.owners("", one.set_id, "team/app") == [other]
    assert index.owners("", one.set_id, "nobody/app") == [one, other]
    assert index.owners("far", one.set_id, "") == [far]
    assert index.owners("", "another set", "") == []


def test_one_that_goes_elsewhere_or_is_removed_hears_of_its_old_set_no_more():
    index = ApplicationIndex()
    one, other = index.add(APP), index.add(replace(APP, namespace="team"))
    old = one.set_id
    index.add(replace(APP, destination=Destination(namespace="moved")))
    assert index.owners("", old, "") == [other]
    assert index.owners("", one.set_id, "") == [one]
    index.remove("team/app")
    index.remove("team/app")
    assert (index.owners("", old, ""), len(index), index.get("team/app")) == ([], 1, None)


def test_who_depends_on_one_is_woken_by_it_while_it_does():
    index = ApplicationIndex()
    index.add(named("db"))
    index.add(named("web", dependsOn=("db", "app")))
    index.add(named("job", dependsOn=("gitops/db", "job")))
    assert names(index.dependents("gitops/db")) == ["job", "web"]
    assert names(index.dependents("gitops/job")) == []
    index.add(named("job"))
    assert names(index.dependents("gitops/db")) == ["web"]
    index.remove("gitops/web")
    assert names(index.dependents("gitops/db")) == []


def test_another_spec_keeps_what_is_still_true():
    index = ApplicationIndex()
    state = index.add(APP)
    state.source = known().source
    state.report.result = replace(state.last, response=Response.SETTLED)
    assert index.add(replace(APP, interval=7.0)) is state
    assert (state.app.interval, state.source.equivalent_revision, state.last.response) == (7.0, SHA, Response.SETTLED)
    index.add(replace(APP, source=replace(APP.source, path="below")))
    assert (state.source, state.last.response) == (SourceState(), None)


def test_since_when_a_commit_waits_to_be_healthy_is_counted_from_when_it_was_seen():
    async def story():
        clock, index = SteppedClock(), ApplicationIndex()
        state = index.add(APP)
        await clock.step(10)
        assert index.since_seen(clock, APP.identity) == 0.0
        state.times.pushed_at = clock.monotonic()
        await clock.step(5)
        assert (index.since_seen(clock, APP.identity), index.since_seen(clock, "gitops/none")) == (5.0, 0.0)

    asyncio.run(story())
