"""Waits until Services answer, before anything is written that makes the API server call them."""

from collections.abc import Iterable

from gitops.engine.backends import has_ready_endpoint
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ApiError
from gitops.ports import Clock, Cluster

_POLL_SECONDS = 0.5


async def without_endpoint(
    cluster: Cluster, clock: Clock, services: Iterable[ResourceKey], deadline: float
) -> list[ResourceKey]:
    """Wait until each Service has an endpoint that is ready; those that have none at the `deadline`, sorted."""
    missing = sorted(services)
    while True:
        missing = [service for service in missing if not await _answers(cluster, service)]
        if not missing or clock.monotonic() >= deadline:
            return missing
        await clock.sleep(_POLL_SECONDS)


async def _answers(cluster: Cluster, service: ResourceKey) -> bool:
    """True as well where we may not look: the workloads behind it were waited for."""
    labels = f"kubernetes.io/service-name={service.name}"
    try:
        slices = await cluster.list("discovery.k8s.io", "EndpointSlice", service.namespace, labels)
    except ApiError as exc:
        if exc.code == 403:
            return True
        raise
    return has_ready_endpoint(slices.items)
