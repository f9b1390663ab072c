"""Objects that are served at more than one version but stored at one.

Custom kinds convert by their apiVersion alone (the None strategy). Of the built-in ones only HorizontalPodAutoscaler
(autoscaling/v1) and Event (events.k8s.io) differ from what is stored.
"""

from collections.abc import Callable

import orjson

from gitops.manifests.key import Body
from gitops.sandbox.resources import STORAGE_VERSIONS, Resource


def needed(resource: Resource) -> bool:
    """Whether a resource's objects are stored in another form than it is served in."""
    if resource.custom is not None:
        return resource.version != resource.custom.storage_version
    return STORAGE_VERSIONS.get((resource.group, resource.plural), resource.api_version) != resource.api_version


def to_version(resource: Resource, body: Body) -> Body:
    """A stored object as this resource serves it."""
    if body.get("apiVersion") == resource.api_version:
        return body
    convert = _FROM_STORED.get((resource.group, resource.version, resource.plural))
    converted = convert(body) if convert else body
    return {**converted, "apiVersion": resource.api_version}


def to_stored(resource: Resource, body: Body) -> Body:
    """A decoded object in the form it is stored in."""
    if not needed(resource):
        return body
    if resource.custom is not None:
        return {**body, "apiVersion": f"{resource.group}/{resource.custom.storage_version}"}
    convert = _TO_STORED.get((resource.group, resource.version, resource.plural))
    converted = convert(body) if convert else body
    return {**converted, "apiVersion": STORAGE_VERSIONS[resource.group, resource.plural]}


_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"


def _autoscaler_v1(body: Body) -> Body:
    spec, status = body["spec"], body.get("status") or {}
    out = {name: value for name, value in spec.items() if name not in ("metrics", "behavior")}
    for metric in spec.get("metrics") or ():
        target = (metric.get("resource") or {}).get("target") or {}
        if (metric.get("resource") or {}).get("name") == "cpu" and "averageUtilization" in target:
            out["targetCPUUtilizationPercentage"] = target["averageUtilization"]
    kept = {name: value for name, value in status.items() if name not in ("currentMetrics", "conditions")}
    metadata = body["metadata"]
    if conditions := status.get("conditions"):
        # What autoscaling/v1 has no field for.
        annotations = {**(metadata.get("annotations") or {}), _CONDITIONS: orjson.dumps(conditions).decode()}
        metadata = {**metadata, "annotations": annotations}
    kept = {"currentReplicas": 0, "desiredReplicas": 0, **kept}
    return {**body, "metadata": metadata, "spec": out, "status": kept}


def _autoscaler_v2(body: Body) -> Body:
    spec = dict(body["spec"])
    percent = spec.pop("targetCPUUtilizationPercentage", 80)
    target = {"type": "Utilization", "averageUtilization": percent}
    spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    annotations = {
        name: text for name, text in (body["metadata"].get("annotations") or {}).items() if name != _CONDITIONS
    }
    metadata = {name: value for name, value in body["metadata"].items() if name != "annotations"}
    metadata |= {"annotations": annotations} if annotations else {}
    status = {"currentMetrics": None, **(body.get("status") or {})}
    return {**body, "metadata": metadata, "spec": spec, "status": status}


_EVENT_FROM_CORE = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_EVENT_TO_CORE = {name: core for core, name in _EVENT_FROM_CORE.items()}


def _renamed(body: Body, names: dict[str, str]) -> Body:
    return {names.get(name, name): value for name, value in body.items()}


_FROM_STORED: dict[tuple[str, str, str], Callable[[Body], Body]] = {
    ("autoscaling", "v1", "horizontalpodautoscalers"): _autoscaler_v1,
    ("events.k8s.io", "v1", "events"): lambda body: _renamed(body, _EVENT_FROM_CORE),
}
_TO_STORED: dict[tuple[str, str, str], Callable[[Body], Body]] = {
    ("autoscaling", "v1", "horizontalpodautoscalers"): _autoscaler_v2,
    ("events.k8s.io", "v1", "events"): lambda body: _renamed(body, _EVENT_TO_CORE),
}
