"""Template text to tokens, as Go's text/template splits it."""

import re
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
_NAMES: Final = frozenset(("field", "variable", "word"))


def tokens_of(name: str, text: str) -> list[Token]:
    """The tokens of a template, "eof" last. Raises TemplateError."""
    tokens: list[Token] = []
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
            return tokens
        inside = start + 2
        if text.startswith("-", inside) and text[inside + 1 : inside + 2] in (" ", "\t", "\r", "\n"):
            piece = piece.rstrip(_SPACES)
            inside += 2
        if piece:
            tokens.append(Token("text", piece, begin))
        if text.startswith("/*", inside):
            at, trim = _after_comment(name, text, inside)
            continue
        tokens.append(Token("{{", "{{", start))
        at = _action(name, text, inside, tokens)
        trim = at - tokens[-1].at > 2


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


def _action(name: str, text: str, at: int, tokens: list[Token]) -> int:
    """Add the tokens of an action up to its end, which is given back."""
    depth = 0
    new, match, add = tuple.__new__, _TOKEN.match, tokens.append
    while True:
        found = match(text, at)
        if found is None:
            if not text.startswith("}}", at):
                raise lexer_error(name, text, at, _unexpected(text, at))
            if depth:
                raise lexer_error(name, text, at, "unclosed left paren")
            add(Token("}}", "}}", at))
            return at + 2
        kind, end = found.lastgroup, found.end()
        value = found[0]
        if kind == "space":
            if text.startswith("-}}", end):  # the last one belongs to the delimiter
                if depth:
                    raise lexer_error(name, text, at, "unclosed left paren")
                if end - at > 1:
                    add(Token("space", value[:-1], at))
                add(Token("}}", text[end - 1 : end + 3], end - 1))
                return end + 3
        elif kind in _NAMES:
            if text[end : end + 1] not in _ENDS_WORD and not text.startswith("}}", end):
                raise lexer_error(name, text, at, f"bad character U+{ord(text[end]):04X} {text[end]!r}")
        elif kind == "number":
            if text[end : end + 1].isalnum() or text[end : end + 1] == "_":
                raise lexer_error(name, text, at, f'bad number syntax: "{value}{text[end]}"')
        elif kind in {"mark", "declare"}:
            kind = value
            depth += (value == "(") - (value == ")")
            if depth < 0:
                raise lexer_error(name, text, at, "unexpected right paren")
        add(new(Token, (kind, value, at)))
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
