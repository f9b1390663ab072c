"""What the server itself makes of an object before it is stored: generation, status, addresses, selectors.

One entry per resource in three tables; a function gets a body whose top-level, metadata and spec dicts are its own.
The rules are those of each resource's `strategy.go`.
"""

import base64
from collections.abc import Callable

from gitops.manifests import fields
from gitops.manifests.fields import FieldSet
from gitops.manifests.key import Body
from gitops.sandbox.cluster import Cluster
from gitops.sandbox.decode import zero
from gitops.sandbox.defaults import TEMPLATE_GENERATION
from gitops.sandbox.resources import Resource

Prepare = Callable[[Cluster, Body], None]
PrepareUpdate = Callable[[Cluster, Body, Body], None]

_APPS, _BATCH, _NET = "apps", "batch", "networking.k8s.io"

# Resources that count generations.
_GENERATIONS = frozenset(
    {
        (_APPS, "deployments"),
        (_APPS, "replicasets"),
        (_APPS, "statefulsets"),
        (_APPS, "daemonsets"),
        (_BATCH, "jobs"),
        (_BATCH, "cronjobs"),
        (_NET, "ingresses"),
        (_NET, "networkpolicies"),
        (_NET, "ingressclasses"),
        ("policy", "poddisruptionbudgets"),
        ("", "pods"),
        ("", "replicationcontrollers"),
        ("discovery.k8s.io", "endpointslices"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("scheduling.k8s.io", "priorityclasses"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("flowcontrol.apiserver.k8s.io", "flowschemas"),
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    }
)

# Resources that may not be replaced without saying which version is replaced.
CONDITIONAL_ONLY = frozenset(
    {
        ("coordination.k8s.io", "leases"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "apiservices"),
        ("policy", "poddisruptionbudgets"),
    }
)

# Resources of which a PUT makes what is not there.
MADE_BY_PUT = frozenset(
    {
        ("coordination.k8s.io", "leases"),
        ("", "endpoints"),
        ("", "events"),
        ("events.k8s.io", "events"),
        ("", "limitranges"),
        ("", "services"),
        ("node.k8s.io", "runtimeclasses"),
        ("rbac.authorization.k8s.io", "roles"),
        ("rbac.authorization.k8s.io", "rolebindings"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
    }
)

_STATUS: FieldSet = fields.make(("status",))
_NOT_STATUS: FieldSet = fields.make(("spec",), ("metadata", "labels"))
_NOT_SCALE: FieldSet = fields.make(("status",))


def has_generation(resource: Resource) -> bool:
    return resource.custom is not None or (resource.group, resource.plural) in _GENERATIONS


def ignored_fields(resource: Resource, subresource: str) -> FieldSet | None:
    """The fields that a write to this resource or subresource leaves alone, so nobody comes to own them by it."""
    if subresource == "status":
        return _NOT_STATUS
    return _STATUS if resource.subresource("status") else None


def prepare_create(cluster: Cluster, resource: Resource, body: Body) -> None:
    """Changes a new object (whose metadata already has name, uid and time) into what is stored."""
    if has_generation(resource):
        body["metadata"]["generation"] = 1
    else:
        body["metadata"].pop("generation", None)
    if resource.subresource("status"):
        if resource.custom is not None:
            body.pop("status", None)
        elif "status" in resource.type.fields:
            body["status"] = zero(resource.type.fields["status"].type)
    if (prepare := _CREATE.get((resource.group, resource.plural))) is not None:
        prepare(cluster, body)


def prepare_update(cluster: Cluster, resource: Resource, subresource: str, body: Body, old: Body) -> None:
    """Changes a new version of `old` into what is stored."""
    if subresource == "status":
        for name in [key for key in body if key not in ("metadata", "status", "apiVersion", "kind")]:
            del body[name]
        body.update({name: value for name, value in old.items() if name not in ("metadata", "status")})
        _keep_metadata(resource, body, old)
    elif resource.subresource("status"):
        body.pop("status", None)
        if "status" in old:
            body["status"] = old["status"]
    if (prepare := _UPDATE.get((resource.group, resource.plural))) is not None and not subresource:
        prepare(cluster, body, old)
    if has_generation(resource):
        generation = old["metadata"].get("generation", 0)
        changed = subresource != "status" and _content(resource, body) != _content(resource, old)
        body["metadata"]["generation"] = generation + 1 if changed else generation
        if not body["metadata"]["generation"]:
            del body["metadata"]["generation"]


def _keep_metadata(resource: Resource, body: Body, old: Body) -> None:
    """A status write changes nothing in metadata but what belongs to the write itself."""
    if resource.custom is None and (resource.group, resource.plural) not in _STATUS_KEEPS_METADATA:
        return
    metadata = dict(old["metadata"])
    if "managedFields" in body["metadata"]:
        metadata["managedFields"] = body["metadata"]["managedFields"]
    else:
        metadata.pop("managedFields", None)
    body["metadata"] = metadata


_STATUS_KEEPS_METADATA = frozenset({("apiextensions.k8s.io", "customresourcedefinitions")})


def _content(resource: Resource, body: Body) -> object:
    """The part of an object whose change makes a new generation."""
    if resource.custom is not None:
        skipped = ("metadata", "status") if resource.custom.has_status else ("metadata",)
        return {name: value for name, value in body.items() if name not in skipped and name != "apiVersion"}
    if (resource.group, resource.plural) == (_APPS, "deployments"):
        return body["spec"], body["metadata"].get("annotations")
    if "spec" in resource.type.fields:
        return body.get("spec")
    return {name: value for name, value in body.items() if name not in ("metadata", "status")}


# --- creation -----------------------------------------------------------------------------------------------------


def _namespace(_cluster: Cluster, body: Body) -> None:
    finalizers = [name for name in body["spec"].get("finalizers") or [] if name != "kubernetes"]
    body["spec"] = {**body["spec"], "finalizers": [*finalizers, "kubernetes"]}
    body["status"] = {"phase": "Active"}
    if name := body["metadata"].get("name"):
        labels = body["metadata"].get("labels") or {}
        body["metadata"]["labels"] = {**labels, "kubernetes.io/metadata.name": name}


def _pod(_cluster: Cluster, body: Body) -> None:
    body["status"] = {"phase": "Pending", "qosClass": qos_class(body["spec"])}


def qos_class(spec: Body) -> str:
    """Guaranteed, Burstable or BestEffort, from the resources of a Pod's containers."""
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    resources = [container.get("resources") or {} for container in containers]
    if not any(entry.get("limits") or entry.get("requests") for entry in resources):
        return "BestEffort"
    for entry in resources:
        limits, requests = entry.get("limits") or {}, entry.get("requests") or {}
        if not {"cpu", "memory"} <= limits.keys() or any(
            requests.get(name) != limits[name] for name in ("cpu", "memory")
        ):
            return "Burstable"
    return "Guaranteed"


def _job(_cluster: Cluster, body: Body) -> None:
    spec, metadata = body["spec"], body["metadata"]
    if spec.get("manualSelector"):
        return
    uid, name = metadata["uid"], metadata["name"]
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = spec["template"]
    template_labels = {**(template["metadata"].get("labels") or {}), **labels}
    spec["template"] = {**template, "metadata": {**template["metadata"], "labels": template_labels}}
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    if not metadata.get("labels"):
        metadata["labels"] = dict(template_labels)


def _service(cluster: Cluster, body: Body) -> None:
    _allocate(cluster, body["spec"])


def _allocate(cluster: Cluster, spec: Body) -> None:
    """Gives a Service its addresses and ports."""
    if spec["type"] == "ExternalName":
        return
    if spec.get("clusterIP"):
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    elif spec.get("clusterIPs"):
        spec["clusterIP"] = spec["clusterIPs"][0]
    else:
        spec["clusterIP"] = cluster.next_service_address()
        spec["clusterIPs"] = [spec["clusterIP"]]
    headless_without_selector = spec["clusterIP"] == "None" and not spec.get("selector")
    spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if headless_without_selector else ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "RequireDualStack" if headless_without_selector else "SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer") and spec.get("allocateLoadBalancerNodePorts", True):
        spec["ports"] = [
            port if port.get("nodePort") else {**port, "nodePort": cluster.next_node_port()}
            for port in spec.get("ports") or []
        ]
    if _needs_health_check(spec) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = cluster.next_node_port()


def _claim(_cluster: Cluster, body: Body) -> None:
    body["status"] = {"phase": "Pending"}
    _add_finalizer(body, "kubernetes.io/pvc-protection")


def _volume(cluster: Cluster, body: Body) -> None:
    body["status"] = {"phase": "Pending", "lastPhaseTransitionTime": cluster.clock.stamp()}
    _add_finalizer(body, "kubernetes.io/pv-protection")


def _add_finalizer(body: Body, name: str) -> None:
    finalizers = body["metadata"].get("finalizers") or []
    if name not in finalizers:
        body["metadata"]["finalizers"] = [*finalizers, name]


def _definition(_cluster: Cluster, body: Body) -> None:
    stored = [version["name"] for version in body["spec"].get("versions") or [] if version.get("storage")]
    body["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored or None}


def _stateful_set(_cluster: Cluster, body: Body) -> None:
    body["status"] = {"replicas": 0, "availableReplicas": 0}


def _daemon_set(_cluster: Cluster, body: Body) -> None:
    annotations = body["metadata"]["annotations"]
    body["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(max(1, _template_generation(body)))}


def _template_generation(body: Body) -> int:
    said = (body["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "0")
    return int(said) if said.removeprefix("-").isdecimal() else 0


def move_string_data(body: Body) -> None:
    """A Secret's stringData becomes part of its data as soon as it is read, in place."""
    if body.get("stringData"):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in body["stringData"].items()}
        body["data"] = {**(body.get("data") or {}), **encoded}
        del body["stringData"]


def _certificate_request(_cluster: Cluster, body: Body) -> None:
    body["status"] = {}


_CREATE: dict[tuple[str, str], Prepare] = {
    ("", "namespaces"): _namespace,
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _volume,
    (_BATCH, "jobs"): _job,
    (_APPS, "daemonsets"): _daemon_set,
    (_APPS, "statefulsets"): _stateful_set,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition,
}


# --- update -------------------------------------------------------------------------------------------------------


def _needs_policy(spec: Body) -> bool:
    """Whether a Service is reached from outside, so that it has a policy for that traffic."""
    return spec["type"] in ("NodePort", "LoadBalancer") or (
        spec["type"] == "ClusterIP" and bool(spec.get("externalIPs"))
    )


def _needs_health_check(spec: Body) -> bool:
    return (spec["type"], spec.get("externalTrafficPolicy")) == ("LoadBalancer", "Local")


def _drop_unneeded(spec: Body, before: Body) -> None:
    """What the type of a Service had and its new type has not goes, where the client left it as it was."""
    dropped: list[str] = []
    if before["type"] == "LoadBalancer" and spec["type"] != "LoadBalancer":
        dropped += ["allocateLoadBalancerNodePorts", "loadBalancerClass"]
    if _needs_policy(before) and not _needs_policy(spec):
        dropped.append("externalTrafficPolicy")
    if before["type"] != "ExternalName" and spec["type"] == "ExternalName":
        dropped.append("internalTrafficPolicy")
    if _needs_health_check(before) and not _needs_health_check(spec):
        dropped.append("healthCheckNodePort")
    for name in dropped:
        if spec.get(name) == before.get(name):
            spec.pop(name, None)


def _service_update(cluster: Cluster, body: Body, old: Body) -> None:
    spec, before = body["spec"], old["spec"]
    _drop_unneeded(spec, before)
    if _needs_health_check(spec) and not spec.get("healthCheckNodePort") and before.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before["healthCheckNodePort"]
    if spec["type"] == "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(name) == before.get(name):
                spec.pop(name, None)
        return
    if before["type"] != "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(name) and before.get(name):
                spec[name] = before[name]
        if spec["clusterIP"] != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"], *spec["clusterIPs"][1:]]
    ports = {(port["port"], port.get("protocol")): port.get("nodePort") for port in before.get("ports") or []}
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec["ports"] = [
            {**port, "nodePort": kept}
            if not port.get("nodePort") and (kept := ports.get((port["port"], port.get("protocol"))))
            else port
            for port in spec.get("ports") or []
        ]
    elif before["type"] in ("NodePort", "LoadBalancer"):
        unchanged = set(ports.values())
        spec["ports"] = [
            {name: value for name, value in port.items() if name != "nodePort" or value not in unchanged}
            for port in spec.get("ports") or []
        ]
    _allocate(cluster, spec)


def _namespace_update(_cluster: Cluster, body: Body, old: Body) -> None:
    body["spec"] = old["spec"]


def _daemon_set_update(_cluster: Cluster, body: Body, old: Body) -> None:
    generation = _template_generation(old) + (body["spec"]["template"] != old["spec"]["template"])
    annotations = body["metadata"].get("annotations") or {}
    body["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(generation)}


def _definition_update(_cluster: Cluster, body: Body, _old: Body) -> None:
    """The version that is stored from now on joins those in which objects may be stored."""
    stored = [version["name"] for version in body["spec"].get("versions") or [] if version.get("storage")]
    known = (body.get("status") or {}).get("storedVersions") or []
    if more := [name for name in stored if name not in known]:
        body["status"] = {**body["status"], "storedVersions": [*known, *more]}


_UPDATE: dict[tuple[str, str], PrepareUpdate] = {
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition_update,
    ("", "services"): _service_update,
    ("", "namespaces"): _namespace_update,
    (_APPS, "daemonsets"): _daemon_set_update,
}
