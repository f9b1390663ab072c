"""Another tool's objects in the files of a folder, and what becomes of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gitops.compat.flux.objects import FluxObjects, is_of_flux
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
    """What becomes of each object, given with its file."""
    known = FluxObjects(body for _, body in objects)
    return [_found(file, body, known) for file, body in objects]


def _found(file: str, body: Body, known: FluxObjects) -> Found:
    metadata = body["metadata"]
    names = (file, str(body.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name")))
    if not is_of_flux(body):
        return Found(*names)
    answer = read(body, known)
    needs = str(answer.missing) if answer.missing is not None else ""
    return Found(*names, answer.outcome, answer.told, answer.reasons, needs, answer.application)
