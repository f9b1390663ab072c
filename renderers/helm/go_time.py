"""Moments and durations as Go's time package has them; local time is UTC. Layouts are in go_time_layout.

A moment is seconds since 1970 with nanoseconds, since a year may be 0 and a second is divided further than Python's.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.quoting import quote

SECOND: Final = 10**9
_DAY: Final = 86400
_YEAR_ONE: Final = -62135596800
_LAST: Final = 253402300799
_MOST_YEARS: Final = 1_000_000


class Zone(NamedTuple):
    """A name and seconds east of UTC; `rules` are those of a zone whose offset changes."""

    name: str = "UTC"
    offset: int = 0
    rules: tzinfo | None = None


LOCAL: Final = Zone()


class Civil(NamedTuple):
    """A moment as a calendar and a clock show it."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int


class Moment(NamedTuple):
    """A time.Time without what is of no use to templates."""

    seconds: int
    nanoseconds: int = 0
    zone: Zone = LOCAL

    @property
    def offset(self) -> tuple[str, int]:
        """The zone's name, and its seconds east of UTC at this moment."""
        if self.zone.rules is None:
            return self.zone.name, self.zone.offset
        at = datetime.fromtimestamp(min(max(self.seconds, _YEAR_ONE + 2 * _DAY), _LAST - 2 * _DAY), UTC)
        there = at.astimezone(self.zone.rules)
        return there.tzname() or "UTC", int((there.utcoffset() or timedelta()).total_seconds())

    @property
    def civil(self) -> Civil:
        """Calendar and clock in its zone."""
        days, rest = divmod(self.seconds + self.offset[1], _DAY)
        return Civil(*civil_of(days), rest // 3600, rest // 60 % 60, rest % 60)

    @property
    def weekday(self) -> int:
        """0 is Sunday."""
        return ((self.seconds + self.offset[1]) // _DAY + 4) % 7

    @property
    def year_day(self) -> int:
        """1 is the first of January."""
        year, month, day = self.civil[:3]
        return days_of(year, month, day) - days_of(year, 1, 1) + 1

    def plus(self, nanoseconds: int) -> "Moment":
        """So much later. Raises FunctionError for a time beyond all calendars."""
        seconds, rest = divmod(self.nanoseconds + nanoseconds, SECOND)
        return _checked(Moment(self.seconds + seconds, rest, self.zone))

    def plus_date(self, years: int, months: int, days: int) -> "Moment":
        """Time.AddDate. Raises FunctionError."""
        year, month, day, hour, minute, second = self.civil
        if max(abs(years), abs(months), abs(days)) > 1000 * _MOST_YEARS:
            raise FunctionError("the time is out of range")
        return moment_of(year + years, month + months, day + days, (hour, minute, second), self.nanoseconds, self.zone)

    def within(self, zone: Zone) -> "Moment":
        """The same moment in another zone."""
        return self._replace(zone=zone)


ZERO: Final = Moment(_YEAR_ONE)


def _checked(moment: Moment) -> Moment:
    if abs(moment.seconds) > _MOST_YEARS * 366 * _DAY:
        raise FunctionError("the time is out of range")
    return moment


def now_of(at: datetime) -> Moment:
    """What a clock shows, as a moment in UTC."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return Moment(since.days * _DAY + since.seconds, since.microseconds * 1000)


def moment_of(
    year: int, month: int, day: int, clock: tuple[int, int, int], nanoseconds: int = 0, zone: Zone = LOCAL
) -> Moment:
    """time.Date: what is beyond a month or day goes on in the next. Raises FunctionError."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    seconds = (days_of(year, month, 1) + day - 1) * _DAY + clock[0] * 3600 + clock[1] * 60 + clock[2]
    guess = _checked(Moment(seconds, nanoseconds, zone))
    for _ in range(2):  # the offset is that of the moment itself
        guess = guess._replace(seconds=seconds - guess.offset[1])
    return guess


def days_of(year: int, month: int, day: int) -> int:
    """Days from 1970 on of a date in the calendar that Go takes for all times."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def civil_of(days: int) -> tuple[int, int, int]:
    """Year, month and day."""
    era, of_era = divmod(days + 719468, 146097)
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def zone_of(name: str) -> Zone:
    """The zone of that name; UTC for "Local" and for what is none."""
    if name in ("", "UTC", "Local") or not re.fullmatch(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*", name):
        return LOCAL
    try:
        return Zone(name, 0, ZoneInfo(name))
    except (OSError, ValueError, KeyError):
        return LOCAL


# ── durations ────────────────────────────────────────────────────────────────────────────────────────────────────

_UNITS: Final = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 10**6, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND,
}  # fmt: skip
_NUMBER: Final = re.compile(r"(\d*)(?:\.(\d*))?", re.ASCII)
_UNIT: Final = re.compile(r"[^.0-9]*")
_MOST_DIGITS: Final = 30


def parse_duration(text: str) -> int:
    """time.ParseDuration, in nanoseconds. Raises FunctionError."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    invalid = FunctionError(f"time: invalid duration {quote(text[:1000])}")
    if not body:
        raise invalid
    total, at = 0, 0
    while at < len(body):
        found = _NUMBER.match(body, at)
        assert found is not None
        whole, fraction = found[1], (found[2] or "")[:_MOST_DIGITS]
        at = found.end()
        unit = _UNIT.match(body, at)
        if not (whole or fraction) or len(whole) > _MOST_DIGITS or unit is None:
            raise invalid
        if not unit[0]:
            raise FunctionError(f"time: missing unit in duration {quote(text[:1000])}")
        if unit[0] not in _UNITS:
            raise FunctionError(f"time: unknown unit {quote(unit[0][:1000])} in duration {quote(text[:1000])}")
        size = _UNITS[unit[0]]
        total += int(whole or 0) * size + (int(fraction) * size // 10 ** len(fraction) if fraction else 0)
        at = unit.end()
        if total > 2**63 - (text[0] != "-"):
            raise invalid
    return -total if text[0] == "-" else total


def format_duration(nanoseconds: int) -> str:
    """Duration.String."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    if rest < SECOND:
        for unit, size in (("ns", 1), ("µs", 1000), ("ms", 10**6)):
            if rest < size * 1000:
                return f"{sign}{_fraction(rest, size)}{unit}"
    hours, rest = divmod(rest, 3600 * SECOND)
    minutes, rest = divmod(rest, 60 * SECOND)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{sign}{text}{_fraction(rest, SECOND)}s"


def _fraction(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
