"""Times and durations as Go's time package reads and writes them; local time is UTC."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, GoObject, Int64, function

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_PIECE: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|_2(?!006)|002|01|02|03|04|05|06|15|PM|pm|Z07:00:00|Z070000"
    r"|Z07:00|Z0700|Z07|-07:00:00|-070000|-07:00|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5"
)
ZERO: Final = datetime(1, 1, 1, tzinfo=UTC)


class Time(GoObject):
    """A time.Time."""

    go_type = "time.Time"

    def __init__(self, at: datetime) -> None:
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
        "Year": function("", lambda self: self.at.year),
        "Month": function("", lambda self: _Named(_MONTHS[self.at.month - 1], "time.Month")),
        "Day": function("", lambda self: self.at.day),
        "Hour": function("", lambda self: self.at.hour),
        "Minute": function("", lambda self: self.at.minute),
        "Second": function("", lambda self: self.at.second),
        "Nanosecond": function("", lambda self: self.at.microsecond * 1000),
        "YearDay": function("", lambda self: self.at.timetuple().tm_yday),
        "Weekday": function("", lambda self: _Named(_DAYS[self.at.weekday()], "time.Weekday")),
        "Unix": function("", lambda self: Int64(unix(self.at))),
        "UnixNano": function("", lambda self: Int64(unix(self.at) * 10**9 + self.at.microsecond * 1000)),
        "UnixMilli": function("", lambda self: Int64(unix(self.at) * 1000 + self.at.microsecond // 1000)),
        "Format": function("string", lambda self, layout: format_time(self.at, layout)),
        "UTC": function("", lambda self: Time(self.at.astimezone(UTC))),
        "Local": function("", lambda self: Time(self.at.astimezone(UTC))),
        "IsZero": function("", lambda self: self.at == ZERO),
        "String": function("", lambda self: self.go_print("v")),
        "AddDate": function("int int int", lambda self, *parts: Time(_add_date(self.at, *parts))),
    }


class _Named(GoObject):
    """A number that prints as a name: a month or a day of the week."""

    go_kind = "int"

    def __init__(self, name: str, go_type: str) -> None:
        self._name = name
        self.go_type = go_type

    def go_print(self, verb: str) -> str:
        return self._name


def unix(at: datetime) -> int:
    """Whole seconds since 1970."""
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1))


def _add_date(at: datetime, years: int, months: int, days: int) -> datetime:
    month = at.month - 1 + months
    try:
        first = at.replace(year=at.year + years + month // 12, month=month % 12 + 1, day=1)
        return first + timedelta(days=at.day - 1 + days)
    except (ValueError, OverflowError):
        raise FunctionError("the time is out of range") from None


def zone(name: str) -> tzinfo:
    """The zone of that name; UTC for "Local" and for what is none."""
    if name in ("", "UTC", "Local") or not re.fullmatch(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*", name):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return UTC


def format_time(at: datetime, layout: str) -> str:
    """time.Format."""
    return _PIECE.sub(lambda found: _written(at, found[0]), layout)


def _offset(at: datetime, form: str) -> str:
    seconds = int((at.utcoffset() or timedelta()).total_seconds())
    if form[0] == "Z" and seconds == 0:
        return "Z"
    sign, seconds = ("-" if seconds < 0 else "+"), abs(seconds)
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    match form[1:]:
        case "07":
            return f"{sign}{hours:02d}"
        case "07:00":
            return f"{sign}{hours:02d}:{minutes:02d}"
        case "0700":
            return f"{sign}{hours:02d}{minutes:02d}"
        case "07:00:00":
            return f"{sign}{hours:02d}:{minutes:02d}:{rest:02d}"
    return f"{sign}{hours:02d}{minutes:02d}{rest:02d}"


def _written(at: datetime, piece: str) -> str:
    hour = at.hour % 12 or 12
    fixed: dict[str, Any] = {
        "2006": f"{at.year:04d}", "06": f"{at.year % 100:02d}", "01": f"{at.month:02d}", "1": at.month,
        "Jan": _MONTHS[at.month - 1][:3], "January": _MONTHS[at.month - 1], "02": f"{at.day:02d}", "2": at.day,
        "_2": f"{at.day:2d}", "002": f"{at.timetuple().tm_yday:03d}", "__2": f"{at.timetuple().tm_yday:3d}",
        "15": f"{at.hour:02d}", "03": f"{hour:02d}", "3": hour, "04": f"{at.minute:02d}", "4": at.minute,
        "05": f"{at.second:02d}", "5": at.second, "PM": "AM" if at.hour < 12 else "PM",
        "pm": "am" if at.hour < 12 else "pm", "Mon": _DAYS[at.weekday()][:3], "Monday": _DAYS[at.weekday()],
    }  # fmt: skip
    if piece in fixed:
        return str(fixed[piece])
    if piece == "MST":
        name = at.tzname() or "UTC"
        return name if not name.startswith("UTC") or name == "UTC" else _offset(at, "-07")
    if piece[0] in "-Z":
        return _offset(at, piece)
    digits = f"{at.microsecond * 1000:09d}"[: len(piece) - 1]
    if piece[1] == "9":
        digits = digits.rstrip("0")
        return piece[0] + digits if digits else ""
    return piece[0] + digits


_READ: Final = {
    "2006": r"(?P<year>\d{4})", "06": r"(?P<short>\d\d)", "01": r"(?P<month>\d\d)", "1": r"(?P<month>\d\d?)",
    "02": r"(?P<day>\d\d)", "2": r"(?P<day>\d\d?)", "_2": r" ?(?P<day>\d\d?)", "15": r"(?P<hour>\d\d?)",
    "03": r"(?P<half>\d\d)", "3": r"(?P<half>\d\d?)", "04": r"(?P<minute>\d\d)", "4": r"(?P<minute>\d\d?)",
    "05": r"(?P<second>\d\d)(?P<part>[.,]\d+)?", "5": r"(?P<second>\d\d?)(?P<part>[.,]\d+)?",
    "PM": r"(?P<noon>AM|PM)", "pm": r"(?P<noon>am|pm)", "MST": r"(?P<zone>[A-Z]{3,5})",
    "Jan": r"(?P<name>[A-Za-z]{3})", "January": r"(?P<name>[A-Za-z]+)", "Mon": r"[A-Za-z]{3}", "Monday": r"[A-Za-z]+",
}  # fmt: skip


def parse_time(layout: str, text: str) -> datetime:
    """time.ParseInLocation in UTC. Raises FunctionError."""
    pattern, at = "", 0
    for found in _PIECE.finditer(layout):
        pattern += re.escape(layout[at : found.start()])
        piece = found[0]
        zoned = r"(?P<offset>Z|[+-]\d\d(?::?\d\d)?)" if piece[0] == "Z" else r"(?P<offset>[+-]\d\d(?::?\d\d)?)"
        pattern += _READ.get(piece) or (zoned if piece[0] in "-Z" else r"(?:[.,]\d+)?")
        at = found.end()
    try:
        matched = re.fullmatch(pattern + re.escape(layout[at:]), text)
    except re.error:
        matched = None
    if matched is None:
        raise FunctionError(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "{layout}"')
    try:
        return _assembled({key: value for key, value in matched.groupdict().items() if value is not None})
    except ValueError:
        raise FunctionError(f'parsing time "{text}": out of range') from None


def _assembled(read: dict[str, str]) -> datetime:
    year = int(read.get("year", "0"))
    if "short" in read:
        year = int(read["short"]) + (2000 if int(read["short"]) < 69 else 1900)
    month = int(read.get("month", "1"))
    if "name" in read:
        month = [name[:3].lower() for name in _MONTHS].index(read["name"][:3].lower()) + 1
    hour = int(read.get("hour", read.get("half", "0")))
    if "noon" in read:
        hour = hour % 12 + (12 if read["noon"].upper() == "PM" else 0)
    micro = int(read["part"][1:7].ljust(6, "0")) if "part" in read else 0
    offset = _read_offset(read.get("offset", "Z"))
    day, minute, second = int(read.get("day", "1")), int(read.get("minute", "0")), int(read.get("second", "0"))
    return datetime(max(year, 1), month, day, hour, minute, second, micro, tzinfo=offset)


def _read_offset(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60
    return timezone(timedelta(seconds=-seconds if text[0] == "-" else seconds)) if seconds else UTC


_UNITS: Final = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_DURATION: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> int:
    """time.ParseDuration, in nanoseconds. Raises FunctionError."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    total, at = 0, 0
    for found in _DURATION.finditer(body):
        if found.start() != at:
            break
        whole, _, fraction = found[1].partition(".")
        unit = _UNITS[found[2]]
        total += int(whole or 0) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        at = found.end()
    if not body or at != len(body) or total >= 2**63:
        raise FunctionError(f'time: invalid duration "{text}"')
    return -total if text[0] == "-" else total


def format_duration(nanoseconds: int) -> str:
    """Duration.String."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    if rest < 10**9:
        for unit, size in (("ns", 1), ("µs", 1000), ("ms", 10**6)):
            if rest < size * 1000:
                return f"{sign}{_fraction(rest, size)}{unit}"
    hours, rest = divmod(rest, 3600 * 10**9)
    minutes, rest = divmod(rest, 60 * 10**9)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{sign}{text}{_fraction(rest, 10**9)}s"


def _fraction(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
