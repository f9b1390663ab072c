"""Which files of a folder `.helmignore` leaves out of a chart."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from gitops.model.errors import RenderError

_DEFAULT: Final = "templates/.?*"


class _Rule(NamedTuple):
    fits: Callable[[str], bool]
    negated: bool
    folders_only: bool


class Ignored:
    """The rules of one `.helmignore`."""

    def __init__(self, text: str, where: str) -> None:
        self._rules = [
            _rule(line.strip(), f"{where}:{number}")
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.strip().startswith("#")
        ]
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
    expression = glob_expression(text.removeprefix("/"), where)
    if text.startswith("/") or "/" in text:
        return _Rule(lambda path: expression.fullmatch(path) is not None, negated, folders_only)
    return _Rule(lambda path: expression.fullmatch(path.rpartition("/")[2]) is not None, negated, folders_only)


def glob_expression(glob: str, where: str) -> re.Pattern[str]:
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
    try:
        return re.compile("(?s:" + "".join(pieces) + ")")
    except re.error:
        raise RenderError(f"{where}: syntax error in pattern: {glob}") from None
