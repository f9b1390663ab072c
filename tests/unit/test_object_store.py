"""The shelf of a watch: what is on it is what the cluster has, whatever comes first."""

import asyncio
import contextlib

import pytest

from gitops.adapters.kubernetes import informers
from gitops.adapters.kubernetes.cache import CachedCluster
from gitops.adapters.kubernetes.informers import SharedInformers
from gitops.adapters.kubernetes.object_store import ObjectStore
from gitops.engine.health import health_of
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ApiError
from gitops.model.health import HealthWord
from gitops.testing.cluster import MemoryCluster

KEY = ResourceKey("", "ConfigMap", "n", "a")
SET = {"gitops.dev/managed-by": "gitops", "applyset.kubernetes.io/part-of": "set"}


def config(version, name="a", status=None, **data):
    metadata = {"name": name, "namespace": "n", "resourceVersion": str(version), "labels": SET}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return {**body, "status": status} if status else body


def test_a_change_is_suspect_and_a_new_status_is_not():
    shelf = ObjectStore()
    assert shelf.put(config(1, a="1")).external_change
    assert not shelf.put(config(2, status={"ready": True}, a="1")).external_change
    assert shelf.put(config(3, a="2")).external_change
    assert shelf.take_away(KEY).external_change


def test_an_older_answer_does_not_replace_a_newer_event():
    shelf = ObjectStore()
    shelf.put(config(5, a="new"))
    assert shelf.put(config(4, a="old"), ours=True) is None
    assert shelf.get(KEY)["data"] == {"a": "new"}


def test_an_event_older_than_what_is_known_says_that_the_cluster_was_restored():
    shelf = ObjectStore()
    shelf.version = "50"
    for version in ("50", "51"):
        shelf.check(version)
    with pytest.raises(ApiError, match="earlier version"):
        shelf.check("9")
    shelf.version = ""
    shelf.check("9")


def test_what_was_put_back_to_what_we_wrote_is_told_too():
    shelf = ObjectStore()
    shelf.put(config(1, a="1"), ours=True)
    assert shelf.put(config(2, a="by hand")).external_change
    assert shelf.put(config(3, a="1")).external_change


def test_a_list_of_a_restored_cluster_holds_although_its_versions_are_lower():
    shelf = ObjectStore()
    shelf.put(config(500, a="new"))
    began = shelf.serial
    shelf.put(config(501, "b", a="written meanwhile"), ours=True)
    assert shelf.put(config(100, a="old"), listed_from=began).external_change
    assert shelf.put(config(90, "b", a="before"), listed_from=began) is None
    assert shelf.get(KEY)["data"] == {"a": "old"}


def test_a_reader_misses_nothing_that_came_after_its_list():
    shelf = ObjectStore()
    shelf.put(config(1))
    serial = shelf.serial
    shelf.put(config(2, "b"))
    shelf.take_away(KEY)
    assert [(type_, body["metadata"]["name"]) for type_, body in shelf.since(serial, "set")] == [
        ("DELETED", "a"),
        ("MODIFIED", "b"),
    ]


def test_an_object_that_goes_to_another_set_is_gone_from_the_one_it_was_in():
    shelf = ObjectStore()
    shelf.put(config(1))
    serial = shelf.serial
    moved = config(2)
    moved["metadata"]["labels"] = {"gitops.dev/managed-by": "gitops"}
    assert shelf.put(moved).left == "set"
    assert shelf.members("set") == []
    assert [type_ for type_, _ in shelf.since(serial, "set")] == ["DELETED"]


class Watched:
    """The watches of a cluster with one shelf, and what they told."""

    def __init__(self, *bodies, listener=None):
        self.told = []
        self.watches = SharedInformers(None, listener or self.told.append)
        self.shelf = ObjectStore()
        self.shelf.version = "10"
        self.watches._shelves["", "ConfigMap", ""] = self.shelf
        for body in bodies:
            self.shelf.put(body)

    def event(self, body):
        self.watches._took_in(self.shelf, "MODIFIED", body)
        self.shelf.version = body["metadata"]["resourceVersion"]

    def look(self, answer, *meanwhile):
        """A look past the shelf; these things happen before its answer comes."""

        async def looked():
            for happens in meanwhile:
                happens()
            return answer

        return asyncio.run(self.watches.looked(KEY, looked()))

    def write(self, answer, *meanwhile):
        """A write of ours; these things happen before its answer comes."""

        async def written():
            for happens in meanwhile:
                happens()
            return answer

        asyncio.run(self.watches.written(KEY, written()))


