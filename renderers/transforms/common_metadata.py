"""`source.commonMetadata`: labels and annotations for every object that was rendered, as Flux has it.

They are the objects' own only: no selector and no template of Pods gets them.
"""

from collections.abc import Mapping

from gitops.manifests.manifest import Manifest
from gitops.model.transforms import CommonMetadata
from renderers.result import Rendered


def with_common_metadata(rendered: Rendered, common: CommonMetadata) -> Rendered:
    """What was rendered, with these in place of labels and annotations of the same name."""
    parts = {"labels": common.labels, "annotations": common.annotations}
    return rendered._replace(manifests=tuple(_with(one, parts) for one in rendered.manifests))


def _with(manifest: Manifest, parts: Mapping[str, Mapping[str, str]]) -> Manifest:
    metadata = manifest.body["metadata"]
    changed = {name: {**(metadata.get(name) or {}), **entries} for name, entries in parts.items() if entries}
    if all(metadata.get(name) == entries for name, entries in changed.items()):
        return manifest
    return manifest._replace(body={**manifest.body, "metadata": {**metadata, **changed}})
