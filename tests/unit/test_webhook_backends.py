"""Services that the API server is about to call answer before it does."""

import asyncio

import pytest

from gitops.manifests.key import ResourceKey
from gitops.model.errors import ApiError
from gitops.sync.webhook_backends import without_endpoint
from gitops.testing.clock import SteppedClock
from gitops.testing.cluster import MemoryCluster

A, B = (ResourceKey("", "Service", "shop", name) for name in "ab")
SLICES = ResourceKey("discovery.k8s.io", "EndpointSlice", "shop", "")


def endpoint_slice(service, *, ready=True):
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service.name}-1",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": service.name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
    }


def silent(cluster, *services, seconds=5.0, passing=lambda clock: None):
    async def story():
        clock = SteppedClock()
        task = asyncio.create_task(without_endpoint(cluster, clock, services, seconds))
        await asyncio.sleep(0)
        while not task.done():
            passing(clock)
            await clock.step(0.5)
        return task.result(), clock.monotonic()

    return asyncio.run(story())


def test_services_that_answer_are_not_waited_for():
    cluster = MemoryCluster([endpoint_slice(A), endpoint_slice(B)])
    assert silent(cluster, A, B)[0] == []


def test_those_that_have_none_at_the_deadline_are_named_in_order():
    cluster = MemoryCluster([endpoint_slice(B, ready=False)])
    found, at = silent(cluster, B, A)
    assert found == [A, B]
    assert 5.0 <= at < 6.5


def test_one_that_comes_in_time_is_waited_for_and_asked_no_more():
    cluster = MemoryCluster([endpoint_slice(A)])

    def passing(clock):
        if clock.monotonic() >= 2:
            cluster.put(endpoint_slice(B))

    found, at = silent(cluster, A, B, passing=passing)
    assert (found, 2.0 <= at < 4.0) == ([], True)


def test_where_nobody_may_look_it_is_taken_to_answer():
    cluster = MemoryCluster()
    cluster.refuse("list", SLICES, 403)
    assert silent(cluster, A)[0] == []


def test_any_other_refusal_is_told():
    cluster = MemoryCluster()
    cluster.refuse("list", SLICES, 500, message="it is broken")
    with pytest.raises(ApiError, match="it is broken"):
        silent(cluster, A)
