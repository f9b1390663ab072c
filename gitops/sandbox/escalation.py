"""Nobody grants more than he may do himself: Roles and their bindings, as kube-apiserver's RBAC storage has it.

The rules, and the texts, are those of k8s.io/kubernetes/pkg/registry/rbac: whoever writes a Role holds all that it
allows, or may `escalate`; whoever binds one holds all that it allows, or may `bind` it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from gitops.manifests.key import Body
from gitops.sandbox.access import RBAC, Attributes, authorized, rules_for, rules_of_role
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.statuses import forbidden, not_found

_ROLES: Final = ("roles", "clusterroles")
_BINDINGS: Final = ("rolebindings", "clusterrolebindings")


def check(cluster: Cluster, write: Write, body: Body, old: Body | None) -> None:
    """Raises where a Role, or a binding, would grant what its writer does not hold."""
    plural, name = write.resource.plural, body["metadata"].get("name", "")
    if write.resource.group != RBAC or plural not in (*_ROLES, *_BINDINGS) or _only_released(body, old):
        return
    namespace = write.namespace if write.resource.namespaced else ""
    of = (plural, name) if plural in _ROLES else _role_of(body)
    verb = "escalate" if plural in _ROLES else "bind"
    if authorized(cluster, write.user, Attributes(verb, RBAC, of[0], namespace=namespace, name=of[1])):
        return
    wanted = body.get("rules") or () if plural in _ROLES else rules_of_role(cluster, body["roleRef"], namespace)
    if wanted is None:
        raise not_found(RBAC, of[0], of[1])
    held = list(rules_for(cluster, write.user, namespace))
    missing = [one for rule in wanted for one in _broken_down(rule) if not any(_covers(mine, one) for mine in held)]
    if missing:
        who = f'user "{write.user.name}" (groups={_quoted(write.user.groups)})'
        told = "\n".join(sorted(set(map(_shown, _compact(missing)))))
        why = f"{who} is attempting to grant RBAC permissions not currently held:\n{told}"
        raise forbidden(RBAC, plural, name, why)


def _role_of(binding: Body) -> tuple[str, str]:
    reference = binding.get("roleRef") or {}
    return ("clusterroles" if reference.get("kind") == "ClusterRole" else "roles", reference.get("name", ""))


def _only_released(body: Body, old: Body | None) -> bool:
    """Whether nothing is changed but owners and finalizers, as the garbage collector does."""
    if old is None:
        return False
    return all(body.get(name) == old.get(name) for name in ("rules", "subjects", "roleRef", "aggregationRule"))


def _broken_down(rule: Body) -> Iterator[Body]:
    """A rule as rules of one verb on one thing each."""
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield {"nonResourceURLs": [url], "verbs": [verb]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                one = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                names = rule.get("resourceNames")
                yield from ({**one, "resourceNames": [name]} for name in names) if names else (one,)


def _covers(held: Body, one: Body) -> bool:
    """Whether a rule allows all that a rule of one verb on one thing does."""
    if not _has(held, one, "verbs"):
        return False
    if "nonResourceURLs" in one:
        url = one["nonResourceURLs"][0]
        return any(
            mine in ("*", url) or (mine.endswith("*") and url.startswith(mine[:-1]))
            for mine in held.get("nonResourceURLs") or ()
        )
    names = held.get("resourceNames")
    if names and not ("resourceNames" in one and one["resourceNames"][0] in names):
        return False
    resource = one["resources"][0]
    _, slash, subresource = resource.partition("/")
    return _has(held, one, "apiGroups") and any(
        mine in ("*", resource) or (slash and mine == f"*/{subresource}") for mine in held.get("resources") or ()
    )


def _has(held: Body, one: Body, name: str) -> bool:
    mine = held.get(name) or ()
    return "*" in mine or one[name][0] in mine


def _compact(rules: Iterable[Body]) -> list[Body]:
    """Rules for one resource each, their verbs put together."""
    found: dict[tuple[str, ...], Body] = {}
    others: list[Body] = []
    for rule in rules:
        if "resourceNames" in rule or "nonResourceURLs" in rule:
            others.append(rule)
            continue
        key = (rule["apiGroups"][0], rule["resources"][0])
        known = found.setdefault(key, {**rule, "verbs": []})
        if rule["verbs"][0] not in known["verbs"]:
            known["verbs"].append(rule["verbs"][0])
    return [*others, *found.values()]


def _shown(rule: Body) -> str:
    names = (
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("ResourceNames", "resourceNames"),
        ("Verbs", "verbs"),
    )
    parts = [f"{told}:{_quoted(rule[name])}" for told, name in names if rule.get(name)]
    return "{" + ", ".join(parts) + "}"


def _quoted(words: Iterable[str]) -> str:
    """As Go's %q prints a list."""
    return "[" + " ".join(f'"{word}"' for word in words) + "]"
