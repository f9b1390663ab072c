"""Sync windows: when an Application may be synced. A deny window wins; with allow windows, one must be open.

Schedules are read as crontab(5) reads them, in a time zone of their own, by cronsim, which follows Debian's cron over a
change of clocks: a start at a fixed time that the jump in spring skips counts at the jump, and one whose time comes
twice in autumn counts the first time; hours or minutes written with `*` go by elapsed time. A window lasts its whole
duration, whatever clocks do meanwhile.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, takewhile
from operator import itemgetter
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from gitops.model.application import Window
from gitops.model.errors import ConfigError

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# Local times may come twice: who looks back from a little later than now, misses none of the first times.
_CLOCKS_GO_BACK = timedelta(hours=3)


def reason_to_wait(windows: tuple[Window, ...], now: datetime) -> str:
    """Why a sync has to wait at `now` (with its time zone), or "". Raises ConfigError for a wrong window."""
    open_now = [(end, window) for window in windows if (end := closes(window, now)) is not None]
    denying = [(end, window) for end, window in open_now if window.kind == "deny"]
    if denying:
        end, window = max(denying, key=itemgetter(0))
        return f"a window ({window.schedule} {window.timeZone}) denies syncs until {_told(end, window)}"
    allowing = [window for window in windows if window.kind == "allow"]
    if not allowing or open_now:
        return ""
    opening = [(moment, window) for window in allowing if (moment := opens(window, now)) is not None]
    when = _told(*min(opening, key=itemgetter(0))) if opening else "no time at all"
    return f"outside its sync windows; the next opens at {when}"


def closes(window: Window, now: datetime) -> datetime | None:
    """When a window that is open at `now` closes, in UTC; None while it is closed."""
    starts = _starts(window, now + _CLOCKS_GO_BACK, reverse=True)
    last = next((start for start in starts if start <= now), None)
    if last is not None:
        last = max([last, *islice(_passed_over(window, last, now), 1)])
    end = last + timedelta(seconds=window.duration) if last else None
    return end if end and now < end else None


def opens(window: Window, now: datetime) -> datetime | None:
    """The first start after `now`, in UTC; None where there is none in fifty years.

    Where clocks go forward over all that the schedule names of a day, no window opens, though one is named.
    """
    length = timedelta(seconds=window.duration)
    starts = (start for start in _starts(window, now) if start > now)
    found = next((start for start in starts if closes(window, start) == start + length), None)
    if found is None:
        return None
    # Where clocks change, the way forward passes over some of them; the way back does not.
    zone = _zone(window)
    is_changed = now.astimezone(zone).utcoffset() != found.astimezone(zone).utcoffset()
    since = now if is_changed else max(now, found - _CLOCKS_GO_BACK)
    back = takewhile(lambda start: start > since, _starts(window, found, reverse=True))
    passed = chain(back, _passed_over(window, since, found))
    return min((start for start in passed if closes(window, start) == start + length), default=found)


def check_window(window: Window) -> None:
    """Raise ConfigError for a schedule or a time zone that cannot be read, or a window that is never open."""
    if window.duration <= 0:
        raise ConfigError(
            f"duration: expected a time such as 8h, got {window.duration:g}s (the window would never open)"
        )
    _starts(window, datetime(2000, 1, 1, tzinfo=UTC))


def _starts(window: Window, after: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """The moments that the schedule names after `after` (with `reverse` before it, the latest first), in UTC."""
    schedule = _WORDS.get(window.schedule.strip().lower(), window.schedule)
    fields = schedule.split()
    if len(fields) != 5:
        raise _wrong(window, f"expected five fields (minute hour day month weekday) or one of {', '.join(_WORDS)}")
    minute, hour, day, month, weekday = fields
    days = ["*" if field == "?" else field for field in (day, weekday)]
    local = after.astimezone(_zone(window))
    try:
        found: Iterable[datetime] = CronSim(" ".join((minute, hour, days[0], month, days[1])), local, reverse)
    except CronSimError as exc:
        raise _wrong(
            window, f"{str(exc).lower()}: expected numbers in their range, names, lists, ranges or steps"
        ) from exc
    return (moment.astimezone(UTC) for moment in found)


def _passed_over(window: Window, after: datetime, until: datetime) -> Iterator[datetime]:
    """Starts between two moments that the way back does not meet: where clocks go back at midnight, in that hour."""
    repeated = _end_of_repeated(_zone(window), after, until)
    starts = _starts(window, min(repeated, until), reverse=True) if repeated else iter(())
    return takewhile(lambda start: start > after, starts)


def _end_of_repeated(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The last second of the times that come twice since clocks went back between two moments, if they did, in UTC."""
    before, now = (moment.astimezone(zone).utcoffset() or timedelta() for moment in (after, until))
    if now >= before:
        return None
    while until - after > timedelta(seconds=1):
        middle = after + (until - after) / 2
        if (middle.astimezone(zone).utcoffset() or timedelta()) == before:
            after = middle
        else:
            until = middle
    return until.replace(microsecond=0) + (before - now) - timedelta(seconds=1)


def _told(moment: datetime, window: Window) -> str:
    return moment.astimezone(_zone(window)).isoformat()


def _wrong(window: Window, why: str) -> ConfigError:
    return ConfigError(f"windows: schedule {window.schedule!r}: {why}")


def _zone(window: Window) -> ZoneInfo:
    try:
        return ZoneInfo(window.timeZone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        name = window.timeZone
        raise ConfigError(f"windows: timeZone {name!r} is not known (write one such as Europe/Amsterdam)") from exc
