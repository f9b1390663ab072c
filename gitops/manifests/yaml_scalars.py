"""What a plain YAML scalar means to Kubernetes' tools: text in, JSON value out.

kubectl and Kustomize read YAML with two different Go libraries, which agree on numbers and nulls and differ on
booleans: `BOOLEANS_11` is what `kubectl apply` takes, `BOOLEANS_12` what Kustomize takes. The rules are those of
go-yaml versions 2 and 3, measured against the tools themselves.

Not here: documents, maps and lists (`yaml`), and how a string must be quoted (`yaml_write`).
"""

import math
import re
import struct
from datetime import datetime
from typing import Final, Literal

NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))
BOOLEANS_12: Final = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
BOOLEANS_11: Final = (
    BOOLEANS_12
    | dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True)
    | dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False)
)
NOT_FINITE: Final = frozenset(sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")) | frozenset(
    ("-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN")
)

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
UINT64_MAX: Final = 2**64 - 1

_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
# No decimal of more digits fits 64 bits, and Python does not read endless ones.
_INTEGERS = (
    (10, re.compile(r"[-+]?(?:0|[1-9][0-9]{0,19})", re.ASCII)),
    (8, re.compile(r"[-+]?0[0-7]+", re.ASCII)),
    (16, re.compile(r"[-+]?0[xX][0-9a-fA-F]+", re.ASCII)),
    (8, re.compile(r"[-+]?0[oO][0-7]+", re.ASCII)),
    (2, re.compile(r"[-+]?0[bB][01]+", re.ASCII)),
)
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:([Tt ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,]([0-9]+))?(Z|[-+][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)
NUMERIC_START: Final = frozenset("+-.0123456789")


def parse_integer(text: str) -> int | None:
    """A YAML integer in any base that Go reads, if it fits 64 bits; None for all other text."""
    plain = text.replace("_", "")
    for radix, pattern in _INTEGERS:
        if pattern.fullmatch(plain):
            digits = plain if radix != 8 else plain.lower().replace("o", "")
            value = int(digits, radix)
            if value > UINT64_MAX or value < INT64_MIN or (value > INT64_MAX and plain[0] == "+"):
                return None
            return value
    return None


def parse_float(text: str) -> float | None:
    """A finite YAML float; None for all other text, and for numbers beyond 64-bit floats (those stay text)."""
    plain = text if text.startswith(".") else text.replace("_", "")
    if not _FLOAT.fullmatch(plain):
        return None
    value = float(plain)
    return None if value in (float("inf"), float("-inf")) else value


def parse_timestamp(text: str) -> str | None:
    """The time that a YAML timestamp names, as Go's JSON has it: RFC 3339, no more digits than needed.

    None for all other text. An offset of 24 hours is one to YAML, and none to JSON.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, mark, hour, minute, second, fraction, zone = match.groups()
    if mark is not None and (zone is None) != (mark == " "):
        return None
    offset = _offset_of(zone)
    try:
        # Go has a year 0, which has the days of the year 400.
        at = datetime(int(year) or 400, int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        return None
    digits = (fraction or "")[:9].rstrip("0")
    return None if offset is None else f"{year}-{at:%m-%dT%H:%M:%S}{'.' * bool(digits)}{digits}{offset}"


def _offset_of(zone: str | None) -> str | None:
    """The offset as it is written; None for one beyond those that Go reads."""
    if zone is None or zone == "Z":
        return "Z"
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 24 or minutes > 60:
        return None
    total = hours * 60 + minutes
    return f"{zone[0]}{total // 60:02d}:{total % 60:02d}" if total else "Z"


def number_of(text: str) -> int | float | None:
    """The number that plain `text` is, as JSON keeps it; None when it is none (it is a string then).

    Integers beyond 64 bits become floats, and floats without a fraction become integers: that is what is left of
    them after the trip through JSON that every Kubernetes tool makes.
    """
    if text[:1] not in NUMERIC_START:
        return None
    integer = parse_integer(text)
    if integer is not None:
        return as_json_number(integer)
    value = parse_float(text)
    return None if value is None else as_json_number(value)


def as_json_number(value: int | float) -> int | float:
    """`value` after the trip through Go's JSON: integers beyond an int64 lose what a float cannot hold.

    What Go writes without a fraction is an integer here, of whatever size.
    """
    if isinstance(value, int):
        if INT64_MIN <= value <= INT64_MAX:
            return value
        value = float(value)
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    sign, digits, exponent = _shortest(value)
    # Go's JSON writes the shortest digits and then zeros.
    return int(sign + digits.ljust(exponent + 1, "0"))


def format_float(value: float, bits: Literal[32, 64] = 64) -> str:
    """A float as Go's `%g` writes it in the shortest exact form: `1e-06`, `1.5`, `1.2345678912345679e+08`.

    With 32 bits it is made one of so many first: `1.2345679e+08`.
    """
    value = _shortest_of_32_bits(value) if bits == 32 else value
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = _shortest(value)
    if -4 <= exponent < 6 or (exponent < 0 and exponent >= -4):
        return sign + _positional(digits, exponent)
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _shortest_of_32_bits(value: float) -> float:
    """The number of fewest digits that 32 bits cannot tell from `value`."""
    rounded = _in_32_bits(value)
    if not math.isfinite(rounded):
        return rounded
    return next(found for places in range(9) if _in_32_bits(found := float(f"{rounded:.{places}e}")) == rounded)


def _in_32_bits(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, significant digits and the decimal exponent of the first digit, from Python's own shortest form."""
    text = f"{value!r}e0" if "e" not in repr(value) else repr(value)
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    first = len(whole) - 1 - (len(whole + fraction) - len(digits)) + int(exponent)
    digits = digits.rstrip("0")
    return (sign, digits, first) if digits else (sign, "0", 0)


def _positional(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return whole + ("." + digits[exponent + 1 :] if len(digits) > exponent + 1 else "")
