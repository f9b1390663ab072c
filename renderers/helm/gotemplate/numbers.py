"""Floating-point numbers as Go's strconv and encoding/json write them."""

import math
from typing import Final

_PRINT_LIMIT: Final = 6
_LEAST: Final = -1074


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


def formatted(value: float, form: str, precision: int | None) -> str:
    """strconv.FormatFloat: `form` is one of b, e, E, f, g, G, x and X; without a precision the shortest digits."""
    special = _special(value)
    if special:
        return special
    if form == "b":
        return _binary(value)
    if form in "xX":
        text = _hexadecimal(value, precision)
    elif precision is not None:
        text = f"{value:.{max(precision, 1) if form in 'gG' else precision}{form.lower()}}"
    else:
        text = format_g(value)
    return text.upper() if form in "EGX" else text


def _parts(value: float) -> tuple[str, int, int]:
    """Sign, mantissa of 53 bits and exponent of two."""
    sign = "-" if math.copysign(1, value) < 0 else ""
    fraction, exponent = math.frexp(abs(value))
    return sign, int(fraction * 2**53), exponent - 53


def _binary(value: float) -> str:
    sign, mantissa, exponent = _parts(value)
    if exponent < _LEAST or not mantissa:
        mantissa, exponent = mantissa >> (_LEAST - exponent if mantissa else 0), _LEAST
    return f"{sign}{mantissa}p{exponent:+d}"


def _hexadecimal(value: float, precision: int | None) -> str:
    sign, mantissa, exponent = _parts(value)
    if not mantissa:
        return f"{sign}0x0{'.' + '0' * precision if precision else ''}p+00"
    exponent += 52
    if precision is not None and precision < 13:
        unit = 16 ** (13 - precision)
        whole, rest = divmod(mantissa, unit)
        whole += rest * 2 > unit or (rest * 2 == unit and whole % 2 == 1)
        mantissa = whole * unit
        if mantissa >= 2**53:
            mantissa, exponent = mantissa // 2, exponent + 1
    digits = f"{mantissa % 2**52:013x}"
    digits = digits.rstrip("0") if precision is None else digits[:precision].ljust(precision, "0")
    return f"{sign}0x1{'.' + digits if digits else ''}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
