"""Constants as Go writes them: quoted strings, characters and numbers."""

import math
import re
from typing import Any, Final

from renderers.helm.gotemplate.quoting import quote

_ESCAPE: Final = re.compile(
    r"\\(?:[abfnrtv\\'\"]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|(.)?)", re.DOTALL
)
_SIMPLE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unquote(text: str) -> str:
    """The value of a constant in double quotes, backquotes or single quotes. Raises ValueError."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")
    body = text[1:-1]
    if "\\" not in body:
        return body
    pieces: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(body):
        pieces.append(body[at : found.start()].encode("utf-8", "surrogateescape"))
        pieces.append(_escaped(found[0][1:], text[0]))
        at = found.end()
    pieces.append(body[at:].encode("utf-8", "surrogateescape"))
    return b"".join(pieces).decode("utf-8", "surrogateescape")


def _escaped(code: str, quote: str) -> bytes:
    head = code[:1]
    if code in _SIMPLE:
        return _SIMPLE[code].encode()
    if code in ("\\", quote):
        return code.encode()
    if head in "01234567" and len(code) == 3 and int(code, 8) < 256:
        return bytes([int(code, 8)])
    if head == "x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    if head in ("u", "U") and len(code) in (5, 9) and int(code[1:], 16) < 0x110000:
        return chr(int(code[1:], 16)).encode()
    raise ValueError("invalid syntax")


_INTEGER: Final = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_MOST_DIGITS: Final = 1000
_UNDERSCORE: Final = re.compile(r"(?<![0-9a-fA-FxXbBoO])_|_(?![0-9a-fA-F])")


def number(text: str) -> int | float:
    """The value of a number constant. Raises ValueError."""
    plain = text.replace("_", "")
    if _UNDERSCORE.search(text) or not plain or plain[-1] == "i":
        raise ValueError(f"illegal number syntax: {quote(text)}")
    found = _INTEGER.fullmatch(plain)
    if found:
        digits = found[1]
        base = {"x": 16, "b": 2, "o": 8}.get(digits[1:2].lower(), 8 if digits[0] == "0" and len(digits) > 1 else 10)
        if len(digits) > _MOST_DIGITS:
            raise ValueError(f"integer overflow: {quote(text)}")
        whole = int(digits[2:] if digits[1:2].isalpha() else digits, base)
        whole = -whole if plain[0] == "-" else whole
        if not -(2**63) <= whole < 2**64:
            raise ValueError(f"integer overflow: {quote(text)}")
        return whole
    try:
        value = float.fromhex(plain) if "x" in plain.lower() else float(plain)
    except (ValueError, OverflowError):
        value = math.inf
    if math.isinf(value) or ("x" in plain.lower() and "p" not in plain.lower()):
        raise ValueError(f"illegal number syntax: {quote(text)}")
    if not any(each in plain for each in ".eEpP"):
        raise ValueError(f"integer overflow: {quote(text)}")
    return value


def constant(kind: str, text: str) -> Any:
    """The value of a "string", "raw", "char" or "number" token. Raises ValueError."""
    if kind == "number":
        return number(text)
    value = unquote(text)
    if kind == "char":
        if not value:
            raise ValueError("invalid syntax")
        if len(value) != 1:
            raise ValueError(f"malformed character constant: {text}")
        return ord(value)
    return value
