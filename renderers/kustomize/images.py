"""images and replicas: new names, tags and digests of images; how many replicas."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gitops.model.errors import RenderError
from renderers.expressions import compiled
from renderers.kustomize.config import Specs
from renderers.kustomize.fields import get, set_scalar, wrong_kind
from renderers.kustomize.nodes import INT, Map, Node, Scalar, Seq
from renderers.kustomize.resources import Resources
from renderers.kustomize.specs import apply_spec, apply_specs, gvk_of

_CONTAINERS: Final = frozenset(("containers", "initContainers"))
_REST: Final = r"(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$"


def change_images(resources: Resources, images: Iterable[Mapping[str, str]], specs: Specs) -> None:
    """Change the images of every list of containers, at whatever depth, and at the places of the specs.

    An image that stands in both is changed twice, as Kustomize does it.
    """
    changes = [_Change(image) for image in images]
    for resource in resources.items:
        if resource.kind == "CustomResourceDefinition":
            continue
        found = list(_images_in(resource.node))
        apply_specs(resource.node, specs, found.append)
        for change in changes:
            for node in found:
                change.apply(node)
    resources.drop_empty()


def _images_in(node: Node) -> Iterator[Node]:
    """The `image` of every item of every list called containers or initContainers."""
    if isinstance(node, Seq):
        for item in node.items:
            yield from _images_in(item)
    elif isinstance(node, Map):
        for key, child in node.fields.items():
            yield from _images_in(child)
            if key in _CONTAINERS and isinstance(child, Seq):
                for item in child.items:
                    image = get(item, "image")
                    if image is not None:
                        yield image


class _Change:
    """One item of `images`; its name is a regular expression over the name in an image."""

    def __init__(self, image: Mapping[str, str]) -> None:
        self._pattern = compiled(f"^{image.get('name', '')}{_REST}")
        self._name = image.get("newName", "")
        self._tag = image.get("newTag", "")
        self._suffix = image.get("tagSuffix", "")
        self._digest = image.get("digest", "")

    def apply(self, node: Node) -> None:
        if not isinstance(node, Scalar):
            raise wrong_kind(node, Scalar)
        if not self._pattern.search(node.value):
            return
        name, tag, digest = split_image(node.value)
        name = self._name or name
        if self._tag or self._digest:
            tag, digest = self._tag, self._digest
        elif self._suffix:
            tag, digest = tag + self._suffix, ""
        set_scalar(node, Scalar(name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")))


def split_image(image: str) -> tuple[str, str, str]:
    """Name, tag and digest: `registry:5000/web:1.2@sha256:…`."""
    slash = max(image.find("/"), 0)
    at, colon = image.find("@", slash), image.find(":", slash)
    if at < 0 and colon < 0:
        return image, "", ""
    if at >= 0 and (at < colon or colon < 0):
        return image[:at], "", image[at + 1 :]
    if at >= 0:
        return image[:colon], image[colon + 1 : at], image[at + 1 :]
    return image[:colon], image[colon + 1 :], ""


def set_replicas(resources: Resources, name: str, count: int, specs: Specs) -> None:
    """Set the count of the resources called `name`; raises RenderError when there is none of a fitting kind."""

    def setter(node: Node) -> None:
        set_scalar(node, Scalar(str(count), INT))

    found = False
    for spec in specs:
        for resource in resources.by_any_id(lambda id, spec=spec: id.name == name and spec.gvk.selects(id)):  # type: ignore[misc]
            found = True
            if spec.gvk.selects(gvk_of(resource.node)):
                apply_spec(resource.node, spec, setter, Scalar)
    if not found:
        kinds = ", ".join(spec.gvk.kind for spec in specs)
        raise RenderError(f"replicas: no resource called {name} is one of {kinds}")
