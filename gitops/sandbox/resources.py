"""What the server serves: built-in resources from `resources.json`, custom ones from established CRDs."""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gitops.manifests.key import Body
from gitops.manifests.schema import DEDUCED, Type, builtin_type

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")

# Objects that several versions or groups serve are kept once, at this version.
STORAGE_VERSIONS = {("autoscaling", "horizontalpodautoscalers"): "autoscaling/v2", ("events.k8s.io", "events"): "v1"}


@dataclass(frozen=True, slots=True)
class Subresource:
    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What discovery and lists call a resource besides its plural and its kind."""

    singular: str
    list_kind: str
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource at one version; `custom` is the CRD version behind it, None for a built-in one."""

    group: str
    version: str
    plural: str
    kind: str
    names: Names
    namespaced: bool
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    type: Type = DEDUCED
    custom: "CustomVersion | None" = None

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[str, str]:
        """Where its objects are stored: the same for every version of a resource."""
        return ("", "events") if (self.group, self.plural) == ("events.k8s.io", "events") else (self.group, self.plural)

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)

    @property
    def storage_version_hash(self) -> str:
        """What discovery tells of the stored form; "" for what is not stored."""
        if "watch" not in self.verbs:
            return ""
        stored = STORAGE_VERSIONS.get((self.group, self.plural), self.api_version)
        if self.custom is not None:
            stored = f"{self.group}/{self.custom.storage_version}"
        group, _, version = stored.rpartition("/")
        digest = hashlib.sha256(f"{group}/{version}/{self.kind}".encode()).digest()
        return base64.b64encode(digest[:8]).decode()


@dataclass(frozen=True, slots=True)
class CustomVersion:
    """One version of a CRD: its schema, scale paths and printer columns."""

    crd: str
    storage_version: str
    schema: Body | None
    has_status: bool
    scale: Body | None
    columns: tuple[Body, ...] = field(default=())
    selectable: tuple[str, ...] = ()
    preserve_unknown: bool = False


def _builtin_resources() -> list[tuple[str, str, list[Resource]]]:
    raw = json.loads(Path(__file__).with_name("resources.json").read_text())
    served = []
    for group in raw["groups"]:
        for version in group["versions"]:
            listed = [_builtin(group["group"], version["version"], entry) for entry in version["resources"]]
            served.append((group["group"], version["version"], listed))
    return served


def _builtin(group: str, version: str, entry: Body) -> Resource:
    subresources = tuple(
        Subresource(
            sub["name"],
            sub.get("kind", entry["kind"]),
            tuple(sub.get("verbs", STATUS_VERBS)),
            sub.get("group", ""),
            sub.get("version", ""),
        )
        for sub in entry.get("sub", ())
    )
    return Resource(
        group,
        version,
        entry["plural"],
        entry["kind"],
        Names(
            entry["singular"],
            entry["kind"] + "List",
            tuple(entry.get("short", ())),
            tuple(entry.get("categories", ())),
        ),
        not entry.get("cluster", False),
        verbs=tuple(entry.get("verbs", ALL_VERBS)),
        subresources=subresources,
        type=builtin_type(group, version, entry["kind"]) or DEDUCED,
    )


class Registry:
    """Every served resource by (group, version) and plural, in the order discovery lists them."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str], dict[str, Resource]] = {}
        for group, version, resources in _builtin_resources():
            self._served[group, version] = {resource.plural: resource for resource in resources}
        self._builtin_groups = frozenset(group for group, _ in self._served)
        self._by_kind = {
            (resource.api_version, resource.kind): resource
            for resources in self._served.values()
            for resource in resources.values()
            if "list" in resource.verbs or resource.kind not in ("Binding",)
        }
        self._declared: dict[str, frozenset[str]] = {}
        self.generation = 0

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._served.get((group, version), {}).get(plural)

    def get(self, group: str, plural: str) -> Resource:
        """The resource at its preferred version; KeyError when it is not served."""
        for (served_group, _), resources in self._served.items():
            if served_group == group and plural in resources:
                return resources[plural]
        raise KeyError(f"{plural}.{group}")

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        return self._by_kind.get((api_version, kind))

    def serves(self, group: str, version: str | None = None) -> bool:
        if version is not None:
            return (group, version) in self._served
        return any(served == group for served, _ in self._served)

    def groups(self) -> dict[str, list[str]]:
        """Every group with its versions, the preferred one first; the core group is ""."""
        out: dict[str, list[str]] = {}
        for group, version in self._served:
            out.setdefault(group, []).append(version)
        return out

    def resources(self, group: str, version: str) -> list[Resource]:
        return sorted(self._served.get((group, version), {}).values(), key=lambda resource: resource.plural)

    def stored(self) -> Iterator[Resource]:
        """One resource per kind of stored object."""
        seen: set[tuple[str, str]] = set()
        for resources in list(self._served.values()):
            for resource in list(resources.values()):
                if "list" in resource.verbs and "create" in resource.verbs and resource.key not in seen:
                    seen.add(resource.key)
                    yield resource

    def declared_versions(self, crd: str) -> frozenset[str]:
        """The apiVersions that a CRD declares, served or not."""
        return self._declared.get(crd, frozenset())

    def replace_custom(self, crd: str, resources: list[Resource], declared: Iterable[str] = ()) -> None:
        """Serves exactly these resources for one CRD (none: it is gone), which declares these apiVersions."""
        self._declared[crd] = frozenset(declared)
        for (group, version), served in list(self._served.items()):
            for plural, resource in list(served.items()):
                if resource.custom is not None and resource.custom.crd == crd:
                    del served[plural]
                    self._by_kind.pop((resource.api_version, resource.kind), None)
            if not served and group not in self._builtin_groups:
                del self._served[group, version]
        for resource in resources:
            self._served.setdefault((resource.group, resource.version), {})[resource.plural] = resource
            self._by_kind[resource.api_version, resource.kind] = resource
        self.generation += 1
