"""A suspended Application is left as it is, whatever is under way or comes, until it is resumed."""

import time

from gitops.controller.people import SUSPENDED
from gitops.controller.records import stored_record
from gitops.model.result import Outcome
from tests.scenarios.running import Running
from tests.scenarios.test_unfinished_rollback import image
from tests.scenarios.world import config_map, deployment

APP = "gitops/app"


def suspend(running, identity=APP):
    running.ask(running.controller.store.set_setting(identity, SUSPENDED, "ada"))


def resume(running, identity=APP):
    running.ask(running.controller.store.set_setting(identity, SUSPENDED, None))


def test_a_suspension_ends_the_sync_under_way_and_resume_goes_on_with_it(world):
    good = world.commit(web=deployment(), settings=config_map("settings"))
    with Running(world, timeout=4.0) as running:
        running.until_synced(good)
        world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: image(world) == "nginx:broken")
        suspend(running)
        running.until(
            lambda: (told := running.ask(stored_record(running.controller.store, APP))) and told.suspended, 2.5
        )
        running.until(lambda: running.tracked().task is None)
        time.sleep(4.0)  # the sync would have failed by now, and been rolled back
        assert image(world) == "nginx:broken"
        resume(running)
        running.until(lambda: running.tracked().outcome is Outcome.ROLLED_BACK, 30)
        assert image(world) == "nginx:1.26"
    assert "sync.interrupted" in [event.fact for event in world.check_audit()]


def test_a_sync_that_a_person_asked_for_goes_on_although_it_is_suspended_meanwhile(world):
    world.commit(web=deployment(image="nginx:broken"))
    with Running(world, automated=False, timeout=4.0) as running:
        running.until(lambda: running.tracked().digest)
        running.ask(running.controller.store.request(APP, "sync", {}, "ada", "2026-01-01T00:00:00Z"))
        running.until(lambda: world.get("Deployment", "web", "apps"))
        suspend(running)
        running.until(lambda: running.tracked().outcome is Outcome.FAILED)
    facts = [event.fact for event in world.audit()]
    assert ("sync.failed" in facts, "sync.interrupted" in facts) == (True, False)
