"""The globs of `.Files.Glob`: those of gobwas/glob with `/` between names."""

import re
from collections.abc import Callable
from typing import Final

from renderers.helm.functions_regex import quiet_options
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import as_bytes

_LONGEST: Final = 4096


class _BadGlob(Exception):
    """A glob that cannot be read."""


def glob_matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a path fits; a glob that cannot be read fits everything.

    Raises FunctionError for one that is longer than any chart needs.
    """
    if len(pattern) > _LONGEST:
        raise FunctionError(f"a glob of more than {_LONGEST} characters is refused")
    import re2

    try:
        expression = re2.compile(as_bytes("(?s:" + _expression(pattern) + ")"), options=quiet_options())
    except (_BadGlob, re2.error):
        return lambda path: True
    return lambda path: expression.fullmatch(as_bytes(path)) is not None


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
