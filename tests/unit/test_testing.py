"""The fakes that are shipped: a clock that is stepped, and a store that can be away."""

import asyncio

import pytest

from gitops.adapters.store import SqliteStore
from gitops.model.errors import StoreError
from gitops.testing.clock import SteppedClock
from gitops.testing.cluster import MemoryCluster
from gitops.testing.store import UnreliableStore


def test_time_stands_still_until_it_is_stepped():
    async def story():
        clock, woken = SteppedClock(), []
        before = clock.now()

        async def sleeper(name, *times):
            for seconds in times:
                await clock.sleep(seconds)
                woken.append((name, clock.monotonic()))

        tasks = [asyncio.create_task(sleeper("a", 10, 10)), asyncio.create_task(sleeper("b", 15))]
        await clock.step(9)
        assert woken == []
        await clock.step(7)
        assert woken == [("a", 10.0), ("b", 15.0)]
        await clock.step(4)
        assert woken[2:] == [("a", 20.0)]
        assert (clock.now() - before).total_seconds() == 20.0
        await asyncio.gather(*tasks)

    asyncio.run(story())


def test_a_sleeper_that_was_cancelled_holds_nobody_up():
    async def story():
        clock = SteppedClock()
        task = asyncio.create_task(clock.sleep(1))
        await clock.step(0)
        task.cancel()
        await clock.step(5)
        await clock.sleep(0)
        assert clock.monotonic() == 5.0

    asyncio.run(story())


def test_a_store_that_is_away_fails_each_call_and_answers_again_afterwards(tmp_path):
    async def story():
        store = await SqliteStore.open(tmp_path)
        unreliable = UnreliableStore(store)
        assert unreliable.as_store().id == store.id
        await unreliable.as_store().set_setting("a/b", "note", "x")
        unreliable.is_away = True
        with pytest.raises(StoreError, match="the store is away"):
            await unreliable.as_store().setting("a/b", "note")
        unreliable.is_away = False
        assert await unreliable.as_store().setting("a/b", "note") == "x"
        await store.close()

    asyncio.run(story())


def test_a_cluster_lists_the_objects_whose_fields_a_selector_names():
    cluster = MemoryCluster()
    for name, uid in (("a", "1"), ("b", "2")):
        metadata = {"name": name, "namespace": "shop"}
        cluster.put({"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": {"uid": uid}})

    def listed(fields):
        return [
            body["metadata"]["name"] for body in asyncio.run(cluster.list("", "Event", "shop", fields=fields)).items
        ]

    assert listed("") == ["a", "b"]
    assert listed("involvedObject.uid=2") == ["b"]
    assert listed("involvedObject.uid=2,metadata.name=a") == []
    assert listed("type.name=x") == []
