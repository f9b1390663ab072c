"""One resource under way: its node, what it is called now, and what it was called before.

Kustomize keeps its notes (earlier names, prefixes, who refers to it) in annotations of the object itself, where
patches and selectors see them; so does this, and `remove_notes` takes them out at the end.
"""

from collections.abc import Iterable
from typing import Final

from gitops.manifests.manifest import Origin
from gitops.model.errors import RenderError
from renderers.kustomize.fields import (
    metadata_map,
    metadata_text,
    set_field,
    set_metadata_map,
    set_metadata_text,
)
from renderers.kustomize.ids import BUILT_IN_CLUSTER_KINDS, Gvk, Id, split_api_version
from renderers.kustomize.nodes import Map, Scalar, copy_map, is_empty, text_of

NOTES: Final = "internal.config.kubernetes.io/"
PREVIOUS_KINDS: Final = NOTES + "previousKinds"
PREVIOUS_NAMES: Final = NOTES + "previousNames"
PREVIOUS_NAMESPACES: Final = NOTES + "previousNamespaces"
PREFIXES: Final = NOTES + "prefixes"
SUFFIXES: Final = NOTES + "suffixes"
REFERRED_BY: Final = NOTES + "refBy"
BEHAVIOR: Final = NOTES + "generatorBehavior"
NEEDS_HASH: Final = NOTES + "needsHashSuffix"
MAY_CHANGE_NAME: Final = NOTES + "allowNameChange"
MAY_CHANGE_KIND: Final = NOTES + "allowKindChange"
ORIGIN: Final = "config.kubernetes.io/origin"
TRANSFORMATIONS: Final = "alpha.config.kubernetes.io/transformations"
ENABLED: Final = "enabled"

ALL_NOTES: Final = (
    PREVIOUS_KINDS,
    PREVIOUS_NAMES,
    PREFIXES,
    SUFFIXES,
    PREVIOUS_NAMESPACES,
    MAY_CHANGE_NAME,
    MAY_CHANGE_KIND,
    REFERRED_BY,
    BEHAVIOR,
    NEEDS_HASH,
    NOTES + "path",
    NOTES + "index",
    NOTES + "seqindent",
    NOTES + "id",
    NOTES + "annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
)


