"""Functions that write and read TOML, as Helm's own library does."""

import math
import re
import tomllib
from datetime import UTC, date, datetime, time
from typing import Any, Final

import re2

from renderers.helm.encoders import ESCAPES, MAX_DEPTH, EncodeError, as_data
from renderers.helm.go_time import LOCAL, Zone, moment_of, now_of
from renderers.helm.go_time_layout import format_time
from renderers.helm.gotemplate import numbers
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, Int64, as_bytes, function
from renderers.helm.gotemplate.work import DEEP, deep_size_of, spend
from renderers.helm.time_object import Time

_DEEP_KEY: Final = re2.compile(rb"(?:[\w\"'-]+[ \t]*\.[ \t]*){100}")
# How a time is written that was read without a zone, by the name of the zone that its library gives it for that.
_LOCAL_FORMS: Final = {
    "datetime-local": "2006-01-02T15:04:05.999999999",
    "date-local": "2006-01-02",
    "time-local": "15:04:05.999999999",
}


def _from_toml(text: str) -> dict[str, Any]:
    if _DEEP_KEY.search(as_bytes(text)):
        return {"Error": "toml: a key has too many parts"}
    try:
        return dict(_plain(tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return {"Error": f"toml: {error}"}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bool():
            return value
        case int():
            return Int64(value)
        case datetime():
            offset = value.utcoffset()
            if offset is None:
                return Time(now_of(value.replace(tzinfo=UTC)).within(Zone("datetime-local")))
            return Time(now_of(value).within(Zone("", int(offset.total_seconds())) if offset else LOCAL))
        case date():
            return Time(now_of(datetime(value.year, value.month, value.day, tzinfo=UTC)).within(Zone("date-local")))
        case time():
            clock = (value.hour, value.minute, value.second)
            return Time(moment_of(0, 1, 1, clock, value.microsecond * 1000, Zone("time-local")))
    return value


def _to_toml(value: Any) -> str:
    if value is None:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    try:
        return to_toml(value)
    except EncodeError as error:
        return str(error)


_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(value: Any) -> str:
    """toml.Encode: scalars of a table first, then its tables. Raises EncodeError."""
    if not isinstance(value, dict):
        if _is_tables(value):
            raise EncodeError("toml: top-level values must be Go maps or structs")
        return _toml_value(value)
    lines: list[str] = []
    _toml_table(value, (), lines)
    return "".join(lines).removeprefix("\n")


def _toml_table(table: dict[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    if len(path) > MAX_DEPTH:
        raise EncodeError("toml: it is nested too deeply")
    spend(DEEP * len(table) + len(path))
    margin = "  " * len(path)
    inner = [key for key in sorted(table) if isinstance(table[key], dict) or _is_tables(table[key])]
    for key in sorted(table):
        if key not in inner and table[key] is not None:
            lines.append(f"{margin}{_toml_key(key)} = {_toml_value(table[key])}\n")
    for key in inner:
        name = ".".join(map(_toml_key, (*path, key)))
        items = table[key] if isinstance(table[key], list) else [table[key]]
        opening, closing = ("[[", "]]") if isinstance(table[key], list) else ("[", "]")
        for item in items:
            if len(path) == 0 or isinstance(table[key], list):
                lines.append("\n")
            lines.append(f"{margin}{opening}{name}{closing}\n")
            _toml_table(item, (*path, key), lines)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml_string(key)


def _toml_string(text: str) -> str:
    return '"' + re.sub(r'[\x00-\x1f"\\\x7f]', _toml_escaped, text) + '"'


def _toml_escaped(found: re.Match[str]) -> str:
    return ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}"


def _toml_value(value: Any) -> str:
    spend(deep_size_of(value))
    match value:
        case None:
            raise EncodeError("toml: cannot encode array with nil element")
        case bool():
            return "true" if value else "false"
        case str():
            return _toml_string(value)
        case int():
            return str(int(value))
        case float():
            if math.isnan(value) or math.isinf(value):
                return str(value)
            text = numbers.positional(*numbers.digits_of(value))
            return text if "." in text else text + ".0"
        case list():
            return "[" + ", ".join(map(_toml_value, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{_toml_key(k)} = {_toml_value(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, Time):
        return format_time(value.at, _LOCAL_FORMS.get(value.at.zone.name, "2006-01-02T15:04:05.999999999Z07:00"))
    return _toml_value(as_data(value))


TOML: Final[dict[str, Function]] = {
    "fromToml": function("string", _from_toml),
    "toToml": function("any", _to_toml),
}
