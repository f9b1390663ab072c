"""A suspended Application is left as it is, whatever is under way or comes, until it is resumed."""

import time

from gitops.engine.states import Response
from gitops.model.operator_command import SUSPENDED
from gitops.model.result import Outcome
from gitops.sync.record_reader import stored_record
from tests.scenarios.running import Running
from tests.scenarios.test_controller import custom_resource, make_kind, resources, standing
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
        running.until(lambda: running.tracked().schedule.task is None)
        time.sleep(4.0)  # the sync would have failed by now, and been rolled back
        assert image(world) == "nginx:broken"
        resume(running)
        running.until(lambda: running.tracked().last.outcome is Outcome.ROLLED_BACK, 30)
        assert image(world) == "nginx:1.26"
    assert "sync.interrupted" in [event.fact for event in world.check_audit()]


def test_a_suspension_holds_from_the_moment_that_it_is_said(world, monkeypatch):
    good = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(good)
        monkeypatch.setattr("gitops.controller.app._STORE_SECONDS", 60.0)
        time.sleep(1.1)  # from here on the controller does not ask for what was said
        suspend(running)
        newer = world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: running.tracked().source.rendered == newer)
        running.until(lambda: running.tracked().last.response is Response.SUSPENDED)
        assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_a_sync_that_a_person_asked_for_goes_on_although_it_is_suspended_meanwhile(world):
    world.commit(web=deployment(image="nginx:broken"))
    with Running(world, automated=False, timeout=4.0) as running:
        running.until(lambda: running.tracked().last.digest)
        running.ask(running.controller.store.request(APP, "sync", {}, "ada", "2026-01-01T00:00:00Z"))
        running.until(lambda: world.get("Deployment", "web", "apps"))
        suspend(running)
        running.until(lambda: running.tracked().last.outcome is Outcome.FAILED)
    facts = [event.fact for event in world.audit()]
    assert ("sync.failed" in facts, "sync.interrupted" in facts) == (True, False)


def test_a_suspended_custom_resource_that_is_deleted_waits_until_it_is_resumed_and_leaves_no_word_behind(world):
    make_kind(world)
    world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    made = custom_resource(world, finalizers=["gitops.dev/prune"])
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), made)
        running.until(lambda: running.tracked(identity) and running.tracked(identity).sync == "Synced")
        suspend(running, identity)
        world.request("DELETE", resources(world, "app"))
        running.until(lambda: "deletion waits until it is resumed" in str(standing(world).get("conditions")))
    with Running(world, resources=True) as running:  # neither does a restart go on with it
        running.until(lambda: running.tracked(identity) and running.tracked(identity).last.response is Response.HELD)
        assert world.get("ConfigMap", "settings")
        resume(running, identity)
        running.until(lambda: running.tracked(identity) is None)
        assert world.get("ConfigMap", "settings") is None


def test_what_was_said_of_an_application_that_has_gone_does_not_hold_for_the_next_of_its_name(world):
    make_kind(world)
    world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    made = custom_resource(world, finalizers=["gitops.dev/prune"])
    with Running(world, resources=True) as running:
        store = running.controller.store
        world.request("POST", resources(world), made)
        running.until(lambda: running.tracked(identity) and running.tracked(identity).sync == "Synced")
        suspend(running, identity)
        running.until(lambda: running.controller.commands.is_suspended(identity))
        world.request("DELETE", resources(world, "app"))
        running.ask(store.request(identity, "sync", {}, "ada", "2026-01-01T00:00:00Z"))  # though it is suspended
        running.until(lambda: running.tracked(identity) is None)
        world.request("POST", resources(world), made)
        running.until(lambda: running.tracked(identity) and running.tracked(identity).sync == "Synced")
        assert running.ask(store.setting(identity, SUSPENDED)) is None


def test_an_application_whose_file_is_moved_stays_suspended(world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        suspend(running)
        running.until(lambda: running.controller.commands.is_suspended(APP))
        entry = running.controller.registry.entry(APP)
        running.call(lambda: running.controller.registry.drop("test", APP))
        running.call(lambda: running.controller.registry.put("test", entry))
        running.until(lambda: running.tracked().sync == "Synced")
        assert running.ask(running.controller.store.setting(APP, SUSPENDED)) == "ada"


def test_a_suspension_stays_as_long_as_the_objects_do_though_the_application_is_forgotten(world):
    good = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(good)
        suspend(running)
        running.until(lambda: running.controller.commands.is_suspended(APP))
    world.gitops("delete", "app", "-n", world.namespace, "--keep").check_returncode()
    world.commit(settings=config_map("settings", a="2"))
    with Running(world) as running:
        running.until(lambda: running.tracked().last.response is Response.SUSPENDED)
        assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
