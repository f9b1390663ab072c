"""The cluster in memory answers what the embedded one does over HTTP."""

import asyncio
import itertools

import pytest

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.manifests.key import key_of
from gitops.model.errors import ApiError
from gitops.testing.cluster import MemoryCluster

_numbers = itertools.count(1)
OF_A_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation")


@pytest.fixture(params=["memory", "embedded"])
def cluster(request, tmp_path):
    """One of the two, and a namespace that nobody else uses."""
    namespace = f"memory-{next(_numbers)}"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    if request.param == "memory":
        return lambda: MemoryCluster([space]), namespace
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(request.getfixturevalue("sandbox").kubeconfig())
    return lambda: KubernetesCluster(connect(str(kubeconfig))), namespace


def run(cluster, story):
    open_it, namespace = cluster

    async def told():
        opened = open_it()
        try:
            await opened.apply(
                key_of({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            )
            return await story(opened, namespace)
        finally:
            await opened.close()

    return asyncio.run(told())


def settings(namespace, **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": namespace, "labels": {"app": "shop"}},
        "data": data,
    }


def bare(body):
    """What it says, and who owns which field; not what each server makes up."""
    kept = {name: value for name, value in body["metadata"].items() if name not in OF_A_SERVER}
    owners = [(entry["manager"], entry["operation"], entry["fieldsV1"]) for entry in kept.pop("managedFields")]
    return {**body, "metadata": {**kept, "namespace": ""}}, owners


def test_what_is_applied_is_stored_and_owned(cluster):
    async def story(opened, namespace):
        key = key_of(settings(namespace))
        assert await opened.get(key) is None
        await opened.apply(key, settings(namespace, a="1", b="2"))
        await opened.apply(key, settings(namespace, a="1"))
        body, owners = bare(await opened.get(key))
        assert body["data"] == {"a": "1"}
        assert owners == [("gitops", "Apply", {"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:app": {}}}})]

    run(cluster, story)


def test_a_dry_run_stores_nothing(cluster):
    async def story(opened, namespace):
        key = key_of(settings(namespace))
        found = await opened.apply(key, settings(namespace, a="1"), dry_run=True)
        assert found["data"] == {"a": "1"}
        assert await opened.get(key) is None

    run(cluster, story)


def test_a_field_of_another_is_a_conflict_until_it_is_forced(cluster):
    async def story(opened, namespace):
        key = key_of(settings(namespace))
        await opened.apply(key, settings(namespace, a="1"))
        await opened.merge(key, {"data": {"a": "2", "b": "3"}})
        with pytest.raises(ApiError) as refused:
            await opened.apply(key, settings(namespace, a="1"))
        assert (refused.value.code, [cause["field"] for cause in refused.value.causes]) == (409, [".data.a"])
        assert str(refused.value) == 'Apply failed with 1 conflict: conflict with "gitops-takeover" using v1: .data.a'
        body, owners = bare(await opened.apply(key, settings(namespace, a="1"), force=True))
        assert body["data"] == {"a": "1", "b": "3"}
        assert owners[1] == ("gitops-takeover", "Update", {"f:data": {"f:b": {}}})

    run(cluster, story)


def test_an_object_of_another_uid_is_left_alone(cluster):
    async def story(opened, namespace):
        key = key_of(settings(namespace))
        live = await opened.apply(key, settings(namespace, a="1"))
        await opened.delete(key, uid="another")
        assert await opened.get(key) is not None
        changed = settings(namespace, a="2")
        changed["metadata"]["uid"] = "another"
        with pytest.raises(ApiError) as refused:
            await opened.apply(key, changed)
        assert (refused.value.code, {cause["field"] for cause in refused.value.causes}) == (422, {"metadata.uid"})
        await opened.delete(key, uid=live["metadata"]["uid"])
        assert await opened.get(key) is None
        await opened.delete(key)
        with pytest.raises(ApiError) as refused:
            await opened.apply(key, changed)
        assert refused.value.code == 409

    run(cluster, story)


def test_finalizers_and_owners_are_replaced_at_the_version_that_was_seen(cluster):
    async def story(opened, namespace):
        key = key_of(settings(namespace))
        live = await opened.apply(key, settings(namespace, a="1"))
        seen = live["metadata"]["resourceVersion"]
        await opened.replace_finalizers(key, ["example.dev/hold"], seen)
        live = await opened.get(key)
        assert live["metadata"]["finalizers"] == ["example.dev/hold"]
        with pytest.raises(ApiError) as refused:
            await opened.replace_owners(key, (), seen)
        assert refused.value.code == 409
        await opened.replace_finalizers(key, [], live["metadata"]["resourceVersion"])

    run(cluster, story)


def test_marks_are_taken_off_and_a_list_goes_by_labels(cluster):
    async def story(opened, namespace):
        key = key_of(settings(namespace))
        await opened.apply(key, settings(namespace, a="1"))
        found = await opened.list("", "ConfigMap", namespace, labels="app=shop")
        assert [item["metadata"]["name"] for item in found.items] == ["settings"]
        await opened.remove_marks(key, ["app"], ["never.dev/was"])
        assert not (await opened.list("", "ConfigMap", namespace, labels="app")).items

    run(cluster, story)


def test_a_watch_tells_what_comes_into_a_selection_changes_there_and_leaves_it(cluster):
    async def story(opened, namespace):
        key = key_of(settings(namespace))
        version = (await opened.list("", "ConfigMap", namespace)).version
        await opened.apply(key, settings(namespace, a="1"))
        told = []

        async def watch():
            async with opened.watch("", "ConfigMap", namespace, version, "app=shop") as events:
                async for event in events:
                    if event.body["metadata"].get("name") == "settings" and event.type != "BOOKMARK":
                        told.append((event.type, event.body["data"], event.body["metadata"]["labels"]["app"]))

        watching = asyncio.create_task(watch())
        await opened.apply(key, settings(namespace, a="2"))
        await opened.apply(key, settings(namespace, a="2"))
        await opened.merge(key, {"metadata": {"labels": {"app": "other"}}})
        await opened.merge(key, {"data": {"a": "3"}})
        await opened.merge(key, {"metadata": {"labels": {"app": "shop"}, "finalizers": ["example.dev/hold"]}})
        await opened.delete(key)
        held = await opened.get(key)
        await opened.replace_finalizers(key, [], held["metadata"]["resourceVersion"])
        for _ in range(200):
            if len(told) >= 6:
                break
            await asyncio.sleep(0.02)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert told == [
            ("ADDED", {"a": "1"}, "shop"),
            ("MODIFIED", {"a": "2"}, "shop"),
            ("DELETED", {"a": "2"}, "shop"),
            ("ADDED", {"a": "3"}, "shop"),
            ("MODIFIED", {"a": "3"}, "shop"),
            ("DELETED", {"a": "3"}, "shop"),
        ]

    run(cluster, story)


def test_what_is_not_there_cannot_be_patched(cluster):
    async def story(opened, namespace):
        with pytest.raises(ApiError) as refused:
            await opened.merge(key_of(settings(namespace)), {"data": {"a": "1"}})
        assert refused.value.code == 404

    run(cluster, story)
