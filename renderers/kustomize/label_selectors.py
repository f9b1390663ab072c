"""Kubernetes label selectors: `app=web, tier in (a, b), !canary, replicas > 2`; also over annotations."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from gitops.model.errors import RenderError

_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_PUNCTUATION: Final = frozenset(("=", "==", "!=", "!", "<", ">", "(", ")", ","))


class Requirement(NamedTuple):
    """One part of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        if value is None or not re.fullmatch(r"[-+]?[0-9]+", value):
            return False
        return int(value) > int(self.values[0]) if self.operator == ">" else int(value) < int(self.values[0])


class LabelSelector(NamedTuple):
    """All requirements together."""

    requirements: tuple[Requirement, ...]

    def fits(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.fits(labels) for requirement in self.requirements)


@lru_cache(maxsize=512)
def parse_selector(text: str) -> LabelSelector | None:
    """A selector, None for one that fits everything; raises RenderError."""
    if not text.strip():
        return None
    parser = _Parser(text)
    return LabelSelector(parser.requirements())


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def requirements(self) -> tuple[Requirement, ...]:
        found = [self._requirement()]
        while self._at < len(self._tokens):
            if self._next() != ",":
                raise self._error("expected a comma")
            found.append(self._requirement())
        return tuple(found)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _error(self, why: str) -> RenderError:
        return RenderError(f"`{self._text}` is not a label selector: {why}")

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._next()
        key = self._key()
        if negated:
            return Requirement(key, "!")
        if self._peek() in ("", ","):
            return Requirement(key, "exists")
        operator = self._next()
        match operator:
            case "=" | "==":
                return Requirement(key, "in", (self._value(),))
            case "!=":
                return Requirement(key, "notin", (self._value(),))
            case "in" | "notin":
                return Requirement(key, operator, self._values())
            case "<" | ">":
                value = self._value()
                if not re.fullmatch(r"[-+]?[0-9]+", value):
                    raise self._error(f"expected a number after {operator}")
                return Requirement(key, operator, (value,))
        raise self._error(f"expected an operator after {key}")

    def _key(self) -> str:
        key = self._next()
        prefix, slash, name = key.rpartition("/")
        if key in _PUNCTUATION or not _NAME.fullmatch(name) or len(name) > 63:
            raise self._error(f"`{key}` is not a key")
        if slash and not _PREFIX.fullmatch(prefix):
            raise self._error(f"`{key}` is not a key")
        return key

    def _value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        return self._checked(self._next())

    def _checked(self, value: str) -> str:
        if value in _PUNCTUATION or (value and (not _NAME.fullmatch(value) or len(value) > 63)):
            raise self._error(f"`{value}` is not a value")
        return value

    def _values(self) -> tuple[str, ...]:
        if self._next() != "(":
            raise self._error("expected (")
        found: list[str] = []
        while True:
            token = self._peek()
            if token in (",", ")"):
                found.append("")
            else:
                found.append(self._checked(self._next()))
            end = self._next()
            if end == ")":
                return tuple(found)
            if end != ",":
                raise self._error("expected )")
