"""Template text to tokens, as Go's text/template splits it."""

import re
from typing import Final, NamedTuple

from renderers.helm.gotemplate.quoting import is_printable, quote


class Token(NamedTuple):
    """`kind` is "text", "{{", "}}", "eof", "space", "field", "variable", "word", "string", "raw", "char", "number",
    "error" (the last one; the text is its message), or the character itself; `at` counts characters of the template."""

    kind: str
    text: str
    at: int


_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<field>\.(?![0-9])\w+)
    |(?P<number>(?:[+-]|(?=\.?[0-9]))(?:0[xX][0-9a-fA-F_]*\.?[0-9a-fA-F_]*(?:[pP][+-]?[0-9_]*)?|0[bB][01_]*\.?[01_]*
       |0[oO][0-7_]*\.?[0-7_]*|[0-9_]*\.?[0-9_]*(?:[eE][+-]?[0-9_]*)?)i?)
    |(?P<variable>\$\w*)
    |(?P<word>\w+)
    |(?P<string>"(?:[^"\\\n]|\\[^\n])*")
    |(?P<raw>`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\[^\n])*')
    |(?P<declare>:=)
    |(?P<mark>[=|().])
    |(?P<char_>(?!\}\})[!-~])""",
    re.VERBOSE,
)
_ENDS_WORD: Final = " \t\r\n.,|:)("
_SPACES: Final = " \t\r\n"
_SPACE_OR_NOT: Final = (" ", "\t", "\r", "\n")
_NUMBER: Final = re.compile(r"[+-][0-9_]*\.?[0-9_]*(?:[eE][+-]?[0-9_]*)?i?")
_NAMES: Final = frozenset(("field", "variable", "word"))
_QUOTED: Final = frozenset(("string", "raw", "char"))


def tokens_of(text: str) -> tuple[list[Token], list[int]]:
    """The tokens of a template, "eof" or an "error" last, and the end of each line inside of a comment."""
    tokens: list[Token] = []
    uncounted: list[int] = []
    at = 0
    trim = False
    while True:
        start = text.find("{{", at)
        piece = text[at:] if start < 0 else text[at:start]
        begin = at
        if trim:
            stripped = piece.lstrip(_SPACES)
            begin += len(piece) - len(stripped)
            piece = stripped
        if start < 0:
            if piece:
                tokens.append(Token("text", piece, begin))
            tokens.append(Token("eof", "", len(text)))
            return tokens, uncounted
        inside = start + 2
        if text.startswith("-", inside) and text[inside + 1 : inside + 2] in _SPACE_OR_NOT:
            piece = piece.rstrip(_SPACES)
            inside += 2
        if piece:
            tokens.append(Token("text", piece, begin))
        if text.startswith("/*", inside):
            at, trim = _after_comment(text, inside, tokens)
            end = text.find("*/", inside + 2)
            uncounted += [number for number in range(inside, end) if text[number] == "\n"]
        else:
            tokens.append(Token("{{", "{{", start))
            at = _action(text, inside, tokens)
            trim = at - tokens[-1].at > 2
        if at < 0:
            return tokens, uncounted


def _failed(tokens: list[Token], message: str, at: int) -> int:
    tokens.append(Token("error", message, at))
    return -1


def _after_comment(text: str, at: int, tokens: list[Token]) -> tuple[int, bool]:
    end = text.find("*/", at + 2)
    if end < 0:
        return _failed(tokens, "unclosed comment", at), False
    end += 2
    if text.startswith("}}", end):
        return end + 2, False
    if text[end : end + 1] in _SPACE_OR_NOT and text.startswith("-}}", end + 1):
        return end + 4, True
    return _failed(tokens, "comment ends before closing delimiter", at), False


def _action(text: str, at: int, tokens: list[Token]) -> int:
    """Add the tokens of an action up to its end, which is given back; -1 after an error."""
    depth = 0
    new, match, add = tuple.__new__, _TOKEN.match, tokens.append
    while True:
        found = match(text, at)
        if found is None:
            if not text.startswith("}}", at):
                return _failed(tokens, _unexpected(text, at), at)
            if depth:
                return _failed(tokens, "unclosed left paren", at)
            add(Token("}}", "}}", at))
            return at + 2
        kind, end = found.lastgroup, found.end()
        value = found[0]
        if kind in _NAMES:
            if text[end : end + 1] not in _ENDS_WORD:
                wrong = _wrong_token(text, str(kind), at, end)
                if wrong:
                    return _failed(tokens, wrong, at)
        elif kind == "space":
            if text.startswith("-}}", end):  # the last one belongs to the delimiter
                if end - at > 1:
                    add(Token("space", value[:-1], at))
                if depth:
                    return _failed(tokens, "unclosed left paren", end - 1)
                add(Token("}}", "}}", end))
                return end + 3
        elif kind not in _QUOTED:
            wrong = _wrong_token(text, str(kind), at, end)
            if wrong:
                return _failed(tokens, wrong, at)
            if kind in {"mark", "declare", "char_"}:
                kind = value if value != "." or end < len(text) else "number"
                depth += (value == "(") - (value == ")")
            if depth < 0:
                return _failed(tokens, "unexpected right paren", at)
        add(new(Token, (kind, value, at)))
        at = end


def _wrong_token(text: str, kind: str, at: int, end: int) -> str:
    """What is wrong with a token, or with what follows it; "" where all is well."""
    if kind in _NAMES or text[at:end] == ".":
        if text[end : end + 1] not in _ENDS_WORD and not text.startswith("}}", end):
            return f"bad character {_shown(text[end])}"
    elif kind == "number":
        wrong = _bad_number(text, end)
        return f"bad number syntax: {quote(text[at:wrong])}" if wrong else ""
    return _unexpected(text, at) if kind == "char_" else ""


def _bad_number(text: str, end: int) -> int:
    """Where a number that ends here goes wrong: nothing of a word may follow, nor a sign; 0 where all is well."""
    follows = text[end : end + 1]
    if follows.isalnum() or follows == "_":
        return end + 1
    if follows and follows in "+-":
        found = _NUMBER.match(text, end)
        return found.end() if found else end + 1
    return 0


def _unexpected(text: str, at: int) -> str:
    """What is wrong with the character; "" for one that the parser takes for a token of its own."""
    if at >= len(text):
        return "unclosed action"
    match text[at]:
        case '"':
            return "unterminated quoted string"
        case "`":
            return "unterminated raw quoted string"
        case "'":
            return "unterminated character constant"
        case ":":
            return "expected :="
    return "" if "!" <= text[at] <= "~" else f"unrecognized character in action: {_shown(text[at])}"


def _shown(character: str) -> str:
    """A character as %#U writes it; a byte that is no UTF-8 is U+FFFD."""
    character = "\ufffd" if "\udc80" <= character <= "\udcff" else character
    return f"U+{ord(character):04X}" + (f" '{character}'" if is_printable(character) else "")
