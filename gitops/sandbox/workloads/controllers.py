"""The simulated controllers of a cluster: which one looks when what changes, one queue for all.

Each change puts (controller, object) pairs into the queue, each pair once; the queue is worked off between requests,
a few milliseconds at a time.
"""

import asyncio
import time
import traceback
from collections.abc import Iterator

import structlog

from gitops.manifests.key import Body
from gitops.sandbox.cluster import Cluster
from gitops.sandbox.quotas import QUOTAS
from gitops.sandbox.storage import Event, ResourceKey
from gitops.sandbox.workloads import garbage
from gitops.sandbox.workloads.apiservices import API_SERVICES, api_services_of, reconcile_api_service, service_of
from gitops.sandbox.workloads.autoscalers import (
    AUTOSCALERS,
    BUDGETS,
    budgets_of,
    reconcile_autoscaler,
    reconcile_budget,
)
from gitops.sandbox.workloads.daemonsets import reconcile_daemon_set
from gitops.sandbox.workloads.deployments import reconcile_deployment
from gitops.sandbox.workloads.jobs import reconcile_cron_job, reconcile_job
from gitops.sandbox.workloads.kubelet import claims_of, reconcile_pod
from gitops.sandbox.workloads.namespaces import reconcile_namespace
from gitops.sandbox.workloads.quotas import reconcile_quota
from gitops.sandbox.workloads.replicasets import reconcile_replica_set
from gitops.sandbox.workloads.services import ENDPOINTS, SLICES, reconcile_ingress, reconcile_service, services_of
from gitops.sandbox.workloads.statefulsets import reconcile_stateful_set
from gitops.sandbox.workloads.volumes import reconcile_claim, reconcile_volume
from gitops.sandbox.workloads.world import (
    CLAIMS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    VOLUMES,
    Reconcile,
    World,
    controller_of,
)

log = structlog.get_logger(__name__)

# How long the queue is worked off before requests get their turn, in seconds.
_SLICE = 0.005

# Who looks after the objects of a resource.
RECONCILERS: dict[ResourceKey, Reconcile] = {
    PODS: reconcile_pod,
    REPLICA_SETS: reconcile_replica_set,
    DEPLOYMENTS: reconcile_deployment,
    STATEFUL_SETS: reconcile_stateful_set,
    DAEMON_SETS: reconcile_daemon_set,
    JOBS: reconcile_job,
    CRON_JOBS: reconcile_cron_job,
    NAMESPACES: reconcile_namespace,
    SERVICES: reconcile_service,
    ("networking.k8s.io", "ingresses"): reconcile_ingress,
    CLAIMS: reconcile_claim,
    VOLUMES: reconcile_volume,
    AUTOSCALERS: reconcile_autoscaler,
    BUDGETS: reconcile_budget,
    API_SERVICES: reconcile_api_service,
    QUOTAS: reconcile_quota,
}

# Who looks after the owners of what changed.
_BY_KIND: dict[str, Reconcile] = {
    "ReplicaSet": reconcile_replica_set,
    "Deployment": reconcile_deployment,
    "StatefulSet": reconcile_stateful_set,
    "DaemonSet": reconcile_daemon_set,
    "Job": reconcile_job,
    "CronJob": reconcile_cron_job,
}

Item = tuple[Reconcile, str, str]


