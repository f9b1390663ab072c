"""buildMetadata: annotations that tell where a resource came from and what changed it."""

from typing import NamedTuple

from gitops.manifests.yaml_write import write_document
from gitops.model.revision import join
from gitops.model.source_name import without_userinfo
from renderers.kustomize.fields import child_map, set_field
from renderers.kustomize.nodes import STR, Scalar
from renderers.kustomize.remote import parse_remote
from renderers.kustomize.resource import ORIGIN, TRANSFORMATIONS, Resource
from renderers.kustomize.resources import Resources


class Origin(NamedTuple):
    """A file, or the configuration of a generator or transformer: `by` is its apiVersion, kind, name and namespace."""

    path: str = ""
    repository: str = ""
    ref: str = ""
    configured_in: str = ""
    by: tuple[str, str, str, str] = ("", "", "", "")

    def below(self, path: str) -> "Origin":
        """One step further: a file or folder seen from this one, or another repository."""
        remote = parse_remote(path)
        if remote is not None:
            return Origin(remote.path, without_userinfo(remote.url), remote.ref)
        joined = f"{self.path}/{path}" if self.path else path
        return self._replace(path=_clean(joined))

    def of(self, file: str, kind: str) -> "Origin":
        """A built-in generator or transformer that a field of `file` configures."""
        return Origin("", self.repository, self.ref, _clean(f"{self.path}/{file}"), ("builtin", kind, "", ""))

    @property
    def text(self) -> str:
        return write_document(self.value)

    @property
    def value(self) -> dict[str, object]:
        """What is not empty, in the order that Kustomize has."""
        by = dict(zip(("apiVersion", "kind", "name", "namespace"), self.by, strict=True))
        pairs: tuple[tuple[str, object], ...] = (
            ("path", self.path),
            ("repo", self.repository),
            ("ref", self.ref),
            ("configuredIn", self.configured_in),
            ("configuredBy", {key: value for key, value in by.items() if value}),
        )
        return {key: value for key, value in pairs if value}


def _clean(path: str) -> str:
    """A path without `.` and with `..` resolved as far as that goes."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def annotate_all(resources: list[Resource], origin: Origin) -> None:
    """Set the origin of resources read from a file; their other annotations stay as they are written."""
    for resource in resources:
        metadata = child_map(resource.node, "metadata")
        annotations = child_map(metadata, "annotations") if metadata is not None else None
        if annotations is None:
            resource.set_annotations({**resource.annotations, ORIGIN: origin.text})
        else:
            set_field(annotations, ORIGIN, Scalar(origin.text, STR))


def annotate_new(resources: list[Resource], origin: Origin | None) -> None:
    """Set the origin of generated resources that have none."""
    if origin is None:
        return
    for resource in resources:
        if ORIGIN not in resource.annotations:
            resource.set_annotations({**resource.annotations, ORIGIN: origin.text})


def add_transformation(resources: Resources, origin: Origin | None) -> None:
    """Note a transformer at every resource; one without an origin was made by it."""
    if origin is None:
        return
    item = write_document([origin.value])
    for resource in resources.items:
        if resource.is_empty:
            continue
        annotations = resource.annotations
        if ORIGIN not in annotations:
            annotations[ORIGIN] = origin.text
        else:
            annotations[TRANSFORMATIONS] = annotations.get(TRANSFORMATIONS, "") + item
        resource.set_annotations(annotations)


def remove_origins(resources: Resources, keep_origin: bool, keep_transformations: bool) -> None:
    """Take out what was not asked for; every annotation becomes text on the way."""
    for resource in resources.items:
        annotations = resource.annotations
        if not keep_origin:
            annotations.pop(ORIGIN, None)
        if not keep_transformations:
            annotations.pop(TRANSFORMATIONS, None)
        if not (keep_origin and keep_transformations):
            resource.set_annotations(annotations)


def origin_of_plugin(resource: Resource) -> Origin | None:
    """Where a generator or transformer that is an object itself is configured."""
    text = resource.annotations.get(ORIGIN)
    if text is None:
        return None
    path = next((line.removeprefix("path: ") for line in text.splitlines() if line.startswith("path: ")), "")
    repository = next((line.removeprefix("repo: ") for line in text.splitlines() if line.startswith("repo: ")), "")
    ref = next((line.removeprefix("ref: ") for line in text.splitlines() if line.startswith("ref: ")), "")
    by = (resource.api_version, resource.kind, resource.name, resource.namespace)
    return Origin("", repository, ref, path, by)


def join_paths(directory: str, path: str) -> str:
    """`path` as seen from `directory`, cleaned."""
    return join(directory, path) or path
