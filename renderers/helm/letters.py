"""Letters, and spaces, as Go's `unicode` has them: their case is their category, and one letter becomes one letter."""

import unicodedata
from typing import Final

SPACES: Final = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def is_upper(each: str) -> bool:
    return unicodedata.category(each) == "Lu"


def is_lower(each: str) -> bool:
    return unicodedata.category(each) == "Ll"


def is_title(each: str) -> bool:
    return unicodedata.category(each) == "Lt"


def lower_of(each: str) -> str:
    """unicode.ToLower: where Unicode has more than one letter for it, it stays."""
    return "i" if each == "İ" else _one(each, each.lower())


def upper_of(each: str) -> str:
    """unicode.ToUpper; what has no capital but in a title (`ᾳ`) becomes that."""
    found = each.upper()
    return found if len(found) == 1 else title_of(each)


def title_of(each: str) -> str:
    """unicode.ToTitle."""
    return _one(each, each.title())


def _one(before: str, after: str) -> str:
    return after if len(after) == 1 else before
