"""Floating-point numbers as Go's strconv and encoding/json write them."""

import math
from typing import Final

_PRINT_LIMIT: Final = 6


def digits_of(value: float) -> tuple[str, str, int]:
    """Sign, the shortest digits that read back as the value, and where the point stands among them."""
    text = repr(abs(value))
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + ("" if fraction == "0" else fraction)
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    if not digits:
        digits, point = "0", 1
    return "-" if math.copysign(1, value) < 0 else "", digits, point


def _special(value: float) -> str | None:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None


def positional(sign: str, digits: str, point: int) -> str:
    """Without an exponent."""
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def scientific(sign: str, digits: str, point: int) -> str:
    """With an exponent of at least two digits."""
    exponent = point - 1
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def format_g(value: float, limit: int = _PRINT_LIMIT) -> str:
    """`%v` of a float64: the shortest form, with an exponent below -4 or from `limit` on."""
    special = _special(value)
    if special:
        return special
    sign, digits, point = digits_of(value)
    if not -4 <= point - 1 < limit:
        return scientific(sign, digits, point)
    return positional(sign, digits, point)


def format_json(value: float) -> str:
    """As encoding/json writes a float64."""
    sign, digits, point = digits_of(value)
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        text = scientific(sign, digits, point)
        return text.replace("e-0", "e-") if text[-4:-1] == "e-0" else text
    return positional(sign, digits, point)
