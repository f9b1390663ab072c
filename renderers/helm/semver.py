"""Semantic versions and ranges of them, by the rules of Masterminds/semver 3.3."""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final

from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, GoObject, Uint64, function

_PRERELEASE: Final = r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?"
_VERSION: Final = re.compile(r"v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?" + _PRERELEASE, re.ASCII)
_PATTERN: Final = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?" + _PRERELEASE
_OPERATORS: Final = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^"
_ONE: Final = rf"\s*({_OPERATORS})\s*({_PATTERN})\s*"
_FIND: Final = rf"({_OPERATORS})\s*({_PATTERN})"
_RANGE: Final = rf"\s*({_PATTERN})\s+-\s+({_PATTERN})\s*"
_VALID: Final = rf"(\s*({_OPERATORS})\s*({_PATTERN})\s*)((?:\s+|,\s*)({_OPERATORS})\s*({_PATTERN})\s*)*"
_MOST: Final = 4096


@cache
def _linear(expression: str) -> Any:
    """An expression whose time grows with the text alone; loaded when the first range is read."""
    import re2

    return re2.compile(expression)


class Version(GoObject):
    """A version; `original` is how it was written."""

    go_type = "*semver.Version"
    go_kind = "ptr"

    def __init__(self, numbers: tuple[int, int, int], pre: str, metadata: str, original: str) -> None:
        self.numbers = numbers
        self.pre = pre
        self.metadata = metadata
        self.original = original

    def __str__(self) -> str:
        text = ".".join(map(str, self.numbers))
        return text + (f"-{self.pre}" if self.pre else "") + (f"+{self.metadata}" if self.metadata else "")

    def go_print(self, verb: str) -> str:
        return str(self)

    def compare(self, other: "Version") -> int:
        """-1, 0 or 1, metadata left aside."""
        if self.numbers != other.numbers:
            return -1 if self.numbers < other.numbers else 1
        return _compare_pre(self.pre, other.pre)

    def _changed(self, numbers: tuple[int, int, int]) -> "Version":
        changed = Version(numbers, "", "", "")
        prefix = "v" if self.original.startswith("v") else ""
        changed.original = prefix + str(changed)
        return changed

    def _next_patch(self) -> "Version":
        major, minor, patch = self.numbers
        return self._changed((major, minor, patch if self.pre else patch + 1))

    methods = {  # noqa: RUF012
        "Major": function("", lambda self: Uint64(self.numbers[0])),
        "Minor": function("", lambda self: Uint64(self.numbers[1])),
        "Patch": function("", lambda self: Uint64(self.numbers[2])),
        "Prerelease": function("", lambda self: self.pre),
        "Metadata": function("", lambda self: self.metadata),
        "Original": function("", lambda self: self.original),
        "String": function("", str),
        "IncMajor": function("", lambda self: self._changed((self.numbers[0] + 1, 0, 0))),
        "IncMinor": function("", lambda self: self._changed((self.numbers[0], self.numbers[1] + 1, 0))),
        "IncPatch": function("", lambda self: self._next_patch()),
        "Compare": function("any", lambda self, other: self.compare(_as_version(other))),
        "Equal": function("any", lambda self, other: self.compare(_as_version(other)) == 0),
        "LessThan": function("any", lambda self, other: self.compare(_as_version(other)) < 0),
        "GreaterThan": function("any", lambda self, other: self.compare(_as_version(other)) > 0),
    }


def _as_version(value: Any) -> Version:
    if isinstance(value, Version):
        return value
    raise FunctionError("wrong type for value; expected *semver.Version")


def _compare_pre(left: str, right: str) -> int:
    if left == right:
        return 0
    if not left or not right:
        return 1 if not left else -1
    lefts, rights = left.split("."), right.split(".")
    for mine, other in zip(lefts, rights, strict=False):
        if mine == other:
            continue
        if mine.isdecimal() and other.isdecimal():
            return -1 if int(mine) < int(other) else 1
        if mine.isdecimal() or other.isdecimal():
            return -1 if mine.isdecimal() else 1
        return -1 if mine < other else 1
    return -1 if len(lefts) < len(rights) else 1


@lru_cache(maxsize=4096)
def parse_version(text: str) -> Version:
    """A version that may leave out its last numbers, and may start with `v`. Raises FunctionError."""
    found = _VERSION.fullmatch(text) if len(text) <= _MOST else None
    if found is None:
        raise FunctionError("Invalid Semantic Version")
    numbers = tuple(int((part or ".0").lstrip(".")) for part in found.group(1, 2, 3))
    if max(numbers) >= 2**64:
        told = f'strconv.ParseUint: parsing "{next(each for each in numbers if each >= 2**64)}": value out of range'
        raise FunctionError(f"Error parsing version segment: {told}")
    pre = found[5] or ""
    for part in pre.split("."):
        if part.isdecimal() and len(part) > 1 and part[0] == "0":
            raise FunctionError("Version segment starts with 0")
    return Version(numbers, pre, found[8] or "", text)  # type: ignore[arg-type]


