"""Which files of a folder `.helmignore` leaves out of a chart."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gitops.model.errors import RenderError
from renderers.helm.functions_regex import quiet_options
from renderers.helm.gotemplate.values import as_bytes

_MOST_RULES: Final = 2000
_DEFAULT: Final = "templates/.?*"
_ONE_STAR: Final = re.compile(r"([^*?\[\\]*)(\??\*)([^*?\[\\]*)", re.DOTALL)


class _Rule(NamedTuple):
    fits: Callable[[str], bool]
    negated: bool
    folders_only: bool


class Ignored:
    """The rules of one `.helmignore`."""

    def __init__(self, text: str, where: str) -> None:
        lines = [
            (line.strip(), f"{where}:{number}")
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.strip().startswith("#")
        ]
        if len(lines) > _MOST_RULES:
            raise RenderError(f"{where}: more than {_MOST_RULES} patterns")
        self._rules = [_rule(line, place) for line, place in lines]
        self._rules.append(_rule(_DEFAULT, where))

    def leaves_out(self, path: str, is_folder: bool) -> bool:
        """Whether the file or folder at `path`, relative to the chart, is left out."""
        for rule in self._rules:
            if rule.negated:
                if (rule.folders_only and not is_folder) or not rule.fits(path):
                    return True
            elif (is_folder or not rule.folders_only) and rule.fits(path):
                return True
        return False


def _rule(text: str, where: str) -> _Rule:
    if "**" in text:
        raise RenderError(f"{where}: double-star (**) syntax is not supported in .helmignore")
    negated = text.startswith("!")
    text = text.removeprefix("!") if negated else text
    folders_only = text.endswith("/")
    text = text.removesuffix("/") if folders_only else text
    matches = _matcher(text.removeprefix("/"), where)
    if "/" in text:
        return _Rule(matches, negated, folders_only)
    return _Rule(lambda path: matches(path.rpartition("/")[2]), negated, folders_only)


def _matcher(glob: str, where: str) -> Callable[[str], bool]:
    """Whether a path fits the glob. Nearly all are plain, or have one `*`: those need no expression."""
    if not any(mark in glob for mark in "*?[\\"):
        return glob.__eq__
    simple = _ONE_STAR.fullmatch(glob)
    if simple is None:
        expression = glob_expression(glob, where)
        return lambda path: expression.fullmatch(as_bytes(path)) is not None
    start, wild, end = simple.groups()
    least = len(start) + len(end) + len(wild) - 1

    def matches(path: str) -> bool:
        if len(path) < least or not path.startswith(start) or not path.endswith(end):
            return False
        return "/" not in path[len(start) : len(path) - len(end)]

    return matches


def glob_expression(glob: str, where: str) -> Any:
    """Go's filepath.Match as an expression. Raises RenderError."""
    pieces: list[str] = []
    at = 0
    while at < len(glob):
        each = glob[at]
        if each == "*":
            if not pieces or pieces[-1] != "[^/]*":
                pieces.append("[^/]*")
        elif each == "?":
            pieces.append("[^/]")
        elif each == "[":
            end = glob.find("]", at + 2)
            if end < 0:
                raise RenderError(f"{where}: syntax error in pattern: {glob}")
            inner = glob[at + 1 : end]
            negated = inner.startswith("^")
            inner = re.sub(r"([\[\]&~|^])", r"\\\1", inner.removeprefix("^"))
            pieces.append(f"[{'^' if negated else ''}{inner}]")
            at = end
        elif each == "\\" and at + 1 < len(glob):
            at += 1
            pieces.append(re.escape(glob[at]))
        else:
            pieces.append(re.escape(each))
        at += 1
    import re2

    try:
        return re2.compile(as_bytes("(?s:" + "".join(pieces) + ")"), options=quiet_options())
    except re2.error:
        raise RenderError(f"{where}: syntax error in pattern: {glob}") from None
