"""What the cost of a call is reckoned from, and what it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitops.sandbox.rule_cost.kinds import Kind
from gitops.sandbox.rule_cost.sizes import ANY, ONE, Size
from gitops.sandbox.rule_cost.tree import Node


@dataclass(frozen=True, slots=True)
class Argument:
    path: list[str]
    kind: Kind
    node: Node | None
    known: Size | None
    size_of: Callable[[list[str]], Size | None]

    @property
    def size(self) -> Size:
        """Its size, or any."""
        return ANY if self.known is None else self.known

    def item(self) -> "Argument | None":
        """The items of a list; None for what has none."""
        if not self.kind.parts:
            return None
        path = [*self.path, "@items"] if self.path else []
        kind = self.kind.parts[0]
        known = self.size_of(path) if path else None
        return Argument(path, kind, None, ONE if known is None and kind.name == "unknown" else known, self.size_of)


@dataclass(frozen=True, slots=True)
class Cost:
    own: int
    size: Size | None = None


Arguments = Sequence[Argument]
Rule = Callable[[str, Argument | None, Arguments], Cost | None]  # of an overload, the target and the arguments
