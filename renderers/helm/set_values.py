"""Reads what `--set` and its like say: `a.b[0]=x,c={1,2}`, as Helm's strvals does."""

import re
from collections.abc import Callable
from typing import Any, Final

from gitops.model.errors import ConfigError
from renderers.helm.encoders import from_json
from renderers.helm.gotemplate.values import Int64

_MAX_INDEX: Final = 65536
_MAX_NESTING: Final = 30


def set_typed(text: str, into: dict[str, Any]) -> None:
    """`--set`: words become booleans, null and whole numbers. Raises ConfigError."""
    _Reader(text, typed).read(into)


def set_text(text: str, into: dict[str, Any]) -> None:
    """`--set-string`: every value is text. Raises ConfigError."""
    _Reader(text, lambda value: value).read(into)


def set_file(text: str, into: dict[str, Any], read: Callable[[str], str]) -> None:
    """`--set-file`: every value is the content of the file that it names. Raises ConfigError."""
    _Reader(text, read).read(into)


def set_json(text: str, into: dict[str, Any]) -> None:
    """`--set-json`: `key={"json": 1}`. Raises ConfigError."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set-json: {text}: expected key=JSON")
    try:
        found = from_json(value) if value.strip() else None
    except ValueError as error:
        raise ConfigError(f"--set-json: {key}: is no JSON: {error}") from None
    _Reader(key + "=.", lambda _: found).read(into)


def typed(text: str) -> Any:
    """The value that a word stands for."""
    word = text.lower()
    if word in ("true", "false"):
        return word == "true"
    if word == "null":
        return None
    if text == "0":
        return Int64(0)
    if re.fullmatch(r"[+-]?[0-9]+", text) and text[0] != "0" and -(2**63) <= int(text) < 2**63:
        return Int64(int(text))
    return text


class _Reader:
    def __init__(self, text: str, value: Callable[[str], Any]) -> None:
        self._text = text
        self._value = value
        self._at = 0

    def read(self, into: dict[str, Any]) -> None:
        while self._at < len(self._text):
            self._key(into, 0)

    def _error(self, message: str) -> ConfigError:
        return ConfigError(f"--set: {self._text}: {message}")

    def _until(self, stops: str) -> tuple[str, str]:
        found: list[str] = []
        while self._at < len(self._text):
            each = self._text[self._at]
            self._at += 1
            if each in stops:
                return "".join(found), each
            if each == "\\":
                if self._at >= len(self._text):
                    break
                each = self._text[self._at]
                self._at += 1
            found.append(each)
        return "".join(found), ""

    def _key(self, into: dict[str, Any], depth: int) -> None:
        if depth > _MAX_NESTING:
            raise self._error(
                f"value name nested level is greater than maximum supported nested level of {_MAX_NESTING}"
            )
        key, stop = self._until("=[,.")
        match stop:
            case "=":
                self._put(into, key, self._list_or_value())
            case "[":
                before = into.get(key, [])
                if not isinstance(before, list):
                    raise self._error(f"{key} is no list")
                self._put(into, key, self._item(before, depth))
            case ".":
                inner = into.get(key, {})
                if not isinstance(inner, dict):
                    raise self._error(f"{key} is no map")
                self._key(inner, depth + 1)
                if not inner:
                    raise self._error(f'key map "{key}" has no value')
                self._put(into, key, inner)
            case ",":
                raise self._error(f'key "{key}" has no value (cannot end with ,)')
            case _ if key:
                raise self._error(f'key "{key}" has no value')

    def _put(self, into: dict[str, Any], key: str, value: Any) -> None:
        if key:
            into[key] = value

    def _list_or_value(self) -> Any:
        if self._at >= len(self._text):
            return self._value("") if self._text[-1:] != "=" else ""
        if self._text[self._at] != "{":
            return self._value(self._until(",")[0])
        self._at += 1
        items: list[Any] = []
        while True:
            text, stop = self._until(",}")
            if not stop:
                raise self._error("list must terminate with '}'")
            items.append(self._value(text))
            if stop == "}":
                break
        if self._text[self._at : self._at + 1] == ",":
            self._at += 1
        return items

    def _item(self, items: list[Any], depth: int) -> list[Any]:
        digits, stop = self._until("]")
        if not stop or not digits.lstrip("-").isdecimal():
            raise self._error(f'error parsing index: "{digits}"')
        index = int(digits)
        if index < 0 or index > _MAX_INDEX:
            raise self._error(f"index of {index} is not between 0 and {_MAX_INDEX}")
        key, stop = self._until("[.=")
        if key:
            raise self._error(f'unexpected data at end of array index: "{key}"')
        before = items[index] if index < len(items) else None
        match stop:
            case "=":
                value = self._list_or_value()
            case "[":
                value = self._item(before if isinstance(before, list) else [], depth)
            case ".":
                value = before if isinstance(before, dict) else {}
                self._key(value, depth + 1)
            case _:
                raise self._error("an index is followed by no value")
        if index >= len(items):
            items = [*items, *[None] * (index + 1 - len(items))]
        items[index] = value
        return items


def escaped(value: str) -> str:
    """A parameter's value as one value: its commas do not begin another key, but in a list `{a,b}`."""
    if value.startswith("{") and value.endswith("}"):
        return value
    return value.replace("\\,", ",").replace(",", "\\,")
