"""Our own records as they come back from where others can write: an inventory, a row of the store, a status.

A record is read by the types of its dataclass, so that what was edited by hand is told at once, by the field, and is
no fault later on.
"""

import dataclasses
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")
_WORDS = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}
_known: dict[Any, dict[str, Any]] = {}


def read_as(kind: type[T], value: Any) -> T:
    """A `kind` (a flat dataclass of text, numbers, flags and tuples of text) from a JSON object. Raises ValueError.

    A field that this version does not know is left out; one that is not there has its default.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected the fields of a {kind.__name__}")
    known = {name: _checked(hint, value[name], name) for name, hint in _hints(kind).items() if name in value}
    try:
        return kind(**known)
    except TypeError:
        missing = next(name for name in _hints(kind) if name not in known)
        raise ValueError(f"{missing} is missing") from None


def read_row(kind: type[T], row: tuple[Any, ...]) -> T:
    """The same from values in the order of the fields. Raises ValueError."""
    names = list(_hints(kind))
    if len(row) != len(names):
        raise ValueError(f"expected {len(names)} columns, got {len(row)}")
    return read_as(kind, dict(zip(names, row, strict=True)))


def _hints(kind: Any) -> dict[str, Any]:
    if kind not in _known:
        hints = typing.get_type_hints(kind)
        names = (field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else kind._fields
        _known[kind] = {name: hints[name] for name in names}
    return _known[kind]


def _checked(hint: Any, value: Any, name: str) -> Any:
    if isinstance(hint, types.UnionType):  # text or nothing
        return None if value is None else _checked(typing.get_args(hint)[0], value, name)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{name}: expected a list")
        return tuple(_checked(typing.get_args(hint)[0], item, name) for item in value)
    plain = typing.get_origin(hint) or hint
    if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
        raise ValueError(f"{name}: expected {_WORDS.get(plain, 'a map')}")
    return value
