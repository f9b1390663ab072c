"""What the audit log says is what was done, and a cut-off tail shows."""

import sqlite3

import pytest

from gitops.model.audit import check_chain
from gitops.model.errors import AuditError
from gitops.model.result import Outcome
from tests.scenarios.world import config_map, deployment


def cut_off(world, entries=1):
    """Remove the newest entries of the log."""
    with sqlite3.connect(world.state / "gitops.db") as database:
        (last,) = database.execute("SELECT max(seq) FROM audit").fetchone()
        database.execute("DELETE FROM audit WHERE seq > ?", (last - entries,))


def verify(world):
    async def look(context):
        events = await context.store.events(world.app.identity, context.cluster.name)
        from gitops.sync.inventories import find_applications

        (found,) = await find_applications(context.cluster, "app", world.namespace)
        check_chain(events, found.anchor, context.store.id)
        return events[-1].fact

    return world._context(look)


def fails(world):
    world.commit(web=deployment(image="nginx:broken"))
    return world.sync(world.with_sync(timeout=1.0, rollback="never")).outcome, "sync.failed"


def goes_back(world):
    world.commit(web=deployment(image="nginx:broken"))
    return world.sync(world.with_sync(timeout=1.0)).outcome, "sync.finished"


def is_held(world):
    goes_back(world)
    return world.sync().outcome, "sync.held"  # it is quarantined


@pytest.mark.parametrize("act", [fails, goes_back, is_held])
def test_a_tail_that_was_cut_off_shows_whatever_the_last_entry_was(world, act):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    outcome, fact = act(world)
    assert outcome in (Outcome.FAILED, Outcome.ROLLED_BACK, Outcome.HELD)
    assert verify(world) == fact
    cut_off(world)
    with pytest.raises(AuditError, match="tail was cut off"):
        verify(world)


def test_a_rollback_after_a_failure_claims_no_persons_confirmation(world):
    world.commit(web=deployment())
    world.sync()
    goes_back(world)
    starts = [event for event in world.check_audit() if event.fact == "sync.started"]
    assert [event.detail.get("confirmed") for event in starts] == [None, None, None]


def test_a_sync_that_is_cut_short_names_what_it_had_asked_for(world, monkeypatch):
    from gitops.adapters.kubernetes.cluster import KubernetesCluster

    world.commit(a=config_map("a"), b=config_map("b"))
    real = KubernetesCluster.apply

    async def apply(self, key, body, **options):
        stored = await real(self, key, body, **options)
        if key.name == "b" and not options.get("dry_run"):
            raise KeyboardInterrupt
        return stored

    monkeypatch.setattr(KubernetesCluster, "apply", apply)
    with pytest.raises(KeyboardInterrupt):
        world.sync()
    (cut,) = [event for event in world.audit() if event.fact == "sync.interrupted"]
    named = {*cut.detail["changed"], *cut.detail["unanswered"]}
    assert {name.rpartition("/")[2] for name in named} == {"a", "b"}
    assert f"create ConfigMap {world.namespace}/b" in cut.detail["unanswered"]
