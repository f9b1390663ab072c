"""Flux's ArtifactGenerator: the artifacts that it makes, as folders of the repository that they are copied from.

Nothing is copied here: an artifact whose files lie as they do below one folder of a source is that folder. What is put
together of several places is refused.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from gitops.compat.fields import Fields, refusals
from gitops.compat.flux.objects import ARTIFACT, FluxObjects, Ref, ref_of
from gitops.compat.flux.shared import NAMESPACE
from gitops.compat.flux.sources import FluxSource, find_source
from gitops.manifests.key import Body

_SWITCH: Final = "source.extensions.fluxcd.io/reconcile"
_FROM: Final = re.compile(r"@([A-Za-z0-9_-]+)/(?:([^*?\[{]+)/)?\*\*")
_TO: Final = re.compile(r"@artifact/?(.*)")
_MOVED: Final = "the files would lie in other folders than in their source, and nothing is moved here"
_REVISION: Final = "the revision is that of the source"


@dataclass(frozen=True, slots=True)
class _Artifact:
    """It is the folder `root` of `source`, of which it has no more than the folders in `holds`."""

    source: Ref
    root: str
    holds: tuple[str, ...]


def find_artifact(objects: FluxObjects, namespace: str, name: str) -> FluxSource | Ref:
    """The source that an ExternalArtifact is a folder of, or what is not known of all that this takes.

    What keeps it from being one is in the source's `told`.
    """
    generator = objects.generator_of(namespace, name)
    if generator is None:
        return Ref(ARTIFACT, namespace, name)
    artifacts, told = _read(generator, namespace)
    if refusals(told):
        return FluxSource(ref_of(generator), {}, told=told)
    found = artifacts[name]
    source = find_source(objects, *found.source)
    if source is None:
        return found.source
    switch = (generator["metadata"].get("annotations") or {}).get(_SWITCH)
    is_suspended = source.suspended or (isinstance(switch, str) and switch.lower() == "disable")
    return replace(source, root=found.root, holds=found.holds, suspended=is_suspended)


def told_of_generator(body: Body) -> dict[str, str]:
    """What became of each of its fields."""
    return _read(body, NAMESPACE)[1]


def _read(body: Body, namespace: str) -> tuple[dict[str, _Artifact], dict[str, str]]:
    told: dict[str, str] = {}
    spec = Fields(body["spec"] if isinstance(body.get("spec"), dict) else {}, "spec", told)
    sources = _sources(spec, ref_of(body).namespace or namespace)
    artifacts: dict[str, _Artifact] = {}
    for item in spec.items("artifacts"):
        name = item.text("name")
        for each in ("revision", "originRevision"):
            item.note(each, _REVISION)
        found = _artifact(item, sources)
        if found is not None:
            artifacts[name] = found
        item.end()
    spec.end()
    return artifacts, told


def _sources(spec: Fields, namespace: str) -> dict[str, Ref]:
    found: dict[str, Ref] = {}
    for item in spec.items("sources"):
        alias, kind, name = item.text("alias"), item.text("kind"), item.text("name")
        if kind not in ("GitRepository", "OCIRepository"):
            item.refuse("kind", f"files come from a GitRepository or an OCIRepository, not from a {kind[:100]}")
        found[alias] = Ref(kind, item.text("namespace", namespace), name)
        item.end()
    return found


def _artifact(item: Fields, sources: dict[str, Ref]) -> _Artifact | None:
    """None where it is refused."""
    places: set[tuple[str, str]] = set()
    holds: list[str] = []
    copies = list(item.items("copy"))
    for copy in copies:
        place = _copied(copy, sources)
        if place is not None:
            alias, root, inside = place
            places.add((alias, root))
            holds.append(inside)
    if len(places) > 1:
        item.refuse("copy", "what is put together of several places is not read; give each a Kustomization of its own")
    if not copies:
        item.missing("copy")
    if len(places) != 1:
        return None
    alias, root = places.pop()
    return _Artifact(sources[alias], root, tuple(holds))


def _copied(copy: Fields, sources: dict[str, Ref]) -> tuple[str, str, str] | None:
    """Alias, folder of its source that becomes the artifact's own, and the folder in there that is copied."""
    source, target = copy.text("from"), copy.text("to")
    copy.refuse("exclude", "all files of a folder are read; name what to leave out in the ignore of the source")
    if copy.choice("strategy", "Overwrite", "Merge", "Extract") != "Overwrite":
        copy.refuse("strategy", "files are read as they are, and neither merged nor unpacked")
    copy.end()
    from_, to = _FROM.fullmatch(source), _TO.fullmatch(target)
    if from_ is None or from_[1] not in sources:
        copy.refuse("from", "expected a whole folder of one of the sources: @ALIAS/FOLDER/**")
        return None
    if to is None:
        copy.refuse("to", "expected a folder: @artifact/FOLDER/")
        return None
    folder, inside = from_[2] or "", to[1].strip("/")
    if ".." in (*folder.split("/"), *inside.split("/")):
        copy.refuse("from", "leads out of the source")
        return None
    if inside and f"/{folder}".endswith(f"/{inside}"):
        return from_[1], folder.removesuffix(inside).rstrip("/"), inside
    if inside:
        copy.refuse("to", _MOVED)
        return None
    return from_[1], folder, ""
