"""A person ends the sync that is under way: what was applied stays, and nothing begins it again by itself."""

import time

import pytest

from gitops.engine.states import Response
from gitops.model.result import Outcome
from gitops.sync.record_reader import stored_record
from tests.scenarios.running import Running
from tests.scenarios.test_unfinished_rollback import image
from tests.scenarios.world import config_map, deployment

APP = "gitops/app"


def ask(running, verb, **detail):
    at = "2026-01-01T00:00:00Z"
    return running.ask(running.controller.store.request(APP, verb, detail, "ada", at))


def answer(running, number):
    running.until(lambda: running.ask(running.controller.store.outcome(number)) is not None)
    return running.ask(running.controller.store.outcome(number))


def waits(running, world):
    """A sync that never becomes healthy, and is under way."""
    world.commit(web=deployment(image="nginx:broken"), settings=config_map("settings"))
    running.until(lambda: image(world) == "nginx:broken")


@pytest.fixture
def running(world):
    good = world.commit(web=deployment(), settings=config_map("settings"))
    with Running(world, timeout=60.0) as found:
        found.until_synced(good)
        yield found


def test_a_terminated_sync_ends_and_what_it_applied_stays(world, running):
    waits(running, world)
    told = answer(running, ask(running, "terminate", reason="the wrong day"))
    assert '"outcome": "done"' in told
    time.sleep(2.5)  # events of the rollout come, and begin nothing
    assert image(world) == "nginx:broken"
    last = running.tracked().last
    assert (last.response, last.outcome) == (Response.HELD, Outcome.FAILED)
    assert last.message.startswith("terminated by ada: the wrong day; what was applied stays")
    facts = [event.fact for event in world.check_audit()]
    assert (facts.count("sync.started"), facts[-1]) == (2, "sync.terminated")
    assert (detail := world.audit()[-1].detail)["namespace"] == world.namespace
    assert detail["cluster"] == "in-cluster"
    assert world.inventory().last.outcome == "failed"


def test_another_commit_goes_on_after_it(world, running):
    waits(running, world)
    answer(running, ask(running, "terminate"))
    sha = world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings"))
    running.until_synced(sha)
    assert image(world) == "nginx:1.27"


def test_a_refresh_goes_on_with_the_same_commit(world, running):
    waits(running, world)
    answer(running, ask(running, "terminate"))
    ask(running, "refresh")
    running.until(lambda: [one.fact for one in world.audit()].count("sync.started") == 3)


def test_a_restart_does_not_begin_it_again(world):
    good = world.commit(web=deployment())
    with Running(world, timeout=60.0) as running:
        running.until_synced(good)
        waits(running, world)
        answer(running, ask(running, "terminate"))
        store = running.controller.store
        running.until(lambda: "terminated" in running.ask(stored_record(store, APP)).reason)
    with Running(world, timeout=60.0) as running:
        running.until(lambda: running.tracked().last.response is Response.HELD)
        time.sleep(1.5)
        assert "terminated by ada" in running.tracked().last.message
    assert [one.fact for one in world.check_audit()].count("sync.started") == 2


def test_the_sync_that_a_person_asked_for_is_told_that_it_was_terminated(world):
    world.commit(web=deployment(image="nginx:broken"))
    with Running(world, automated=False, timeout=60.0) as running:
        running.until(lambda: running.tracked().last.digest)
        sync = ask(running, "sync")
        running.until(lambda: world.get("Deployment", "web", "apps"))
        ask(running, "terminate", reason="no")
        assert "terminated by ada: no" in answer(running, sync)
        running.until(lambda: running.tracked().last.response is Response.APPROVAL)
        time.sleep(1.0)
        assert image(world) == "nginx:broken"  # drift of what was synced before is not put back meanwhile
        assert running.tracked().schedule.operator_request is None


def test_an_approval_does_not_begin_a_terminated_sync_again(world):
    world.commit(web=deployment(image="nginx:broken"))
    with Running(world, automated=False, timeout=60.0) as running:
        running.until(lambda: running.tracked().last.response is Response.APPROVAL)
        store, plan = running.controller.store, running.tracked().last.plan_id
        running.ask(store.set_setting(APP, "approved", plan))
        running.until(lambda: world.get("Deployment", "web", "apps"))
        answer(running, ask(running, "terminate"))
        running.until(lambda: running.ask(store.setting(APP, "approved")) is None)
        time.sleep(1.5)
    assert [one.fact for one in world.check_audit()].count("sync.started") == 1


def test_drift_correction_does_not_take_back_what_a_terminated_sync_applied(world):
    """Also where nothing is synced by itself, and after a restart."""
    good = world.commit(web=deployment())
    with Running(world, automated=False, timeout=60.0) as running:
        running.until(lambda: running.tracked().last.digest)
        answer(running, ask(running, "sync"))
        running.until_synced(good)
        world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: running.tracked().last.response is Response.APPROVAL)
        ask(running, "sync")
        running.until(lambda: image(world) == "nginx:broken")
        answer(running, ask(running, "terminate"))
        store = running.controller.store
        running.until(lambda: running.ask(stored_record(store, APP)).failures > 5)
    with Running(world, automated=False, timeout=60.0) as running:
        running.until(lambda: running.tracked().last.response is Response.APPROVAL)
        time.sleep(1.5)
        assert image(world) == "nginx:broken"


def test_where_nothing_is_under_way_that_is_said(world, running):
    assert "no sync of it is under way" in answer(running, ask(running, "terminate"))
    assert running.tracked().sync == "Synced"


def test_a_rollback_is_not_ended_half_way(world):
    good = world.commit(web=deployment())
    with Running(world, timeout=1.5) as running:
        running.until_synced(good)
        waits(running, world)
        controller, seen = running.controller, []
        controller.bus.subscribe(lambda _, event: seen.append(type(event).__name__))
        running.until(lambda: "RollingBack" in seen)
        ask(running, "terminate")
        running.until(lambda: running.tracked().last.outcome is Outcome.ROLLED_BACK, 30)
        assert image(world) == "nginx:1.26"


def test_the_command_ends_it_and_says_what_stays(world, running):
    waits(running, world)
    done = world.gitops("terminate", "app", "-n", world.namespace, "--reason", "the wrong day")
    assert (done.returncode, done.stderr.startswith("gitops/app: terminated: what was applied stays")) == (0, True)
    again = world.gitops("terminate", "app", "-n", world.namespace)
    assert (again.returncode, "no sync of it is under way" in again.stderr) == (4, True)
    asked = [one for one in world.check_audit() if one.fact == "terminate.requested"]
    assert asked[0].detail["reason"] == "the wrong day"


def test_who_waits_for_its_commit_is_told(world, running):
    waits(running, world)
    answer(running, ask(running, "terminate", reason="no"))
    sha = running.tracked().source.observed_revision.sha
    done = world.gitops("wait", "app", "-n", world.namespace, "--revision", sha, "--timeout", "20s")
    assert (done.returncode, "terminated by ada: no" in done.stderr) == (4, True)
