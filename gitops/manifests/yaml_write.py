"""Writing manifests as Kustomize writes them: JSON values in, YAML text out.

The style is that of go-yaml version 2: lists stand at their key's indentation, a string is plain where that reads
back as the same string, literal (`|`) when it has several lines, quoted otherwise; lines longer than 80 columns are
folded at a space. Strings that any YAML 1.1 or 1.2 reader could take for something else are quoted.

Not here: reading (`yaml`), and the order of manifests.
"""

import re
from collections.abc import Iterable
from functools import cmp_to_key
from typing import Any, Final

from gitops.manifests.key import Body
from gitops.manifests.yaml_scalars import (
    BOOLEANS_11,
    NOT_FINITE,
    NULLS,
    NUMERIC_START,
    as_json_number,
    format_float,
    parse_float,
    parse_integer,
    parse_timestamp,
)

LONGEST_SIMPLE_KEY: Final = 128
LINE_WIDTH: Final = 80
# Where a text "starts" whose line is never folded.
_NEVER_FOLDED: Final = -(2**62)

_WORDS: Final = frozenset(BOOLEANS_11) | NULLS | NOT_FINITE
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
# Text that is surely fine as it stands, unless it is one of _WORDS: the common case, found by one match.
_SURELY_PLAIN = re.compile(
    r"[A-Za-z/_$(](?:[A-Za-z0-9_/.,;=+$()<>~^\\|@&*!?%'\"\-]|[: ](?=[A-Za-z0-9/_.(]))*", re.ASCII
)
_BREAK: Final = "\n\r\x85\u2028\u2029"
_HAS_BREAK = re.compile(f"[{_BREAK}]")
_BREAK_AND_SPACE = re.compile(f"[{_BREAK}] ")
_FIRST_INDICATOR: Final = frozenset("#,[]{}&*!|>'\"%@`")
_ESCAPES: Final = {
    "\x00": "\\0",
    "\x07": "\\a",
    "\x08": "\\b",
    "\x09": "\\t",
    "\x0a": "\\n",
    "\x0b": "\\v",
    "\x0c": "\\f",
    "\x0d": "\\r",
    "\x1b": "\\e",
    '"': '\\"',
    "\\": "\\\\",
    "\x85": "\\N",
    "\u2028": "\\L",
    "\u2029": "\\P",
}


def write_manifests(bodies: Iterable[Body]) -> str:
    """The YAML text of `bodies`, `---` between them, keys in the order that they have."""
    return "---\n".join(write_document(body) for body in bodies)


def write_document(value: Any, sort: bool = False) -> str:
    """The YAML text of one JSON value, with a newline at its end; `sort` puts its keys into Kustomize's order."""
    lines: list[str] = []
    _Writer(lines, sort).value("", value, 0)
    return "".join(lines)


class _Writer:
    """Appends pieces of text; every value ends its own line."""

    def __init__(self, out: list[str], sort: bool) -> None:
        self._put = out.append
        self._sort = sort

    def value(self, lead: str, value: Any, indent: int) -> None:
        """Write `lead` (the text before the value on its line) and a value whose own entries stand at `indent`."""
        if isinstance(value, dict) and value:
            self._mapping(lead, value, indent)
        elif isinstance(value, list | tuple) and value:
            for item in value:
                self.value(f"{lead}- ", item, indent + 2)
                lead = " " * indent
        else:
            self._put(_line(lead + leaf_text(value, indent, len(lead)), value))

    def _mapping(self, lead: str, entries: dict[str, Any], indent: int) -> None:
        put = self._put
        margin = " " * indent
        for key in sorted_keys(entries) if self._sort else entries:
            value = entries[key]
            written = key_text(key, indent)
            start = lead + written
            if written.startswith("? "):  # what is in it begins on the line of the colon
                colon = start.rindex("\n") + 1
                put(start[:colon])
                self.value(f"{start[colon:]} ", value, indent + 2)
            elif type(value) is str:
                start += " "
                put(_line(start + string_text(value, indent + 2, len(start)), value))
            elif isinstance(value, dict) and value:
                put(start + "\n")
                self._mapping(margin + "  ", value, indent + 2)
            elif isinstance(value, list | tuple) and value:
                put(start + "\n")
                self._sequence(value, indent)
            else:
                put(start + " " + leaf_text(value, indent + 2, 0) + "\n")
            lead = margin

    def _sequence(self, items: Iterable[Any], indent: int) -> None:
        margin = " " * indent + "- "
        for item in items:
            if type(item) is str:
                self._put(_line(margin + string_text(item, indent + 2, indent + 2), item))
            else:
                self.value(margin, item, indent + 2)


