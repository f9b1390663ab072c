"""Fields that exclude each other: when a manifest sets one, those beside it that others own have to go.

A server-side apply only removes what was ours. An env variable that changes from `value` to `valueFrom` while somebody
else owns its `value` would keep both, which the API server refuses (422), whatever is forced.
"""

from dataclasses import dataclass, field
from typing import Any

from gitops.manifests import fields
from gitops.manifests.fields import LEAF, FieldSet
from gitops.manifests.key import Body, ResourceKey


@dataclass(frozen=True, slots=True)
class _Node:
    """What is known of a map (or, with `by`, of a list of maps that this field names).

    Of `one_of` one may be set; with `all_but`, of everything but those names.
    """

    one_of: frozenset[str] = frozenset()
    all_but: frozenset[str] = frozenset()
    children: "dict[str, _Node]" = field(default_factory=dict)
    by: str = ""


def _one_of(*names: str, **children: _Node) -> _Node:
    return _Node(one_of=frozenset(names), children=children)


def _by_name(node: _Node) -> _Node:
    return _Node(node.one_of, node.all_but, node.children, by="name")


_REFERENCE = _one_of("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_PROBE = _one_of("exec", "httpGet", "tcpSocket", "grpc")
_ACTION = _one_of("exec", "httpGet", "tcpSocket", "sleep")
_CONTAINERS = _by_name(
    _Node(
        children={
            "env": _by_name(_one_of("value", "valueFrom", valueFrom=_REFERENCE)),
            "livenessProbe": _PROBE,
            "readinessProbe": _PROBE,
            "startupProbe": _PROBE,
            "lifecycle": _Node(children={"postStart": _ACTION, "preStop": _ACTION}),
        }
    )
)
_POD = _Node(
    children={
        "containers": _CONTAINERS,
        "initContainers": _CONTAINERS,
        "volumes": _by_name(_Node(all_but=frozenset({"name"}))),
    }
)
_SPEC_OF_PODS = _Node(children={"spec": _Node(children={"template": _Node(children={"spec": _POD})})})
_JOBS = _Node(children={"spec": _Node(children={"jobTemplate": _SPEC_OF_PODS})})
_WEBHOOKS = _Node(children={"webhooks": _by_name(_Node(children={"clientConfig": _one_of("url", "service")}))})
_BACKEND = _one_of("service", "resource", service=_Node(children={"port": _one_of("name", "number")}))
_KINDS = {
    ("", "Pod"): _Node(children={"spec": _POD}),
    ("", "ReplicationController"): _SPEC_OF_PODS,
    ("apps", "Deployment"): _SPEC_OF_PODS,
    ("apps", "ReplicaSet"): _SPEC_OF_PODS,
    ("apps", "StatefulSet"): _SPEC_OF_PODS,
    ("apps", "DaemonSet"): _SPEC_OF_PODS,
    ("batch", "Job"): _SPEC_OF_PODS,
    ("batch", "CronJob"): _JOBS,
    ("policy", "PodDisruptionBudget"): _Node(children={"spec": _one_of("minAvailable", "maxUnavailable")}),
    ("networking.k8s.io", "Ingress"): _Node(children={"spec": _Node(children={"defaultBackend": _BACKEND})}),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _WEBHOOKS,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _WEBHOOKS,
}


def excluded_fields(desired: Body, live: Body, key: ResourceKey) -> FieldSet:
    """The fields of `live` that cannot stay beside what `desired` sets, and that it leaves out; mostly none."""
    node = _KINDS.get((key.group, key.kind))
    return {} if node is None else _excluded(desired, live, node)


def _excluded(desired: Any, live: Any, node: _Node) -> FieldSet:
    if node.by:
        return _in_items(desired, live, node)
    if not isinstance(desired, dict) or not isinstance(live, dict):
        return {}
    found: FieldSet = {}
    choice = node.one_of or ((desired.keys() | live.keys()) - node.all_but if node.all_but else frozenset())
    if choice & desired.keys():
        found = {f"f:{name}": _whole(live[name]) for name in sorted(choice & live.keys() - desired.keys())}
    for name, child in node.children.items():
        if below := _excluded(desired.get(name), live.get(name), child):
            found[f"f:{name}"] = below
    return found


def _in_items(desired: Any, live: Any, node: _Node) -> FieldSet:
    if not isinstance(desired, list) or not isinstance(live, list):
        return {}
    named = ((item.get(node.by), item) for item in live if isinstance(item, dict))
    there = {name: item for name, item in named if isinstance(name, str)}
    plain = _Node(node.one_of, node.all_but, node.children)
    found: FieldSet = {}
    for item in desired:
        name = item.get(node.by) if isinstance(item, dict) else None
        below = _excluded(item, there[name], plain) if isinstance(name, str) and name in there else {}
        if below:
            found[fields.encode({node.by: name})] = below
    return found


def _whole(value: Any) -> FieldSet:
    """A field and all that is below it; of a list the whole counts."""
    if not isinstance(value, dict) or not value:
        return LEAF
    return {".": LEAF, **{f"f:{name}": _whole(below) for name, below in value.items()}}
