"""What a sync that did not end left behind is undone or gone on with, by whoever may, and by nobody else."""

import time
from dataclasses import replace

import pytest

from gitops.model.errors import SourceError, UnreachableError
from gitops.model.result import Outcome
from gitops.sync import rollback
from gitops.sync.context import Request
from gitops.sync.reconcile import sync
from tests.scenarios.running import Running
from tests.scenarios.test_rollback import by_hand
from tests.scenarios.test_unfinished_rollback import bad, image, settings
from tests.scenarios.world import World, config_map, deployment


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(rollback, "_LEAST_SECONDS", 8.0)


@pytest.fixture
def half_way(world):
    """A rollback that was killed after it had written where it goes, and nothing more."""
    world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    world.sync()
    bad(world)
    world.sync_killed_after(7)
    assert world.inventory().rollback_target
    return world


def test_a_rollback_undoes_what_the_commit_before_the_failed_one_left(half_way):
    broken = deployment("other", image="nginx:broken", **{"gitops.dev/wave": "-1"})
    half_way.commit(web=deployment(), settings=config_map("settings", color="blue"), new=None, other=broken)
    result = half_way.sync(half_way.with_sync(timeout=3.0))
    assert result.outcome is Outcome.ROLLED_BACK, result.message
    found = (image(half_way), settings(half_way), settings(half_way, "new"))
    assert found == ("nginx:1.26", {"color": "blue"}, None)


def test_a_revert_of_what_failed_half_way_is_a_commit_and_no_drift(half_way):
    half_way.commit(web=deployment(), settings=config_map("settings", color="blue"), new=None)
    with Running(half_way, drift="report") as running:
        running.until(lambda: image(half_way) == "nginx:1.26" and settings(half_way) == {"color": "blue"})
        running.until(lambda: running.tracked().schedule.task is None)
    inventory = half_way.inventory()
    assert (inventory.rollback_target, inventory.partially_applied) == (None, frozenset())


def test_a_revert_of_what_failed_and_was_not_rolled_back_is_synced(world):
    good = world.commit(web=deployment())
    with Running(world, drift="report", rollback="never", timeout=2.0) as running:
        running.until_synced(good)
        world.commit(web=deployment(image="nginx:broken"))
        running.until(
            lambda: running.tracked().last.outcome is Outcome.FAILED and running.tracked().schedule.task is None
        )
        world.commit(web=deployment())
        running.until(lambda: image(world) == "nginx:1.26")


def test_nobody_else_goes_on_with_it(half_way, tmp_path):
    """Neither an Application of another identity, nor one of the same name from another source."""
    assert half_way.sync(replace(half_way.app, namespace="team-b")).outcome is Outcome.HELD
    (tmp_path / "another").mkdir()
    another = World(tmp_path / "another", half_way.kubeconfig.read_text(), half_way.namespace)
    another.commit(other=config_map("other"))
    assert another.sync().outcome is Outcome.HELD
    inventory = half_way.inventory()
    assert inventory.rollback_target
    assert not inventory.quarantine.stuck
    assert image(half_way) == "nginx:1.27"
    assert half_way.sync().outcome is Outcome.ROLLED_BACK


def test_what_was_asked_for_in_particular_is_not_answered_by_it(half_way):
    assert half_way.sync(resources=("ConfigMap/settings",)).outcome is Outcome.HELD
    assert image(half_way) == "nginx:1.27"
    assert by_hand(half_way)[0] == 0
    assert image(half_way) == "nginx:1.26"


def test_what_a_sync_of_one_object_made_well_stays_when_a_later_commit_fails(world):
    world.commit(web=deployment())
    world.sync()
    world.commit(n=deployment("n", image="nginx:broken"))
    world.sync(world.with_sync(timeout=2.0), resources=("Deployment/n",))
    world.commit(n=deployment("n"))
    assert world.sync(resources=("Deployment/n",)).outcome is Outcome.SYNCED
    world.commit(web=deployment(image="nginx:broken"))
    world.sync(world.with_sync(timeout=2.0))
    assert image(world) == "nginx:1.26"
    assert world.get("Deployment", "n", "apps")


def test_an_object_that_somebody_deletes_and_that_does_not_go_quarantines_no_commit(world):
    world.commit(web=deployment(), held=config_map("held"))
    world.sync()
    world.edit("core/configmaps/held", {"metadata": {"finalizers": ["example.com/in-use"]}})
    world.request("DELETE", f"/api/v1/namespaces/{world.namespace}/configmaps/held")
    world.commit(web=deployment(image="nginx:1.27"))
    result = world.sync(world.with_sync(timeout=2.0))
    assert result.outcome is Outcome.FAILED
    assert "held by example.com/in-use" in result.message
    assert world.inventory().quarantine is None


def test_a_deadline_holds_although_every_watch_breaks_at_once(world):
    world.commit(web=deployment(image="nginx:broken"))

    async def work(context):
        def broken(*_, **__):
            raise UnreachableError("connection reset")

        context.cluster.watch = broken
        return await sync(Request(world.with_sync(timeout=3.0), "ada"), context)

    began = time.monotonic()
    assert world._context(work).outcome is Outcome.FAILED
    assert time.monotonic() - began < 15


def test_a_reason_of_any_length_fits_into_the_inventory(world, monkeypatch):
    monkeypatch.setattr(rollback, "_LONGEST_REASON", 50)
    world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    world.sync()
    bad(world)
    assert world.sync().outcome is Outcome.ROLLED_BACK
    assert world.inventory().quarantine.reason.endswith("...")


def test_a_source_that_cannot_be_read_now_does_not_end_the_way_back(half_way, tmp_path):
    """A runner without the store has to render the release again; the remote may be back for the next one."""
    half_way.state = tmp_path / "empty"

    async def away(context):
        real = context.source.checkout

        async def checkout(spec, sha=""):
            if sha:
                raise SourceError("the remote does not answer")
            return await real(spec, sha)

        context.source.checkout = checkout
        return await sync(Request(half_way.app, "ada"), context)

    with pytest.raises(SourceError, match="the remote does not answer"):
        half_way._context(away)
    assert half_way.inventory().rollback_target
    assert half_way.sync().outcome is Outcome.ROLLED_BACK
    assert image(half_way) == "nginx:1.26"


def test_a_rollback_by_hand_that_is_held_says_so_and_nothing_else_is_done(half_way):
    half_way.commit(web=deployment("web", image="nginx:1.28"), new=None)
    foreign = {"gitops.dev/tracking": f"gitops/other:/ConfigMap:{half_way.namespace}/settings"}
    half_way.edit("core/configmaps/settings", {"metadata": {"annotations": foreign}})
    code, said = by_hand(half_way, "1")
    assert code == 3, said
    assert "belongs to Application gitops/other" in said
    assert image(half_way) == "nginx:1.27"


def test_the_values_that_pods_still_run_with_are_hidden_too(world):
    """A rotated Secret: Pods say the old value, and the commit only holds the new one."""

    def secret(value):
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": value}}

    world.commit(web=deployment(image="repo/hunter2-old:crash"), s=secret("hunter2-old"))
    world.sync(world.with_sync(timeout=2.0))
    world.commit(s=secret("hunter2-new"))
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.FAILED
    assert "(hidden)" in result.message
    assert "hunter2-old" not in result.message
