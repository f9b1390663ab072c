"""Objects that make the API server call a Service: an APIService, and webhook configurations.

One that is written before its Service answers makes the API server refuse or wait, for everybody. So it comes after
the Service and the workloads behind it, and not before that Service has an endpoint that is ready.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Manifest

_WEBHOOKS = {
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
}
_API_SERVICE = ("apiregistration.k8s.io", "APIService")


def services_called_by(key: ResourceKey, body: Body) -> frozenset[ResourceKey]:
    """The Services that the API server will call because of this object; none for other kinds."""
    if (key.group, key.kind) == _API_SERVICE:
        references = [_map(body.get("spec")).get("service")]
    elif (key.group, key.kind) in _WEBHOOKS:
        hooks = body.get("webhooks")
        clients = [_map(_map(hook).get("clientConfig")) for hook in hooks] if isinstance(hooks, list) else []
        references = [client.get("service") for client in clients]
    else:
        return frozenset()
    found = (_map(reference) for reference in references)
    return frozenset(
        ResourceKey("", "Service", str(one["namespace"]), str(one["name"]))
        for one in found
        if one.get("name") and one.get("namespace")
    )


@dataclass(frozen=True, slots=True)
class Called:
    """What an object makes the API server call: Services that are in the set, and the workloads behind them."""

    services: frozenset[ResourceKey]
    workloads: frozenset[ResourceKey]


def called_services(manifests: Iterable[Manifest]) -> dict[ResourceKey, Called]:
    """Each object of the set that makes Services be called → those of them that are in the set and select Pods."""
    by_key = {manifest.key: manifest for manifest in manifests}
    selecting = {
        key for key, found in by_key.items() if (key.group, key.kind) == ("", "Service") and _selector(found.body)
    }
    called = {key: services_called_by(key, manifest.body) & selecting for key, manifest in by_key.items()}
    return {
        key: Called(services, frozenset(found for service in services for found in _behind(by_key[service], by_key)))
        for key, services in called.items()
        if services
    }


def _behind(service: Manifest, manifests: Mapping[ResourceKey, Manifest]) -> list[ResourceKey]:
    """The workloads of the set whose Pods `service` selects."""
    selector = _selector(service.body).items()
    return [
        key
        for key, manifest in manifests.items()
        if key.namespace == service.key.namespace and selector <= _pod_labels(manifest.body).items()
    ]


def has_ready_endpoint(slices: Iterable[Body]) -> bool:
    """True when one of a Service's EndpointSlices has an address that takes requests; a missing word means ready."""
    return any(
        endpoint.get("addresses") and _map(endpoint.get("conditions")).get("ready") is not False
        for found in slices
        for endpoint in found.get("endpoints") or ()
    )


def _selector(body: Body) -> Body:
    return _map(_map(body.get("spec")).get("selector"))


def _pod_labels(body: Body) -> Body:
    """The labels of the Pods that a workload makes; of a Pod, its own."""
    if body.get("kind") == "Pod":
        return _map(_map(body.get("metadata")).get("labels"))
    return _map(_map(_map(_map(body.get("spec")).get("template")).get("metadata")).get("labels"))


def _map(value: Any) -> Body:
    return value if isinstance(value, dict) else {}
