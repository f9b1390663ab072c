"""Words joined by `_` or `-` out of camel case, as xstrings' ToSnakeCase and ToKebabCase find them."""

import unicodedata
from typing import Final

_SPACES: Final = " \t\n\v\f\r\x85\xa0"


def _kind(each: str) -> str:
    if each in "-_" or each in _SPACES:
        return "connector"
    if unicodedata.category(each).startswith("P"):
        return "punctuation"
    if each.isupper():
        return "upper"
    if each.isalpha():
        return "letter"
    return "number" if each.isnumeric() else "other"


def _next_word(text: str) -> tuple[str, str, str]:
    """Kind, word and the rest: letters of one case, or a capital and what follows it."""
    if not text:
        return "", "", ""
    kind = _kind(text[0])
    end = 1
    if kind == "upper":
        if end < len(text) and _kind(text[end]) == "upper":
            while end < len(text) and _kind(text[end]) == "upper":
                end += 1
            if end < len(text) and _kind(text[end]) == "letter":
                end -= 1
        else:
            while end < len(text) and _kind(text[end]) == "letter":
                end += 1
    else:
        while end < len(text) and _kind(text[end]) == kind:
            end += 1
    return kind, text[:end], text[end:]


def joined_words(connector: str, text: str) -> str:
    """The words in lower case, `connector` between them."""
    out: list[str] = []

    def put(kind: str, word: str) -> None:
        out.append(connector * len(word) if kind == "connector" else word.lower())

    kind, word, rest = _next_word(text)
    while rest:
        if kind != "connector":
            put(kind, word)
        before, last = kind, word
        kind, word, rest = _next_word(rest)
        if before == "number":
            while kind in ("letter", "number"):
                put(kind, word)
                kind, word, rest = _next_word(rest)
            if kind not in ("", "punctuation", "connector"):
                out.append(connector)
        elif before == "connector":
            put(before, last)
        elif before != "punctuation":
            if kind != "number":
                if kind not in ("connector", "punctuation"):
                    out.append(connector)
                continue
            if not rest:
                continue
            last = word
            kind, word, rest = _next_word(rest)
            if kind != "letter":
                put("number", last)
                if kind not in ("connector", "punctuation"):
                    out.append(connector)
                continue
            out.append(connector)
            put("number", last)
            while kind in ("letter", "number"):
                put(kind, word)
                kind, word, rest = _next_word(rest)
            if kind not in ("", "connector", "punctuation"):
                out.append(connector)
    put(kind, word)
    return "".join(out)