def test_an_event_of_our_write_before_its_answer_is_no_drift():
    watched = Watched(config(10, a="0"))
    watched.write(config(11, a="1"), lambda: watched.event(config(11, a="1")))
    assert [seen.external_change for seen in watched.told] == [False]


def test_an_edit_between_our_write_and_its_answer_is_drift():
    watched = Watched(config(10, a="0"))
    watched.write(
        config(11, a="1"), lambda: watched.event(config(11, a="1")), lambda: watched.event(config(12, a="by hand"))
    )
    assert watched.told[-1].external_change
    assert watched.shelf.get(KEY)["data"] == {"a": "by hand"}


@pytest.mark.parametrize("version", [5, 12])
def test_a_look_past_the_shelf_corrects_it_also_in_a_restored_cluster(version):
    found = Watched(config(11, a="1"))
    assert found.look(config(version, a="2"))["data"] == {"a": "2"}
    assert found.shelf.get(KEY)["data"] == {"a": "2"}
    assert found.look(None) is None
    assert found.shelf.get(KEY) is None


def test_what_came_while_we_looked_past_the_shelf_is_not_undone():
    found = Watched(config(11, a="1"))
    found.look(config(11, a="1"), lambda: found.event(config(12, a="2")))
    found.look(None, lambda: found.event(config(13, a="3")))
    assert found.shelf.get(KEY)["data"] == {"a": "3"}


@pytest.mark.parametrize("others", [[], [config(9, "b")]], ids=["alone", "beside another"])
def test_what_was_deleted_before_our_write_was_answered_does_not_come_back(others):
    watched = Watched(config(10, a="0"), *others)

    def deleted():
        watched.watches._lost(watched.shelf, KEY)
        watched.shelf.version = "12"

    watched.write(config(11, a="1"), lambda: watched.event(config(11, a="1")), deleted)
    assert watched.shelf.get(KEY) is None


def test_our_first_write_of_a_kind_is_seen_by_the_next_plan():
    watched = Watched()
    watched.write(config(11, a="1"))
    assert watched.shelf.get(KEY)["data"] == {"a": "1"}


def test_a_listener_that_fails_does_not_end_the_watch():
    def fails(_):
        raise ValueError("a rule that did not expect this")

    watched = Watched(listener=fails)
    watched.event(config(11, a="1"))
    assert watched.shelf.get(KEY)


@pytest.mark.parametrize(
    "status", ["x", ["x"], {"conditions": [None]}, {"observedGeneration": "x"}, {"conditions": "x"}]
)
@pytest.mark.parametrize("kind", [("apps/v1", "Deployment"), ("example.com/v1", "Widget"), ("batch/v1", "Job")])
def test_no_status_is_too_odd_to_be_judged(kind, status):
    metadata = {"name": "a", "namespace": "n", "generation": 1}
    health = health_of({"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": {}, "status": status})
    assert health.word in HealthWord


class Paged(MemoryCluster):
    """In memory, with lists by pages; `begun` are the versions that watches began at, `open` how many there are."""

    def __init__(self, *bodies):
        super().__init__(bodies)
        self.begun, self.open = [], 0

    async def pages(self, *asked):
        yield await self.list(*asked)

    @contextlib.asynccontextmanager
    async def watch(self, *asked):
        self.begun.append(asked[3])
        self.open += 1
        try:
            async with super().watch(*asked) as events:
                yield events
        finally:
            self.open -= 1


def test_a_watch_goes_on_from_where_its_list_ended_and_is_over_when_all_are_closed():
    cluster = Paged(config(1), config(1, name="b"))

    async def story():
        watches = SharedInformers(cluster, lambda seen: None)
        shelf = await watches.shelf("", "ConfigMap", "n")
        while not cluster.open:
            await asyncio.sleep(0)
        listing = await cluster.list("", "ConfigMap", "", "")
        await watches.close()
        return listing.version, [shelf.get(KEY)["metadata"]["name"]], cluster.begun, cluster.open

    version, names, begun, still_open = asyncio.run(story())
    assert (names, begun, still_open) == (["a"], [version], 0)


async def answered(body):
    return body


