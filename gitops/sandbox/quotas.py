"""ResourceQuotas: what a namespace uses of each, and refusing what would be more.

The rules and texts are those of k8s.io/apiserver/pkg/admission/plugin/resourcequota and of Kubernetes' evaluators.
"""

from collections.abc import Iterable
from fractions import Fraction

from gitops.manifests.key import Body
from gitops.manifests.quantity import canonical, parse
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import forbidden
from gitops.sandbox.storage import ResourceKey

QUOTAS: ResourceKey = ("", "resourcequotas")
_PODS: ResourceKey = ("", "pods")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = frozenset(
    (
        *("configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets"),
        "services",
    )
)

Usage = dict[str, Fraction]


def admit(cluster: Cluster, write: Write, body: Body, old: Body | None = None) -> None:
    """Refuses an object that would make its namespace use more than a quota allows; ApiFailure."""
    key = write.resource.key
    if not write.resource.namespaced or write.subresource or not cluster.storage.objects(QUOTAS, write.namespace):
        return
    asked, had = usage_of(key, body), usage_of(key, old) if old is not None else {}
    for stored in cluster.storage.objects(QUOTAS, write.namespace):
        quota = stored.body
        hard = quota["spec"].get("hard") or {}
        if not asked.keys() & hard.keys() and not _is_constrained(key, hard):
            continue
        if key == _PODS and not _is_in_scope(quota, body):
            continue
        name = body["metadata"].get("name", "")
        if key == _PODS and old is None and (missing := _missing(body, hard)):
            why = f"failed quota: {quota['metadata']['name']}: must specify {missing}"
            raise forbidden(write.resource.group, write.resource.plural, name, why)
        used = used_of(cluster, quota)
        more = {item: asked[item] - had.get(item, Fraction(0)) for item in asked if item in hard}
        over = sorted(item for item, amount in more.items() if amount > 0 and used[item] + amount > parse(hard[item]))
        if over:
            shown = (
                ("requested", {item: more[item] for item in over}),
                ("used", {item: used[item] for item in over}),
                ("limited", {item: parse(hard[item]) for item in over}),
            )
            listed = ", ".join(f"{word}: {_amounts(amounts)}" for word, amounts in shown)
            why = f"exceeded quota: {quota['metadata']['name']}, {listed}"
            raise forbidden(write.resource.group, write.resource.plural, name, why)


def _amounts(amounts: Usage) -> str:
    return ",".join(f"{item}={shown(item, amount)}" for item, amount in amounts.items())


def shown(item: str, amount: Fraction) -> str:
    """An amount as a quantity: memory and storage in powers of 1024 where they are."""
    if ("memory" in item or "storage" in item) and amount and amount.denominator == 1 and int(amount) % 1024 == 0:
        return canonical(f"{int(amount) // 1024}Ki")
    return canonical(f"{int(amount * 1000)}m")


def used_of(cluster: Cluster, quota: Body) -> Usage:
    """What the namespace of a quota uses of each resource that the quota limits."""
    namespace = quota["metadata"]["namespace"]
    used = dict.fromkeys(quota["spec"].get("hard") or (), Fraction(0))
    for resource in cluster.registry.stored():
        if not resource.namespaced or not _concerns(resource, used):
            continue
        for stored in cluster.storage.objects(resource.key, namespace):
            if resource.key == _PODS and not _is_in_scope(quota, stored.body):
                continue
            for item, amount in usage_of(resource.key, stored.body).items():
                if item in used:
                    used[item] += amount
    return used


def _concerns(resource: Resource, items: Iterable[str]) -> bool:
    names = {_count_of(resource.key), resource.plural if not resource.group else ""}
    if resource.key == _PODS:
        return True
    prefixes = {("", "services"): "services.", ("", "persistentvolumeclaims"): "requests.storage"}
    prefix = prefixes.get(resource.key)
    return any(item in names or (prefix and item.startswith(prefix)) or ".storageclass." in item for item in items)


