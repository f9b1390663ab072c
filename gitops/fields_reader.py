"""Reads a file of a person's YAML into dataclasses, which are the schema: what is wrong is told with its line.

Unknown fields are errors, with the nearest field that exists. `gitops.config`, `gitops.notification_file` and
`gitops.project_file` say what is read; nothing here knows any of it.
"""

import dataclasses
import difflib
import functools
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gitops.bounds import read_file
from gitops.engine.paths import parse_path, parse_pointer
from gitops.manifests.errors import ManifestError
from gitops.manifests.names import NamePattern
from gitops.manifests.yaml import line_of
from gitops.model.application import Backoff, Window
from gitops.model.errors import ConfigError
from gitops.model.patterns import PATH, POINTER, SCHEDULE, TIME_ZONE, VERSION
from gitops.model.source_name import hidden_userinfo
from policies.rule import Target
from policies.windows import check_window

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")
# Fields in seconds, written as a duration ("10m").
SECONDS = {
    *(("SyncOptions", "timeout"), ("Application", "interval"), ("Window", "duration"), ("ProjectWindow", "duration")),
    *(("Backoff", field.name) for field in dataclasses.fields(Backoff) if field.name != "factor"),
}
LONGEST = 366 * 24 * 3600.0
# What is read here is worked with on the loop that all Applications share.
MOST_TEXT, MOST_ITEMS, MOST_DURATION = 1024, 256, 64
MOST_NUMBER = 1_000_000
T = TypeVar("T")


def parse_duration(text: str) -> float:
    """`1h30m`, `90s`, `1.5h` → seconds. Raises ValueError."""
    if not DURATION.fullmatch(text):
        raise ValueError(f"expected a duration such as 90s, 10m or 1h30m, got {text!r}")
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def file_data(path: Path) -> bytes:
    """What the file `path` holds. Raises ConfigError."""
    try:
        return read_file(path)
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: {exc}") from exc


