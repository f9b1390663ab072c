"""What names one object of a cluster: group, kind, namespace and name, never the version.

The same Deployment read through apps/v1 and apps/v1beta1 is one object, so a version is never part of an identity.
"""

from typing import Any, NamedTuple

# A Kubernetes body: plain JSON that nobody mutates (copy on write along the changed path).
Body = dict[str, Any]


class ResourceKey(NamedTuple):
    """The identity of one object; `namespace` is "" for a cluster-scoped one, `group` is "" for the core group."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """For people and for the audit log: `apps/Deployment shop/web`, `Namespace shop`."""
        kind = f"{self.group}/{self.kind}" if self.group else self.kind
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{kind} {name}"


def group_of(api_version: str) -> str:
    """`apps/v1` → `apps`, `v1` → "" (the core group)."""
    return api_version.rpartition("/")[0]


def version_of(api_version: str) -> str:
    """`apps/v1` → `v1`, `v1` → `v1`."""
    return api_version.rpartition("/")[2]


def key_of(body: Body) -> ResourceKey:
    """The identity that `body` carries itself (a missing namespace stays ""); `body` has kind and metadata.name."""
    metadata = body["metadata"]
    return ResourceKey(
        group_of(body["apiVersion"]), body["kind"], metadata.get("namespace") or "", metadata.get("name") or ""
    )