def _count_of(key: ResourceKey) -> str:
    group, plural = key
    return f"count/{plural}.{group}" if group else f"count/{plural}"


def usage_of(key: ResourceKey, body: Body) -> Usage:
    """What one object counts for."""
    used: Usage = {_count_of(key): Fraction(1)}
    group, plural = key
    if not group and plural in _COUNTED and plural != "pods":
        used[plural] = Fraction(1)
    match key:
        case ("", "pods"):
            used |= _pod_usage(body)
        case ("", "services"):
            used |= _service_usage(body["spec"])
        case ("", "persistentvolumeclaims"):
            used |= _claim_usage(body["spec"])
    return used


def _pod_usage(body: Body) -> Usage:
    if (body.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {}
    used: Usage = {"pods": Fraction(1)}
    for group, prefix in (("requests", "requests."), ("limits", "limits.")):
        for item, amount in _resources(body["spec"], group).items():
            used[prefix + item] = amount
            if group == "requests" and item in _COMPUTE:
                used[item] = amount
    return used


def _resources(spec: Body, group: str) -> Usage:
    """What a Pod asks for: its containers together, or its largest init container."""
    total: Usage = {}
    for container in spec.get("containers") or ():
        for item, amount in ((container.get("resources") or {}).get(group) or {}).items():
            total[item] = total.get(item, Fraction(0)) + parse(amount)
    for container in spec.get("initContainers") or ():
        for item, amount in ((container.get("resources") or {}).get(group) or {}).items():
            total[item] = max(total.get(item, Fraction(0)), parse(amount))
    return total


def _service_usage(spec: Body) -> Usage:
    used: Usage = {}
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        used["services.nodeports"] = Fraction(sum(bool(port.get("nodePort")) for port in spec.get("ports") or ()))
    if spec.get("type") == "LoadBalancer":
        used["services.loadbalancers"] = Fraction(1)
    return used


def _claim_usage(spec: Body) -> Usage:
    size = parse(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))
    used = {"requests.storage": size}
    if name := spec.get("storageClassName"):
        prefix = f"{name}.storageclass.storage.k8s.io/"
        used |= {prefix + "requests.storage": size, prefix + "persistentvolumeclaims": Fraction(1)}
    return used


def _is_constrained(key: ResourceKey, hard: Body) -> bool:
    return key == _PODS and any(_constraint(item) for item in hard)


def _constraint(item: str) -> tuple[str, str] | None:
    """The field of each container that a limit on a resource makes a must: ("requests", "cpu")."""
    group, _, name = item.rpartition(".")
    if name in _COMPUTE and group in ("", "requests", "limits"):
        return group or "requests", name
    return None


def _missing(body: Body, hard: Body) -> str:
    """What each container must say because a quota limits it, and which do not."""
    lacking: dict[str, set[str]] = {}
    spec = body["spec"]
    for item in hard:
        constraint = _constraint(item)
        if constraint is None:
            continue
        group, resource = constraint
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            if resource not in ((container.get("resources") or {}).get(group) or {}):
                lacking.setdefault(item, set()).add(container.get("name", ""))
    return "; ".join(f"{item} for: {','.join(sorted(names))}" for item, names in sorted(lacking.items()))


# --- scopes -------------------------------------------------------------------------------------------------------


def _is_in_scope(quota: Body, pod: Body) -> bool:
    spec = quota["spec"]
    terms = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_matches(term, pod) for term in terms)


def _matches(term: Body, pod: Body) -> bool:
    spec = pod["spec"]
    match term["scopeName"]:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return not _resources(spec, "requests") and not _resources(spec, "limits")
        case "NotBestEffort":
            return bool(_resources(spec, "requests") or _resources(spec, "limits"))
        case "PriorityClass":
            name, values = spec.get("priorityClassName", ""), term.get("values") or ()
            found = {"Exists": bool(name), "DoesNotExist": not name, "In": name in values, "NotIn": name not in values}
            return found.get(term["operator"], False)
    return True
