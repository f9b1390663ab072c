"""An API server, or a proxy before it, that answers what it should not: never taken for "there is nothing"."""

import gzip
import json
import os
import re
import resource

import pytest

from gitops.bounds import MIB
from gitops.model.errors import AwayError, ClusterError, UnreachableError
from gitops.model.result import Outcome
from tests.hostile.proxy import Answer, Proxy, as_json
from tests.scenarios.running import Running, of
from tests.scenarios.world import World, config_map, deployment, forget


def changed(true, change):
    """The true answer with what `change` makes of its JSON."""
    return as_json(change(json.loads(true.body)), true.status)


BROKEN = {
    "an empty body": lambda true: Answer(200, b""),
    "null": lambda true: Answer(200, b"null"),
    "a list": lambda true: Answer(200, b"[]"),
    "an empty object": lambda true: Answer(200, b"{}"),
    "a number": lambda true: Answer(200, b"1"),
    "no JSON": lambda true: Answer(200, b"<html>"),
    "half": lambda true: Answer(200, true.body[: len(true.body) // 2]),
    "nesting": lambda true: Answer(200, b"[" * 100_000),
    "another kind": lambda true: changed(true, lambda body: {**body, "kind": "Pod"}),
    "a Status": lambda true: as_json({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
    "no metadata": lambda true: changed(true, lambda body: {**body, "metadata": None}),
    "metadata of text": lambda true: changed(true, lambda body: {**body, "metadata": "x"}),
    "a page that is not found": lambda true: Answer(404, b"<html>not here</html>"),
}
OF_OBJECTS = {
    "another name": lambda body: {**body, "metadata": {**body["metadata"], "name": "other"}},
    "another namespace": lambda body: {**body, "metadata": {**body["metadata"], "namespace": "other"}},
    "labels of numbers": lambda body: {**body, "metadata": {**body["metadata"], "labels": {"a": 1}}},
    "annotations of text": lambda body: {**body, "metadata": {**body["metadata"], "annotations": "a"}},
    "owners of numbers": lambda body: {**body, "metadata": {**body["metadata"], "managedFields": [1]}},
    "a name that is a number": lambda body: {**body, "metadata": {**body["metadata"], "name": 5}},
}
OF_LISTS = {
    "items of text": lambda body: {**body, "items": "none"},
    "items of numbers": lambda body: {**body, "items": [1]},
    "no items": lambda body: {name: value for name, value in body.items() if name != "items"},
    "items without names": lambda body: {**body, "items": [{"metadata": {}}]},
    "no version": lambda body: {**body, "metadata": {}},
    "items that are null": lambda body: {**body, "items": [None]},
    "no end": lambda body: {**body, "metadata": {**body["metadata"], "continue": 5}},
}


def of_json(change):
    return lambda true: changed(true, change)


def on(pattern, answer):
    """Spoil what is read at paths that fit."""

    def spoil(method, path, true):
        return answer(true) if method == "GET" and "watch=true" not in path and re.search(pattern, path) else None

    return spoil


def settled(world, count=2):
    """A world with some ConfigMaps that are synced, and a commit that holds one of them less."""
    world.commit(**{f"c{number}": config_map(f"c{number}") for number in range(5)})
    assert world.sync().outcome is Outcome.SYNCED
    world.commit(c4=None)


@pytest.fixture(scope="module")
def one_for_all(sandbox, tmp_path_factory):
    """(a settled world, its proxy) for tests of what must change nothing."""
    with Proxy(sandbox) as proxy:
        world = World(tmp_path_factory.mktemp("settled"), proxy.kubeconfig(), f"settled-{os.getpid()}")
        settled(world)
        yield world, proxy
    forget(sandbox, world.namespace)


@pytest.fixture
def unchanged(one_for_all):
    """That world, which is as it was after the test."""
    world, proxy = one_for_all
    before = objects(world)
    yield world, proxy
    proxy.spoil = lambda *_: None
    assert objects(world) == before


def objects(world):
    found = world.request("GET", f"/api/v1/namespaces/{world.namespace}/configmaps")["items"]
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}


@pytest.mark.parametrize("name", [*BROKEN, *OF_OBJECTS])
def test_an_object_that_is_not_what_was_asked_for_is_no_object_that_is_gone(unchanged, name):
    world, proxy = unchanged
    spoiled = BROKEN.get(name) or of_json(OF_OBJECTS[name])
    asked_before = len(proxy.asked)
    proxy.spoil = on(r"/configmaps/gitops-app", spoiled)
    with pytest.raises(UnreachableError):
        world.sync()
    assert all(method == "GET" for method, _ in proxy.asked[asked_before:])


LIST = r"/configmaps\?.*labelSelector"


def test_where_a_list_is_a_page_that_is_not_found_each_is_asked_for_by_name(world, proxy):
    settled(world)
    proxy.spoil = on(LIST, BROKEN["a page that is not found"])
    assert world.sync().outcome is Outcome.SYNCED


@pytest.mark.parametrize("name", [*(name for name in BROKEN if name != "a page that is not found"), *OF_LISTS])
def test_a_list_that_is_not_what_was_asked_for_is_no_list_of_nothing(unchanged, name):
    world, proxy = unchanged
    proxy.spoil = on(LIST, BROKEN.get(name) or of_json(OF_LISTS[name]))
    with pytest.raises(UnreachableError):
        world.sync()
    assert world.get("ConfigMap", "c4")


@pytest.mark.parametrize("name", ["an empty body", "null", "an empty object", "no JSON", "a list"])
def test_a_discovery_that_is_none_is_no_cluster_without_kinds(unchanged, name):
    world, proxy = unchanged
    proxy.spoil = on(r"^/apis?$", BROKEN[name])
    with pytest.raises(UnreachableError, match="does not answer as a Kubernetes API"):
        world.sync()


def test_a_group_that_tells_nonsense_is_its_own_trouble(world, proxy):
    world.commit(c=config_map("c"), web=deployment(replicas=1))
    assert world.sync().outcome is Outcome.SYNCED

    def spoil(method, path, true):
        if path != "/apis":
            return None
        body = json.loads(true.body)
        for group in body["items"]:
            if group["metadata"]["name"] == "apps":
                group["versions"] = [{"version": 5, "resources": "x"}]
        return as_json(body)

    proxy.spoil = spoil
    with pytest.raises(AwayError, match=r"Deployment in apps.*: its API cannot be read"):
        world.sync()
    world.commit(web=None)
    with pytest.raises(AwayError, match=r"Deployment in apps.*: its API cannot be read"):
        world.sync()
    proxy.spoil = lambda *_: None
    assert world.get("Deployment", "web", "apps"), "what cannot be seen is not gone"


@pytest.mark.parametrize("packing", ["plain", "gzip"])
def test_an_answer_without_an_end_is_one_error_and_costs_no_memory(world, proxy, packing):
    settled(world)
    zeros = gzip.compress(b'"' + b"a" * (256 * MIB), 1)

    def endless(true):
        if packing == "gzip":
            return Answer(200, zeros, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        return Answer(200, b'"', then=lambda: b"a" * MIB)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    proxy.spoil = on(r"/configmaps/gitops-app", endless)
    with pytest.raises(UnreachableError, match=r"an answer of more than the 32 MiB that are read"):
        world.sync()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


def test_a_page_of_large_objects_is_asked_for_in_smaller_ones(world, proxy):
    settled(world)

    def large(method, path, true):
        if "labelSelector" in path and "limit=500" in path:
            return Answer(200, b'"' + b"a" * (33 * MIB))
        return None

    proxy.spoil = large
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "c4") is None


@pytest.mark.parametrize(
    "event",
    [
        b"null\n",
        b"[]\n",
        b"{}\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "ADDED", "object": {}}\n',
        b"x" * (9 * MIB),
        b"{\n",
        b'{"type": "BOOKMARK", "object": {"metadata": 5}}\n',
        b'{"type": "ERROR", "object": {"code": "x"}}\n',
    ],
    ids=lambda event: event[:30].decode(),
)
def test_a_watch_that_tells_nonsense_is_told_once_and_begun_again(world, proxy, lines, event):
    sha = world.commit(web=config_map("web"))
    spoiled = []

    def spoil(method, path, true):
        if "watch=true" in path and "/configmaps" in path and len(spoiled) < 3:
            spoiled.append(path)
            return Answer(200, event)
        return None

    proxy.spoil = spoil
    with Running(world) as running:
        running.until_synced(sha)
        running.until(lambda: len(spoiled) == 3)
        world.edit("core/configmaps/web", {"data": {"a": "changed"}})
        running.until(lambda: world.get("ConfigMap", "web")["data"] == {"a": "1"})
    assert not [line for line in lines if "crashed" in line["event"] or line.get("exc_info")]
    assert not of(lines, "watch.crashed")


def test_an_error_of_odd_types_is_an_error(world, proxy):
    settled(world)
    odd = {"kind": "Status", "message": 5, "reason": [1], "code": "x", "details": {"causes": [1, {"field": 5}]}}
    for number, (status, body) in enumerate(
        [(422, odd), (409, {**odd, "details": 5}), (500, {"kind": 5}), (404, {"kind": "Status"})]
    ):
        world.commit(c0=config_map("c0", a=str(number + 10)))
        proxy.spoil = lambda method, path, true, sent=(status, body): (
            as_json(sent[1], sent[0]) if method == "PATCH" else None
        )
        try:
            result = world.sync(confirm=True)
        except ClusterError:
            continue
        assert result.outcome in (Outcome.FAILED, Outcome.HELD, Outcome.ROLLED_BACK)
