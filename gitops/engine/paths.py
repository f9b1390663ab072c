"""Paths into a body: the part of jq that names fields, and JSON pointers.

    path   = step… ("|" (step… | select))…
    step   = .name | ."name" | ["name"] | [0] | []          (a "?" after it changes nothing)
    select = select(path == literal) | select(path != literal)

A path names fields and computes nothing, so it costs next to nothing whoever wrote it.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gitops.manifests.errors import ManifestError
from gitops.model.patterns import JSON_NUMBER, JSON_STRING, PLAIN_PATH

_LITERAL = f"{JSON_STRING}|{JSON_NUMBER}|true|false|null"
_TOKEN = re.compile(
    rf"""\s*(?:
      \.(?P<name>[A-Za-z_][A-Za-z0-9_]*)\??
    | \.?\[\s*(?P<key>{JSON_STRING})\s*\]\??
    | \.(?P<quoted>{JSON_STRING})\??
    | \.?\[\s*(?P<index>[0-9]{{1,9}})\s*\]\??
    | \.?(?P<each>\[\s*\])\??
    | \|\s*select\(\s*(?P<path>{PLAIN_PATH})\s*(?P<operator>==|!=)\s*(?P<literal>{_LITERAL})\s*\)
    | (?P<pipe>\|)(?=\s*[.\[])
    )\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a map; in a JSON pointer a number is an item's place as well."""

    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list by its place, from 0."""

    place: int


@dataclass(frozen=True, slots=True)
class Each:
    """Every item of a list."""


@dataclass(frozen=True, slots=True)
class Where:
    """Goes on only where the value at `path` is (or is not) `value`."""

    path: "Path"
    value: Any
    equal: bool

    def fits(self, body: Any) -> bool:
        return (value_at(body, self.path) == self.value) is self.equal


Path = tuple[Field | Item | Each | Where, ...]


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """The path that `text` writes. Raises ManifestError with the place where it is not understood."""
    found: list[Field | Item | Each | Where] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or token.end() == at:
            raise ManifestError(
                f"not understood from {text[at:]!r} on (write fields such as .spec.replicas or "
                '.spec.containers[] | select(.name == "web") | .image)'
            )
        found += _steps(token)
        at = token.end()
    if not found:
        raise ManifestError("names no field (write one such as .spec.replicas)")
    return tuple(found)


@lru_cache(maxsize=1024)
def parse_pointer(text: str) -> Path:
    """A JSON pointer (RFC 6901). Raises ManifestError where it is none, or names the whole body."""
    if not text.startswith("/"):
        raise ManifestError("expected a JSON pointer such as /spec/replicas")
    return tuple(Field(step.replace("~1", "/").replace("~0", "~")) for step in text.split("/")[1:])


def value_at(body: Any, path: Path) -> Any:
    """The one value at a path of fields and items, None where there is none."""
    for step in path:
        match step:
            case Field(name):
                body = body.get(name) if isinstance(body, dict) else None
            case Item(place):
                body = body[place] if isinstance(body, list) and place < len(body) else None
            case _:
                return None
    return body


def _steps(token: "re.Match[str]") -> list[Field | Item | Each | Where]:
    if token["operator"]:
        path = parse_path(token["path"].strip())
        if not all(isinstance(step, (Field, Item)) for step in path):
            raise ManifestError(f"select({token['path']} …): only fields may be compared")
        return [Where(path, json.loads(token["literal"]), token["operator"] == "==")]
    if token["each"]:
        return [Each()]
    if token["index"]:
        return [Item(int(token["index"]))]
    if token["pipe"]:
        return []
    return [Field(token["name"] or json.loads(token["key"] or token["quoted"]))]