def _line(text: str, value: Any) -> str:
    """A line with its end, which go-yaml does not write after a block whose last break is one of YAML 1.1 alone."""
    return text if text[-1] in "\u2028\u2029" and value[-1] == text[-1] else text + "\n"


def leaf_text(value: Any, indent: int, column: int) -> str:
    """Text of a value without entries (a scalar, an empty map, or an empty list) that starts at `column`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return string_text(value, indent, column)
        case int():
            return str(value) if -(2**63) <= value < 2**64 else format_float(float(value))
        case float():
            number = as_json_number(value)
            return format_float(value) if isinstance(number, float) else leaf_text(number, indent, column)
        case dict():
            return "{}"
    return "[]"


def key_text(key: str, indent: int) -> str:
    """A key with its colon; a very long one, or one of several lines, takes the `? ` form over two lines."""
    if _HAS_BREAK.search(key) or (len(key) * 4 > LONGEST_SIMPLE_KEY and len(key.encode()) > LONGEST_SIMPLE_KEY):
        return f"? {string_text(key, indent + 2, indent + 2)}\n{' ' * indent}:"
    if key == "<<":  # go-yaml leaves it plain, and what it writes then reads as a merge
        return '"<<":'
    return string_text(key, indent + 2, _NEVER_FOLDED) + ":"


def string_text(text: str, indent: int, column: int) -> str:
    """A string as it is written from `column` on; further lines of it start at `indent`."""
    if _SURELY_PLAIN.fullmatch(text):
        return f'"{text}"' if text in _WORDS else _fold(text, indent, column)
    if "\n" in text:
        return _literal(text, indent) if _may_be_block(text) else _double_quoted(text, indent, column)
    if not _reads_as_string(text):
        return _double_quoted(text, indent, column)
    if _may_be_plain(text):
        return _fold(text, indent, column)
    if not is_printable(text) or _breaks_after_space(text) or _BREAK_AND_SPACE.search(text):
        return _double_quoted(text, indent, column)
    return _single_quoted(text, indent, column)


def _fold(text: str, indent: int, column: int) -> str:
    """Break `text` (its quotes included) at the spaces that stand beyond the line's width.

    Only between single spaces, but in double quotes at the first of several too: a backslash then keeps the rest.
    Right inside the quotes no line is broken.
    """
    if column + len(text) <= LINE_WIDTH:
        return text
    quoted = text[0] in "'\""
    first, last = (2, len(text) - 3) if quoted else (1, len(text) - 2)
    lines: list[str] = []
    start, backslash = 0, ""
    at = text.find(" ", max(first, LINE_WIDTH + 1 - column))
    while 0 < at <= last:
        doubled = text[at + 1] == " "
        if at == start or text[at - 1] == " " or (doubled and text[0] != '"'):
            at = text.find(" ", at + 1)
            continue
        lines.append(backslash + text[start:at])
        start, backslash = at + 1, "\\" if doubled else ""
        at = text.find(" ", start + max(0, LINE_WIDTH + 1 - indent - doubled))
    lines.append(backslash + text[start:])
    return f"\n{' ' * indent}".join(lines)


def _reads_as_string(text: str) -> bool:
    """Whether a YAML reader takes plain `text` for a string."""
    if text in _WORDS:
        return False
    return text[0] not in NUMERIC_START or not (
        parse_integer(text) is not None
        or parse_float(text) is not None
        or _BASE_60.fullmatch(text)
        or parse_timestamp(text)
    )


def _may_be_plain(text: str) -> bool:
    """Whether the text of a non-empty string of one line may stand without quotes."""
    first = text[0]
    if first in _FIRST_INDICATOR or first == " " or text[-1] == " " or text.startswith(("---", "...")):
        return False
    if first in "?:-" and (len(text) == 1 or text[1] in " \t"):
        return False
    if ": " in text or ":\t" in text or text[-1] == ":" or " #" in text:
        return False
    return not (_HAS_BREAK.search(text) or not is_printable(text))


def _may_be_block(text: str) -> bool:
    """Whether a text of several lines may be a literal block: no line break follows a space, all is printable."""
    return text[-1] != " " and not _breaks_after_space(text) and is_printable(text)


def _breaks_after_space(text: str) -> bool:
    return any(each in text for each in (" \n", " \u2028", " \u2029"))


def _single_quoted(text: str, indent: int, column: int) -> str:
    if not _HAS_BREAK.search(text):
        return _fold("'" + text.replace("'", "''") + "'", indent, column)
    margin = " " * indent
    out, column = ["'"], column + 1
    after_break = after_space = False
    for at, each in enumerate(text):
        if each in _BREAK:
            out.append(each)
            after_break, column = True, 0
            continue
        if after_break:
            out.append(margin)
            column = indent
        inside = 0 < at < len(text) - 1
        if each == " " and inside and column > LINE_WIDTH and not after_space and text[at + 1] != " ":
            out.append("\n" + margin)
            column = indent
        else:
            out.append("''" if each == "'" else each)
            column += len(out[-1])
        after_break, after_space = False, each == " "
    return "".join(out) + "'"


def _double_quoted(text: str, indent: int, column: int) -> str:
    if text[:1] == "\ufeff":  # go-yaml takes every character of such a text for a byte order mark
        return '"' + "".join(_ESCAPES.get(each) or ("\\_" if each == "\xa0" else _code(each)) for each in text) + '"'
    return _fold('"' + "".join(map(_escape, text)) + '"', indent, column)


def is_printable(text: str) -> bool:
    """Whether YAML may hold all characters as they are, line feeds included."""
    if text.isascii():
        return text.isprintable() or all(" " <= each <= "~" or each == "\n" for each in text)
    return all(map(_printable_character, text))


def _printable_character(character: str) -> bool:
    if character < "\x7f":
        return character >= " " or character == "\n"
    return "\xa0" <= character <= "\ufffd" and character != "\ufeff" and not "\ud800" <= character <= "\udfff"


def _escape(character: str) -> str:
    """How a character stands in double quotes."""
    known = _ESCAPES.get(character)
    if known is not None:
        return known
    return character if _printable_character(character) else _code(character)


def _code(character: str) -> str:
    """A character by its number."""
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _literal(text: str, indent: int) -> str:
    """A literal block without its last line's newline (every value's writer adds that)."""
    hint = "2" if text[0] in " \n\u2028\u2029" else ""
    if text[-1] not in "\n\u2028\u2029":
        chomp = "-"
    elif len(text) == 1 or text[-2] in "\n\u2028\u2029":
        chomp = "+"
    else:
        chomp = ""
    margin = " " * indent
    body = (
        re.sub("(?m)^(?=[^\n])", margin, text)
        if "\u2028" not in text and "\u2029" not in text
        else _broken(text, margin)
    )
    return f"|{hint}{chomp}\n" + body.removesuffix("\n")


def _broken(text: str, margin: str) -> str:
    """Indent after every kind of line break that YAML 1.1 knows."""
    return margin * (text[0] not in "\n\u2028\u2029") + re.sub(
        "([\n\u2028\u2029])(?=[^\n\u2028\u2029])", rf"\1{margin}", text
    )


# ── the order of keys ────────────────────────────────────────────────────────────────────────────────────────────

# Among such keys the order of code points is the natural order.
_CODE_POINT_ORDER = re.compile(r"[A-Za-z./\-\x00]*")


def sorted_keys(entries: dict[str, Any]) -> list[str]:
    """Keys in go-yaml's natural order: punctuation before letters, numbers by their value (`a2` before `a10`)."""
    if _CODE_POINT_ORDER.fullmatch("\0".join(entries)):
        return sorted(entries)
    return sorted(sorted(entries), key=_natural)


def _compare(left: str, right: str) -> int:
    for at, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            continue
        a_letter, b_letter = a.isalpha(), b.isalpha()
        if a_letter and b_letter:
            return -1 if a < b else 1
        if a_letter or b_letter:
            return -1 if b_letter else 1
        return _compare_digits(left, right, at)
    return len(left) - len(right)


def _compare_digits(left: str, right: str, at: int) -> int:
    """Two non-letters differ at `at`: the numbers that start there decide, then their length, then the code point."""
    prefix = ""
    if "0" in (left[at], right[at]):
        before = at
        while before > 0 and left[before - 1].isdecimal():
            before -= 1
        if left[before:at].strip("0"):
            prefix = "1"
    a_digits, b_digits = _digits(left, at), _digits(right, at)
    a_value, b_value = int(prefix + a_digits or "0"), int(prefix + b_digits or "0")
    if a_value != b_value:
        return -1 if a_value < b_value else 1
    if len(a_digits) != len(b_digits):
        return -1 if len(a_digits) < len(b_digits) else 1
    return -1 if left[at] < right[at] else 1


def _digits(text: str, at: int) -> str:
    end = at
    while end < len(text) and text[end].isdecimal():
        end += 1
    return text[at:end]


_natural = cmp_to_key(_compare)