class Resource:
    """A mutable resource; `node` is replaced when a patch deletes or rebuilds the object."""

    __slots__ = ("is_of_helm", "node", "origin", "variables")

    def __init__(self, node: Map, origin: Origin | None = None) -> None:
        self.node = node
        # The file that it was read from, or whose generator made it; None where a plug-in brought it.
        self.origin = origin
        # Names of the vars that take their value from here.
        self.variables: list[str] = []
        # Whether a chart of `helmCharts` brought it: then its namespace is the chart's business (Kustomize 5.8).
        self.is_of_helm = False

    def copy(self) -> "Resource":
        """A distinct one."""
        result = Resource(copy_map(self.node), self.origin)
        result.variables = list(self.variables)
        result.is_of_helm = self.is_of_helm
        return result

    # ── what it is called ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def kind(self) -> str:
        return text_of(self.node.fields.get("kind"))

    @property
    def api_version(self) -> str:
        return text_of(self.node.fields.get("apiVersion"))

    @property
    def name(self) -> str:
        return metadata_text(self.node, "name")

    @property
    def namespace(self) -> str:
        return metadata_text(self.node, "namespace")

    @property
    def gvk(self) -> Gvk:
        return Gvk(*split_api_version(self.api_version), self.kind)

    @property
    def is_empty(self) -> bool:
        return is_empty(self.node)

    @property
    def cluster_scoped(self) -> bool:
        return (self.api_version, self.kind) in BUILT_IN_CLUSTER_KINDS

    @property
    def current(self) -> Id:
        """Its id now."""
        group, version = split_api_version(self.api_version)
        return Id(group, version, self.kind, self.name, self.namespace, self.cluster_scoped)

    @property
    def previous(self) -> list[Id]:
        """The ids that it had before, the oldest first."""
        return previous_ids(self.node)

    @property
    def original(self) -> Id:
        """The first id that it had."""
        previous = self.previous
        return previous[0] if previous else self.current

    @property
    def ids(self) -> list[Id]:
        """All its ids, the current one last."""
        return [*self.previous, self.current]

    def set_name(self, name: str) -> None:
        set_metadata_text(self.node, "name", name)

    def set_namespace(self, namespace: str) -> None:
        set_metadata_text(self.node, "namespace", namespace)

    def set_kind(self, kind: str) -> None:
        set_field(self.node, "kind", Scalar(kind))

    def set_gvk(self, gvk: Gvk) -> None:
        self.set_kind(gvk.kind)
        set_field(self.node, "apiVersion", Scalar(f"{gvk.group}/{gvk.version}" if gvk.group else gvk.version))

    # ── labels, annotations, notes ───────────────────────────────────────────────────────────────────────────────

    @property
    def labels(self) -> dict[str, str]:
        return metadata_map(self.node, "labels")

    @property
    def annotations(self) -> dict[str, str]:
        return metadata_map(self.node, "annotations")

    def set_labels(self, labels: dict[str, str]) -> None:
        set_metadata_map(self.node, "labels", labels)

    def set_annotations(self, annotations: dict[str, str]) -> None:
        set_metadata_map(self.node, "annotations", annotations)

    def note(self, name: str) -> list[str]:
        """A note that is a list."""
        metadata = self.node.fields.get("metadata")
        annotations = metadata.fields.get("annotations") if isinstance(metadata, Map) else None
        found = annotations.fields.get(name) if isinstance(annotations, Map) else None
        return found.value.split(",") if isinstance(found, Scalar) else []

    def add_note(self, name: str, value: str) -> None:
        """Append to a note; an empty value changes nothing."""
        if value:
            set_annotation(self.node, name, ",".join([*self.note(name), value]))

    def store_previous_id(self) -> None:
        """Note the id that it has now, before it changes."""
        current = self.current
        self.add_note(PREVIOUS_NAMES, current.name)
        self.add_note(PREVIOUS_NAMESPACES, current.effective_namespace)
        self.add_note(PREVIOUS_KINDS, current.kind)

    def enable(self, note: str) -> None:
        """Set a note that is a mark; the other annotations become text on the way."""
        self.set_annotations({**self.annotations, note: ENABLED})

    def is_enabled(self, note: str) -> bool:
        return self.annotations.get(note) == ENABLED

    def remove_notes(self) -> None:
        """Take out all notes; the other annotations become text."""
        annotations = self.annotations
        if annotations:
            self.set_annotations({key: value for key, value in annotations.items() if key not in ALL_NOTES})


def set_annotation(node: Map, name: str, value: str) -> None:
    """Set one annotation as text."""
    metadata = node.fields.get("metadata")
    if metadata is None:
        metadata = node.fields["metadata"] = Map()
    if not isinstance(metadata, Map):
        return
    annotations = metadata.fields.get("annotations")
    if not isinstance(annotations, Map):
        annotations = metadata.fields["annotations"] = Map()
    set_field(annotations, name, Scalar(value, "!!str"))


def previous_ids(node: Map) -> list[Id]:
    """The ids noted in an object; cluster scope is not noted."""
    metadata = node.fields.get("metadata")
    annotations = metadata.fields.get("annotations") if isinstance(metadata, Map) else None
    if not isinstance(annotations, Map) or PREVIOUS_NAMES not in annotations.fields:
        return []
    names, namespaces, kinds = (
        text_of(annotations.fields.get(note)).split(",")
        for note in (PREVIOUS_NAMES, PREVIOUS_NAMESPACES, PREVIOUS_KINDS)
    )
    if not len(names) == len(namespaces) == len(kinds):
        raise RenderError(f"the notes about earlier names of {names[0]} do not agree")
    group, version = split_api_version(text_of(node.fields.get("apiVersion")))
    return [
        Id(group, version, kind, name, namespace)
        for name, namespace, kind in zip(names, namespaces, kinds, strict=True)
    ]


def ids_in(node: Map) -> list[Id]:
    """All ids of an object, the current one first, none marked as cluster-scoped (what replacements look at)."""
    group, version = split_api_version(text_of(node.fields.get("apiVersion")))
    kind = text_of(node.fields.get("kind"))
    current = Id(group, version, kind, metadata_text(node, "name"), metadata_text(node, "namespace"))
    return [current, *previous_ids(node)]


def with_ids(resources: Iterable[Resource]) -> list[tuple[Resource, list[Id]]]:
    """Each resource with all its ids."""
    return [(resource, resource.ids) for resource in resources]
