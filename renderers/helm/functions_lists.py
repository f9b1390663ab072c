"""Functions of lists, as sprig 3 has them."""

from collections.abc import Callable
from typing import Any, Final

from renderers.helm.functions_math import to_int
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, TypedList, function, is_true, kind_of, nil_list, type_of
from renderers.helm.gotemplate.work import DEEP, deep_size_of, spend


def is_empty(value: Any) -> bool:
    """sprig's empty."""
    return not is_true(value)


def deep_equal(left: Any, right: Any) -> bool:
    """reflect.DeepEqual."""
    if type_of(left) != type_of(right) or getattr(left, "is_nil", False) != getattr(right, "is_nil", False):
        return False
    spend(deep_size_of(left))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(deep_equal(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(deep_equal, left, right))
    return bool(left == right)


def _listed(value: Any, message: str) -> list[Any]:
    if isinstance(value, list):
        return value
    if value is None:
        raise FunctionError("runtime error: invalid memory address or nil pointer dereference")
    raise FunctionError(message.format(kind_of(value)))


def _of(message: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def checked(value: Any, *others: Any) -> Any:
        return call(_listed(value, message), *others)

    return checked


def _in(items: Any, wanted: Any) -> bool:
    spend(DEEP * len(items))
    return any(deep_equal(wanted, item) for item in items)


def _uniq(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    seen: set[Any] = set()
    for item in items:
        if isinstance(item, str):
            if item in seen:
                continue
            seen.add(item)
        elif _in(found, item):
            continue
        found.append(item)
    return found


def _has(wanted: Any, items: Any) -> bool:
    return items is not None and _in(_listed(items, "Cannot find has on type {}"), wanted)


def _slice(items: list[Any], *indices: Any) -> Any:
    if not items:
        return None
    start = to_int(indices[0]) if indices else 0
    end = to_int(indices[1]) if len(indices) > 1 else len(items)
    if not 0 <= start <= end <= len(items):
        raise FunctionError("reflect.Value.Slice: slice index out of bounds")
    found = items[start:end]
    return TypedList(items.element, found) if isinstance(items, TypedList) else found


def _chunk(size: int, value: Any) -> TypedList:
    items = _listed(value, "Cannot chunk type {}")
    chunks = (len(items) - 1) // size + 1 if size else -1  # as Go's arithmetic has it
    if chunks < 0 or (size < 0 and (not items or (chunks == 1 and size == -1))):
        raise FunctionError("runtime error: makeslice: len out of range")
    if size < 0:
        return TypedList("[]interface {}", [list(items)] if chunks == 1 else [])
    return TypedList("[]interface {}", [list(items[at : at + size]) for at in range(0, len(items), size)])


def _concat(*values: Any) -> list[Any]:
    return [item for value in values for item in _listed(value, "Cannot concat type {} as list")] or nil_list()


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if is_true(value)), None)


def _default(fallback: Any, *given: Any) -> Any:
    return given[0] if given and is_true(given[0]) else fallback


_CHECKED: Final[dict[str, tuple[str, Callable[..., Any]]]] = {
    "append": ("any any", _of("Cannot push on type {}", lambda items, item: [*items, item])),
    "compact": ("any", _of("Cannot compact on type {}", lambda items: [item for item in items if is_true(item)])),
    "first": ("any", _of("Cannot find first on type {}", lambda items: items[0] if items else None)),
    "has": ("any any", _has),
    "initial": ("any", _of("Cannot find initial on type {}", lambda items: list(items[:-1]) if items else nil_list())),
    "last": ("any", _of("Cannot find last on type {}", lambda items: items[-1] if items else None)),
    "prepend": ("any any", _of("Cannot prepend on type {}", lambda items, item: [item, *items])),
    "push": ("any any", _of("Cannot push on type {}", lambda items, item: [*items, item])),
    "rest": ("any", _of("Cannot find rest on type {}", lambda items: list(items[1:]) if items else nil_list())),
    "reverse": ("any", _of("Cannot find reverse on type {}", lambda items: list(items[::-1]))),
    "slice": ("any any...", _of("list should be type of slice or array but {}", _slice)),
    "uniq": ("any", _of("Cannot find uniq on type {}", _uniq)),
    "without": (
        "any any...",
        _of("Cannot find without on type {}", lambda items, *omit: [item for item in items if not _in(omit, item)]),
    ),
    "chunk": ("int any", _chunk),
}

LISTS: Final[dict[str, Function]] = {
    **{name: function(*entry) for name, entry in _CHECKED.items()},
    **{f"must{name[0].upper()}{name[1:]}": function(*entry) for name, entry in _CHECKED.items()},
    "all": function("any...", lambda *values: all(is_true(value) for value in values)),
    "any": function("any...", lambda *values: any(is_true(value) for value in values)),
    "coalesce": function("any...", _coalesce),
    "concat": function("any...", _concat),
    "default": function("any any...", _default),
    "deepEqual": function("any any", deep_equal),
    "empty": function("any", is_empty),
    "list": function("any...", lambda *values: list(values)),
    "ternary": function("any any bool", lambda yes, no, value: yes if value else no),
    "tuple": function("any...", lambda *values: list(values)),
}
