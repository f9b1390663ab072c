"""A namespace that a sync makes, because its objects go there, is told like everything else that it does."""

import json
from dataclasses import replace

from gitops.model.application import Destination
from gitops.model.result import Outcome
from gitops.sync import events
from tests.scenarios.world import config_map


def test_a_namespace_that_would_be_made_is_in_the_diff(world):
    world.commit(web=config_map("web"))
    named = [str(world.repository), "--name", "app", "--namespace", world.namespace]
    shown = world.gitops("diff", *named)
    assert shown.returncode == 1
    assert f"+ create Namespace {world.namespace}" in shown.stdout
    assert "2 to create" in shown.stderr
    assert json.loads(world.gitops("diff", *named, "-o", "json").stdout)["makes"] == [f"Namespace {world.namespace}"]
    assert world.get("Namespace", world.namespace, namespace="") is None


def test_a_namespace_that_a_sync_makes_is_told_and_recorded(world):
    world.commit(web=config_map("web"))
    result = world.sync()
    assert result.outcome is Outcome.SYNCED
    assert (str(result.changed[0].key), result.changed[0].verb) == (f"Namespace {world.namespace}", "created")
    assert events.Wrote(result.changed[0]) in world.events
    facts = [(event.fact, event.detail.get("changes")) for event in world.check_audit()]
    assert ("namespace.made", [{"change": "create", "object": f"Namespace {world.namespace}"}]) in facts
    assert all(key.kind != "Namespace" for key in world.inventory().keys)


def test_a_namespace_that_is_there_or_has_a_manifest_is_not_told_besides(world):
    world.commit(web=config_map("web"))
    world.sync()
    world.commit(web=config_map("web", a="2"))
    assert world.plan().plan.makes is None
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{world.namespace}-2"}}
    world.commit(space=namespace)
    other = replace(world.app, name="other", destination=Destination(namespace=f"{world.namespace}-2"))
    planned = world.plan(other)
    assert planned.plan.makes is None
    assert f"Namespace {world.namespace}-2" in [str(change.key) for change in planned.plan.changes]
