"""A person says another word about an Application while a sync of it waits: that one counts, wherever the sync is."""

import pytest

from gitops.model.result import Outcome
from tests.scenarios.running import Running
from tests.scenarios.test_overtaken import Waiting, image
from tests.scenarios.test_rollback import DONE, by_hand
from tests.scenarios.world import World, config_map, deployment, job


def hooks(value):
    """Hooks one after the other, a second each; `value` tells those of one commit from those of another."""
    phases = {"gitops.dev/hook": "pre-sync", "value": value}
    return {f"hook-{wave}": job(f"hook-{wave}", **phases, **{"gitops.dev/wave": wave}) for wave in "1234"}


@pytest.fixture
def world(fresh_sandbox, tmp_path):
    """A cluster where a hook takes a second."""
    return World(tmp_path, fresh_sandbox(speed=1.0, nodes=1).kubeconfig(), "words")


@pytest.fixture(params=[True, False], ids=["hooks of the commit", "hooks of both"])
def releases(world, request):
    first = world.commit(settings=config_map("settings", a="1"), web=deployment(replicas=1))
    assert world.sync().outcome is Outcome.SYNCED
    more = {} if request.param else hooks("before")
    second = world.commit(settings=config_map("settings", a="2"), **more)
    assert world.sync().outcome is Outcome.SYNCED
    return first, second


def settings(world):
    found = world.get("ConfigMap", "settings")
    return found and found["data"]["a"]


def begin(world):
    """A sync of a third commit that is at its first hook, and the commit."""
    sha = world.commit(settings=config_map("settings", a="3"), web=deployment(replicas=1, image="x:2"), **hooks("now"))
    waiting = Waiting(world)
    waiting.until(lambda: "now" in str(world.get("Job", "hook-1", "batch")))
    return waiting, sha


def test_a_rollback_while_hooks_run_is_not_written_over_nor_undone(world, releases):
    waiting, sha = begin(world)
    code, *said = by_hand(world)
    assert code == DONE, said
    result = waiting.end()
    assert (result.outcome, "was rolled back by " in result.message) == (Outcome.OVERTAKEN, True), result.message
    assert (settings(world), image(world)) == ("2", "nginx:1.26")
    quarantine = world.inventory().quarantine
    assert (quarantine.revision, bool(quarantine.by)) == (sha, True)
    assert "rollback.started" not in [event.fact for event in world.check_audit()][-3:]


def test_a_sync_of_another_revision_while_hooks_run_is_not_written_over_nor_undone(world, releases):
    waiting, _ = begin(world)
    older = world.gitops("sync", "gitops/app", "-n", world.namespace, "--revision", releases[0])
    assert older.returncode == 0, older.stderr
    result = waiting.end()
    assert result.outcome is Outcome.OVERTAKEN, result.message
    assert (settings(world), world.inventory().quarantine) == ("1", None)


def test_what_is_deleted_while_hooks_run_is_not_made_again(world, releases):
    waiting, _ = begin(world)
    deleted = world.gitops("delete", "gitops/app", "-n", world.namespace)
    assert deleted.returncode == 0, deleted.stderr
    result = waiting.end()
    assert (result.outcome, "the Application was deleted" in result.message) == (Outcome.OVERTAKEN, True)
    assert (settings(world), image(world)) == (None, None)
    assert world.get("ConfigMap", "gitops-app") is None


def test_a_controllers_sync_gives_way_to_a_rollback_while_hooks_run(world, releases):
    with Running(world) as running:
        running.until_synced(releases[1])
        sha = world.commit(settings=config_map("settings", a="3"), **hooks("now"))
        running.until(lambda: "now" in str(world.get("Job", "hook-1", "batch")))
        code, *said = by_hand(world)
        assert code == DONE, said
        running.until(lambda: running.tracked().last.outcome is Outcome.OVERTAKEN)
        running.until(lambda: running.tracked().schedule.task is None and running.tracked().last.held)
        assert settings(world) == "2"
        quarantine = world.inventory().quarantine
        assert (quarantine.revision, bool(quarantine.by)) == (sha, True)


def test_an_inventory_that_is_damaged_while_hooks_run_ends_the_sync_and_undoes_nothing(world, releases):
    waiting, _ = begin(world)
    world.edit("core/configmaps/gitops-app", {"data": {"healthy": "x"}})
    result = waiting.end()
    assert result.outcome is Outcome.OVERTAKEN
    assert "its inventory cannot be read any more" in result.message
    assert settings(world) == "2"