class Controllers:
    """Runs every controller of a cluster on the event loop."""

    def __init__(self, cluster: Cluster, ca_pem: str) -> None:
        self._world = World(cluster, ca_pem, self._later)
        self._queue: dict[Item, None] = {}
        self._scheduled = False
        self._closed = False
        for resource, stored in cluster.storage.everything():
            self._look(resource, stored.body)
        cluster.storage.listen_to_everything(self._changed)

    def close(self) -> None:
        self._closed = True
        self._queue.clear()

    def _later(self, reconcile: Reconcile, namespace: str, name: str, seconds: float) -> None:
        self._world.clock.call_after(max(seconds, 0.001), lambda: self._add((reconcile, namespace, name)))

    def _add(self, item: Item) -> None:
        self._queue[item] = None
        if not self._scheduled and not self._closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        self._scheduled = False
        until = time.monotonic() + _SLICE
        while self._queue and not self._closed:
            item = next(iter(self._queue))
            del self._queue[item]
            reconcile, namespace, name = item
            try:
                reconcile(self._world, namespace, name)
            except Exception:  # noqa: BLE001 - one broken object must not stop the others' controllers
                where = f"{namespace}/{name}"
                log.error("controller.failed", controller=reconcile.__name__, of=where, trace=traceback.format_exc())
            if time.monotonic() > until:
                break
        if self._queue and not self._scheduled and not self._closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._work)

    # --- what looks when ------------------------------------------------------------------------------------------

    def _changed(self, event: Event) -> None:
        self._world.follow(event)
        body = event.stored.body
        if event.resource == ("", "events"):
            return
        if event.type == "DELETED":
            garbage.owner_deleted(self._world, body["metadata"]["uid"])
            self._going_owners(body)
        self._look(event.resource, body)
        if event.type != "DELETED":
            self._collect(event.resource, body)
            if event.previous is not None:
                for item in self._related(event.resource, event.previous.body):
                    self._add(item)

    def _collect(self, resource: ResourceKey, body: Body) -> None:
        """Garbage collection that an object's own state calls for."""
        metadata = body["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        if metadata.get("deletionTimestamp") and metadata.get("finalizers"):
            self._add((_going(resource), namespace, name))
        elif metadata.get("ownerReferences"):
            self._add((_owned(resource), namespace, name))

    def _going_owners(self, body: Body) -> None:
        """Owners that wait in the foreground for an object that is gone now."""
        for reference in body["metadata"].get("ownerReferences") or ():
            resource = self._world.cluster.registry.of_kind(reference["apiVersion"], reference["kind"])
            if resource is not None:
                namespace = body["metadata"].get("namespace", "") if resource.namespaced else ""
                self._add((_going(resource.key), namespace, reference["name"]))

    def _look(self, resource: ResourceKey, body: Body) -> None:
        metadata = body["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        if (reconcile := RECONCILERS.get(resource)) is not None:
            self._add((reconcile, namespace, name))
        for item in self._related(resource, body):
            self._add(item)

    def _related(self, resource: ResourceKey, body: Body) -> Iterator[Item]:
        """The other objects that a change to this one may concern."""
        namespace = body["metadata"].get("namespace", "")
        for quota in self._world.all(QUOTAS, namespace) if namespace and resource != QUOTAS else ():
            yield reconcile_quota, namespace, quota["metadata"]["name"]
        if (owner := controller_of(body)) is not None and owner["kind"] in _BY_KIND:
            yield _BY_KIND[owner["kind"]], namespace, owner["name"]
        if resource == PODS:
            for name in services_of(self._world, body):
                yield reconcile_service, namespace, name
            for name in budgets_of(self._world, body):
                yield reconcile_budget, namespace, name
            for claim in claims_of(body):
                yield reconcile_claim, namespace, claim
        elif resource == VOLUMES:
            for claim_body in self._world.all(CLAIMS):
                if (claim_body.get("status") or {}).get("phase") != "Bound":
                    yield reconcile_claim, claim_body["metadata"]["namespace"], claim_body["metadata"]["name"]
        elif resource == CLAIMS:
            if volume_name := body["spec"].get("volumeName"):
                yield reconcile_volume, "", volume_name
            for pod in self._world.all(PODS, namespace):
                if not pod["spec"].get("nodeName") and body["metadata"]["name"] in claims_of(pod):
                    yield reconcile_pod, namespace, pod["metadata"]["name"]
        elif resource in (SERVICES, ENDPOINTS, SLICES):
            service = body["metadata"]["name"] if resource == SERVICES else service_of(body)
            for name in api_services_of(self._world, namespace, service):
                yield reconcile_api_service, "", name
        elif resource == API_SERVICES:
            for autoscaler in self._world.all(AUTOSCALERS):
                yield reconcile_autoscaler, autoscaler["metadata"]["namespace"], autoscaler["metadata"]["name"]
        elif resource == NODES:
            for daemon_set in self._world.all(DAEMON_SETS):
                yield reconcile_daemon_set, daemon_set["metadata"]["namespace"], daemon_set["metadata"]["name"]
        elif resource in (DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS):
            for autoscaler in self._world.all(AUTOSCALERS, namespace):
                yield reconcile_autoscaler, namespace, autoscaler["metadata"]["name"]


_GOING: dict[ResourceKey, Reconcile] = {}
_OWNED: dict[ResourceKey, Reconcile] = {}


def _going(resource: ResourceKey) -> Reconcile:
    """The collector of owners of a resource that wait for their dependents."""

    def collect(world: World, namespace: str, name: str) -> None:
        body = world.get(resource, namespace, name)
        if body is not None and body["metadata"].get("deletionTimestamp"):
            garbage.owner_going(world, resource, body)

    return _GOING.setdefault(resource, collect)


def _owned(resource: ResourceKey) -> Reconcile:
    """The collector of objects of a resource whose owners are gone."""

    def collect(world: World, namespace: str, name: str) -> None:
        body = world.get(resource, namespace, name)
        if body is not None:
            garbage.never_owned(world, resource, body)

    return _OWNED.setdefault(resource, collect)
