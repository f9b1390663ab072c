"""`no-cluster-admin`: nothing that a repository deploys gets every right there is."""

from collections.abc import Iterator

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target

_BINDINGS = {"ClusterRoleBinding", "RoleBinding"}
_ROLES = {"ClusterRole", "Role"}


def _check(body: Body, _: Target) -> Iterator[Breach]:
    kind = body.get("kind")
    if kind in _BINDINGS and (body.get("roleRef") or {}).get("name") == "cluster-admin":
        yield "roleRef.name", "binds cluster-admin", "bind a role with the rights that are needed"
    if kind in _ROLES:
        for number, rule in enumerate(body.get("rules") or []):
            parts = (rule.get("apiGroups") or [], rule.get("resources") or [], rule.get("verbs") or [])
            if all("*" in part for part in parts):
                yield f"rules[{number}]", "allows every verb on every resource", "name the resources and verbs"


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
