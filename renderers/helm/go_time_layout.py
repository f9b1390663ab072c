"""Moments as text: what Go's layouts write and read, and what Go says of text that does not fit one."""

import re
from collections.abc import Callable
from typing import Final

from renderers.helm.go_time import LOCAL, Moment, Zone, days_of, moment_of
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.quoting import quote

DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_PIECE: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|_2(?!006)|002|01|02|03|04|05|06|15|PM|pm|Z07:00:00|Z070000"
    r"|Z07:00|Z0700|Z07|-07:00:00|-070000|-07:00|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5"
)
_OFFSET: Final = re.compile(r"[+-]\d\d(?::?\d\d){0,2}", re.ASCII)
_DIGITS: Final = frozenset("0123456789")
_DAYS_IN: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def format_time(at: Moment, layout: str) -> str:
    """Time.Format."""
    return _PIECE.sub(lambda found: _written(at, found[0]), layout)


def _written(at: Moment, piece: str) -> str:
    if piece in _WRITE:
        return _WRITE[piece](at)
    if piece[0] in "-Z":
        return _offset_text(at.offset[1], piece)
    digits = f"{at.nanoseconds:09d}"[: len(piece) - 1].ljust(min(len(piece) - 1, 64), "0")
    if piece[1] == "9":
        digits = digits.rstrip("0")
        return piece[0] + digits if digits else ""
    return piece[0] + digits


def _padded_year(year: int) -> str:
    return f"{year:04d}" if year >= 0 else f"-{-year:04d}"


def _zone_name(at: Moment) -> str:
    name, offset = at.offset
    return name or _offset_text(offset, "-0700")


_WRITE: Final[dict[str, Callable[[Moment], str]]] = {
    "2006": lambda at: _padded_year(at.civil.year),
    "06": lambda at: f"{at.civil.year % 100:02d}",
    "01": lambda at: f"{at.civil.month:02d}",
    "1": lambda at: str(at.civil.month),
    "Jan": lambda at: MONTHS[at.civil.month - 1][:3],
    "January": lambda at: MONTHS[at.civil.month - 1],
    "02": lambda at: f"{at.civil.day:02d}",
    "2": lambda at: str(at.civil.day),
    "_2": lambda at: f"{at.civil.day:2d}",
    "002": lambda at: f"{at.year_day:03d}",
    "__2": lambda at: f"{at.year_day:3d}",
    "15": lambda at: f"{at.civil.hour:02d}",
    "03": lambda at: f"{at.civil.hour % 12 or 12:02d}",
    "3": lambda at: str(at.civil.hour % 12 or 12),
    "04": lambda at: f"{at.civil.minute:02d}",
    "4": lambda at: str(at.civil.minute),
    "05": lambda at: f"{at.civil.second:02d}",
    "5": lambda at: str(at.civil.second),
    "PM": lambda at: "AM" if at.civil.hour < 12 else "PM",
    "pm": lambda at: "am" if at.civil.hour < 12 else "pm",
    "Mon": lambda at: DAYS[at.weekday][:3],
    "Monday": lambda at: DAYS[at.weekday],
    "MST": _zone_name,
}


def _offset_text(seconds: int, form: str) -> str:
    if form[0] == "Z" and seconds == 0:
        return "Z"
    sign, seconds = ("-" if seconds < 0 else "+"), abs(seconds)
    colon = ":" if ":" in form else ""
    text = f"{sign}{seconds // 3600:02d}"
    digits = sum(each.isdigit() for each in form)
    if digits > 2:
        text += f"{colon}{seconds // 60 % 60:02d}"
    return text + (f"{colon}{seconds % 60:02d}" if digits > 4 else "")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _NoFit(Exception):
    """The text does not fit what is `wanted`, from `rest` on; or, with words, it is out of range."""

    def __init__(self, said: str = "", wanted: str = "", rest: str = "") -> None:
        super().__init__(said)
        self.said = said
        self.wanted = wanted
        self.rest = rest