def test_a_right_that_a_sync_has_just_given_is_used_at_once(monkeypatch):
    monkeypatch.setattr(informers, "_BLIND_SECONDS", 0.02)
    cluster, everywhere = Paged(config(1)), ("", "ConfigMap", "")
    cluster.refuse("list", ResourceKey(*everywhere, ""), 403)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}

    async def story():
        watches = SharedInformers(cluster, lambda seen: None)
        refused = await watches.shelf(*everywhere)
        cluster.refuse("list", ResourceKey(*everywhere, ""), 0)
        await watches.written(KEY, answered(config(2)))
        await asyncio.sleep(0.1)
        still = await watches.shelf(*everywhere)
        await watches.written(ResourceKey("rbac.authorization.k8s.io", "ClusterRole", "", "r"), answered(role))
        while await watches.shelf(*everywhere) is None:
            await asyncio.sleep(0.01)
        await watches.close()
        return refused, still

    assert asyncio.run(story()) == (None, None)


def test_a_reader_of_long_ago_has_to_list_again_and_one_of_just_now_misses_nothing():
    watched = Watched(config(1))

    async def follow(serial):
        async with watched.watches.follow(watched.shelf, "set", serial) as events:
            return await anext(events)

    for number in range(1001):
        watched.shelf.put(config(number + 2, name=f"m{number}"))
        watched.shelf.take_away(ResourceKey("", "ConfigMap", "n", f"m{number}"))
    with pytest.raises(ApiError) as caught:
        asyncio.run(follow(1))
    assert caught.value.code == 410
    last = asyncio.run(follow(watched.shelf.serial - 1))
    assert (last.type, last.body["metadata"]["name"]) == ("DELETED", "m1000")


def test_a_kind_is_watched_from_our_first_write_of_it_on():
    cluster = Paged(config(1))

    async def story():
        watches = SharedInformers(cluster, lambda seen: None)
        await watches.written(KEY, answered(config(2)))
        while not cluster.open:
            await asyncio.sleep(0)
        await watches.close()

    asyncio.run(story())
    assert len(cluster.begun) == 1


# ── a cluster that is answered from its shelves ──────────────────────────────────────────────────────────────────────


def with_cache(cluster, work):
    async def story():
        cache = CachedCluster(cluster, lambda seen: None)
        try:
            return await work(cache)
        finally:
            await cache.close()

    return asyncio.run(story())


def test_only_what_a_shelf_has_listed_is_watched_on_that_shelf():
    cluster, members = Paged(config(1)), "applyset.kubernetes.io/part-of=set"

    async def work(cache):
        listing = await cache.list("", "ConfigMap", "n", members)
        while not cluster.open:
            await asyncio.sleep(0)
        async with cache.watch("", "ConfigMap", "n", listing.version, members):
            of_shelf = len(cluster.begun)
        async with cache.watch("", "ConfigMap", "n", "1", members):
            of_cluster = cluster.begun[of_shelf:]
        async with cache.watch("", "ConfigMap", "n", "1", "a=b"):
            of_others = cluster.begun[of_shelf + 1 :]
        return of_shelf, of_cluster, of_others

    assert with_cache(cluster, work) == (1, ["1"], ["1"])


def test_what_a_selector_asks_for_and_no_shelf_can_tell_is_asked_of_the_cluster():
    cluster, members = Paged(config(1, a="1"), config(2, name="b")), "applyset.kubernetes.io/part-of=set"

    async def work(cache):
        of_name = await cache.list("", "ConfigMap", "n", members, fields="metadata.name=b")
        of_field = await cache.list("", "ConfigMap", "n", members, fields="data.a=1")
        of_others = await cache.list("", "ConfigMap", "n", "app=web")
        return [[body["metadata"]["name"] for body in one.items] for one in (of_name, of_field, of_others)]

    assert with_cache(cluster, work) == [["b"], ["a"], []]


def test_a_watch_of_a_shelf_that_is_away_has_to_list_again():
    cluster, members = Paged(config(1)), "applyset.kubernetes.io/part-of=set"
    for namespace in ("", "n"):
        cluster.refuse("list", ResourceKey("", "ConfigMap", namespace, ""), 403)

    async def work(cache):
        async with cache.watch("", "ConfigMap", "n", "shelf-1", members):
            pass

    with pytest.raises(ApiError) as caught:
        with_cache(cluster, work)
    assert caught.value.code == 410


def test_what_is_only_asked_has_the_answer_of_the_cluster():
    cluster = MemoryCluster([config(1, a="1")])

    async def work(cache):
        live, wanted = cluster.body(KEY), config(1, a="2")
        asked = await cache.dry_run_replace(KEY, live, wanted), await cache.apply(KEY, wanted, force=True, dry_run=True)
        return [one["data"] for one in asked], await cache.identity() == await cluster.identity()

    assert with_cache(cluster, work) == ([{"a": "2"}, {"a": "2"}], True)
