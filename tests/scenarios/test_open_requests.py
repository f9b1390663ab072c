"""What was asked for is answered, whatever becomes of the Application and of who runs it meanwhile."""

import asyncio
import json
import time

import pytest

from gitops.model.operator_command import OperatorRequest
from gitops.sync.events import Wrote
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_termination import APP, answer, ask, waits
from tests.scenarios.test_unfinished_rollback import image
from tests.scenarios.world import config_map, deployment

ONE = "/applications/gitops/app"


@pytest.fixture
def running(world):
    good = world.commit(web=deployment(), settings=config_map("settings"))
    with Running(world, timeout=60.0) as found:
        found.until_synced(good)
        yield found


@pytest.mark.parametrize("verb", ["sync", "refresh", "test"])
def test_who_asked_for_what_an_application_that_goes_does_not_live_to_see_is_told(world, running, verb):
    waits(running, world)
    number = ask(running, verb)
    schedule = running.tracked().schedule
    running.until(lambda: schedule.refresh_request or schedule.operator_request)
    running.call(lambda: running.controller.registry.drop("test", APP))
    assert json.loads(answer(running, number))["outcome"] == "failed"


@pytest.mark.parametrize("verb", ["sync", "refresh"])
def test_what_is_under_way_when_another_takes_over_is_done_by_that_one(world, running, verb):
    waits(running, world)
    number = ask(running, verb)
    running.until(lambda: running.tracked().schedule.operator_request)
    _hand_over(running)
    world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings"))
    assert json.loads(answer(running, number))["outcome"] in ("synced", "in-sync")
    assert image(world) == "nginx:1.27"


def test_a_termination_holds_although_another_takes_over(world, running):
    waits(running, world)
    number = ask(running, "terminate")
    running.until(lambda: running.tracked().schedule.termination or running.tracked().schedule.failures)
    _hand_over(running)
    assert json.loads(answer(running, number))["outcome"] == "done"
    time.sleep(1.5)
    assert [one.fact for one in world.check_audit()].count("sync.started") == 2


def test_a_rollback_that_another_takes_over_is_finished_and_said_to_be(world, running, tmp_path):
    second = world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings"))
    running.until_synced(second)
    with Web(running, tmp_path) as web:
        plan = web.get(f"{ONE}/rollback?release=1")
        seen = []
        running.controller.bus.subscribe(lambda _, event: seen.append(type(event).__name__))
        number = web.post(f"{ONE}/rollback", release=1, plan=plan["id"]).json["request"]
        running.until(lambda: "Wrote" in seen)
        _hand_over(running)
        running.until(lambda: web.get(f"/requests/{number}")["outcome"])
        found = web.get(f"/requests/{number}")
        running.until(lambda: running.tracked().health.word.value == "Healthy")
        time.sleep(1)
        assert found["outcome"] in ("synced", "in-sync"), found
        assert image(world) == "nginx:1.26"


def test_a_rollback_that_a_newer_commit_cuts_short_is_gone_on_with(world, running, tmp_path):
    second = world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings"))
    running.until_synced(second)
    cut = []

    def newer(_, event):
        if isinstance(event, Wrote) and not cut:
            cut.append(event)
            running.controller._on_commit(running.tracked(), running.tracked().source.observed_revision)

    with Web(running, tmp_path) as web:
        plan = web.get(f"{ONE}/rollback?release=1")
        running.controller.bus.subscribe(newer)
        number = web.post(f"{ONE}/rollback", release=1, plan=plan["id"]).json["request"]
        running.until(lambda: web.get(f"/requests/{number}")["outcome"])
        found = web.get(f"/requests/{number}")
        assert (found["outcome"], image(world)) == ("synced", "nginx:1.26"), found
        quarantine = web.get(f"{ONE}/resources")["inventory"]["quarantine"]
        assert (quarantine["revision"], quarantine["reason"]) == (second, "rolled back by ada")


@pytest.mark.parametrize("verb", ["rollback", "test"])
def test_a_suspension_ends_nothing_that_a_person_asked_for(running, verb):
    async def asked_for():
        schedule = running.tracked().schedule
        schedule.operator_request = OperatorRequest(1, APP, verb, {}, "ada", "2026-01-01T00:00:00Z")
        schedule.task = task = asyncio.create_task(asyncio.sleep(60))
        running.controller.commands._suspended[APP] = "by ada"
        running.controller._on_override(APP)
        is_cancelled = bool(task.cancelling())
        task.cancel()
        schedule.operator_request = schedule.task = None
        return is_cancelled

    assert running.ask(asked_for()) is False


def test_a_rollback_that_is_done_is_said_to_be_while_the_repository_cannot_be_read(world, running, tmp_path):
    second = world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings"))
    running.until_synced(second)
    with Web(running, tmp_path) as web:
        world.repository.rename(world.repository.with_name("away"))
        running.until(lambda: running.tracked().source.look_error)
        plan = web.get(f"{ONE}/rollback?release=1")
        number = web.post(f"{ONE}/rollback", release=1, plan=plan["id"]).json["request"]
        running.until(lambda: web.get(f"/requests/{number}")["outcome"])
        found = web.get(f"/requests/{number}")
        assert (found["outcome"], image(world)) == ("synced", "nginx:1.26"), found


def _hand_over(running):
    """As another replica would: it is let go of, and taken again by one that knows nothing of it."""
    running.ask(running.controller.let_go(lambda _: False))
    running.call(running.controller.wake_all)
