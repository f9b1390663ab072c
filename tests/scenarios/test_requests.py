"""What a pass costs the API server."""

from collections import Counter

import pytest

from gitops.model.health import HealthWord
from gitops.model.result import Outcome
from gitops.sandbox.cluster import User
from gitops.sync.context import Request
from gitops.sync.reconcile import sync
from gitops.sync.standing import standing_of
from tests.scenarios.world import World, config_map, deployment

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
BINDING = {
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "all"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada"}],
}


def recorded(world, work):
    """(method, path, whether it is a dry-run) of each request of `work`, and what that gave."""
    log = []

    async def run(context):
        raw = context.cluster.http._raw

        async def noted(call):
            log.append((call.method, call.path, call.is_dry_run))
            return await raw(call)

        context.cluster.http._raw = noted
        return await work(context)

    return log, world._context(run)


def sent(world, app=None):
    """The requests of one sync, and its outcome."""
    log, result = recorded(world, lambda context: sync(Request(app or world.app, "ada"), context))
    return log, result.outcome


def collections(log, *plurals):
    return Counter(path.rpartition("/")[2] for method, path, _ in log if path.rpartition("/")[2] in plurals)


@pytest.fixture
def synced(world):
    spaces = [f"{world.namespace}-{name}" for name in ("one", "two")]
    bodies = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in spaces]
    for number in range(6):
        for body in (config_map(f"c{number}"), deployment(f"d{number}", replicas=1)):
            bodies.append({**body, "metadata": {**body["metadata"], "namespace": spaces[number % 2]}})
    world.commit(all=bodies)
    assert world.sync().outcome is Outcome.SYNCED
    return world


def test_an_unchanged_application_costs_one_list_for_a_kind_and_no_write(synced):
    log, outcome = sent(synced)
    assert outcome is Outcome.IN_SYNC
    assert {method for method, _, _ in log} == {"GET"}
    assert collections(log, "configmaps", "deployments") == {"configmaps": 1, "deployments": 1}
    # Discovery, the inventory, and the two Namespaces by name.
    assert len(log) <= 2 + 1 + 2 + 2


def test_a_change_costs_one_dry_run_and_one_write_of_what_changed(synced):
    path = f"/api/v1/namespaces/{synced.namespace}-one/configmaps/c0"
    synced.request("PATCH", path, {"data": {"a": "2"}}, "kubectl-edit", "application/merge-patch+json")
    log, outcome = sent(synced)
    assert outcome is Outcome.SYNCED
    about = [(method, dry) for method, found, dry in log if found == path and method != "GET"]
    assert about == [("PATCH", True), ("PATCH", True), ("PATCH", False)]  # refused for the hand edit, then taken back
    others = [found for method, found, _ in log if method != "GET" and found != path]
    assert all(found.endswith("/configmaps/gitops-app") for found in others)


def test_without_the_right_to_list_everywhere_each_namespace_is_listed(fresh_sandbox, tmp_path):
    tokens = {"root": User("root", ("system:masters",)), "dev": User("ada", ())}
    text = fresh_sandbox(controllers="none", tokens=tokens).kubeconfig()
    world = World(tmp_path, text, "story")
    spaces = ("story", "one", "two")
    for space in spaces:
        world.request("POST", "/api/v1/namespaces", {"metadata": {"name": space}})
        world.request("POST", f"{RBAC}/namespaces/{space}/rolebindings", {**BINDING, "metadata": {"name": "ada"}})
    world.request("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "all"}, "rules": [ALL]})
    bodies = [config_map(f"c{number}") for number in range(6)]
    for number, body in enumerate(bodies):
        body["metadata"]["namespace"] = spaces[1 + number % 2]
    world.commit(all=bodies)
    world.kubeconfig.write_text(text.replace('"token": "root"', '"token": "dev"'))
    assert world.sync().outcome is Outcome.SYNCED
    log, outcome = sent(world)
    assert outcome is Outcome.IN_SYNC
    assert [path for _, path, _ in log if path.endswith("/configmaps")] == [
        "/api/v1/configmaps",
        "/api/v1/namespaces/one/configmaps",
        "/api/v1/namespaces/two/configmaps",
    ]


def test_how_an_application_stands_costs_one_list_for_a_kind(synced):
    inventory = synced.inventory()
    log, standing = recorded(synced, lambda context: standing_of(context.cluster, inventory))
    assert standing.health.word is HealthWord.HEALTHY
    assert collections(log, "configmaps", "deployments") == {"configmaps": 1, "deployments": 1}
    assert len(log) <= 2 + 2 + 2


def test_an_inventory_is_made_with_what_is_claimed_and_settled_by_one_more_write(world):
    world.commit(one=config_map("one"))
    log, outcome = sent(world)
    assert outcome is Outcome.SYNCED
    parents = [(method, path.rpartition("/")[2]) for method, path, _ in log if "configmaps" in path]
    about = [method for method, name in parents if name in ("configmaps", "gitops-app") and method != "GET"]
    assert about == ["POST", "PATCH"]


def test_an_inventory_says_nothing_that_is_over_and_keeps_what_others_marked(world):
    world.commit(one=config_map("one"))
    assert world.sync().outcome is Outcome.SYNCED
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/gitops-app"
    assert "unfinished" not in world.request("GET", path)["data"]  # which the claim did say
    marked = {"metadata": {"labels": {"backup": "daily"}}, "data": {"more": "than we say"}}
    world.request("PATCH", path, marked, "kubectl-edit", "application/merge-patch+json")
    world.commit(one=config_map("one", a="2"))
    assert world.sync().outcome is Outcome.SYNCED
    parent = world.request("GET", path)
    assert "more" not in parent["data"]
    assert parent["metadata"]["labels"]["backup"] == "daily"
