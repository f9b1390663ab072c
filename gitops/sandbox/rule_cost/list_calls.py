"""What the functions of CEL's list library cost (cel-go ext/lists.go, v0.26, version 3 of the library)."""

from collections.abc import Mapping
from typing import Final

from gitops.sandbox.rule_cost.arguments import Argument, Arguments, Cost, Rule
from gitops.sandbox.rule_cost.sizes import MOST, Size, clipped, exactly, scaled
from gitops.sandbox.rule_cost.tree import Literal

_CALL, _LIST = 1, 10
_COMPARED: Final = 2.0  # each with each
_COMPARED_TEXT: Final = 2.1
_TEXTS: Final = frozenset({"string", "bytes"})


def _made(factor: float, size: Size) -> Cost:
    return Cost(clipped(scaled(size.most, factor) + _CALL + _LIST), size)


def _number(argument: Argument, otherwise: int) -> int:
    """What is written there, or the largest that it may be."""
    value = argument.node.value if isinstance(argument.node, Literal) else None
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _slice(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    if target is None or len(arguments) != 2:
        return None
    return _made(1, exactly(_number(arguments[1], target.size.most) - _number(arguments[0], 0) & MOST))


def _range(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    return _made(1, exactly(_number(arguments[0], MOST)))


def _reverse(_overload: str, target: Argument | None, _arguments: Arguments) -> Cost | None:
    return _made(1, target.size) if target and target.kind.name == "list" else None


def _flatten(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    if target is None:
        return None
    return _made(_number(arguments[0], MOST) if arguments else 1, target.size)


def _distinct(_overload: str, target: Argument | None, _arguments: Arguments) -> Cost | None:
    return _made(_COMPARED, target.size.times(target.size)) if target else None


def _sort(_overload: str, target: Argument | None, _arguments: Arguments) -> Cost | None:
    if target is None:
        return None
    unknown = "dyn" in (target.kind.name, target.kind.item.name)  # texts are then among what it may be
    return _sorted(target, unknown or target.kind.item.name in _TEXTS)


def _sort_by(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    """By keys that `map` made: cel-go's checker takes keys of any type for numbers, its first overload."""
    return _sorted(arguments[0], arguments[0].kind.item.name in _TEXTS)


def _sorted(keys: Argument, are_texts: bool) -> Cost:
    return _made(_COMPARED_TEXT if are_texts else _COMPARED, keys.size.times(keys.size))


LIST_CALLS: Final[Mapping[str, Rule]] = {
    "slice": _slice,
    "lists.range": _range,
    "reverse": _reverse,
    "flatten": _flatten,
    "distinct": _distinct,
    "sort": _sort,
    "@sortByAssociatedKeys": _sort_by,
}
