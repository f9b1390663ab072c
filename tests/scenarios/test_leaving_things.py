"""What leaves the source, and what must not go along or be forgotten; ports that change hands within one commit."""

from dataclasses import replace

import pytest

from gitops.model.application import Destination
from gitops.model.result import Outcome
from tests.scenarios.world import config_map


def service(name, port, node_port=None, address=None):
    ports = [{"port": port, **({"nodePort": node_port} if node_port else {})}]
    kind = {"type": "NodePort"} if node_port else {}
    own = {"clusterIP": address} if address else {}
    spec = {"selector": {"app": name}, "ports": ports, **kind, **own}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_an_object_that_lost_our_marks_is_told_and_not_forgotten_when_it_leaves_the_source(world):
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync()
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/b"
    bare = {"metadata": {"labels": None, "annotations": None, "managedFields": [{}]}}
    world.request("PATCH", path, bare, "someone", "application/merge-patch+json")
    world.commit(b=None)
    result = world.sync()
    assert [(kept.key.name, "our marks" in kept.reason) for kept in result.plan.kept] == [("b", True)]
    assert "b" in {key.name for key in world.inventory().keys}
    assert world.get("ConfigMap", "b")


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_a_node_port_moves_between_two_services_in_one_commit(world, names):
    one, two = names
    first = 30000 + abs(hash(world.namespace)) % 2000
    world.commit(all=[service(one, 80, first), service(two, 80, first + 1)])
    assert world.sync().outcome is Outcome.SYNCED
    world.commit(all=[service(one, 80, first + 2), service(two, 80, first)])
    result = world.sync()
    assert result.outcome is Outcome.SYNCED, result.message
    assert world.get("Service", two)["spec"]["ports"][0]["nodePort"] == first
    assert world.get("Service", one)["spec"]["ports"][0]["nodePort"] == first + 2


def test_a_port_that_nobody_gives_up_is_a_failure_that_names_it(world):
    port = 32000 + abs(hash(world.namespace)) % 500
    world.commit(all=[service("a", 80, port), service("b", 80)])
    world.sync()
    world.commit(all=[service("a", 81, port), service("b", 80, port)])
    result = world.sync()
    assert result.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK)
    assert "provided port is already allocated" in result.message
    assert world.get("Service", "b")["spec"]["type"] == "ClusterIP"


def test_a_namespace_that_left_the_source_stays_while_objects_of_the_source_are_in_it(world):
    other = f"{world.namespace}-more"
    inside = config_map("inside")
    inside["metadata"]["namespace"] = other
    world.commit(space=namespace(other), inside=inside)
    assert world.sync().outcome is Outcome.SYNCED
    world.commit(space=None)
    for confirm in (False, True):
        held = world.sync(confirm=confirm)
        assert held.outcome is Outcome.HELD
        assert (
            f"Namespace {other} left the source, and ConfigMap {other}/inside of the source are in it" in held.message
        )
    assert world.get("ConfigMap", "inside", namespace=other)


def test_a_namespace_that_left_the_source_stays_while_another_application_is_in_it(world):
    other = f"{world.namespace}-shared"
    world.commit(space=namespace(other), a=config_map("a"))
    world.sync()
    (world.repository / "tenant").mkdir()
    world.commit(**{"tenant/b": config_map("b")})
    tenant = replace(
        world.app, name="tenant", source=replace(world.app.source, path="tenant"), destination=Destination("", other)
    )
    world.app = replace(
        world.app, source=replace(world.app.source, plain=replace(world.app.source.plain, recurse=False))
    )
    assert world.sync(tenant).outcome is Outcome.SYNCED
    world.commit(space=None)
    held = world.sync(confirm=True)
    assert held.outcome is Outcome.HELD
    assert "would be deleted with what Application gitops/tenant has in it" in held.message
    assert world.get("ConfigMap", "b", namespace=other)


def test_a_word_confirms_no_more_than_what_was_shown(world):
    from gitops.sync.audit import shown_reasons

    other = f"{world.namespace}-gone"
    world.commit(space=namespace(other), **{f"m{number}": config_map(f"m{number}") for number in range(12)})
    world.sync()
    world.commit(**{f"m{number}": None for number in range(8)})
    assert world.sync().outcome is Outcome.HELD
    shown = world._context(lambda context: shown_reasons(context, world.app.identity))
    world.commit(space=None)
    held = world.sync(confirm=True, shown=shown)
    assert held.outcome is Outcome.HELD
    assert f"Namespace {other} would be deleted" in held.message
    assert world.get("Namespace", other, namespace="")
    shown = world._context(lambda context: shown_reasons(context, world.app.identity))
    assert world.sync(confirm=True, shown=shown).outcome is Outcome.SYNCED
