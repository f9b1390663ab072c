"""What is told of objects that are not there: many share one list of names, and none hides what exists."""

import asyncio

import pytest

from gitops.adapters.kubernetes import absences
from gitops.adapters.kubernetes.cache import CachedCluster
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.engine.inventory import INSTANCE, MANAGED_BY
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ApiError

OURS = {MANAGED_BY: INSTANCE}
PATH = "/api/v1/namespaces/{}/configmaps"


def with_cache(world, work):
    async def run():
        asked = []
        inner = KubernetesCluster(connect(str(world.kubeconfig)))
        raw = inner.http._raw

        async def noted(call):
            asked.append((call.method, call.path, dict(call.query or {})))
            return await raw(call)

        inner.http._raw = noted
        cache = CachedCluster(inner, lambda seen: None)
        try:
            return await work(cache, asked)
        finally:
            await cache.close()

    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    return asyncio.run(run())


def key(world, name):
    return ResourceKey("", "ConfigMap", world.namespace, name)


def body(world, name, **labels):
    metadata = {"name": name, "namespace": world.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def told(cache, world, *names):
    return [await cache.is_absent(key(world, name)) for name in names]


async def is_often_asked(cache, world):
    await told(cache, world, *(f"other-{number}" for number in range(absences._LIST_FROM)))


def test_many_questions_about_a_namespace_share_one_list_of_names(world):
    async def work(cache, asked):
        await is_often_asked(cache, world)
        asked.clear()
        assert await asyncio.gather(*(cache.is_absent(key(world, f"n{number}")) for number in range(50))) == [True] * 50
        return asked

    ((method, path, query),) = with_cache(world, work)
    assert (method, path) == ("GET", PATH.format(world.namespace))
    assert query["labelSelector"] == f"{MANAGED_BY}!={INSTANCE}"


def test_few_questions_cost_no_list(world):
    async def work(cache, asked):
        await cache.get(key(world, "first"))
        asked.clear()
        assert await told(cache, world, "a", "b") == [False, False]
        assert asked == []

    with_cache(world, work)


def test_what_exists_is_not_told_as_absent_whoever_it_belongs_to(world):
    async def work(cache, asked):
        await cache.apply(key(world, "others"), body(world, "others"))
        await cache.apply(key(world, "ours"), body(world, "ours", **OURS))
        await is_often_asked(cache, world)
        assert await told(cache, world, "others", "ours", "none") == [False, False, True]
        await cache.apply(key(world, "new"), body(world, "new", **OURS))  # after the list
        assert await told(cache, world, "new") == [False]

    with_cache(world, work)


def test_what_lost_its_label_after_the_list_is_not_told_as_absent(world):
    async def work(cache, asked):
        await cache.apply(key(world, "ours"), body(world, "ours", **OURS))
        await is_often_asked(cache, world)
        assert await told(cache, world, "none") == [True]
        await cache.remove_marks(key(world, "ours"), [MANAGED_BY], [])
        shelf = await cache._watches.shelf("", "ConfigMap", world.namespace)
        async with asyncio.timeout(10):
            while key(world, "ours") in shelf:  # until then it is answered from the shelf
                assert await told(cache, world, "ours") == [False]
                await asyncio.sleep(0.001)
        assert await told(cache, world, "ours", "none") == [False, True]

    with_cache(world, work)


def test_a_list_holds_for_a_moment_only(world, monkeypatch):
    monkeypatch.setattr(absences, "_HOLDS_SECONDS", 0.05)

    async def work(cache, asked):
        await is_often_asked(cache, world)
        assert await told(cache, world, "later") == [True]
        await cache._cluster.apply(key(world, "later"), body(world, "later"))
        await asyncio.sleep(0.1)
        assert await told(cache, world, "later") == [False]

    with_cache(world, work)


def test_where_many_names_are_others_each_is_asked_for(world, monkeypatch):
    monkeypatch.setattr(absences, "_MOST_NAMES", 2)

    async def work(cache, asked):
        for name in ("a", "b", "c"):
            await cache.apply(key(world, name), body(world, name))
        await is_often_asked(cache, world)
        assert await told(cache, world, "none") == [False]
        asked.clear()
        assert await told(cache, world, "none", "more") == [False, False]
        assert asked == []  # and the list is not tried again for a while

    with_cache(world, work)


@pytest.mark.parametrize("answer", [ApiError(403, "Forbidden", "no"), {"kind": "ConfigMapList", "items": []}, {}])
def test_who_may_not_list_or_is_answered_otherwise_is_told_nothing(world, answer):
    async def work(cache, asked):
        await cache.get(key(world, "first"))
        request = cache._cluster.http.request

        async def answered(method, path, **more):
            if "PartialObjectMetadata" not in more.get("accept", ""):
                return await request(method, path, **more)
            if isinstance(answer, dict):
                return answer
            raise answer

        cache._cluster.http.request = answered
        await is_often_asked(cache, world)
        assert await told(cache, world, "none") == [False]

    with_cache(world, work)


def test_while_the_watch_of_a_kind_begins_anew_nothing_is_told(world):
    async def work(cache, asked):
        await is_often_asked(cache, world)
        assert await told(cache, world, "none") == [True]
        shelf = await cache._watches.shelf("", "ConfigMap", world.namespace)
        shelf.version = ""
        assert await told(cache, world, "none") == [False]

    with_cache(world, work)
