"""Functions that encode and decode: JSON, YAML, base64, base32 and digests."""

import base64
import zlib
from collections.abc import Callable
from typing import Any, Final

from renderers.helm import encoders
from renderers.helm.encoders import EncodeError
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, NilMap, as_bytes, as_text, function, nil_list


def _or_nothing(encode: Callable[[Any], str]) -> Callable[[Any], str]:
    """An encoder that gives nothing for what has no such form."""

    def encoded(value: Any) -> str:
        try:
            return encode(value)
        except EncodeError:
            return ""

    return encoded


def _or_fail(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(value: Any) -> Any:
        try:
            return call(value)
        except (EncodeError, ValueError) as error:
            raise FunctionError(str(error)) from None

    return called


def _raw_json(value: Any) -> str:
    return encoders.to_json(value, html=False)


_DECODING: Final = "error unmarshaling JSON: while decoding JSON: "


def from_yaml_map(text: str) -> dict[str, Any]:
    """Helm's fromYaml: an error is the map's `Error`."""
    return _map_of(encoders.from_yaml, text, _DECODING)


def _map_of(read: Callable[[str], Any], text: str, prefix: str = "") -> dict[str, Any]:
    try:
        found = read(text)
    except ValueError as error:
        return {"Error": str(error)}
    if found is None:
        return NilMap() if read is _from_json else {}
    if isinstance(found, dict):
        return found
    kind = _json_kind(found)
    return {"Error": f"{prefix}json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"}


def _list_of(read: Callable[[str], Any], text: str, prefix: str = "") -> list[Any]:
    try:
        found = read(text)
    except ValueError as error:
        return [str(error)]
    if found is None:
        return nil_list() if read is _from_json else []
    if isinstance(found, list):
        return found
    return [f"{prefix}json: cannot unmarshal {_json_kind(found)} into Go value of type []interface {{}}"]


def _json_kind(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return {str: "string", bool: "bool"}.get(type(value), "number")


def _from_json(text: str) -> Any:
    try:
        return encoders.from_json(text)
    except ValueError as error:
        from renderers.helm.json_errors import json_error

        raise ValueError(json_error(text) or str(error)) from None


def _digest(name: str) -> Callable[[str], str]:
    def digest(text: str) -> str:
        import hashlib

        return hashlib.new(name, as_bytes(text), usedforsecurity=False).hexdigest()

    return digest


def base64_encode(text: str) -> str:
    """Standard base64."""
    return base64.b64encode(as_bytes(text)).decode()


_BASE64: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NEW_LINES: Final = (10, 13)


def base64_decode(text: str) -> str:
    """Standard base64, line breaks left aside, or what Go says of text that is none."""
    data = as_bytes(text)
    wrong = _wrong_byte(data)
    if wrong is not None:
        return f"illegal base64 data at input byte {wrong}"
    return as_text(base64.b64decode(data.translate(None, b"\r\n")))


def _wrong_byte(data: bytes) -> int | None:
    """Where Go's decoder finds something wrong."""
    at = filled = 0
    while at < len(data):
        byte = data[at]
        at += 1
        if byte in _BASE64:
            filled = (filled + 1) % 4
        elif byte not in _NEW_LINES:
            return at - 1 if byte != ord("=") or filled < 2 else _wrong_padding(data, at, filled)
    return at - filled if filled else None


def _wrong_padding(data: bytes, at: int, filled: int) -> int | None:
    """The same behind the first `=`."""
    if filled == 2:
        at = _behind_lines(data, at)
        if at == len(data):
            return at
        if data[at] != ord("="):
            return at - 1
        at += 1
    at = _behind_lines(data, at)
    return at if at < len(data) else None


def _behind_lines(data: bytes, at: int) -> int:
    while at < len(data) and data[at] in _NEW_LINES:
        at += 1
    return at


def _base32_decode(text: str) -> str:
    """Standard base32, line breaks left aside, or what Go says of text that is none."""
    data = as_bytes(text).translate(None, b"\r\n")
    end, wrong = _base32_end(data)
    if wrong is not None:
        return f"illegal base32 data at input byte {wrong}"
    return as_text(base64.b32decode(data[:end] + b"=" * (-end % 8)))


_BASE32: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def _base32_end(data: bytes) -> tuple[int, int | None]:
    """Where the letters end that count, and where Go's decoder finds something wrong."""
    for at, byte in enumerate(data):
        left, filled = len(data) - at - 1, at % 8
        if byte == ord("=") and filled >= 2 and left < 8:
            if left + filled < 7:
                return at, len(data)
            wrong = next((place for place in range(at + 1, at + 8 - filled) if data[place : place + 1] != b"="), None)
            if wrong is not None:
                return at, wrong - 1
            return at, at if filled in (3, 6) else None
        if byte not in _BASE32:
            return at, at
    return len(data), len(data) - len(data) % 8 if len(data) % 8 else None


ENCODING: Final[dict[str, Function]] = {
    "adler32sum": function("string", lambda text: str(zlib.adler32(as_bytes(text)))),
    "b32dec": function("string", _base32_decode),
    "b32enc": function("string", lambda text: base64.b32encode(as_bytes(text)).decode()),
    "b64dec": function("string", base64_decode),
    "b64enc": function("string", base64_encode),
    "fromJson": function("string", lambda text: _map_of(_from_json, text)),
    "fromJsonArray": function("string", lambda text: _list_of(_from_json, text)),
    "fromYaml": function("string", from_yaml_map),
    "fromYamlArray": function("string", lambda text: _list_of(encoders.from_yaml, text, _DECODING)),
    "mustFromJson": function("string", _or_fail(_from_json)),
    "mustToJson": function("any", _or_fail(encoders.to_json)),
    "mustToPrettyJson": function("any", _or_fail(encoders.to_pretty_json)),
    "mustToRawJson": function("any", _or_fail(_raw_json)),
    "sha1sum": function("string", _digest("sha1")),
    "sha256sum": function("string", _digest("sha256")),
    "sha512sum": function("string", _digest("sha512")),
    "toJson": function("any", _or_nothing(encoders.to_json)),
    "toPrettyJson": function("any", _or_nothing(encoders.to_pretty_json)),
    "toRawJson": function("any", _or_fail(_raw_json)),
    "toYaml": function("any", _or_nothing(encoders.to_yaml)),
    "toYamlPretty": function("any", _or_nothing(encoders.to_yaml_pretty)),
}
