"""Functions of numbers, as sprig 3 has them: integers of 64 bits that wrap around, floats, decimals."""

import math
import re
from decimal import Decimal
from typing import Any, Final

from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.literals import number
from renderers.helm.gotemplate.printf import sprint
from renderers.helm.gotemplate.values import Function, Int64, TypedList, function
from renderers.helm.gotemplate.work import spend

_HEXADECIMAL: Final = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+")
_UNDERSCORES: Final = re.compile(r"(?<!\d)_|_(?!\d)")
_MOST_DIGITS: Final = 1000
MAX_LENGTH: Final = 1_000_000
_INTEGER: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[1-9][0-9_]*|0)")
_FLOAT: Final = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[iI]nf(?:inity)?|[nN]a[nN])")


def wrapped(value: int) -> Int64:
    """As an int64 holds it."""
    return Int64((value + 2**63) % 2**64 - 2**63)


def to_int(value: Any) -> int:
    """cast.ToInt: what cannot be read is 0."""
    if isinstance(value, int):
        return int(value)
    if type(value) is float:
        if math.isnan(value) or abs(value) >= 2**63:
            return -(2**63)
        return int(value)
    if type(value) is str:
        text = re.sub(r"\.0*$", "", value)
        if _INTEGER.fullmatch(text):
            try:
                read = number(text)
            except ValueError:
                return 0
            return int(read) if -(2**63) <= read < 2**63 else 0
    return 0


def to_int64(value: Any) -> Int64:
    """cast.ToInt64."""
    return wrapped(to_int(value))


def to_float(value: Any) -> float:
    """cast.ToFloat64: what cannot be read is 0."""
    if isinstance(value, int | float):
        return float(value)
    if type(value) is not str:
        return 0.0
    if _FLOAT.fullmatch(value):
        read = float(value)
        return read if math.isfinite(read) or not any(each in "0123456789" for each in value) else 0.0
    plain = value.replace("_", "")
    if "_" in value and (_UNDERSCORES.search(value) or not _FLOAT.fullmatch(plain)):
        return 0.0
    try:
        return float.fromhex(plain) if _HEXADECIMAL.fullmatch(plain) else float(plain) if "_" in value else 0.0
    except OverflowError:
        return 0.0


def _atoi(text: str) -> int:
    if len(text) > _MOST_DIGITS or not re.fullmatch(r"[+-]?[0-9]+", text):
        return 0
    return int(text) if -(2**63) <= int(text) < 2**63 else 0


def _divided(left: Any, right: Any) -> tuple[int, int]:
    dividend, divisor = to_int(left), to_int(right)
    if divisor == 0:
        raise FunctionError("runtime error: integer divide by zero")
    quotient = abs(dividend) // abs(divisor)
    if (dividend < 0) != (divisor < 0):
        quotient = -quotient
    return quotient, dividend - quotient * divisor


def _product(*values: Any) -> Int64:
    return wrapped(math.prod(to_int(value) for value in values))


def _exact(value: Any) -> Decimal:
    read = to_float(value)
    if not math.isfinite(read):
        raise FunctionError(f"Cannot create a Decimal from {sprint(read)}")
    return Decimal(repr(read))


def _decimal(operation: str, first: Any, others: tuple[Any, ...]) -> float:
    import decimal

    result = _exact(first)
    with decimal.localcontext() as context:
        context.prec = 400
        for other in others:
            spend(2000)
            value = _exact(other)
            match operation:
                case "+":
                    result += value
                case "-":
                    result -= value
                case "*":
                    result *= value
                case "/":
                    if not value:
                        raise FunctionError("decimal division by 0")
                    result = (result / value).quantize(Decimal(1).scaleb(-16), decimal.ROUND_HALF_UP)
    return float(result) + 0.0  # a decimal knows no -0


def until_step(start: int, stop: int, step: int) -> TypedList:
    """The numbers from `start` to before `stop`, a []int."""
    if (stop < start and step >= 0) or (stop >= start and step <= 0):
        return TypedList("int")
    if (stop - start) // step > MAX_LENGTH:
        raise FunctionError(f"untilStep: a list of more than {MAX_LENGTH} numbers is refused")
    return TypedList("int", range(start, stop, step))


def _round(value: Any, places: int, *on: float) -> float:
    power = _power_of_ten(places)
    digit = power * to_float(value)
    rounded = digit
    if math.isfinite(digit):
        fraction = math.modf(digit)[0]
        rounded = float(math.ceil(digit) if fraction >= (on[0] if on else 0.5) else math.floor(digit))
    if power:
        return rounded / power
    return math.nan if math.isnan(rounded) or not rounded else math.copysign(math.inf, rounded)


def _power_of_ten(places: int) -> float:
    try:
        return math.pow(10, places)
    except OverflowError:
        return math.inf


def _whole(rounding: Any) -> Any:
    def of(value: Any) -> float:
        read = to_float(value)
        return read if math.isnan(read) or math.isinf(read) else math.copysign(float(rounding(read)), read)

    return of


def _to_decimal(value: Any) -> Int64:
    text = sprint(value)
    if len(text) > _MOST_DIGITS or not re.fullmatch(r"[+-]?[0-7]+", text):
        return Int64(0)
    return Int64(int(text, 8)) if abs(int(text, 8)) < 2**63 else Int64(0)


def _largest(*values: Any) -> Int64:
    return Int64(max(to_int(value) for value in values))


MATH: Final[dict[str, Function]] = {
    "add": function("any...", lambda *values: wrapped(sum(to_int(value) for value in values))),
    "add1": function("any", lambda value: wrapped(to_int(value) + 1)),
    "add1f": function("any", lambda value: _decimal("+", value, (1,))),
    "addf": function("any...", lambda *values: _decimal("+", 0.0, values)),
    "atoi": function("string", _atoi),
    "biggest": function("any any...", _largest),
    "ceil": function("any", _whole(math.ceil)),
    "div": function("any any", lambda left, right: wrapped(_divided(left, right)[0])),
    "divf": function("any any...", lambda first, *others: _decimal("/", first, others)),
    "float64": function("any", to_float),
    "floor": function("any", _whole(math.floor)),
    "int": function("any", to_int),
    "int64": function("any", to_int64),
    "max": function("any any...", _largest),
    "maxf": function("any any...", lambda *values: max(to_float(value) for value in values)),
    "min": function("any any...", lambda *values: Int64(min(to_int(value) for value in values))),
    "minf": function("any any...", lambda *values: min(to_float(value) for value in values)),
    "mod": function("any any", lambda left, right: wrapped(_divided(left, right)[1])),
    "mul": function("any any...", _product),
    "mulf": function("any any...", lambda first, *others: _decimal("*", first, others)),
    "round": function("any int float...", _round),
    "sub": function("any any", lambda left, right: wrapped(to_int(left) - to_int(right))),
    "subf": function("any any...", lambda first, *others: _decimal("-", first, others)),
    "toDecimal": function("any", _to_decimal),
    "until": function("int", lambda count: until_step(0, count, -1 if count < 0 else 1)),
    "untilStep": function("int int int", until_step),
}
