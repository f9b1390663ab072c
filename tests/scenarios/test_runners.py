"""Two runners at one Application at the same time: neither takes from the inventory what the other has claimed."""

import asyncio

import pytest

from gitops.engine.plan_input import PlanOptions
from gitops.sync.context import Request
from gitops.sync.reconcile import sync
from tests.scenarios.world import Killed, config_map


def meet(world, before_write, *, killed):
    """A sync, before whose write number `before_write` another runner syncs a newer commit; then it dies, or goes on.

    Whether the two met at all.
    """
    met, sent = [], []

    async def first(context):
        raw = context.cluster.http._raw

        async def watched(call):
            writes = call.is_write
            if writes and not met and len(sent) == before_write:
                met.append(True)
                world.commit(old=None, new=config_map("new"))
                await asyncio.to_thread(world.sync, wait=False)
            elif writes and met and killed:
                raise Killed
            if writes:
                sent.append(call.path)
            return await raw(call)

        context.cluster.http._raw = watched
        try:
            await sync(Request(world.app, "ada", PlanOptions(), wait=False), context)
        except Killed:
            pass

    world._context(first)
    return bool(met)


def marked_and_owned(world):
    path = f"/api/v1/namespaces/{world.namespace}/configmaps"
    items = world.request("GET", path, labelSelector="applyset.kubernetes.io/part-of")["items"]
    return {item["metadata"]["name"] for item in items}, {key.name for key in world.inventory().keys}


@pytest.mark.parametrize("killed", [False, True], ids=["goes on", "is killed"])
@pytest.mark.parametrize("before_write", range(5))  # namespace, claim, two objects, the exact set
def test_at_the_first_sync(world, before_write, killed):
    world.commit(old=config_map("old"), web=config_map("web"))
    assert meet(world, before_write, killed=killed)
    marked, owned = marked_and_owned(world)
    assert marked <= owned
    world.sync()
    assert marked_and_owned(world)[0] == {"new", "web"}


@pytest.mark.parametrize("killed", [False, True], ids=["goes on", "is killed"])
@pytest.mark.parametrize("before_write", range(4))  # claim, two objects, the exact set
def test_at_a_later_sync(world, before_write, killed):
    world.commit(web=config_map("web"))
    world.sync()
    world.commit(old=config_map("old"), web=config_map("web", a="2"))
    assert meet(world, before_write, killed=killed)
    marked, owned = marked_and_owned(world)
    assert marked <= owned
    world.sync()
    assert marked_and_owned(world)[0] == {"new", "web"}


def test_a_write_that_comes_late_of_a_runner_that_died_is_not_orphaned(world):
    world.commit(web=config_map("web"))
    world.sync()
    world.commit(old=config_map("old"), web=config_map("web", a="2"))

    async def first(context):
        raw = context.cluster.http._raw
        settled, landed = asyncio.Event(), asyncio.Event()

        async def late(call):
            if not call.is_write or not call.path.endswith(("/old", "/web")):
                return await raw(call)
            if call.path.endswith("/old"):
                await settled.wait()
                answer = await raw(call)
                landed.set()
                return answer
            world.commit(old=None, new=config_map("new"))
            await asyncio.to_thread(world.sync, wait=False)
            settled.set()
            await landed.wait()
            raise Killed

        context.cluster.http._raw = late
        with pytest.raises(Killed):
            await sync(Request(world.app, "ada", PlanOptions(), wait=False), context)

    world._context(first)
    marked, owned = marked_and_owned(world)
    assert marked == owned == {"old", "new", "web"}
    world.sync()
    assert marked_and_owned(world) == ({"new", "web"}, {"new", "web"})