class _Constraint:
    """One comparison; `minor_dirty` and its like say which numbers were left open."""

    def __init__(self, operator: str, parts: tuple[str, str, str, str]) -> None:
        major, minor, patch, pre = parts
        self.check = _CHECKS[operator]
        self.minor_dirty = self.patch_dirty = self.dirty = False
        if major in ("", "x", "X", "*"):
            text, self.dirty = "0.0.0" + pre, True
        elif minor in ("", ".x", ".X", ".*"):
            text, self.dirty, self.minor_dirty = f"{major}.0.0{pre}", True, True
        elif patch in ("", ".x", ".X", ".*"):
            text, self.dirty, self.patch_dirty = f"{major}{minor}.0{pre}", True, True
        else:
            text = f"{major}{minor}{patch}{pre}"
        try:
            self.version = parse_version(text)
        except FunctionError:
            raise FunctionError("constraint Parser Error") from None

    def allows(self, version: Version) -> bool:
        return self.check(version, self)


def _only_releases(version: Version, rule: _Constraint) -> bool:
    return bool(version.pre) and not rule.version.pre


def _not_equal(version: Version, rule: _Constraint) -> bool:
    if rule.dirty:
        if _only_releases(version, rule):
            return False
        if rule.version.numbers[0] != version.numbers[0]:
            return True
        if rule.version.numbers[1] != version.numbers[1] and not rule.minor_dirty:
            return True
        if rule.minor_dirty:
            return False
        if rule.version.numbers[2] != version.numbers[2] and not rule.patch_dirty:
            return True
        if rule.patch_dirty:
            return _compare_pre(version.pre, rule.version.pre) != 0
    return version.compare(rule.version) != 0


def _greater(version: Version, rule: _Constraint) -> bool:
    if _only_releases(version, rule):
        return False
    if not rule.dirty:
        return version.compare(rule.version) > 0
    if version.numbers[0] != rule.version.numbers[0]:
        return version.numbers[0] > rule.version.numbers[0]
    if rule.minor_dirty:
        return False
    if rule.patch_dirty:
        return version.numbers[1] > rule.version.numbers[1]
    return version.compare(rule.version) > 0


def _less(version: Version, rule: _Constraint) -> bool:
    return not _only_releases(version, rule) and version.compare(rule.version) < 0


def _greater_or_equal(version: Version, rule: _Constraint) -> bool:
    return not _only_releases(version, rule) and version.compare(rule.version) >= 0


def _less_or_equal(version: Version, rule: _Constraint) -> bool:
    if _only_releases(version, rule):
        return False
    if not rule.dirty:
        return version.compare(rule.version) <= 0
    if version.numbers[0] != rule.version.numbers[0]:
        return version.numbers[0] < rule.version.numbers[0]
    return version.numbers[1] <= rule.version.numbers[1] or rule.minor_dirty


def _tilde(version: Version, rule: _Constraint) -> bool:
    if _only_releases(version, rule) or version.compare(rule.version) < 0:
        return False
    if rule.version.numbers == (0, 0, 0) and not rule.minor_dirty and not rule.patch_dirty:
        return True
    if version.numbers[0] != rule.version.numbers[0]:
        return False
    return version.numbers[1] == rule.version.numbers[1] or rule.minor_dirty


def _equal(version: Version, rule: _Constraint) -> bool:
    if _only_releases(version, rule):
        return False
    return _tilde(version, rule) if rule.dirty else version.compare(rule.version) == 0


def _caret(version: Version, rule: _Constraint) -> bool:
    if _only_releases(version, rule) or version.compare(rule.version) < 0:
        return False
    major, minor, patch = rule.version.numbers
    if major > 0 or rule.minor_dirty:
        return version.numbers[0] == major
    if version.numbers[0] > 0:
        return False
    if minor > 0 or rule.patch_dirty:
        return version.numbers[1] == minor
    return version.numbers[1] == 0 and version.numbers[2] == patch


_CHECKS: Final[dict[str, Callable[[Version, _Constraint], bool]]] = {
    "": _equal,
    "=": _equal,
    "!=": _not_equal,
    ">": _greater,
    "<": _less,
    ">=": _greater_or_equal,
    "=>": _greater_or_equal,
    "<=": _less_or_equal,
    "=<": _less_or_equal,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}


@lru_cache(maxsize=1024)
def _constraints(text: str) -> tuple[tuple[_Constraint, ...], ...]:
    if len(text) > _MOST:
        raise FunctionError("improper constraint: it is too long")
    for found in list(_linear(_RANGE).finditer(text)) if text.isascii() else ():
        text = text.replace(found[0], f">= {found[1]}, <= {found[11]} ", 1)
    alternatives = []
    for part in text.split("||"):
        if not part.isascii() or not _linear(_VALID).fullmatch(part):
            raise FunctionError(f"improper constraint: {part}")
        rules = []
        for found in _linear(_FIND).finditer(part):
            one = _linear(_ONE).fullmatch(found[0])
            if one is None:
                raise FunctionError(f"improper constraint: {found[0]}")
            rules.append(_Constraint(one[1] or "", (one[3] or "", one[4] or "", one[5] or "", one[6] or "")))
        alternatives.append(tuple(rules))
    return tuple(alternatives)


def allows(constraint: str, version: Version) -> bool:
    """Whether a version is in a range. Raises FunctionError where the range cannot be read."""
    return any(all(rule.allows(version) for rule in rules) for rules in _constraints(constraint))


def is_compatible(constraint: str, version: str) -> bool:
    """Helm's IsCompatibleRange: what cannot be read does not fit."""
    try:
        return allows(constraint, parse_version(version))
    except FunctionError:
        return False


def _compare(constraint: str, version: str) -> bool:
    _constraints(constraint)
    return allows(constraint, parse_version(version))


SEMVER: Final[dict[str, Function]] = {
    "semver": function("string", parse_version),
    "semverCompare": function("string string", _compare),
}
