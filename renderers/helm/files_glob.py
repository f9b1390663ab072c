"""The globs of `.Files.Glob`: those of gobwas/glob with `/` between names."""

import re
from collections.abc import Callable


class _BadGlob(Exception):
    """A glob that cannot be read."""


def glob_matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a path fits; a glob that cannot be read fits everything."""
    try:
        expression = re.compile("(?s:" + _expression(pattern) + ")")
    except (_BadGlob, re.error):
        return lambda path: True
    return lambda path: expression.fullmatch(path) is not None


def _expression(glob: str) -> str:
    pieces: list[str] = []
    at, depth = 0, 0
    while at < len(glob):
        each = glob[at]
        if glob.startswith("**", at):
            while glob.startswith("*", at + 1):
                at += 1
            pieces.append(".*")
        elif each == "*":
            pieces.append("[^/]*")
        elif each == "?":
            pieces.append("[^/]")
        elif each == "[":
            end = glob.find("]", at + 1)
            if end < 0:
                raise _BadGlob
            inner = glob[at + 1 : end]
            negated = inner.startswith("!")
            inner = re.sub(r"([\\\[\]&~|^])", r"\\\1", inner.removeprefix("!"))
            pieces.append(f"[{'^' if negated else ''}{inner}]")
            at = end
        elif each == "{":
            depth += 1
            pieces.append("(?:")
        elif each == "}" and depth:
            depth -= 1
            pieces.append(")")
        elif each == "," and depth:
            pieces.append("|")
        elif each == "\\" and at + 1 < len(glob):
            at += 1
            pieces.append(re.escape(glob[at]))
        else:
            pieces.append(re.escape(each))
        at += 1
    if depth:
        raise _BadGlob
    return "".join(pieces)