class _Reader:
    """Takes one piece after the other off a text."""

    def __init__(self, text: str) -> None:
        self.rest = text
        self.found: dict[str, int] = {"month": -1, "day": -1, "year_day": -1}
        self.zone: Zone | None = None
        self.is_utc = False
        self.noon = ""

    def digits(self, least: int, most: int) -> int:
        """A number of so many digits."""
        count = 0
        while count < most and self.rest[count : count + 1] in _DIGITS:
            count += 1
        if count < least:
            raise _NoFit
        value = int(self.rest[:count])
        self.rest = self.rest[count:]
        return value

    def put(self, name: str, value: int, low: int, high: int) -> None:
        """Keep what was read. Raises _NoFit where it cannot be."""
        if not low <= value <= high:
            raise _NoFit(f"{name} out of range")
        self.found[name] = value

    def name(self, names: tuple[str, ...], length: int = 0) -> int:
        """Which of these names stands here."""
        for number, each in enumerate(names):
            wanted = each[:length] if length else each
            if self.rest[: len(wanted)].lower() == wanted.lower():
                self.rest = self.rest[len(wanted) :]
                return number
        raise _NoFit

    def space(self, most: int) -> None:
        """Leave out spaces in place of digits."""
        while most and self.rest.startswith(" "):
            self.rest = self.rest[1:]
            most -= 1

    def piece(self, piece: str, next_is_part: bool) -> None:
        """Take what stands for this piece of the layout. Raises _NoFit."""
        match piece:
            case "2006":
                self.found["year"] = self.digits(4, 4)
            case "06":
                short = self.digits(2, 2)
                self.found["year"] = short + (1900 if short >= 69 else 2000)
            case "01" | "1":
                self.put("month", self.digits(len(piece), 2), 1, 12)
            case "Jan" | "January":
                self.put("month", self.name(MONTHS, 3 if piece == "Jan" else 0) + 1, 1, 12)
            case "Mon" | "Monday":
                self.name(DAYS, 3 if piece == "Mon" else 0)
            case "02" | "2" | "_2":
                self.space(1 if piece == "_2" else 0)
                self.found["day"] = self.digits(2 if piece == "02" else 1, 2)
            case "002" | "__2":
                self.space(2 if piece == "__2" else 0)
                self.found["year_day"] = self.digits(3 if piece == "002" else 1, 3)
            case "15":
                self.put("hour", self.digits(1, 2), 0, 23)
            case "03" | "3":
                self.put("hour", self.digits(len(piece), 2), 0, 12)
            case "04" | "4":
                self.put("minute", self.digits(len(piece), 2), 0, 59)
            case "05" | "5":
                self.put("second", self.digits(len(piece), 2), 0, 59)
                if not next_is_part and self.rest[:1] in (".", ",") and self.rest[1:2] in _DIGITS:
                    self._part(re.match(r"\d+", self.rest[1:]).end())  # type: ignore[union-attr]
            case "PM" | "pm":
                self.noon = self.rest[:2]
                if self.noon.upper() not in ("AM", "PM") or self.noon.isupper() != piece.isupper():
                    raise _NoFit
                self.rest = self.rest[2:]
            case "MST":
                self._named_zone()
            case _:
                self._offset(piece) if piece[0] in "-Z" else self._fraction(piece)

    def _part(self, length: int) -> None:
        if self.rest[:1] not in (".", ","):
            raise _NoFit
        digits = self.rest[1 : 1 + length]
        if len(digits) < length or not _DIGITS.issuperset(digits):
            raise _NoFit
        self.found["part"] = int(digits[:9].ljust(9, "0"))
        self.rest = self.rest[1 + length :]

    def _fraction(self, piece: str) -> None:
        if piece[1] == "0":
            self._part(len(piece) - 1)
        elif self.rest[:1] in (".", ",") and self.rest[1:2] in _DIGITS:
            self._part(re.match(r"\d+", self.rest[1:]).end())  # type: ignore[union-attr]

    def _offset(self, piece: str) -> None:
        if piece[0] == "Z" and self.rest.startswith("Z"):
            self.rest, self.is_utc = self.rest[1:], True
            return
        shape = re.sub(r"\d", "0", piece[1:])
        taken = self.rest[: len(piece)]
        if taken[:1] not in ("+", "-") or re.sub(r"[0-9]", "0", taken[1:]) != shape:
            raise _NoFit
        digits = taken[1:].replace(":", "").ljust(6, "0")
        hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
        if hours > 24 or minutes > 60 or seconds > 60:
            raise _NoFit("time zone offset " + ("hour" if hours > 24 else "minute") + " out of range")
        total = hours * 3600 + minutes * 60 + seconds
        total = -total if taken[0] == "-" else total
        self.rest = self.rest[len(piece) :]
        self.zone, self.is_utc = (None, True) if not total else (Zone("", total), False)

    def _named_zone(self) -> None:
        if self.rest.startswith("UTC"):
            self.rest, self.is_utc = self.rest[3:], True
            return
        found = re.match(r"GMT[+-]\d{1,2}|[A-Z]{3,5}(?![A-Z])|[+-]\d\d(?:\d\d)?", self.rest)
        if not found or (len(found[0]) == 5 and found[0].isalpha() and found[0][4] != "T"):
            raise _NoFit
        hours = int(found[0][3:]) if found[0].startswith("GMT") and len(found[0]) > 3 else 0
        self.zone = Zone(found[0], hours * 3600)
        self.rest = self.rest[found.end() :]

    def moment(self) -> Moment:
        """The moment that was read. Raises _NoFit."""
        found = self.found
        hour = found.get("hour", 0)
        if self.noon.upper() == "PM" and hour < 12:
            hour += 12
        elif self.noon.upper() == "AM" and hour == 12:
            hour = 0
        year = found.get("year", 0)
        month, day = self._date(year)
        clock = (hour, found.get("minute", 0), found.get("second", 0))
        zone = self.zone if self.zone is not None and not self.is_utc else LOCAL
        return moment_of(year, month, day, clock, found.get("part", 0), zone)

    def _date(self, year: int) -> tuple[int, int]:
        found = self.found
        is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if found["year_day"] >= 0:
            if not 1 <= found["year_day"] <= 365 + is_leap:
                raise _NoFit("day-of-year out of range")
            days = days_of(year, 1, 1) + found["year_day"] - 1
            shown = Moment(days * 86400).civil
            if found["month"] not in (-1, shown.month):
                raise _NoFit("day-of-year does not match month")
            if found["day"] not in (-1, shown.day):
                raise _NoFit("day-of-year does not match day")
            return shown.month, shown.day
        month, day = max(found["month"], 1), found["day"] if found["day"] >= 0 else 1
        if not 1 <= day <= _DAYS_IN[month - 1] + (month == 2 and is_leap):
            raise _NoFit("day out of range")
        return month, day


