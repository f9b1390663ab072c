"""The functions that every Go template has: comparison, logic, indexing, printing and escaping."""

import re
from typing import Any, Final

from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.printf import print_value, sprint, sprintf, sprintln
from renderers.helm.gotemplate.values import (
    NIL_ITEM,
    Function,
    NilMap,
    TypedList,
    TypedMap,
    Uint8,
    Uint64,
    as_bytes,
    byte_length,
    function,
    is_true,
    kind_of,
    type_of,
)

_BAD: Final = "incompatible types for comparison"
_BAD_TYPE: Final = "invalid type for comparison"


def _basic(value: Any) -> str:
    """Go's basicKind."""
    if type(value) is bool:
        return "bool"
    if isinstance(value, int):
        return "uint" if type(value) in (Uint8, Uint64) else "int"
    if type(value) is float:
        return "float"
    return "string" if type(value) is str else ""


def equals(first: Any, *others: Any) -> bool:
    """`eq`: whether the first equals any of the others."""
    if not others:
        raise FunctionError("missing argument for comparison")
    kind = _basic(first)
    return any(_same(first, kind, other) for other in others)


def _same(first: Any, kind: str, other: Any) -> bool:
    other_kind = _basic(other)
    if kind != other_kind:
        if {kind, other_kind} == {"int", "uint"}:
            return bool(first == other)
        if first is not None and other is not None:
            raise FunctionError(_BAD)
        return False
    if kind:
        return bool(first == other)
    can_compare = first is None or other is None or kind_of(first) == kind_of(other)
    if can_compare and (_is_nil(first) or _is_nil(other)):
        return _is_nil(first) and _is_nil(other)
    if not can_compare:
        raise FunctionError(
            f"non-comparable types {sprintf('%s', first)}: {type_of(first)}, {type_of(other)}: {print_value(other)}"
        )
    if isinstance(first, list | dict):
        raise FunctionError(f"non-comparable type {sprintf('%s', other)}: {type_of(other)}")
    return first is other or bool(first == other)


def _is_nil(value: Any) -> bool:
    return value is None or isinstance(value, NilMap) or (isinstance(value, TypedList) and value.is_nil)


def not_equal(first: Any, other: Any) -> bool:
    """`ne`."""
    return not equals(first, other)


def less(first: Any, other: Any) -> bool:
    """`lt`."""
    kind, other_kind = _basic(first), _basic(other)
    if not kind or not other_kind:
        raise FunctionError(_BAD_TYPE)
    if kind != other_kind and {kind, other_kind} != {"int", "uint"}:
        raise FunctionError(_BAD)
    if kind == "bool":
        raise FunctionError(_BAD_TYPE)
    return bool(as_bytes(first) < as_bytes(other)) if kind == "string" else bool(first < other)


def less_or_equal(first: Any, other: Any) -> bool:
    """`le`."""
    return less(first, other) or equals(first, other)


def index(item: Any, *indices: Any) -> Any:
    """`index`: an element of a map, list or string."""
    if item is None:
        raise FunctionError("index of untyped nil")
    for each in indices:
        if item is None:
            raise FunctionError("index of nil pointer")
        if isinstance(item, dict):
            if each is None:
                raise FunctionError("value is nil; should be of type string")
            if type(each) is not str:
                raise FunctionError(f"value has type {type_of(each)}; should be string")
            item = item.get(each, item.zero if isinstance(item, TypedMap) else None)
        elif isinstance(item, list | str):
            size = byte_length(item) if isinstance(item, str) else len(item)
            at = _position(each, size)
            if at == size:
                kind = "string" if isinstance(item, str) else "slice"
                raise FunctionError(f"reflect: {kind} index out of range")
            item = Uint8(as_bytes(item)[at]) if isinstance(item, str) else item[at]
        else:
            raise FunctionError(f"can't index item of type {type_of(item)}")
    return item


def _position(each: Any, length: int) -> int:
    if each is None:
        raise FunctionError("cannot index slice/array with nil")
    if not isinstance(each, int) or type(each) is bool:
        raise FunctionError(f"cannot index slice/array with type {type_of(each)}")
    if each < 0 or each > length:
        raise FunctionError(f"index out of range: {int(each)}")
    return int(each)


def length(item: Any) -> int:
    """`len`."""
    if item is NIL_ITEM:
        raise FunctionError("len of nil pointer")
    if isinstance(item, str):
        return byte_length(item)
    if isinstance(item, list | dict):
        return len(item)
    if item is None:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    raise FunctionError(f"len of type {type_of(item)}")


def _text(*values: Any) -> str:
    if len(values) == 1 and type(values[0]) is str:
        return values[0]
    return sprint(*("<no value>" if value is None else value for value in values))


_HTML: Final = {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JS: Final = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}


def _html(*values: Any) -> str:
    return re.sub("[\0\"'&<>]", lambda found: _HTML[found[0]], _text(*values))


def _js(*values: Any) -> str:
    pieces = []
    for each in _text(*values):
        code = ord(each)
        plain = each if each.isprintable() or 0xDC80 <= code <= 0xDCFF else f"\\u{code:04X}"
        pieces.append(_JS.get(each) or (f"\\u{code:04X}" if code < 0x20 else plain))
    return "".join(pieces)


def _urlquery(*values: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(as_bytes(_text(*values)), safe="~").replace("%7E", "~")


def _call(told: str, function: Any, *_: Any) -> Any:
    if function is None:
        raise FunctionError("call of nil")
    raise FunctionError(f"non-function {told} of type {type_of(function)}")


BUILTINS: Final[dict[str, Function]] = {
    "and": function("any any...", lambda *values: next((v for v in values if not is_true(v)), values[-1])),
    "or": function("any any...", lambda *values: next((v for v in values if is_true(v)), values[-1])),
    "not": function("any", lambda value: not is_true(value)),
    "eq": function("any any...", equals),
    "ne": function("any any", not_equal),
    "lt": function("any any", less),
    "le": function("any any", less_or_equal),
    "gt": function("any any", lambda first, other: not less_or_equal(first, other)),
    "ge": function("any any", lambda first, other: not less(first, other)),
    "index": function("any any...", index),
    "len": function("reflect", length),
    "print": function("any...", sprint),
    "printf": function("string any...", sprintf),
    "println": function("any...", sprintln),
    "html": function("any...", _html),
    "js": function("any...", _js),
    "urlquery": function("any...", _urlquery),
    "call": function("any any...", _call),
}
