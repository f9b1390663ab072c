"""Which overloads of a call remain when the types of its arguments are known."""

from collections.abc import Sequence
from typing import Final

from gitops.sandbox.rule_cost.kinds import Kind

_FAMILIES: Final = ("add", "subtract", "multiply", "divide", "modulo", "negate", "less_equals", "greater_equals")
_ORDERED: Final = (*_FAMILIES, "less", "greater")
_TOKENS: Final = {"int64": "int", "uint64": "uint"}
# Of the rest, those that cost otherwise than their siblings.
_SINGLE: Final[dict[str, tuple[str | None, ...]]] = {
    "in_list": (None, "list"),
    "in_map": (None, "map"),
    "index_list": ("list", None),
    "index_map": ("map", None),
    "optional_list_index_int": ("optional", None),
    "optional_map_index_value": ("optional", None),
    "string_to_bytes": ("string",),
    "bytes_to_bytes": ("bytes",),
    **{f"{name}_to_string": (name,) for name in ("string", "bytes", "bool", "double", "timestamp", "duration")},
    "int64_to_string": ("int",),
    "uint64_to_string": ("uint",),
}


def fitting(overloads: Sequence[str], arguments: Sequence[Kind]) -> tuple[tuple[str, ...], bool]:
    """Those that take arguments of these types, and whether that is certain."""
    found = tuple(name for name in overloads if _fits(_wanted(name), arguments))
    certain = len(found) == 1 or not any(argument.name == "unknown" for argument in arguments)
    return found or ("",), certain  # compared are an int and a double, which costs as much as two ints


def _wanted(overload: str) -> tuple[str | None, ...]:
    if overload in _SINGLE:
        return _SINGLE[overload]
    for family in _ORDERED:
        if overload.startswith(f"{family}_"):
            tokens = [_TOKENS.get(token, token) for token in overload.removeprefix(f"{family}_").split("_")]
            return tuple(tokens * 2 if len(tokens) == 1 else tokens)
    return ()


def _fits(wanted: Sequence[str | None], arguments: Sequence[Kind]) -> bool:
    pairs = zip(wanted, arguments, strict=False)
    return all(name is None or argument.name in (name, "dyn", "unknown") for name, argument in pairs)
