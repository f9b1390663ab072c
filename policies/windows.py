"""Sync windows: when an Application may be synced. A deny window wins; with allow windows, one must be open.

Schedules are cron expressions in a time zone of their own; over a change of clocks a window opens at the local time
that it names and lasts its whole duration.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from gitops.model.application import Window
from gitops.model.errors import ConfigError

# cron counts weekdays from Sunday (0 or 7), the trigger's library from Monday: names mean the same to both.
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")


def reason_to_wait(windows: tuple[Window, ...], now: datetime) -> str:
    """Why a sync has to wait at `now` (with its time zone), or "". Raises ConfigError for a wrong window."""
    for window in windows:
        opened = _opened(window, now)
        if window.kind == "deny" and opened is not None:
            closes = opened + timedelta(seconds=window.duration)
            return f"a window ({window.schedule} {window.timeZone}) denies syncs until {closes.isoformat()}"
    allowing = [window for window in windows if window.kind == "allow"]
    if not allowing or any(_opened(window, now) is not None for window in allowing):
        return ""
    opens = [moment for window in allowing if (moment := _trigger(window).get_next_fire_time(None, now)) is not None]
    return f"outside its sync windows; the next opens at {min(opens).isoformat() if opens else 'no time at all'}"


def _opened(window: Window, now: datetime) -> datetime | None:
    """When the window that is open at `now` opened; None while it is closed."""
    moment: datetime | None = _trigger(window).get_next_fire_time(None, now - timedelta(seconds=window.duration))
    while moment is not None and moment <= now:
        if now < moment.astimezone(UTC) + timedelta(seconds=window.duration):
            return moment
        moment = _trigger(window).get_next_fire_time(moment, moment + timedelta(seconds=1))
    return None


def _trigger(window: Window) -> CronTrigger:
    parts = window.schedule.split()
    if len(parts) != 5:
        raise ConfigError(
            f"windows: schedule {window.schedule!r}: expected five fields (minute hour day month weekday)"
        )
    minute, hour, day, month, weekday = parts
    try:
        return CronTrigger(
            minute=minute,
            hour=hour,
            day=day,
            month=month,
            day_of_week=_named_days(weekday),
            timezone=_zone(window.timeZone),
        )
    except ValueError as exc:
        raise ConfigError(f"windows: schedule {window.schedule!r}: {exc}") from exc


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise ConfigError(f"windows: timeZone {name!r} is not known (write one such as Europe/Amsterdam)") from exc


def _named_days(weekday: str) -> str:
    """`1-5` → `mon,tue,wed,thu,fri`; names, `*` and steps stay as they are."""
    named = []
    for part in weekday.lower().split(","):
        days, _, step = part.partition("/")
        numbers = re.fullmatch(r"([0-7])(?:-([0-7]))?", days)
        if numbers is None:
            named.append(part)
            continue
        first = int(numbers[1])
        last = int(numbers[2] or (6 if step else first))
        named += [_DAYS[day] for day in range(first, last + 1, int(step or 1))]
    return ",".join(dict.fromkeys(named))
