"""What a URL means: a resource, one object, a subresource; or a path outside the resources."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A resource path, before anybody looked whether it is served."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def target_of(path: str) -> Target | None:
    """The resource that `path` names; None for a path that is not about resources (discovery, health, ...)."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return None
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if rest[0] == "namespaces" and len(rest) > 2 and not _is_namespace_subresource(group, rest):
        namespace, rest = rest[1], rest[2:]
        return _below(group, version, namespace, rest)
    return _below(group, version, "", rest)


def _is_namespace_subresource(group: str, rest: list[str]) -> bool:
    return not group and len(rest) == 3 and rest[2] in ("status", "finalize")


def _below(group: str, version: str, namespace: str, rest: list[str]) -> Target:
    plural, name, subresource = (*rest, "", "", "")[:3]
    if plural == "namespaces" and not group and not namespace:
        namespace = name
    if len(rest) > 3:
        subresource = "/".join(rest[2:])
    return Target(group, version, plural, namespace, name, subresource)


_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}


def verb_of(method: str, target: Target, watching: bool) -> str:
    """The verb that RBAC knows a request by."""
    if not target.name:
        verb = _COLLECTION_VERBS.get(method, method.lower())
        return "watch" if verb == "list" and watching else verb
    return _OBJECT_VERBS.get(method, method.lower())
