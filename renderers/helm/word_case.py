"""Words joined by `_` or `-` out of camel case, as xstrings' ToSnakeCase and ToKebabCase find them."""

import unicodedata
from typing import Final

_SPACES: Final = " \t\n\v\f\r\x85\xa0"


def _is_punctuation(each: str) -> bool:
    return unicodedata.category(each).startswith("P")


def _kind(each: str) -> str:
    if each in "-_" or each in _SPACES:
        return "connector"
    if _is_punctuation(each):
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
    elif kind == "punctuation":
        while end < len(text) and _is_punctuation(text[end]):  # a - or _ behind it too
            end += 1
    else:
        while end < len(text) and _kind(text[end]) == kind:
            end += 1
    return kind, text[:end], text[end:]


class _Joiner:
    """Takes one word after the other off a text; `kind` and `word` are the next one, `rest` is what follows it."""

    def __init__(self, connector: str, text: str) -> None:
        self.connector = connector
        self.out: list[str] = []
        self.kind, self.word, self.rest = _next_word(text)

    def put(self, kind: str, word: str) -> None:
        self.out.append(self.connector * len(word) if kind == "connector" else word.lower())

    def step(self) -> tuple[str, str]:
        """Go on to the next word; the kind and word before."""
        before = self.kind, self.word
        self.kind, self.word, self.rest = _next_word(self.rest)
        return before

    def separate(self) -> None:
        """Part what was put from the next word, unless something parts them already."""
        if self.kind not in ("", "connector", "punctuation"):
            self.out.append(self.connector)

    def put_with_number(self) -> None:
        """The letters and numbers that follow a number belong to it."""
        while self.kind in ("letter", "number"):
            self.put(*self.step())
        self.separate()

    def put_number_after_word(self) -> None:
        """A number at the end belongs to the word before it, and so does one that no letters follow."""
        if not self.rest:
            return
        number = self.step()
        if self.kind == "letter":
            self.out.append(self.connector)
        self.put(*number)
        self.put_with_number()


def joined_words(connector: str, text: str) -> str:
    """The words in lower case, `connector` between them."""
    words = _Joiner(connector, text)
    while words.rest:
        kind, word = words.step()
        words.put(kind, word)
        if kind == "number":
            words.put_with_number()
        elif kind in ("connector", "punctuation"):
            continue
        elif words.kind == "number":
            words.put_number_after_word()
        else:
            words.separate()
    words.put(words.kind, words.word)
    return "".join(words.out)
