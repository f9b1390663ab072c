"""Which files of a folder `.helmignore` leaves out of a chart."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import re2

from gitops.model.errors import RenderError
from renderers.helm.functions_regex import quiet_options
from renderers.helm.gotemplate.values import as_bytes

_MOST_RULES: Final = 2000
_DEFAULT: Final = "templates/.?*"


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
    expression = glob_expression(text.removeprefix("/"), where)
    is_path = "/" in text

    def fits(path: str) -> bool:
        return expression.fullmatch(as_bytes(path if is_path else path.rpartition("/")[2])) is not None

    return _Rule(fits, negated, folders_only)


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
    try:
        return re2.compile(as_bytes("(?s:" + "".join(pieces) + ")"), options=quiet_options())
    except re2.error:
        raise RenderError(f"{where}: syntax error in pattern: {glob}") from None
