"""The objects of Flux that are known, found by kind, namespace and name."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from gitops.manifests.key import Body, group_of

GROUPS: Final = {
    "kustomize.toolkit.fluxcd.io": ("Kustomization",),
    "helm.toolkit.fluxcd.io": ("HelmRelease",),
    "source.toolkit.fluxcd.io": (
        "GitRepository",
        "OCIRepository",
        "HelmRepository",
        "HelmChart",
        "Bucket",
        "ExternalArtifact",
    ),
    "source.extensions.fluxcd.io": ("ArtifactGenerator",),
    "notification.toolkit.fluxcd.io": ("Receiver", "Alert", "Provider"),
    "image.toolkit.fluxcd.io": ("ImageRepository", "ImagePolicy", "ImageUpdateAutomation"),
}
GROUP_OF: Final = {kind: group for group, kinds in GROUPS.items() for kind in kinds}
# Those that an Application of ours is made of.
DELIVERED: Final = ("Kustomization", "HelmRelease")
# Those that one may be made of besides.
SOURCES: Final = ("GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket", "ExternalArtifact")
ARTIFACT: Final = "ExternalArtifact"
GENERATOR: Final = "ArtifactGenerator"


class Ref(NamedTuple):
    """What names an object of Flux; an object in a file may leave its namespace to whoever applies it ("")."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def is_of_flux(body: Any) -> bool:
    """Whether it is an object of one of Flux's kinds, with a name."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return False
    kind, version, name = body.get("kind"), body.get("apiVersion"), body["metadata"].get("name")
    return (
        isinstance(version, str)
        and isinstance(name, str)
        and bool(name)
        and kind in GROUPS.get(group_of(version), ())
        and isinstance(body["metadata"].get("namespace") or "", str)
    )


def ref_of(body: Body) -> Ref:
    """The name of an object for which `is_of_flux` holds."""
    return Ref(body["kind"], body["metadata"].get("namespace") or "", body["metadata"]["name"])


def artifacts_of(body: Body) -> set[str]:
    """The names of what an ArtifactGenerator makes."""
    spec = body.get("spec")
    found = spec.get("artifacts") if isinstance(spec, dict) else None
    items = found if isinstance(found, list) else []
    names = [item.get("name") for item in items if isinstance(item, dict)]
    return {name for name in names if isinstance(name, str)}


class FluxObjects:
    """Objects of Flux by their names; what is no object of Flux is left out."""

    def __init__(self, bodies: Iterable[Body] = ()) -> None:
        self._bodies: dict[Ref, Body] = {}
        for body in bodies:
            self.put(body)

    def put(self, body: Body) -> None:
        if is_of_flux(body):
            self._bodies[ref_of(body)] = body

    def has_finalizers(self, ref: Ref, finalizers: list[str], version: str) -> None:
        """They were written to what was at this resource version: where it is known so, it has them now."""
        body = self._bodies.get(ref)
        if body is not None and body["metadata"].get("resourceVersion") == version:
            self._bodies[ref] = {**body, "metadata": {**body["metadata"], "finalizers": finalizers}}

    def drop(self, ref: Ref) -> None:
        self._bodies.pop(ref, None)

    def __iter__(self) -> Iterator[Body]:
        return iter(list(self._bodies.values()))

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        """The object of that name; one whose file does not say its namespace may be meant too."""
        return self._bodies.get(Ref(kind, namespace, name)) or self._bodies.get(Ref(kind, "", name))

    def generator_of(self, namespace: str, name: str) -> Body | None:
        """The ArtifactGenerator that makes the ExternalArtifact of that name."""
        made = (body for ref, body in sorted(self._bodies.items()) if ref.kind == GENERATOR)
        near = (body for body in made if (ref_of(body).namespace or namespace) == namespace)
        return next((body for body in near if name in artifacts_of(body)), None)
