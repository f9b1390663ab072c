"""Text in quotes, as Go's strconv writes it."""

import unicodedata
from typing import Final

from renderers.helm.gotemplate.work import spend

_ESCAPES: Final = {
    "\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v", "\\": "\\\\",
}  # fmt: skip


def quote(text: str, ascii_only: bool = False) -> str:
    """strconv.Quote."""
    if text.isascii() and text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    spend(64 * len(text))
    return '"' + "".join(_quoted(each, '"', ascii_only) for each in text) + '"'


def quote_rune(character: str, ascii_only: bool = False) -> str:
    """strconv.QuoteRune."""
    return "'" + _quoted(character, "'", ascii_only) + "'"


def can_be_backquoted(text: str) -> bool:
    """strconv.CanBackquote: one line, with nothing that a raw string could not hold."""
    return not any(
        each in "`\ufeff\x7f" or (each < " " and each != "\t") or "\udc80" <= each <= "\udcff" for each in text
    )


def is_printable(character: str) -> bool:
    """strconv.IsPrint: a letter, mark, number, punctuation, symbol, or the ASCII space."""
    return character == " " or unicodedata.category(character)[0] in "LMNPS"


def _quoted(character: str, mark: str, ascii_only: bool) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character == mark:
        return "\\" + mark
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if is_printable(character) and (code < 128 or not ascii_only):
        return character
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
