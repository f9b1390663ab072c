"""Gives text its variables' values, as the envsubst of Flux gives them. Values, and what is made of them, are bytes."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gitops.model.errors import RenderError
from renderers.transforms.envsubst.glob import valid, without_beginning, without_end
from renderers.transforms.envsubst.parse import Expression, Piece, parse
from renderers.transforms.envsubst.work import Work

_DEFAULTS: Final = ("=", ":=", ":-", ":?", ":+")
_NUMBER: Final = re.compile(rb"[+-]?[0-9]+")
_INT64: Final = 2**63


def expand(text: str, values: Mapping[str, bytes], strict: bool) -> bytes:
    """`text` with the values of its variables, "" for one that has none.

    Raises RenderError for an expression that cannot be read, for too much work, and if `strict` also for a variable
    that has neither a value nor a default.
    """
    work = Work()
    return b"".join(_value_of(piece, values, strict, work) for piece in parse(text))


def _value_of(piece: Piece, values: Mapping[str, bytes], strict: bool, work: Work) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    arguments = [_value_of(argument, values, strict, work) for argument in piece.arguments]
    value = values.get(piece.variable)
    if value is None and strict and piece.operator not in _DEFAULTS:
        raise RenderError(
            f"variable {piece.variable[:100]} has no value: give it one, or a default as ${{{piece.variable[:100]}:=x}}"
        )
    work.text(len(value or b"") + sum(map(len, arguments)))
    found = _applied(piece, value or b"", arguments, work)
    work.text(len(found))
    return found


def _applied(piece: Expression, value: bytes, arguments: Sequence[bytes], work: Work) -> bytes:
    match piece.operator:
        case "#" if not arguments:
            return str(len(value)).encode()
        case "#" | "##":
            return without_beginning(value, arguments[0], piece.operator == "##", work)
        case "%" | "%%":
            return without_end(value, arguments[0], piece.operator == "%%", work)
        case "^" | "^^":
            return _cased(value, str.upper, first=piece.operator == "^")
        case "," | ",,":
            return _cased(value, str.lower, first=piece.operator == ",")
        case ":":
            return _part(piece.variable, value, *arguments)
        case "/" | "//" | "/#" | "/%":
            return _replaced(piece.operator, value, arguments, work)
    return value or b"".join(arguments)


def _cased(value: bytes, change: Callable[[str], str], first: bool) -> bytes:
    """Character by character, so that none becomes two; bytes that are no UTF-8 become U+FFFD."""
    text = value.decode("utf-8", "surrogateescape")
    changed = "".join(_one(each, change) for each in valid(text[:1] if first else text))
    return changed.encode() + (text[1:].encode("utf-8", "surrogateescape") if first else b"")


def _one(character: str, change: Callable[[str], str]) -> str:
    """As Go has it: one character for one, or none."""
    if character == "İ":
        return "i" if change is str.lower else character
    found = change(character)
    return next((each for each in (found, character.title()) if len(each) == 1), character)


def _part(variable: str, value: bytes, position: bytes, length: bytes | None = None) -> bytes:
    """The bytes from a position on; all of them where that, or the length, is no number."""
    start = _integer(position)
    count = _integer(length) if length is not None else len(value)
    if start is None or count is None:
        return value
    start = max(0, start + len(value)) if start < 0 else start
    end = start + count
    if length is None or len(value) <= end < _INT64:
        return value[start:]
    if not start <= end < len(value):
        raise RenderError(f"variable {variable[:100]}: the part of it that is wanted ends before it begins")
    return value[start:end]


def _integer(text: bytes) -> int | None:
    """A number as Go's Atoi takes it, of 64 bits."""
    if not _NUMBER.fullmatch(text) or len(text) > 100:
        return None
    number = int(text)
    return number if -_INT64 <= number < _INT64 else None


def _replaced(operator: str, value: bytes, arguments: Sequence[bytes], work: Work) -> bytes:
    old, new = arguments[0], arguments[1] if len(arguments) > 1 else b""
    if operator in ("/", "//"):
        return _with_new(value, old, new, -1 if operator == "//" else 1, work)
    if len(arguments) < 2:  # nothing is taken away at the beginning or the end
        return value
    if operator == "/#":
        return _with_new(value, old, new, 1, work) if value.startswith(old) else value
    return value.removesuffix(old) + new if value.endswith(old) else value


def _with_new(value: bytes, old: bytes, new: bytes, most: int, work: Work) -> bytes:
    """The first `most` of `old` (-1: all) replaced; nothing stands before every character, and at the end."""
    if not old:
        text = value.decode("utf-8", "surrogateescape")
        pieces = [each.encode("utf-8", "surrogateescape") for each in text]
        if most == 1:
            return new + value
        work.text(len(new) * (len(pieces) + 1))
        return new + b"".join(each + new for each in pieces)
    count = value.count(old) if most < 0 else 1
    work.text(count * len(new))
    return value.replace(old, new, most)
