"""Why an object is not healthy, down to the container: "ImagePullBackOff", not "progress deadline exceeded"."""

from gitops.engine.health import pod_trouble
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import ClusterError
from gitops.model.health import Health
from gitops.ports import Cluster

_WITH_PODS = {("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "StatefulSet"), ("apps", "DaemonSet")} | {
    ("batch", "Job")
}


async def reason_for(cluster: Cluster, key: ResourceKey, health: Health) -> str:
    """The health's own message, and the first trouble among the object's pods. Never fails: less is then said."""
    said = f"{health.word.value}: {health.message}" if health.message else health.word.value
    if (key.group, key.kind) not in _WITH_PODS:
        return said
    try:
        trouble = await _pod_trouble(cluster, key)
    except ClusterError as exc:
        return f"{said} (its pods could not be read: {exc})"
    return f"{said}; {trouble}" if trouble else said


async def _pod_trouble(cluster: Cluster, key: ResourceKey) -> str:
    owner = await cluster.get(key)
    labels = (((owner or {}).get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    if not labels:
        return ""
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    pods = (await cluster.list("", "Pod", key.namespace, selector)).items
    newest_first = sorted(pods, key=_made, reverse=True)
    return next((f"pod {pod['metadata']['name']}: {text}" for pod in newest_first if (text := pod_trouble(pod))), "")


def _made(pod: Body) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")
