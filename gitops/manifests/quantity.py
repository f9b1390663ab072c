"""Quantities such as "500m" and "1Gi": reading them, and writing them as Kubernetes does.

The rules are those of k8s.io/apimachinery/pkg/api/resource: the suffix family (binary, decimal, exponent) is kept, the
largest suffix without a fraction wins, nothing is finer than nano.
"""

import functools
import re
from fractions import Fraction
from math import ceil, floor

_FORM = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()}
_LARGEST = 2**63 - 1
_MOST_EXPONENT = 100  # far beyond the largest quantity, and small enough to reckon with

WRONG_FORM = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"  # as Kubernetes says
)


class QuantityError(ValueError):
    """The text is no quantity."""


def parse(value: str | int | float) -> Fraction:
    """The exact number a quantity stands for; QuantityError when it is none."""
    return _parse(str(value))[0]


def canonical(value: str | int | float) -> str:
    """The quantity as an API server writes it back: "1000m" → "1", "0.5Gi" → "512Mi"; QuantityError when it is none."""
    return _canonical(_text(value))


def _text(value: str | int | float) -> str:
    return f"{value:f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _parse(text: str) -> tuple[Fraction, str]:
    match = _FORM.fullmatch(text)
    if match is None:
        raise QuantityError(WRONG_FORM)
    sign, digits, suffix = match[1], match[2], match[3] or ""
    number = Fraction(digits.rstrip(".") if digits.endswith(".") else digits)
    if suffix in _BINARY:
        family, number = "binary", number * 1024 ** _BINARY[suffix]
    elif suffix[:1] in ("e", "E") and len(suffix) > 1:
        family, number = "exponent", number * Fraction(10) ** max(min(int(suffix[1:]), _MOST_EXPONENT), -_MOST_EXPONENT)
    else:
        family, number = "decimal", number * Fraction(10) ** _DECIMAL[suffix]
    return (-number if sign == "-" else number), family


@functools.lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    number, family = _parse(text)
    nanos = number * 10**9
    if nanos.denominator != 1:  # round away from zero, as everything finer than nano is
        number = Fraction(ceil(nanos) if nanos > 0 else floor(nanos), 10**9)
    number = max(min(number, Fraction(_LARGEST)), Fraction(-_LARGEST))
    if number == 0:
        return "0"
    if family == "binary" and abs(number) >= 1024 and number.denominator == 1:
        power, amount = 0, int(number)
        while amount % 1024 == 0 and power < 6:
            power, amount = power + 1, amount // 1024
        return f"{amount}{_BINARY_SUFFIX.get(power, '')}"
    exponent, amount = -9, int(number * 10**9)
    while amount % 1000 == 0 and exponent < 18:
        exponent, amount = exponent + 3, amount // 1000
    if family == "exponent":
        return f"{amount}e{exponent}" if exponent else str(amount)
    return f"{amount}{_DECIMAL_SUFFIX[exponent]}"
