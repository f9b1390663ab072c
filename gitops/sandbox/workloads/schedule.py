"""Cron schedules, as CronJobs write them: five fields, ranges, steps, names and `@daily`-like words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_HORIZON_DAYS = 366 * 4


class ScheduleError(ValueError):
    """The text is no schedule."""


def parse(text: str) -> list[frozenset[int]]:
    """The minutes, hours, days, months and weekdays of a schedule; ScheduleError when it cannot be read."""
    fields = _WORDS.get(text, text).split()
    if len(fields) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{text}]")
    return [_field(field, *bounds) for field, bounds in zip(fields, _RANGES, strict=True)]


def _field(text: str, low: int, high: int) -> frozenset[int]:
    names = _MONTHS if high == 12 else _DAYS if high == 7 else ()
    found: set[int] = set()
    for part in text.lower().split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, (), 1, high) if slash else 1
        if span in ("*", "?"):
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, names, low, high)
            last = _number(end, names, low, high) if dash else (high if slash else first)
        if first > last:
            raise ScheduleError(f"beginning of range ({first}) beyond end of range ({last}): {part}")
        found.update(range(first, last + 1, step))
    if high == 7 and 7 in found:
        found.add(0)
    return frozenset(found)


def _number(text: str, names: tuple[str, ...], low: int, high: int) -> int:
    if text in names:
        return names.index(text) + (1 if len(names) == 12 else 0)
    if not text.isdigit():
        raise ScheduleError(f"failed to parse int from {text}: strconv.Atoi: parsing {text!r}: invalid syntax")
    number = int(text)
    if not low <= number <= high:
        raise ScheduleError(f"end of range ({number}) above maximum ({high}): {text}")
    return number


def next_time(text: str, after: datetime, zone: str = "UTC") -> datetime | None:
    """The first time after `after` that a schedule names; None when there is none in four years, or no schedule."""
    try:
        minutes, hours, days, months, weekdays = parse(text)
        local = after.astimezone(ZoneInfo(zone))
    except (ScheduleError, ZoneInfoNotFoundError):
        return None
    fields = _WORDS.get(text, text).split()
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    moment = local.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for _ in range(_HORIZON_DAYS):
        by_day, by_weekday = moment.day in days, moment.isoweekday() % 7 in weekdays
        if moment.month in months and ((by_day or by_weekday) if either else (by_day and by_weekday)):
            for hour in sorted(hour for hour in hours if hour >= moment.hour):
                first = moment.minute if hour == moment.hour else 0
                minute = next((entry for entry in sorted(minutes) if entry >= first), None)
                if minute is not None:
                    return moment.replace(hour=hour, minute=minute).astimezone(UTC)
        moment = (moment + timedelta(days=1)).replace(hour=0, minute=0)
    return None
