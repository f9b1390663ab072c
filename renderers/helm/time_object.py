"""The time.Time that templates see, with its methods."""

from typing import Any

from renderers.helm.go_time import LOCAL, SECOND, ZERO, Moment
from renderers.helm.go_time_layout import DAYS, MONTHS, format_time
from renderers.helm.gotemplate.values import Function, GoObject, Int64, function


class Time(GoObject):
    """A time.Time."""

    go_type = "time.Time"

    def __init__(self, at: Moment) -> None:
        self.at = at

    def go_print(self, verb: str) -> str:
        return format_time(self.at, "2006-01-02 15:04:05.999999999 -0700 MST")

    def as_data(self) -> str:
        """As JSON has it."""
        return format_time(self.at, "2006-01-02T15:04:05.999999999Z07:00")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and self.at == other.at

    def __hash__(self) -> int:
        return hash(self.at)

    methods: dict[str, Function] = {  # noqa: RUF012
        "Year": function("", lambda self: self.at.civil.year),
        "Month": function("", lambda self: _Named(self.at.civil.month, MONTHS[self.at.civil.month - 1], "time.Month")),
        "Day": function("", lambda self: self.at.civil.day),
        "Hour": function("", lambda self: self.at.civil.hour),
        "Minute": function("", lambda self: self.at.civil.minute),
        "Second": function("", lambda self: self.at.civil.second),
        "Nanosecond": function("", lambda self: self.at.nanoseconds),
        "YearDay": function("", lambda self: self.at.year_day),
        "Weekday": function("", lambda self: _Named(self.at.weekday, DAYS[self.at.weekday], "time.Weekday")),
        "Unix": function("", lambda self: _since(self, 1)),
        "UnixNano": function("", lambda self: _since(self, SECOND)),
        "UnixMicro": function("", lambda self: _since(self, 10**6)),
        "UnixMilli": function("", lambda self: _since(self, 1000)),
        "Format": function("string", lambda self, layout: format_time(self.at, layout)),
        "UTC": function("", lambda self: Time(self.at.within(LOCAL))),
        "Local": function("", lambda self: Time(self.at.within(LOCAL))),
        "IsZero": function("", lambda self: self.at[:2] == ZERO[:2]),
        "String": function("", lambda self: self.go_print("v")),
        "AddDate": function("int int int", lambda self, *parts: Time(self.at.plus_date(*parts))),
        "Add": function("duration", lambda self, nanoseconds: Time(self.at.plus(nanoseconds))),
        "After": function("time", lambda self, other: self.at[:2] > other.at[:2]),
        "Before": function("time", lambda self, other: self.at[:2] < other.at[:2]),
        "Equal": function("time", lambda self, other: self.at[:2] == other.at[:2]),
    }


def _since(time: Any, parts: int) -> Int64:
    """Parts of a second since 1970, as an int64 holds them."""
    count = (time.at.seconds * SECOND + time.at.nanoseconds) // (SECOND // parts)
    return Int64((count + 2**63) % 2**64 - 2**63)


class _Named(GoObject):
    """A number that prints as a name: a month or a day of the week."""

    go_kind = "int"

    def __init__(self, number: int, name: str, go_type: str) -> None:
        self.number = number
        self._name = name
        self.go_type = go_type

    def go_print(self, verb: str) -> str:
        return self._name
