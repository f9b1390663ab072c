"""Reads text with `${variables}` into pieces, by the grammar of Flux's envsubst (a fork of github.com/drone/envsubst).

| written | is |
|---|---|
| `${x}`, `${#x}` | a value; its length in bytes |
| `${x:=y}` `${x:-y}` `${x:?y}` `${x:+y}` `${x=y}` | the value, or `y` where that is empty, whichever sign it is |
| `${x^}` `${x^^}` `${x,}` `${x,,}` | its first letter, or all of it, in capitals or in small letters |
| `${x:2}` `${x:2:3}` | bytes from a position on (negative: from the end), and how many |
| `${x#y}` `${x##y}` `${x%y}` `${x%%y}` | without the shortest or longest beginning (end) that the glob `y` fits |
| `${x/y/z}` `${x//y/z}` `${x/#y/z}` `${x/%y/z}` | with `z` for the first `y`, for all, at the beginning, at the end |
| `$$` | one `$`, outside of expressions |

A `y` or `z` is text or another expression; only after `:=` and its like it may be several of them. There is no
`${x-y}`, and `$x` is text. What the shell does otherwise is done here as Flux does it.
"""

import re
from typing import Final, NamedTuple

from gitops.model.errors import RenderError

MOST_NESTED: Final = 64

_TEXT_END: Final = re.compile(r"\$\$|\$\{")
_DEFAULT: Final = re.compile(r":[=\-?+]|=")
_CASE: Final = re.compile(r"[,^]{1,2}")
_REMOVAL: Final = re.compile(r"##?|%%?")
_REPLACEMENT: Final = re.compile(r"/[/#%]?")
# Where the text of an argument ends; in those of a replacement some characters may be escaped.
_ANY_END: Final = re.compile(r"\$\{|\}")
_PART_END: Final = re.compile(r"\$\{|[:}]")
_OLD_END: Final = re.compile(r"\$\{|/|\$\$|\\[/\\]")
_NEW_END: Final = re.compile(r"\$\{|\}|\$\$|\\[/\\]")
_ESCAPED: Final = ("$$", "\\/", "\\\\")


class Expression(NamedTuple):
    """`${variable...}`: `operator` is what follows the name ("" for the plain value), `#` alone is the length."""

    variable: str
    operator: str = ""
    arguments: "tuple[Piece, ...]" = ()


Piece = str | Expression


class BadExpressionError(RenderError):
    """An expression cannot be read; `variable` is the name that it begins with ("" where it has none)."""

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(why)
        self.variable = variable


def parse(text: str) -> tuple[Piece, ...]:
    """The pieces of `text`. Raises BadExpressionError."""
    reader = _Reader(text)
    pieces: list[Piece] = []
    while not reader.is_at_end:
        plain = reader.plain()
        if plain:
            pieces.append(plain)
        if not reader.is_at_end:
            pieces.append(reader.expression())
    return tuple(pieces)


class _Reader:
    """Goes through a text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._variable = ""

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._text)

    def plain(self) -> str:
        """The text up to the next expression."""
        return self._until(_TEXT_END)

    def expression(self) -> Expression:
        """The one whose `${` is next."""
        self._at += 2
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise self._bad(f"more than {MOST_NESTED} expressions within each other")
        found = self._length() if self._next() == "#" else self._of_variable()
        self._depth -= 1
        return found

    def _length(self) -> Expression:
        self._at += 1
        name = self._variable = self._name()
        return self._closed(Expression(name, "#"))

    def _of_variable(self) -> Expression:
        name = self._variable = self._name()
        sign = self._next()
        if sign == "=" or (sign == ":" and _DEFAULT.match(self._text, self._at)):
            return self._with_default(name)
        if sign == ":":
            return self._part(name)
        if sign == "/":
            return self._replacement(name)
        if sign and sign in ",^":
            return self._closed(Expression(name, self._taken(_CASE)))
        if sign and sign in "#%":
            operator = self._taken(_REMOVAL)
            return self._closed(Expression(name, operator, (self._argument(_ANY_END),)))
        return self._closed(Expression(name))

    def _with_default(self, name: str) -> Expression:
        operator = self._taken(_DEFAULT)
        arguments: list[Piece] = []
        while self._next() != "}":
            arguments.append(self._argument(_ANY_END))
        return self._closed(Expression(name, operator, tuple(arguments)))

    def _part(self, name: str) -> Expression:
        self._at += 1
        if not self._next().isascii():
            raise self._bad("a position is a number")
        start = self._argument(_PART_END)
        if self._next() != ":":
            return self._closed(Expression(name, ":", (start,)))
        self._skip(":")
        return self._closed(Expression(name, ":", (start, self._argument(_ANY_END))))

    def _replacement(self, name: str) -> Expression:
        operator = self._taken(_REPLACEMENT)
        old = self._argument(_OLD_END)
        if self._next() != "/":
            raise self._bad("no / after what is to be replaced")
        self._skip("/")
        if self._next() == "}":
            return self._closed(Expression(name, operator, (old,)))
        return self._closed(Expression(name, operator, (old, self._argument(_NEW_END))))

    def _argument(self, end: re.Pattern[str]) -> Piece:
        """An expression, or text of at least one character."""
        if self._text.startswith("${", self._at):
            return self.expression()
        start = self._at
        found = self._until(end)
        if self._at == start:
            raise self._bad("something is missing after its sign")
        return found

    def _until(self, end: re.Pattern[str]) -> str:
        """The text up to what ends it, of pairs that escape only the second character."""
        found: list[str] = []
        while match := end.search(self._text, self._at):
            found.append(self._text[self._at : match.start()])
            if match[0] not in _ESCAPED:
                self._at = match.start()
                return "".join(found)
            found.append(match[0][1])
            self._at = match.end()
        found.append(self._text[self._at :])
        self._at = len(self._text)
        return "".join(found)

    def _name(self) -> str:
        start = self._at
        while not self.is_at_end and _is_of_name(self._text[self._at]):
            self._at += 1
        if start == self._at:
            raise self._bad("the name of a variable is missing")
        return self._text[start : self._at]

    def _closed(self, found: Expression) -> Expression:
        if self._next() != "}":
            raise self._bad("no } where it should end")
        self._at += 1
        return found

    def _taken(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None  # its first character was seen
        self._at = match.end()
        return match[0]

    def _skip(self, sign: str) -> None:
        while self._next() == sign:
            self._at += 1

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _bad(self, why: str) -> BadExpressionError:
        return BadExpressionError(self._variable, why)


def _is_of_name(character: str) -> bool:
    """A letter or a decimal digit of any script, or an underscore."""
    return character.isalpha() or character.isdecimal() or character == "_"
