"""Functions of dates and durations, as sprig 3 has them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from renderers.helm.go_time import (
    ZERO,
    Time,
    format_duration,
    format_time,
    parse_duration,
    parse_time,
    unix,
    zone,
)
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, Int32, Int64, function

Clock = Callable[[], datetime]


def _moment(value: Any, clock: Clock) -> datetime:
    if isinstance(value, Time):
        return value.at
    if type(value) in (int, Int64, Int32):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, ValueError, OSError):
            raise FunctionError(f"the time {int(value)} is out of range") from None
    return clock()


def _modified(form: str, date: Time, strict: bool) -> Time:
    try:
        return Time(date.at + timedelta(microseconds=parse_duration(form) / 1000))
    except FunctionError:
        if strict:
            raise
        return date
    except OverflowError:
        raise FunctionError("the time is out of range") from None


def _to_date(layout: str, text: str) -> Time:
    try:
        return Time(parse_time(layout, text))
    except FunctionError:
        return Time(ZERO)


def _seconds(value: Any) -> str:
    number = 0
    if type(value) is Int64 or (isinstance(value, str) and value.lstrip("+-").isdecimal() and value.isascii()):
        number = int(value)
    return format_duration(number * 10**9)


_ROUNDS: Final = (("y", 365 * 86400), ("mo", 30 * 86400), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def _rounded(value: Any, clock: Clock) -> str:
    nanoseconds = 0
    if isinstance(value, str):
        try:
            nanoseconds = parse_duration(value)
        except FunctionError:
            nanoseconds = 0
    elif type(value) is Int64:
        nanoseconds = int(value)
    elif isinstance(value, Time):
        nanoseconds = round((clock() - value.at).total_seconds() * 10**9)
    size = abs(nanoseconds)
    for unit, seconds in _ROUNDS:
        if size > seconds * 10**9:
            return f"{size // (seconds * 10**9)}{unit}"
    return "0s"


def date_functions(clock: Clock) -> dict[str, Function]:
    """The functions, `clock` giving the time that it is."""

    def in_zone(layout: str, value: Any, name: str) -> str:
        return format_time(_moment(value, clock).astimezone(zone(name)), layout)

    def ago(value: Any) -> str:
        return format_duration(round((clock() - _moment(value, clock)).total_seconds()) * 10**9)

    modify = function("string time", lambda form, date: _modified(form, date, strict=False))
    must_modify = function("string time", lambda form, date: _modified(form, date, strict=True))
    return {
        "ago": function("any", ago),
        "date": function("string any", lambda layout, value: in_zone(layout, value, "Local")),
        "dateInZone": function("string any string", in_zone),
        "dateModify": modify,
        "date_in_zone": function("string any string", in_zone),
        "date_modify": modify,
        "duration": function("any", _seconds),
        "durationRound": function("any", lambda value: _rounded(value, clock)),
        "htmlDate": function("any", lambda value: in_zone("2006-01-02", value, "Local")),
        "htmlDateInZone": function("any string", lambda value, name: in_zone("2006-01-02", value, name)),
        "mustDateModify": must_modify,
        "mustToDate": function("string string", lambda layout, text: Time(parse_time(layout, text))),
        "must_date_modify": must_modify,
        "now": function("", lambda: Time(clock())),
        "toDate": function("string string", _to_date),
        "unixEpoch": function("time", lambda date: str(unix(date.at))),
    }
