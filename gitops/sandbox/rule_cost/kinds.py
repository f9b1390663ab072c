"""The types of values in CEL, with what a schema says of their size."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A type: its name, the types of its parts (of a list's items; of a map's keys and values), an object's fields."""

    name: str
    parts: tuple["Kind", ...] = ()
    fields: Mapping[str, "Kind"] = field(default_factory=dict)
    most: int = 0  # characters, items or entries, for what a schema declares
    least_bytes: int = 0  # of the shortest JSON

    @property
    def item(self) -> "Kind":
        """The type of a list's items, of a map's or an optional's values."""
        return self.parts[-1] if self.parts else UNKNOWN


UNKNOWN: Final = Kind("unknown")  # the estimate is a low one then
DYN: Final = Kind("dyn")
BOOL: Final = Kind("bool", least_bytes=4)
INT: Final = Kind("int", least_bytes=1)
DOUBLE: Final = Kind("double", least_bytes=1)
STRING: Final = Kind("string", least_bytes=2)

_SCALAR: Final = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})


def is_scalar(kind: Kind) -> bool:
    """Whether all values of a type have the same size."""
    return kind.name in _SCALAR or (kind.name == "optional" and is_scalar(kind.item))


def list_of(item: Kind) -> Kind:
    return Kind("list", (item,))


def optional_of(value: Kind) -> Kind:
    return Kind("optional", (value,))
