"""The admission steps of a plain API server that change or refuse objects, in their order.

Namespace life cycle, limit ranges, pod priority and tolerations, the default storage class, the growth of claims, Pod
Security, admission policies, quotas. Webhooks are not simulated.
"""

from collections.abc import Iterable, Iterator

from gitops.manifests.key import Body
from gitops.manifests.quantity import parse
from gitops.sandbox import podsecurity, policies, quotas
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.pod_warnings import warnings_of
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import failure, forbidden, invalid, invalid_object, not_found

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def admit_namespace(cluster: Cluster, write: Write, name: str) -> None:
    """Refuses a creation in a namespace that is missing or going away."""
    if not write.resource.namespaced or write.subresource:
        return
    namespace = cluster.namespace(write.namespace)
    if namespace is None:
        raise not_found("", "namespaces", write.namespace)
    if namespace["metadata"].get("deletionTimestamp"):
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {write.namespace} is being terminated",
            "field": "metadata.namespace",
        }
        why = f"unable to create new content in namespace {write.namespace} because it is being terminated"
        raise forbidden(write.resource.group, write.resource.plural, name, why, [cause])


def admit_create(cluster: Cluster, write: Write, body: Body) -> None:
    """Changes a new object as the admission plug-ins do; raises where one refuses it."""
    match (write.resource.group, write.resource.plural):
        case ("", "pods"):
            _limit_containers(cluster, write, body)
            _priority(cluster, write, body)
            _tolerations(body)
        case ("", "persistentvolumeclaims"):
            _storage_class(cluster, body)
        case ("certificates.k8s.io", "certificatesigningrequests"):
            body["spec"] |= {"username": write.user.name, "groups": list(write.user.groups)}


def validate_create(cluster: Cluster, write: Write, body: Body) -> None:
    """Raises where an admission plug-in refuses a new object that is valid in itself."""
    _pod_security(cluster, write, body)
    policies.admit(cluster, write, "CREATE", body, None)
    quotas.admit(cluster, write, body)


def validate_update(cluster: Cluster, write: Write, body: Body, old: Body) -> None:
    """Raises where an admission plug-in refuses a change that is valid in itself."""
    policies.admit(cluster, write, "UPDATE", body, old)
    if write.subresource:
        return
    match (write.resource.group, write.resource.plural):
        case ("", "persistentvolumeclaims"):
            _resize(cluster, write, body, old)
            quotas.admit(cluster, write, body, old)
        case ("", "services"):
            quotas.admit(cluster, write, body, old)
        case ("", "namespaces"):
            _pod_security(cluster, write, body)


