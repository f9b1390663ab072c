"""Functions of dates and durations, as sprig 3 has them."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from renderers.helm.functions_math import wrapped
from renderers.helm.go_time import SECOND, ZERO, Moment, format_duration, now_of, parse_duration, zone_of
from renderers.helm.go_time_layout import format_time, parse_time
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, Int32, Int64, function
from renderers.helm.time_object import Time

Clock = Callable[[], datetime]


def _moment(value: Any, clock: Clock) -> Moment:
    if isinstance(value, Time):
        return value.at
    return Moment(int(value)) if type(value) in (int, Int64, Int32) else now_of(clock())


def _modified(form: str, date: Time, strict: bool) -> Time:
    try:
        nanoseconds = parse_duration(form)
    except FunctionError:
        if strict:
            raise
        return date
    return Time(date.at.plus(nanoseconds))


def _to_date(layout: str, text: str) -> Time:
    try:
        return Time(parse_time(layout, text))
    except FunctionError:
        return Time(ZERO)


_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}")


def _seconds(value: Any) -> str:
    number = 0
    if type(value) is Int64 or (isinstance(value, str) and _WHOLE.fullmatch(value)):
        number = int(value)
    return format_duration(wrapped(number * SECOND))


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
        nanoseconds = _nanoseconds(now_of(clock())) - _nanoseconds(value.at)
    size = abs(nanoseconds)
    for unit, seconds in _ROUNDS:
        if size > seconds * 10**9:
            return f"{size // (seconds * 10**9)}{unit}"
    return "0s"


def _nanoseconds(at: Moment) -> int:
    return at.seconds * SECOND + at.nanoseconds


def date_functions(clock: Clock) -> dict[str, Function]:
    """The functions, `clock` giving the time that it is."""

    def in_zone(layout: str, value: Any, name: str) -> str:
        return format_time(_moment(value, clock).within(zone_of(name)), layout)

    def ago(value: Any) -> str:
        return format_duration((now_of(clock()).seconds - _moment(value, clock).seconds) * SECOND)

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
        "now": function("", lambda: Time(now_of(clock()))),
        "toDate": function("string string", _to_date),
        "unixEpoch": function("time", lambda date: str(date.at.seconds)),
    }
