"""`no-cluster-admin`: nothing that a repository deploys gets every right there is."""

from collections.abc import Iterator

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target

_BINDINGS = {"ClusterRoleBinding", "RoleBinding"}
_ROLES = {"ClusterRole", "Role"}
# Whoever has one of these on everything can give themselves the rest.
_OPENERS = {"*", "bind", "escalate", "impersonate"}


def _check(body: Body, _: Target) -> Iterator[Breach]:
    kind = body.get("kind")
    role = body.get("roleRef") or {}
    if kind in _BINDINGS and (role.get("kind"), role.get("name")) == ("ClusterRole", "cluster-admin"):
        yield "roleRef.name", "binds cluster-admin", "bind a role with the rights that are needed"
    if kind in _ROLES:
        for number, rule in enumerate(body.get("rules") or []):
            on_all = all("*" in (rule.get(part) or []) for part in ("apiGroups", "resources"))
            verbs = _OPENERS & set(rule.get("verbs") or [])
            if on_all and verbs:
                what = "every verb" if "*" in verbs else ", ".join(sorted(verbs))
                yield f"rules[{number}]", f"allows {what} on every resource", "name the resources and verbs"
    selectors = (body.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    if kind == "ClusterRole" and any(not any((selector or {}).values()) for selector in selectors):
        yield (
            "aggregationRule.clusterRoleSelectors",
            "an empty selector takes in every role, cluster-admin too",
            "select by a label",
        )


RULE = Rule(
    name="no-cluster-admin",
    about="No binding to cluster-admin, and no role that allows everything.",
    check=_check,
    good="""\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
""",
    bad="""\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
""",
    field="roleRef.name",
)