# Where the template of a workload's Pods is.
_TEMPLATES = {
    ("apps", "daemonsets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("", "replicationcontrollers"): ("spec", "template"),
}


def warnings_of_pods(resource: Resource, body: Body) -> Iterator[str]:
    """What is to be warned of in a Pod, or in the template of what makes Pods."""
    path = _TEMPLATES.get(resource.key)
    if path is not None or resource.key == ("", "pods"):
        yield from warnings_of(_at(body, path or ()), ".".join(path or ()))


def _at(body: Body, path: Iterable[str]) -> Body:
    for step in path:
        body = body.get(step) or {}
    return body


def _pod_security(cluster: Cluster, write: Write, body: Body) -> None:
    """Refuses Pods that the level of their namespace forbids, and warns of them and of their templates."""
    resource = write.resource
    name = body["metadata"].get("name", "")
    if resource.key == ("", "namespaces"):
        wrong = podsecurity.wrong_labels(body["metadata"].get("labels") or {})
        errors = [invalid(f"metadata.labels[{label}]", value, text) for label, value, text in wrong]
        if errors:
            raise invalid_object("", "Namespace", name, errors)
        return
    path = _TEMPLATES.get(resource.key)
    namespace = cluster.namespace(write.namespace) if resource.namespaced else None
    if namespace is None or (path is None and resource.key != ("", "pods")):
        return
    pod = _at(body, path or ())
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    if path is None:
        level = podsecurity.level_of(namespace, "enforce")
        if found := podsecurity.violations(metadata, spec, level):
            raise forbidden("", "pods", name, f'violates PodSecurity "{level.text}": {found}')
    level = podsecurity.level_of(namespace, "warn")
    if found := podsecurity.violations(metadata, spec, level):
        write.warnings.append(f'would violate PodSecurity "{level.text}": {found}')


def _resize(cluster: Cluster, write: Write, body: Body, old: Body) -> None:
    """A claim grows once it is bound, where its class allows it."""
    sizes = [((each["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0") for each in (body, old)]
    if parse(sizes[0]) <= parse(sizes[1]):
        return
    if (old.get("status") or {}).get("phase") != "Bound":
        why = "Only bound persistent volume claims can be expanded"
        raise forbidden("", "persistentvolumeclaims", write.name, why)
    name = old["spec"].get("storageClassName")
    stored = cluster.storage.get(("storage.k8s.io", "storageclasses"), "", name) if name else None
    if body["spec"].get("storageClassName") != name or stored is None or not stored.body.get("allowVolumeExpansion"):
        why = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
            "support resize"
        )
        raise forbidden("", "persistentvolumeclaims", write.name, why)


def _limit_containers(cluster: Cluster, write: Write, body: Body) -> None:
    """The defaults of LimitRanges for each container, and their limits."""
    changed: list[str] = []
    errors: list[str] = []
    for stored in cluster.storage.objects(("", "limitranges"), write.namespace):
        for item in stored.body["spec"].get("limits") or []:
            if item.get("type") != "Container":
                continue
            for group in ("containers", "initContainers"):
                if body["spec"].get(group):
                    kind = "container" if group == "containers" else "init container"
                    limited = [_limited(container, item, kind, changed) for container in body["spec"][group]]
                    body["spec"][group] = limited
                    errors.extend(text for container in limited for text in _violations(container, item))
    if errors:
        text = errors[0] if len(errors) == 1 else "[" + ", ".join(errors) + "]"
        raise forbidden("", "pods", body["metadata"].get("name", ""), text)
    if changed:
        annotations = body["metadata"].get("annotations") or {}
        note = "LimitRanger plugin set: " + "; ".join(changed)
        body["metadata"]["annotations"] = {**annotations, "kubernetes.io/limit-ranger": note}


def _limited(container: Body, item: Body, kind: str, changed: list[str]) -> Body:
    resources = container.get("resources") or {}
    out = dict(resources)
    for name, field, word in (("requests", "defaultRequest", "request"), ("limits", "default", "limit")):
        current = resources.get(name) or {}
        missing = {key: value for key, value in (item.get(field) or {}).items() if key not in current}
        if missing:
            out[name] = {**current, **missing}
            listed = ", ".join(sorted(missing))
            changed.append(f"{listed} {word} for {kind} {container.get('name', '')}")
    return {**container, "resources": out} if out != resources else container


def _violations(container: Body, item: Body) -> list[str]:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    errors = []
    for name, low in sorted((item.get("min") or {}).items()):
        if name not in requests:
            errors.append(f"minimum {name} usage per Container is {low}.  No request is specified")
        elif parse(requests[name]) < parse(low):
            errors.append(f"minimum {name} usage per Container is {low}, but request is {requests[name]}")
    for name, high in sorted((item.get("max") or {}).items()):
        if name not in limits:
            errors.append(f"maximum {name} usage per Container is {high}.  No limit is specified")
        elif parse(limits[name]) > parse(high):
            errors.append(f"maximum {name} usage per Container is {high}, but limit is {limits[name]}")
    return errors


_SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def _priority(cluster: Cluster, write: Write, body: Body) -> None:
    spec = body["spec"]
    name = spec.get("priorityClassName", "")
    priority, policy = 0, "PreemptLowerPriority"
    if name in _SYSTEM_PRIORITIES:
        priority = _SYSTEM_PRIORITIES[name]
    elif name:
        stored = cluster.storage.get(("scheduling.k8s.io", "priorityclasses"), "", name)
        if stored is None:
            why = f"no PriorityClass with name {name} was found"
            raise forbidden("", "pods", body["metadata"].get("name", ""), why)
        priority = stored.body.get("value", 0)
        policy = stored.body.get("preemptionPolicy", policy)
    else:
        for stored in cluster.storage.objects(("scheduling.k8s.io", "priorityclasses")):
            if stored.body.get("globalDefault"):
                spec["priorityClassName"] = stored.body["metadata"]["name"]
                priority = stored.body.get("value", 0)
                policy = stored.body.get("preemptionPolicy", policy)
    spec["priority"] = priority
    spec.setdefault("preemptionPolicy", policy)


def _tolerations(body: Body) -> None:
    spec = body["spec"]
    present = spec.get("tolerations") or []
    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in _TOLERATED
        if not any(_tolerates(toleration, key) for toleration in present)
    ]
    if added:
        spec["tolerations"] = [*present, *added]


def _tolerates(toleration: Body, key: str) -> bool:
    return toleration.get("key", "") in ("", key) and toleration.get("effect", "") in ("", "NoExecute")


def _storage_class(cluster: Cluster, body: Body) -> None:
    if body["spec"].get("storageClassName") is not None or body["spec"].get("volumeName"):
        return
    classes = [
        stored.body["metadata"]
        for stored in cluster.storage.objects(("storage.k8s.io", "storageclasses"))
        if (stored.body["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if classes:
        newest = max(classes, key=lambda metadata: (metadata["creationTimestamp"], metadata["name"]))
        body["spec"]["storageClassName"] = newest["name"]


_KEPT_NAMESPACES = ("default", "kube-system", "kube-public")


def validate_delete(cluster: Cluster, write: Write, old: Body) -> None:
    """Raises where an admission plug-in refuses a deletion."""
    policies.admit(cluster, write, "DELETE", None, old)


def admit_delete(write: Write) -> None:
    """Refuses to delete the namespaces that a cluster cannot do without."""
    if (write.resource.group, write.resource.plural) == ("", "namespaces") and write.name in _KEPT_NAMESPACES:
        raise forbidden("", "namespaces", write.name, "this namespace may not be deleted")


def too_large() -> Exception:
    """A body beyond what an API server reads."""
    return failure(413, "Request entity too large: limit is 3145728", "RequestEntityTooLarge")
