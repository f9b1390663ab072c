"""Another tool's objects in the files of a folder, and what becomes of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal

from gitops.compat.flux.objects import FluxObjects, Ref, is_of_flux, ref_of
from gitops.compat.flux.reading import read
from gitops.manifests.key import Body


@dataclass(frozen=True, slots=True)
class Found:
    """One object: `fields` say what became of each of its spec; `needs` is a source that the folder does not hold."""

    file: str
    kind: str
    namespace: str
    name: str
    outcome: Literal["run", "refused", "not ours"] = "not ours"
    fields: dict[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    needs: str = ""
    application: dict[str, Any] | None = None

    @property
    def word(self) -> str:
        """The first reason why it is refused, or what it needs."""
        return self.reasons[0] if self.reasons else f"needs {self.needs}" if self.needs else ""


def found_in(objects: Sequence[tuple[str, Body]]) -> list[Found]:
    """What becomes of each object, given with its file.

    A repository may hold the objects of several clusters, called alike: of those the nearest is meant.
    """
    files: dict[Ref, list[tuple[str, Body]]] = {}
    for file, body in objects:
        if is_of_flux(body):
            files.setdefault(ref_of(body), []).append((file, body))
    known = FluxObjects(body for _, body in objects)
    doubles = {ref: found for ref, found in files.items() if len(found) > 1}
    return [_found(file, body, _Near(known, doubles, file) if doubles else known) for file, body in objects]


class _Near(FluxObjects):
    """The same objects as seen from a file: of those that are called alike, the one with most folders in common."""

    def __init__(self, objects: FluxObjects, doubles: Mapping[Ref, list[tuple[str, Body]]], file: str) -> None:
        super().__init__()
        self._all = objects
        self._doubles = doubles
        self._folders = file.split("/")[:-1]

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        found = self._all.find(kind, namespace, name)
        doubles = self._doubles.get(ref_of(found)) if found is not None else None
        return max(doubles, key=lambda double: self._in_common(double[0]))[1] if doubles else found

    def generator_of(self, namespace: str, name: str) -> Body | None:
        found = self._all.generator_of(namespace, name)
        return self.find(*ref_of(found)) if found is not None else None

    def _in_common(self, file: str) -> int:
        pairs = zip(self._folders, file.split("/")[:-1], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _found(file: str, body: Body, known: FluxObjects) -> Found:
    metadata = body["metadata"]
    names = (file, str(body.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name")))
    if not is_of_flux(body):
        return Found(*names)
    answer = read(body, known)
    needs = str(answer.missing) if answer.missing is not None else ""
    return Found(*names, answer.outcome, answer.told, answer.reasons, needs, answer.application)
