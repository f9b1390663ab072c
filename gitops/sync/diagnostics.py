"""Why an object is not healthy, down to the container: "ImagePullBackOff", not "progress deadline exceeded"."""

from collections.abc import Iterable

from gitops.engine.pod_failure import (
    PodFailure,
    creation_trouble,
    event_time,
    generation_of,
    newest_set,
    pod_trouble,
    stuck_pods,
    troubles_of,
)
from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.secrets import HIDDEN, values_of
from gitops.model.errors import ApiError, ClusterError
from gitops.model.health import HEALTHY, Health, HealthWord
from gitops.ports import Cluster

_WITH_PODS = {("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "StatefulSet"), ("apps", "DaemonSet")} | {
    ("batch", "Job")
}
_JOB_FAILURES = {
    "BackoffLimitExceeded",
    "DeadlineExceeded",
    "PodFailurePolicy",
    "FailedIndexes",
    "MaxFailedIndexesExceeded",
}
_LOG_LINES = 3


class Diagnostics:
    """Looks at the pods, events and logs of an Application's objects; says no value of a Secret in `bodies`."""

    def __init__(self, cluster: Cluster, bodies: Iterable[Body]) -> None:
        self._cluster = cluster
        secrets = {value for body in bodies for value in values_of(body)}
        self._secrets = sorted(secrets, key=len, reverse=True)

    @staticmethod
    def can_look(key: ResourceKey) -> bool:
        """True for kinds that have pods."""
        return (key.group, key.kind) in _WITH_PODS

    async def trouble_of(self, key: ResourceKey) -> PodFailure | None:
        """The first trouble among the newest pods of a workload, or why it can make none. Raises ClusterError."""
        owner = await self._cluster.get(key)
        selector = _selector_of(owner)
        if owner is None or not selector:
            return None
        sets: tuple[Body, ...] = ()
        if key.kind == "Deployment":
            sets = (await self._cluster.list("apps", "ReplicaSet", key.namespace, selector)).items
        pods = (await self._cluster.list("", "Pod", key.namespace, selector)).items
        stuck = (pod_trouble(pod) for pod in stuck_pods(owner, pods))
        found = next(iter([*troubles_of(pods, generation_of(owner, sets)), *stuck]), None)
        return found or await self._creation_trouble(owner, sets)

    async def _creation_trouble(self, owner: Body, sets: tuple[Body, ...]) -> PodFailure | None:
        maker = newest_set(sets) or owner
        failed = creation_trouble(owner, maker, ())
        if failed is not None or _has_all_pods(maker):
            return failed
        fields = f"involvedObject.uid={maker['metadata']['uid']},reason=FailedCreate"
        try:
            events = (await self._cluster.list("", "Event", owner["metadata"]["namespace"], fields=fields)).items
        except ApiError:  # without the right to read events: then the object alone tells
            return None
        return creation_trouble(owner, maker, events)

    async def stuck_pods_of(self, key: ResourceKey) -> list[Body]:
        """The Pods that a StatefulSet waits for in vain. Raises ClusterError."""
        owner = await self._cluster.get(key) if key.kind == "StatefulSet" else None
        selector = _selector_of(owner)
        if owner is None or not selector:
            return []
        return stuck_pods(owner, (await self._cluster.list("", "Pod", key.namespace, selector)).items)

    async def end_of(self, key: ResourceKey, last: Body) -> Health | None:
        """How a Job ended that is gone, by its events, which outlive it; None where they do not tell."""
        fields = f"involvedObject.name={key.name},involvedObject.uid={last['metadata']['uid']}"
        for event in sorted(
            (await self._cluster.list("", "Event", key.namespace, fields=fields)).items, key=event_time
        ):
            if event.get("reason") == "Completed":
                return HEALTHY
            if event.get("reason") in _JOB_FAILURES:
                return Health(HealthWord.DEGRADED, event.get("message") or event["reason"], final=True)
        return None

    async def reason_for(self, key: ResourceKey, health: Health) -> str:
        """The health's message, the trouble, the pod's last warning and log lines; what cannot be had is said."""
        parts = [f"{health.word.value}: {health.message}" if health.message else health.word.value]
        if self.can_look(key):
            try:
                trouble = await self.trouble_of(key)
            except ClusterError as exc:
                trouble = None
                parts.append(f"its pods could not be read: {exc}")
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                trouble = None
                parts.append("it, or its pods, do not have the form that is known of their kind")
            if trouble is not None:
                parts += [str(trouble), *await self._last_words(key.namespace, trouble)]
        return self.hidden("; ".join(dict.fromkeys(parts)))

    def hidden(self, text: str) -> str:
        """`text` without any Secret's value."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    async def _last_words(self, namespace: str, trouble: PodFailure) -> list[str]:
        """What the pod's events and log say; each that cannot be read takes nothing of the rest along."""
        if not trouble.pod:
            return []
        said = []
        try:
            said += await self._last_event(namespace, trouble)
        except ClusterError as exc:
            said.append(f"its events could not be read: {exc}")
        try:
            said += await self._last_lines(namespace, trouble) if trouble.has_run else []
        except ClusterError as exc:
            said.append(f"its log could not be read: {exc}")
        return said

    async def _last_event(self, namespace: str, trouble: PodFailure) -> list[str]:
        fields = f"involvedObject.name={trouble.pod},type=Warning"
        events = (await self._cluster.list("", "Event", namespace, fields=fields)).items
        last = max(events, key=event_time, default=None)
        return [] if last is None else [f"event {last.get('reason')}: {last.get('message')}"]

    async def _last_lines(self, namespace: str, trouble: PodFailure) -> list[str]:
        key = ResourceKey("", "Pod", namespace, trouble.pod)
        text = await self._cluster.logs(key, trouble.container, lines=_LOG_LINES)
        lines = text.strip().splitlines()[-_LOG_LINES:]
        return [f"its last log lines: {' | '.join(lines)}"] if lines else []


def _has_all_pods(maker: Body) -> bool:
    """Whether as many Pods were made as are wanted: then none was refused."""
    spec, status = maker.get("spec") or {}, maker.get("status") or {}
    match maker["kind"]:
        case "DaemonSet":
            return bool(status.get("currentNumberScheduled", 0) >= status.get("desiredNumberScheduled", 1))
        case "Job":
            return bool(status.get("active") or status.get("succeeded") or status.get("failed"))
        case _:
            return bool(status.get("replicas", 0) >= spec.get("replicas", 1))


def _selector_of(owner: Body | None) -> str:
    labels = (((owner or {}).get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
