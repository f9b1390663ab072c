"""Reading another tool's object field by field, so that nothing it says is left out in silence.

Whoever reads a field says by that what became of it: it is used, noted with a reason, or refused with one. What nobody
has read at the end is refused, since nobody knows what it was meant to do.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

USED: Final = "used"
_NOTED, _REFUSED = "noted: ", "refused: "
_UNKNOWN: Final = "gitops knows no such field here"
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|us|µs|ns|s|m|h)")
_DURATION: Final = re.compile(rf"\+?(?:{_PART.pattern})+")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Fields:
    """A map of an object; `told` says of each field by its path (`spec.dependsOn[].name`) what became of it.

    A value of another type than the field has is refused, and reads as if it were not there.
    """

    def __init__(self, value: dict[str, Any], path: str, told: dict[str, str]) -> None:
        self._value = value
        self.path = path
        self.told = told
        self._left = {str(name) for name, item in value.items() if item is not None}

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        found = self._take(name, str, "text")
        return default if found is None else str(found)

    def choice(self, name: str, *words: str) -> str:
        """One of `words`; the first, where it is left out."""
        found = self.text(name, words[0])
        if found not in words:
            self.refuse(name, f"expected one of {', '.join(words)}, got {found[:100]!r}")
            return words[0]
        return found

    def flag(self, name: str, *, default: bool = False) -> bool:
        found = self._take(name, bool, "true or false")
        return default if found is None else bool(found)

    def seconds(self, name: str, default: str = "") -> float:
        """A duration as Go writes it (1h30m); 0 where it is left out and has no default."""
        found = self.text(name, default)
        if not found or found == "0":
            return 0.0
        if not _DURATION.fullmatch(found):
            self.refuse(name, f"expected a duration such as 90s, 10m or 1h30m, got {found[:100]!r}")
            return seconds_of(default)
        return seconds_of(found)

    def number(self, name: str) -> int | None:
        found = self._take(name, int, "a whole number")
        return None if found is None else int(found)

    def free(self, name: str) -> dict[str, Any]:
        """A map whose keys are the user's own."""
        return self._take(name, dict, "a map") or {}

    def anything(self, name: str) -> Any:
        """A value of any type."""
        return self._take(name, object, "")

    def texts(self, name: str) -> list[str]:
        found = self._take(name, list, "a list") or []
        if not all(isinstance(item, str) for item in found):
            self.refuse(name, "expected a list of text")
            return []
        return found

    def part(self, name: str) -> "Fields | None":
        """A map with fields of its own; `end` it."""
        found = self._take(name, dict, "a map", told=False)
        if found == {}:
            self.told[self._path(name)] = USED
        return None if found is None else Fields(found, self._path(name), self.told)

    def parts(self, name: str) -> "Iterator[Fields]":
        """A map with fields of its own, or a list of such; `end` each."""
        if isinstance(self._value.get(name), list):
            yield from self.items(name)
        elif (found := self.part(name)) is not None:
            yield found

    def items(self, name: str) -> "Iterator[Fields]":
        """A list of maps with fields of their own; `end` each."""
        found = self._take(name, list, "a list", told=False) or []
        if not all(isinstance(item, dict) for item in found):
            self.refuse(name, "expected a list of maps")
            return
        if self._value.get(name) == []:
            self.told[self._path(name)] = USED
        for item in found:
            yield Fields(item, f"{self._path(name)}[]", self.told)

    def note(self, name: str, why: str) -> None:
        """The field, where it is there, is understood and changes nothing, for this reason."""
        self._say(name, _NOTED + why)

    def refuse(self, name: str, why: str) -> None:
        """The object cannot be run as it is, where the field is there."""
        self._say(name, _REFUSED + why)

    def missing(self, name: str) -> None:
        """The object cannot be run without this field."""
        self.told[self._path(name)] = f"{_REFUSED}it is missing"

    def end(self) -> None:
        """All has been read: what has not is refused."""
        for name in sorted(self._left):
            self.told[self._path(name[:100])] = _REFUSED + _UNKNOWN
        self._left.clear()

    def _take(self, name: str, kind: type, words: str, *, told: bool = True) -> Any:
        found = self._value.get(name)
        if found is None:
            return None
        self._left.discard(name)
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            self.told[self._path(name)] = f"{_REFUSED}expected {words}"
            return None
        if told:
            self.told.setdefault(self._path(name), USED)
        return found

    def _say(self, name: str, words: str) -> None:
        if name in self:
            self._left.discard(name)
            self.told[self._path(name)] = words

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}"


def seconds_of(duration: str) -> float:
    """The seconds of a duration that fits, 0 of none."""
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration))


def refusals(told: dict[str, str]) -> list[str]:
    """What is refused, as `PATH: reason`."""
    return [f"{path}: {words.removeprefix(_REFUSED)}" for path, words in told.items() if words.startswith(_REFUSED)]
