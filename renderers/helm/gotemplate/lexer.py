"""Template text to tokens, as Go's text/template splits it."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from renderers.helm.gotemplate.errors import TemplateError


class Token(NamedTuple):
    """`kind` is "text", "{{", "}}", "eof", "space", "field", "variable", "word", "string", "raw", "char", "number",
    "." or the character itself; `at` counts characters of the template."""

    kind: str
    text: str
    at: int


_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<field>\.[\w]+)(?<!\.\d)
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]*\.?[0-9a-fA-F_]*(?:[pP][+-]?[0-9_]+)?|0[bB][01_]+|0[oO][0-7_]+
       |(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)i?)
    |(?P<variable>\$\w*)
    |(?P<word>\w+)
    |(?P<string>"(?:[^"\\\n]|\\[^\n])*")
    |(?P<raw>`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\[^\n])+')
    |(?P<declare>:=)
    |(?P<mark>[=|(),.])""",
    re.VERBOSE,
)
_ENDS_WORD: Final = " \t\r\n.,|:)("
_SPACES: Final = " \t\r\n"


def tokens_of(name: str, text: str) -> Iterator[Token]:
    """The tokens of a template, "eof" last. Raises TemplateError."""
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
                yield Token("text", piece, begin)
            yield Token("eof", "", len(text))
            return
        inside = start + 2
        if text.startswith("-", inside) and text[inside + 1 : inside + 2] in (" ", "\t", "\r", "\n"):
            piece = piece.rstrip(_SPACES)
            inside += 2
        if piece:
            yield Token("text", piece, begin)
        if text.startswith("/*", inside):
            at, trim = _after_comment(name, text, inside)
            continue
        yield Token("{{", "{{", start)
        at = trim_at = -1
        for token in _action(name, text, inside):
            yield token
            if token.kind == "}}":
                at, trim_at = token.at + len(token.text), len(token.text)
        trim = trim_at > 2


def _after_comment(name: str, text: str, at: int) -> tuple[int, bool]:
    end = text.find("*/", at)
    if end < 0:
        raise lexer_error(name, text, at, "unclosed comment")
    end += 2
    if text.startswith("}}", end):
        return end + 2, False
    if text[end : end + 1] in (" ", "\t", "\r", "\n") and text.startswith("-}}", end + 1):
        return end + 4, True
    raise lexer_error(name, text, at, "comment ends before closing delimiter")


def _action(name: str, text: str, at: int) -> Iterator[Token]:
    depth = 0
    while True:
        if text.startswith("}}", at) or (text[at : at + 1] in _SPACES and text.startswith("-}}", at + 1)):
            if depth:
                raise lexer_error(name, text, at, "unclosed left paren")
            yield Token("}}", "}}" if text[at] == "}" else text[at : at + 4], at)
            return
        found = _TOKEN.match(text, at)
        if found is None:
            raise lexer_error(name, text, at, _unexpected(text, at))
        kind, value = str(found.lastgroup), found[0]
        end = found.end()
        if kind == "space" and text.startswith("-}}", end):
            value, end = value[:-1], end - 1  # the last one belongs to the delimiter
        if kind in ("field", "variable", "word") and end < len(text) and text[end] not in _ENDS_WORD:
            if not text.startswith("}}", end):
                raise lexer_error(name, text, at, f"bad character U+{ord(text[end]):04X} {text[end]!r}")
        elif kind == "number" and end < len(text) and (text[end].isalnum() or text[end] == "_"):
            raise lexer_error(name, text, at, f'bad number syntax: "{value}{text[end]}"')
        elif value == "(":
            depth += 1
        elif value == ")":
            depth -= 1
            if depth < 0:
                raise lexer_error(name, text, at, "unexpected right paren")
        if value:
            yield Token(value if kind in ("mark", "declare") else kind, value, at)
        at = end


def _unexpected(text: str, at: int) -> str:
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
        case "+" | "-":
            return f'bad number syntax: "{text[at : at + 2]}"'
    return f"unrecognized character in action: U+{ord(text[at]):04X} {text[at]!r}"


def lexer_error(name: str, text: str, at: int, message: str) -> TemplateError:
    """The error with the template's name and the line."""
    return TemplateError(f"template: {name}:{text.count(chr(10), 0, at) + 1}: {message}")