class FieldsReader:
    """Turns one file's plain values into dataclasses, keeping track of where it is for messages."""

    def __init__(self, path: Path | None, data: bytes, document: int = 0) -> None:
        """`path` None: there is no file, and messages name the field alone."""
        self._path = path
        self._data = data
        self._document = document

    def dataclass(
        self, kind: type[T], value: Any, field: tuple[str | int, ...], given: dict[str, Any] | None = None
    ) -> T:
        if not isinstance(value, dict):
            raise self.error(field, f"expected a map, got {kind_of(value)}")
        hints, needed = _shape(kind)  # type: ignore[arg-type]
        self.check_names(value, hints.keys() - (given or {}).keys(), field)
        values = {
            name: self._value(hints[name], item, (*field, name), (kind.__name__, name))
            for name, item in value.items()
            if item is not None
        }
        missing = [name for name in needed if name not in values]
        if missing and not given:
            raise self.error(field, f"{missing[0]} is missing")
        return kind(**values, **(given or {}))

    def check_names(self, value: dict[str, Any], known: set[str], field: tuple[str | int, ...]) -> None:
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
                raise self.error((*field, name), f"unknown field; {hint}")

    def _value(self, hint: Any, value: Any, field: tuple[str | int, ...], place: tuple[str, str]) -> Any:
        if place in SECONDS:
            return self._duration(value, field)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self.dataclass(hint, value, field)
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            plain, pattern = typing.get_args(hint)
            return self._name(plain, pattern, value, field)
        if origin is typing.Literal:
            return self._choice(typing.get_args(hint), value, field)
        if origin is tuple:
            return self._list(typing.get_args(hint)[0], value, field, place)
        if origin is dict:
            return self._map(typing.get_args(hint)[1], value, field)
        return self._typed(hint, value, field)

    def _duration(self, value: Any, field: tuple[str | int, ...]) -> float:
        text = self._typed(str, value, field)
        try:
            if len(text) > MOST_DURATION:
                raise ValueError(f"expected at most {MOST_DURATION} characters, got {len(text)}")
            seconds = parse_duration(text)
        except ValueError as exc:
            raise self.error(field, str(exc)) from None
        if seconds > LONGEST:
            raise self.error(field, f"expected at most {LONGEST / 3600:.0f}h, got {value}")
        return seconds

    def _name(self, hint: Any, pattern: NamePattern, value: Any, field: tuple[str | int, ...]) -> str:
        text: str = self._typed(hint, value, field, max(pattern.longest, MOST_TEXT))
        if pattern.fits(text):
            return text
        try:
            _WHY.get(pattern, str)(text)
        except (ManifestError, ConfigError) as exc:  # who reads the field can say more of what is wrong
            raise self.error(field, str(exc).removeprefix("windows: ")) from None
        raise self.error(field, f"expected {pattern.words}, got {hidden_userinfo(text)[:100]!r}")

    def _choice(self, words: tuple[str, ...], value: Any, field: tuple[str | int, ...]) -> str:
        if value not in words:
            raise self.error(field, f"expected one of {', '.join(words)}, got {value!r}")
        return str(value)

    def _list(self, hint: Any, value: Any, field: tuple[str | int, ...], place: tuple[str, str]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self.error(field, f"expected a list, got {kind_of(value)}")
        if len(value) > MOST_ITEMS:
            raise self.error(field, f"expected at most {MOST_ITEMS} items, got {len(value)}")
        return tuple(self._value(hint, item, (*field, index), ("", place[1])) for index, item in enumerate(value))

    def _map(self, hint: Any, value: Any, field: tuple[str | int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = self._typed(dict, value, field)
        if hint is Any:
            return found
        if len(found) > MOST_ITEMS:
            raise self.error(field, f"expected at most {MOST_ITEMS} entries, got {len(found)}")
        return {name: self._value(hint, item, (*field, name), ("", "")) for name, item in found.items()}

    def _typed(self, hint: Any, value: Any, field: tuple[str | int, ...], most: int = MOST_TEXT) -> Any:
        if hint is int and isinstance(value, float) and value.is_integer():  # an API server takes 5.0 for 5
            value = int(value)
        fits = isinstance(value, (int, float)) if hint is float else isinstance(value, hint)
        if not fits or (isinstance(value, bool) and hint is not bool):
            raise self.error(field, f"expected {_NAMES[hint.__name__]}, got {kind_of(value)}")
        if hint in (int, float) and not 0 <= value <= MOST_NUMBER:
            words = f"at most {MOST_NUMBER:,}" if value > 0 else "0 or more"
            raise self.error(field, f"expected {words}, got {value}")
        if hint is str and len(value) > most:
            raise self.error(field, f"expected at most {most} characters, got {len(value)}")
        return value

    def _line(self, field: tuple[str | int, ...]) -> int:
        for depth in range(len(field), 0, -1):
            found = line_of(self._data, self._document, field[:depth])
            if found is not None:
                return found
        return 1

    def error(self, field: tuple[str | int, ...], message: str) -> ConfigError:
        name = ".".join(str(step) for step in field).replace("..", ".")
        text = re.sub(r"\.(\d+)", r"[\1]", name)
        return ConfigError(f"{self.where(field)}{text + ': ' if text else ''}{message}")

    def where(self, field: tuple[str | int, ...]) -> str:
        return "" if self._path is None else f"{self._path}:{self._line(field)}: "


_WHY: dict[NamePattern, Callable[[str], object]] = {
    PATH: parse_path,
    POINTER: parse_pointer,
    SCHEDULE: lambda text: check_window(Window("allow", text, 1.0)),
    TIME_ZONE: lambda text: check_window(Window("allow", "@daily", 1.0, text)),
    VERSION: Target,
}
_NAMES = {"str": "text", "bool": "true or false", "int": "a whole number", "float": "a number", "dict": "a map"}


@functools.cache
def _shape(kind: type) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The types of a dataclass's fields, and those that have no default; asked for once: it takes long."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = dataclasses.fields(kind)
    needed = (field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING)
    return {field.name: hints[field.name] for field in fields}, tuple(needed)


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"text {value!r}" if len(value) < 40 else "text"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a map"
