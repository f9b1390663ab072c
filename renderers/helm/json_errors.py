"""What Go's encoding/json says of text that is no JSON: the first byte that cannot stand where it stands."""

import re
from typing import Final

from renderers.helm.gotemplate.quoting import quote_rune
from renderers.helm.gotemplate.values import as_bytes

_END: Final = "unexpected end of JSON input"
_SPACE: Final = " \t\r\n"
_ESCAPED: Final = '"\\/bfnrt'
_NUMBER: Final = (
    # What is read, what must follow it, and where something else stands.
    (re.compile(r"-"), "0123456789", "in numeric literal"),
    (re.compile(r"-?(?:0|[1-9]\d*)\."), "0123456789", "after decimal point in numeric literal"),
    (re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?[eE][+-]?"), "0123456789", "in exponent of numeric literal"),
)
_WHOLE: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_MAX_DEPTH: Final = 10_000


class _Wrong(Exception):
    """Found what is wrong."""


def json_error(text: str) -> str:
    """The message for a text that cannot be read; "" for one that can."""
    reader = _Reader(as_bytes(text).decode("latin-1"))
    try:
        reader.run()
    except _Wrong as wrong:
        return str(wrong)
    return ""


class _Reader:
    """Goes through bytes, one character each; `_open` are the brackets that are not closed yet."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[str] = []

    def run(self) -> None:
        self._value()
        while self._open:
            self._behind_value()
        each = self._next(required=False)
        if each:
            raise self._bad(each, "after top-level value")

    def _next(self, required: bool = True) -> str:
        """The next character that is no space."""
        while self._text[self._at : self._at + 1] and self._text[self._at] in _SPACE:
            self._at += 1
        return self._here(required)

    def _here(self, required: bool = True) -> str:
        each = self._text[self._at : self._at + 1]
        if not each and required:
            raise _Wrong(_END)
        return each

    def _inside(self) -> str:
        """The next character of a word or escape: Go takes the end of the text for a space there."""
        return self._here(required=False) or " "

    def _bad(self, each: str, where: str) -> _Wrong:
        shown = {"'": "'\\''", '"': "'\"'"}.get(each) or quote_rune(each)
        return _Wrong(f"invalid character {shown} {where}")

    def _behind_value(self) -> None:
        each = self._next()
        if self._open[-1] == "{":
            if each == "}":
                self._close()
            elif each == ",":
                self._at += 1
                self._key()
            else:
                raise self._bad(each, "after object key:value pair")
        elif each == "]":
            self._close()
        elif each == ",":
            self._at += 1
            self._value()
        else:
            raise self._bad(each, "after array element")

    def _close(self) -> None:
        self._open.pop()
        self._at += 1

    def _key(self) -> None:
        each = self._next()
        if each != '"':
            raise self._bad(each, "looking for beginning of object key string")
        self._string()
        each = self._next()
        if each != ":":
            raise self._bad(each, "after object key")
        self._at += 1
        self._value()

    def _value(self) -> None:
        while True:
            each = self._next()
            if each == "{":
                self._deeper(each)
                if self._next() == "}":
                    return self._close()
                return self._key()
            if each != "[":
                return self._scalar(each)
            self._deeper(each)
            if self._next() == "]":
                return self._close()

    def _deeper(self, bracket: str) -> None:
        self._open.append(bracket)
        self._at += 1
        if len(self._open) > _MAX_DEPTH:
            raise _Wrong("exceeded max depth")

    def _scalar(self, each: str) -> None:
        if each == '"':
            self._string()
        elif each in "-0123456789":
            self._number()
        elif each in "tfn":
            self._word({"t": "true", "f": "false", "n": "null"}[each])
        else:
            raise self._bad(each, "looking for beginning of value")

    def _word(self, word: str) -> None:
        for wanted in word:
            each = self._inside()
            if each != wanted:
                raise self._bad(each, f"in literal {word} (expecting {quote_rune(wanted)})")
            self._at += 1

    def _number(self) -> None:
        for pattern, follows, where in _NUMBER:
            found = pattern.match(self._text, self._at)
            if found:
                each = self._text[found.end() : found.end() + 1] or " "
                if each not in follows:
                    raise self._bad(each, where)
        found = _WHOLE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _string(self) -> None:
        self._at += 1
        while (each := self._here()) != '"':
            if each < " ":
                raise self._bad(each, "in string literal")
            self._at += 1
            if each == "\\":
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        each = self._inside()
        self._at += 1
        if each == "u":
            for _ in range(4):
                digit = self._inside()
                if digit not in "0123456789abcdefABCDEF":
                    raise self._bad(digit, "in \\u hexadecimal character escape")
                self._at += 1
        elif each not in _ESCAPED:
            raise self._bad(each, "in string escape code")