def parse_time(layout: str, text: str) -> Moment:
    """time.ParseInLocation in UTC. Raises FunctionError."""
    reader = _Reader(text)
    at, wanted = 0, ""
    pieces = [(found.start(), found.end(), found[0]) for found in _PIECE.finditer(layout)]
    before = text
    try:
        for number, (start, end, wanted) in enumerate(pieces):
            _literal(reader, layout[at:start])
            before, at = reader.rest, end
            follows = pieces[number + 1] if number + 1 < len(pieces) else (-1, -1, " ")
            reader.piece(wanted, follows[0] == end and follows[2][0] in ".,")
        wanted = layout[at:]
        before = reader.rest
        _literal(reader, wanted)
        if reader.rest:
            raise FunctionError(f"parsing time {quote(text)}: extra text: {quote(reader.rest)}")
        return reader.moment()
    except _NoFit as wrong:
        if wrong.said:
            raise FunctionError(f"parsing time {quote(text)}: {wrong.said}") from None
        cannot = f"cannot parse {quote(wrong.rest if wrong.wanted else before)} as {quote(wrong.wanted or wanted)}"
        raise FunctionError(f"parsing time {quote(text)} as {quote(layout)}: {cannot}") from None


def _literal(reader: _Reader, literal: str) -> None:
    """What stands in the layout as it is; a space there stands for any number of them."""
    rest = reader.rest
    for at, each in enumerate(literal):
        if each == " ":
            if rest and not rest.startswith(" "):
                break
            rest = rest.lstrip(" ")
        elif rest[:1] != each:
            break
        else:
            rest = rest[1:]
        if at == len(literal) - 1:
            reader.rest = rest
            return
    if literal:
        raise _NoFit("", literal, rest)
