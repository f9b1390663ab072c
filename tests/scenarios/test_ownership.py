"""Whose an object is, and how it changes hands on purpose."""

from dataclasses import replace

import pytest

from gitops.model.result import Outcome
from tests.scenarios.world import config_map


@pytest.fixture
def two(world):
    """Two Applications of one repository, each with a folder of its own; `old` owns `shared`."""
    for name in ("old", "new"):
        (world.repository / name).mkdir()
    old, new = (replace(world.app, name=name, source=replace(world.app.source, path=name)) for name in ("old", "new"))
    world.commit(**{"old/own": config_map("own"), "old/shared": config_map("shared"), "new/mine": config_map("mine")})
    world.sync(old)
    world.sync(new)
    return old, new


def handed_over(name, owner):
    body = config_map(name, a="2")
    return {**body, "metadata": {"name": name, "annotations": {"gitops.dev/adopt-from": owner}}}


def test_an_object_that_is_handed_over_is_pruned_by_neither(world, two):
    old, new = two
    uid = world.get("ConfigMap", "shared")["metadata"]["uid"]
    world.commit(**{"new/shared": handed_over("shared", "gitops/old")})
    assert world.sync(new).outcome is Outcome.SYNCED
    held = world.sync(old)
    assert held.outcome is Outcome.HELD
    assert "belongs to Application gitops/new" in held.message
    world.commit(**{"old/shared": None})
    assert world.sync(old).outcome is Outcome.SYNCED
    live = world.get("ConfigMap", "shared")
    assert (live["metadata"]["uid"], live["data"]) == (uid, {"a": "2"})
    assert {key.name for key in world.inventory("old").keys} == {"own"}
    assert {key.name for key in world.inventory("new").keys} == {"mine", "shared"}
    assert world.sync(new).outcome is Outcome.IN_SYNC


@pytest.mark.parametrize("owner", ["gitops/another", "old", "team/old"])
def test_only_the_owner_that_is_named_hands_over(world, two, owner):
    _, new = two
    world.commit(**{"new/shared": handed_over("shared", owner)})
    held = world.sync(new)
    assert held.outcome is Outcome.HELD
    assert "belongs to Application gitops/old" in held.message
    assert world.get("ConfigMap", "shared")["data"] == {"a": "1"}


def test_what_was_handed_over_goes_when_its_new_owner_no_longer_wants_it(world, two):
    old, new = two
    world.commit(**{"new/shared": handed_over("shared", "gitops/old"), "old/shared": None})
    world.sync(new)
    world.sync(old)
    world.commit(**{"new/shared": None})
    assert [(item.verb, item.key.name) for item in world.sync(new).changed] == [("pruned", "shared")]


def test_what_a_path_owns_is_handed_to_an_application_of_another_namespace_once(world):
    here = replace(world.app, namespace=world.namespace)
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync(here)
    world.commit(b=None, c=config_map("c"))
    assert world.sync(world.app).outcome is Outcome.HELD
    assert world.sync(world.app, adopt=True, prune=True).outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "b") is None
    assert world.inventory().application == "gitops/app"
    assert world.sync(world.app).outcome is Outcome.IN_SYNC
    assert world.sync(here).outcome is Outcome.HELD
    assert world.check_audit()


def test_an_application_in_sync_is_handed_over_although_nothing_else_changes(world):
    here = replace(world.app, namespace=world.namespace)
    world.commit(a=config_map("a"))
    world.sync(here)
    assert world.sync(world.app, adopt=True).outcome is Outcome.SYNCED
    assert world.sync(world.app).outcome is Outcome.IN_SYNC


def test_what_was_not_pruned_when_it_was_handed_over_is_pruned_later(world):
    here = replace(world.app, namespace=world.namespace, sync=replace(world.app.sync, prune=False))
    there = replace(here, namespace="gitops")
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync(here)
    world.commit(b=None)
    assert world.sync(there, adopt=True).outcome is Outcome.SYNCED
    assert world.sync(there, prune=True).outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "b") is None


def test_a_hand_over_that_was_killed_is_gone_on_with(world):
    here = replace(world.app, namespace=world.namespace)
    world.commit(a=config_map("a"), b=config_map("b"), c=config_map("c"))
    world.sync(here)
    world.commit(c=None)
    world.sync_killed_after(2, adopt=True)  # the claim, and one of three
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "c") is None
    assert world.sync().outcome is Outcome.IN_SYNC
