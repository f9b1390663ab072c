"""Words joined by `_` or `-` out of camel case, as xstrings' ToSnakeCase and ToKebabCase find them."""

import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

from renderers.helm.letters import SPACES, is_upper, lower_of

_CJK: Final = ((0x4E00, 0x9FCC), (0x3400, 0x4D85), (0x20000, 0x2B81D))
_INVALID: Final = "\ufffd"


class _Unit(NamedTuple):
    """A character with the bytes before it that are none: xstrings reads over those, and takes them for its part."""

    kind: str
    is_punctuation: bool
    text: str


def _units(text: str) -> list[_Unit]:
    """A text in units; bytes at its end are of the kind of what stands before them, "" where nothing does."""
    units: list[_Unit] = []
    before = ""
    for each in text:
        before += each
        if not _is_invalid(each):
            units.append(_Unit(_kind(each), unicodedata.category(each).startswith("P"), before))
            before = ""
    if before:
        units.append(units[-1]._replace(text=before) if units else _Unit("", False, before))
    return units


def _is_invalid(each: str) -> bool:
    return each == _INVALID or "\udc80" <= each <= "\udcff"


def _kind(each: str) -> str:
    category = unicodedata.category(each)
    if each in "-_" or each in SPACES:
        return "connector"
    if category.startswith("P"):
        return "punctuation"
    if is_upper(each):
        return "upper"
    if category.startswith("L"):
        return "other" if any(first <= ord(each) <= last for first, last in _CJK) else "letter"
    return "number" if category.startswith("N") else "other"


class _Joiner:
    """Takes one word after the other off a text; `kind` and `word` are the next one, `rest` whether more follows."""

    def __init__(self, connector: str, text: str) -> None:
        self.connector = connector
        self.out: list[str] = []
        self._units = _units(text)
        self._at = 0
        self.kind, self.word = self._next_word()

    @property
    def rest(self) -> bool:
        return self._at < len(self._units)

    def put(self, kind: str, word: str) -> None:
        self.out.append("".join(map(self._put_as[kind], word)) if kind in self._put_as else word)

    def step(self) -> tuple[str, str]:
        """Go on to the next word; the kind and word before."""
        before = self.kind, self.word
        self.kind, self.word = self._next_word()
        return before

    def _next_word(self) -> tuple[str, str]:
        """Kind and word: letters of one case, or a capital and what follows it."""
        start, units = self._at, self._units
        if start == len(units):
            return "", ""
        kind = units[start].kind
        end = start + 1
        if kind == "upper" and self._is(end, "upper"):
            end = self._after(end, "upper")
            end -= self._is(end, "letter")
        elif kind == "upper":
            end = self._after(end, "letter")
        elif kind == "punctuation":
            while end < len(units) and units[end].is_punctuation:  # a - or _ behind it too
                end += 1
        else:
            end = self._after(end, kind)
        self._at = end
        return kind, "".join(unit.text for unit in units[start:end])

    def _is(self, at: int, kind: str) -> bool:
        return at < len(self._units) and self._units[at].kind == kind

    def _after(self, at: int, kind: str) -> int:
        while self._is(at, kind):
            at += 1
        return at

    @property
    def _put_as(self) -> dict[str, Callable[[str], str]]:
        """How each character of a word is put; words of other kinds are put as they are."""
        return {
            "connector": lambda each: _INVALID if _is_invalid(each) else self.connector,
            "upper": lambda each: _INVALID if _is_invalid(each) else lower_of(each) if _kind(each) == "upper" else each,
        }

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
