"""What became of one object of Flux."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gitops.compat.fields import refusals
from gitops.compat.flux.objects import Ref


@dataclass(frozen=True, slots=True)
class Answer:
    """`told` says of each field what became of it; `application` is the body of an Application made of the object.

    `missing` names the source that it needs and that is not known: there is no Application then. `reasons` are why it
    is refused, with the field's path. Its credentials are Secrets of the namespace `secrets_in`. `sources` are those
    whose revision is that of the Application.
    """

    ref: Ref
    told: dict[str, str] = field(default_factory=dict)
    application: dict[str, Any] | None = None
    missing: Ref | None = None
    reasons: tuple[str, ...] = ()
    secrets_in: str = ""
    prunes: bool = True  # when the object is deleted
    sources: tuple[Ref, ...] = ()

    @property
    def outcome(self) -> Literal["run", "refused"]:
        return "refused" if self.reasons else "run"


def refused(ref: Ref, told: dict[str, str], *more: str) -> Answer:
    """An answer without an Application, for what `told` refuses and `more`."""
    return Answer(ref, told, reasons=(*refusals(told), *more))
