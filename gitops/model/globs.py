"""Globs as Argo CD has them: `*` is any text, a slash too; `?`, `[ab]`, `[!ab]`, `{a,b}`; `\\` quotes.

Where names have parts, `*` and `?` stay within one part, and `**` is any text. They become expressions of RE2, which
takes time in proportion to the name, whatever the glob is.
"""

from typing import Any, Final

import re2

_MOST: Final = 512


def glob(text: str, apart: str = "") -> Any:
    """What matches the whole of a name by `fullmatch`; `apart` is the sign between parts of a name, if it has parts.

    Raises ValueError for what is no glob.
    """
    if not 0 < len(text) <= _MOST:
        raise ValueError(f"expected a glob of 1 to {_MOST} characters")
    one = f"[^{re2.escape(apart)}]" if apart else "."
    found, depth, place = "", 0, 0
    while place < len(text):
        sign = text[place]
        if sign == "[":
            piece, place = _class_at(text, place)
        elif text.startswith("**", place):
            piece, place = ".*", place + 1
        elif sign == "{":
            piece, depth = "(?:", depth + 1
        elif sign == "}" and depth:
            piece, depth = ")", depth - 1
        elif sign == "," and depth:
            piece = "|"
        elif sign == "\\":
            place += 1
            piece = re2.escape(text[place : place + 1] or "\\")
        else:
            piece = {"*": f"{one}*", "?": one}.get(sign) or re2.escape(sign)
        found += piece
        place += 1
    if depth:
        raise ValueError(f"{text[:60]}: a brace is not closed")
    return re2.compile(f"(?s){found}")


def _class_at(text: str, start: int) -> tuple[str, int]:
    """The class that begins at `start`, and where it ends. Raises ValueError."""
    end = text.find("]", start + 2)
    if end < 0:
        raise ValueError(f"{text[:60]}: a bracket is not closed")
    inside = text[start + 1 : end]
    negated = "^" if inside.startswith("!") else ""
    escaped = inside.removeprefix("!").replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
    expression = f"[{negated}{escaped}]"
    try:
        re2.compile(expression)
    except re2.error as exc:
        raise ValueError(f"{text[:60]}: [{inside}] is no set of characters") from exc
    return expression, end


def is_glob(text: str) -> bool:
    """Whether it stands for more than itself."""
    return any(sign in text for sign in "*?[{\\")
