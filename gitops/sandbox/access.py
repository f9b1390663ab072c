"""Who a request comes from, and whether RBAC lets it through.

Tokens are given at the start; roles and bindings are the cluster's own objects. `system:masters` may do everything.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from gitops.manifests.key import Body
from gitops.sandbox.cluster import Cluster, User, Write
from gitops.sandbox.statuses import ApiFailure, failure, forbidden, unauthorized

ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
_MASTERS = "system:masters"
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What somebody wants to do: a verb on a resource, or on a path when `resource` is ""."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def authenticate(tokens: Mapping[str, User], authorization: str | None) -> User:
    """The user of a bearer token; anonymous without one, 401 with one that nobody has."""
    if not authorization:
        return ANONYMOUS
    scheme, _, token = authorization.partition(" ")
    user = tokens.get(token.strip()) if scheme.lower() == "bearer" else None
    if user is None:
        raise unauthorized()
    return User(user.name, tuple(dict.fromkeys((*user.groups, "system:authenticated"))))


def impersonate(cluster: Cluster, user: User, headers: Mapping[str, list[str]], wanted: Attributes) -> User:
    """The user that the Impersonate headers name, if `user` may become it."""
    names = headers.get("impersonate-user") or []
    groups = headers.get("impersonate-group") or []
    if not names:
        if groups:
            message = "requested [{Group  " + groups[0] + "    }] without impersonating a user"
            raise failure(500, f"Internal Server Error: {message}", "InternalError", {"causes": [{"message": message}]})
        return user
    name = names[0]
    checks = [_impersonation(name), *(Attributes("impersonate", "", "groups", name=group) for group in groups)]
    if not all(authorized(cluster, user, check) for check in checks):
        raise _denied(
            user,
            Attributes(
                f"impersonate-on:user-info:{wanted.verb}",
                wanted.group,
                wanted.resource,
                wanted.subresource,
                wanted.namespace,
                wanted.name,
                wanted.path,
            ),
        )
    found = [*groups]
    if name.startswith("system:serviceaccount:") and not groups:
        found.extend(service_account_groups(name))
    if name != "system:anonymous":
        found.append("system:authenticated")
    return User(name, tuple(dict.fromkeys(found)))


def service_account_groups(name: str) -> list[str]:
    """The groups of a service account's user."""
    namespace = name.split(":")[2]
    return ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]


def _impersonation(name: str) -> Attributes:
    parts = name.split(":")
    if name.startswith("system:serviceaccount:") and len(parts) == 4:
        return Attributes("impersonate", "", "serviceaccounts", namespace=parts[2], name=parts[3])
    return Attributes("impersonate", "", "users", name=name)


def authorize(cluster: Cluster, user: User, wanted: Attributes) -> None:
    """403 unless RBAC allows it."""
    if not authorized(cluster, user, wanted):
        raise _denied(user, wanted)


def authorize_creation(cluster: Cluster, write: Write) -> None:
    """403 for an apply that would make an object, without the right to create; the API server gives no reason then."""
    group, plural = write.resource.group, write.resource.plural
    wanted = Attributes("create", group, plural, namespace=write.namespace, name=write.name)
    if not authorized(cluster, write.user, wanted):
        raise forbidden(group, plural, write.name, "")


def _denied(user: User, wanted: Attributes) -> ApiFailure:
    if not wanted.resource:
        message = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"'
        return failure(403, message, "Forbidden", {})
    shown = wanted.resource + ("/" + wanted.subresource if wanted.subresource else "")
    if wanted.namespace:
        scope = f'in the namespace "{wanted.namespace}"'
    else:
        scope = "at the cluster scope"
    why = f'User "{user.name}" cannot {wanted.verb} resource "{shown}" in API group "{wanted.group}" {scope}'
    return forbidden(wanted.group, wanted.resource, wanted.name, why)


def authorized(cluster: Cluster, user: User, wanted: Attributes) -> bool:
    """Whether RBAC allows it."""
    if _MASTERS in user.groups:
        return True
    return any(_rule_allows(rule, wanted) for rule in rules_for(cluster, user, wanted.namespace))


def rules_for(cluster: Cluster, user: User, namespace: str) -> Iterator[Body]:
    """Every rule that applies to a user, cluster-wide and in one namespace."""
    for stored in cluster.storage.objects((RBAC, "clusterrolebindings")):
        if _binds(stored.body, user, ""):
            yield from rules_of_role(cluster, stored.body["roleRef"], "") or ()
    if namespace:
        for stored in cluster.storage.objects((RBAC, "rolebindings"), namespace):
            if _binds(stored.body, user, namespace):
                yield from rules_of_role(cluster, stored.body["roleRef"], namespace) or ()


