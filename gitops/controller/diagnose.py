"""Why an object is not healthy, down to the container: "ImagePullBackOff", not "progress deadline exceeded"."""

import base64
import binascii
from collections.abc import Iterable

from gitops.engine.trouble import Trouble, generation_of, troubles_of
from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Manifest
from gitops.manifests.secrets import HIDDEN
from gitops.model.errors import ClusterError
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
# Shorter values are words like "true", which would make holes in every message.
_SHORTEST_SECRET = 6


class Doctor:
    """Looks at the pods, events and logs of an Application's objects; says no value of a Secret in `manifests`."""

    def __init__(self, cluster: Cluster, manifests: Iterable[Manifest]) -> None:
        self._cluster = cluster
        self._secrets = sorted(_secret_values(manifests), key=len, reverse=True)

    def can_look(self, key: ResourceKey) -> bool:
        """True for kinds that have pods."""
        return (key.group, key.kind) in _WITH_PODS

    async def trouble_of(self, key: ResourceKey) -> Trouble | None:
        """The first trouble among the newest pods of a workload. Raises ClusterError."""
        owner = await self._cluster.get(key)
        labels = (((owner or {}).get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        if owner is None or not labels:
            return None
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        sets: tuple[Body, ...] = ()
        if key.kind == "Deployment":
            sets = (await self._cluster.list("apps", "ReplicaSet", key.namespace, selector)).items
        pods = (await self._cluster.list("", "Pod", key.namespace, selector)).items
        return next(iter(troubles_of(pods, generation_of(owner, sets))), None)

    async def end_of(self, key: ResourceKey, last: Body) -> Health | None:
        """How a Job ended that is gone, by its events, which outlive it; None where they do not tell."""
        fields = f"involvedObject.name={key.name},involvedObject.uid={last['metadata']['uid']}"
        for event in sorted((await self._cluster.list("", "Event", key.namespace, fields=fields)).items, key=_seen):
            if event.get("reason") == "Completed":
                return HEALTHY
            if event.get("reason") in _JOB_FAILURES:
                return Health(HealthWord.DEGRADED, event.get("message") or event["reason"], final=True)
        return None

    async def reason_for(self, key: ResourceKey, health: Health) -> str:
        """The health's message, the trouble, the pod's last warning and log lines; less where they cannot be had."""
        parts = [f"{health.word.value}: {health.message}" if health.message else health.word.value]
        if self.can_look(key):
            try:
                trouble = await self.trouble_of(key)
                if trouble is not None:
                    parts += [str(trouble), *await self._last_words(key.namespace, trouble)]
            except ClusterError as exc:
                parts.append(f"its pods could not be read: {exc}")
        return self.hidden("; ".join(dict.fromkeys(parts)))

    def hidden(self, text: str) -> str:
        """`text` without any Secret's value."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    async def _last_words(self, namespace: str, trouble: Trouble) -> list[str]:
        said = []
        fields = f"involvedObject.name={trouble.pod},type=Warning"
        events = (await self._cluster.list("", "Event", namespace, fields=fields)).items
        if events:
            last = max(events, key=_seen)
            said.append(f"event {last.get('reason')}: {last.get('message')}")
        if trouble.has_run:
            key = ResourceKey("", "Pod", namespace, trouble.pod)
            text = await self._cluster.logs(key, trouble.container, lines=_LOG_LINES)
            if text.strip():
                said.append("its last log lines: " + " | ".join(text.strip().splitlines()[-_LOG_LINES:]))
        return said


def _secret_values(manifests: Iterable[Manifest]) -> set[str]:
    found: set[str] = set()
    for manifest in manifests:
        if (manifest.key.group, manifest.key.kind) == ("", "Secret"):
            found |= {str(value) for value in _map(manifest.body.get("stringData")).values()}
            for value in _map(manifest.body.get("data")).values():
                found |= {str(value), _decoded(str(value))}
    return {value for value in found if len(value) >= _SHORTEST_SECRET}


def _map(value: object) -> Body:
    return value if isinstance(value, dict) else {}


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except (binascii.Error, ValueError):
        return ""


def _seen(event: Body) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
