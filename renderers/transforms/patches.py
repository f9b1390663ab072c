"""Patches and images of an Application on top of what a renderer made, whichever that was: as a kustomization's."""

from collections.abc import Sequence

from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Manifest, Origin
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Patch
from gitops.model.errors import GitopsError, RenderError
from gitops.model.revision import Tree
from renderers.kustomize.render import render_folder, written, written_image
from renderers.result import Context, Rendered

_FIELD = "source.patches"
_MOVED = Origin("an object that a patch called otherwise", 0)


def with_patches(rendered: Rendered, patches: Sequence[Patch], images: Sequence[str], context: Context) -> Rendered:
    """What was rendered, patched in order, and then with other images; what nothing changes stays as it
    is, to the last digit of a number.

    So do lists of objects, and an object without a name (a hook's, made anew each time). Raises RenderError for a patch
    that cannot be read, or that fits nothing.
    """
    for number, patch in enumerate(patches):
        if not patch.patch.strip():
            raise RenderError(f"{_FIELD}[{number}].patch: is empty")
    named = {one.key: one for one in rendered.manifests if one.key.name and not one.key.kind.endswith("List")}
    text = write_manifests(manifest.body for manifest in named.values())
    try:
        as_read = _built(text, (), (), context)
        patched = _built(text, patches, images, context)
    except GitopsError as error:
        raise RenderError(f"{_FIELD}: {error}") from error
    found: list[Manifest] = []
    for one in rendered.manifests:
        if one.key not in named or (one.key in patched and patched[one.key] == as_read.get(one.key)):
            found.append(one)
        elif one.key in patched:
            found.append(Manifest(one.key, patched[one.key], one.origin))
    found += [Manifest(key, body, _MOVED) for key, body in patched.items() if key not in named]
    return rendered._replace(manifests=tuple(found))


def _built(text: str, patches: Sequence[Patch], images: Sequence[str], context: Context) -> dict[ResourceKey, Body]:
    """What Kustomize makes of objects, patches and images; it reads numbers in a way of its own."""
    kustomization = {
        "resources": ["rendered.yaml"],
        "patches": [written(patch) for patch in patches],
        "images": [written_image(image) for image in images],
    }
    files = {"kustomization.yaml": write_manifests([kustomization]), "rendered.yaml": text}
    answer = render_folder(Tree.of_files(files), "", context)
    assert isinstance(answer, Rendered)  # nothing remote is named
    return {manifest.key: manifest.body for manifest in answer.manifests}