def _binds(binding: Body, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or ():
        match subject["kind"]:
            case "User":
                if subject["name"] == user.name:
                    return True
            case "Group":
                if subject["name"] in user.groups:
                    return True
            case "ServiceAccount":
                home = subject.get("namespace") or namespace
                if user.name == f"system:serviceaccount:{home}:{subject['name']}":
                    return True
    return False


def rules_of_role(cluster: Cluster, reference: Body, namespace: str) -> Iterable[Body] | None:
    """The rules of the role that a binding names; None where there is no such role."""
    plural = "clusterroles" if reference["kind"] == "ClusterRole" else "roles"
    stored = cluster.storage.get((RBAC, plural), "" if plural == "clusterroles" else namespace, reference["name"])
    return (stored.body.get("rules") or ()) if stored else None


def _rule_allows(rule: Body, wanted: Attributes) -> bool:
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and wanted.verb not in verbs:
        return False
    if not wanted.resource:
        return any(_path_matches(pattern, wanted.path) for pattern in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if "*" not in groups and wanted.group not in groups:
        return False
    shown = wanted.resource + ("/" + wanted.subresource if wanted.subresource else "")
    resources = rule.get("resources") or ()
    if not any(
        name in ("*", shown) or (wanted.subresource and name == "*/" + wanted.subresource) for name in resources
    ):
        return False
    names = rule.get("resourceNames") or ()
    return not names or wanted.name in names


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def header_values(raw: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Request headers by lower-case name; percent-encoding in names of extra keys is undone."""
    out: dict[str, list[str]] = {}
    for name, value in raw:
        out.setdefault(unquote(name.lower()), []).append(value)
    return out


_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_CORE_EDITABLE = [
    "configmaps",
    "endpoints",
    "persistentvolumeclaims",
    "pods",
    "pods/eviction",
    "replicationcontrollers",
    "replicationcontrollers/scale",
    "secrets",
    "serviceaccounts",
    "services",
]
_APPS_EDITABLE = [
    "daemonsets",
    "deployments",
    "deployments/rollback",
    "deployments/scale",
    "replicasets",
    "replicasets/scale",
    "statefulsets",
    "statefulsets/scale",
]


def _editing(verbs: list[str]) -> list[Body]:
    return [
        {"verbs": verbs, "apiGroups": [""], "resources": _CORE_EDITABLE},
        {"verbs": verbs, "apiGroups": ["apps"], "resources": _APPS_EDITABLE},
        {"verbs": verbs, "apiGroups": ["batch"], "resources": ["cronjobs", "jobs"]},
        {"verbs": verbs, "apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]},
        {"verbs": verbs, "apiGroups": ["policy"], "resources": ["poddisruptionbudgets"]},
        {"verbs": verbs, "apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "networkpolicies"]},
        {"verbs": verbs, "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
    ]


_VIEWABLE: list[Body] = [
    {
        "verbs": _READ,
        "apiGroups": [""],
        "resources": [
            *(name for name in _CORE_EDITABLE if name not in ("secrets", "pods/eviction")),
            *("pods/log", "pods/status", "events", "limitranges", "namespaces", "resourcequotas", "services/status"),
        ],
    },
    {"verbs": _READ, "apiGroups": ["apps"], "resources": [*_APPS_EDITABLE, "controllerrevisions"]},
    {"verbs": _READ, "apiGroups": ["batch"], "resources": ["cronjobs", "cronjobs/status", "jobs", "jobs/status"]},
    {"verbs": _READ, "apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]},
    {"verbs": _READ, "apiGroups": ["policy"], "resources": ["poddisruptionbudgets"]},
    {"verbs": _READ, "apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "networkpolicies"]},
    {"verbs": _READ, "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]},
]

# The roles that every cluster starts with, and the groups that have them from the start.
BOOTSTRAP_ROLES: dict[str, list[Body]] = {
    "cluster-admin": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ],
    "admin": [
        *_VIEWABLE,
        *_editing([*_READ, *_WRITE]),
        {"verbs": [*_READ, *_WRITE], "apiGroups": [RBAC], "resources": ["roles", "rolebindings"]},
    ],
    "edit": [*_VIEWABLE, *_editing([*_READ, *_WRITE])],
    "view": _VIEWABLE,
    "system:basic-user": [
        {
            "verbs": ["create"],
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        },
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
    ],
    "system:discovery": [
        {
            "verbs": ["get"],
            "nonResourceURLs": [
                *("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*"),
                *("/readyz", "/version", "/version/"),
            ],
        }
    ],
    "system:public-info-viewer": [
        {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]}
    ],
}

BOOTSTRAP_BINDINGS: dict[str, tuple[str, ...]] = {
    "cluster-admin": (_MASTERS,),
    "system:basic-user": ("system:authenticated",),
    "system:discovery": ("system:authenticated",),
    "system:public-info-viewer": ("system:authenticated", "system:unauthenticated"),
}
