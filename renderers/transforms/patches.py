"""Patches of an Application on top of what a renderer made, whichever that was: as a kustomization's `patches`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gitops.manifests.manifest import Manifest
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Patch
from gitops.model.errors import GitopsError, RenderError
from gitops.model.revision import Tree
from renderers.kustomize.render import render_folder
from renderers.result import Context, Rendered

_FIELD = "source.patches"


def with_patches(rendered: Rendered, patches: Sequence[Patch], context: Context) -> Rendered:
    """What was rendered, patched in order; an object without a name (a hook's, made anew each time) stays as it is.

    Raises RenderError for a patch that cannot be read, or that fits nothing.
    """
    named = [manifest for manifest in rendered.manifests if manifest.key.name]
    kustomization = {"resources": ["rendered.yaml"], "patches": [_written(patch) for patch in patches]}
    files = {
        "kustomization.yaml": write_manifests([kustomization]),
        "rendered.yaml": write_manifests(manifest.body for manifest in named),
    }
    tree = Tree.of_files(files)
    for number, patch in enumerate(patches):
        if not patch.patch.strip():
            raise RenderError(f"{_FIELD}[{number}].patch: is empty")
    try:
        answer = render_folder(tree, "", context)
    except GitopsError as error:
        raise RenderError(f"{_FIELD}: {error}") from error
    assert isinstance(answer, Rendered)  # nothing remote is named
    origins = {manifest.key: manifest.origin for manifest in named}
    patched = {manifest.key: manifest.body for manifest in answer.manifests}
    found = [
        Manifest(one.key, patched.get(one.key, one.body), one.origin)
        for one in rendered.manifests
        if one.key in patched or not one.key.name
    ]
    found += [one for one in answer.manifests if one.key not in origins]  # moved to another namespace or name
    return rendered._replace(manifests=tuple(found))


def _written(patch: Patch) -> dict[str, Any]:
    target = {name: value for name, value in asdict(patch.target).items() if value}
    return {"patch": patch.patch, **({"target": target} if target else {})}
