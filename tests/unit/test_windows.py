"""Schedules of windows mean what crontab(5) says, on every day of every time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.model.application import Window
from gitops.model.errors import ConfigError
from policies.windows import check_window, closes, opens, reason_to_wait
from tests.soak import IS_SHARE, examples

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MINUTE = timedelta(minutes=1)


def window(schedule, duration=60.0, zone="UTC", kind="deny"):
    return Window(kind, schedule, duration, zone)


def days(schedule):
    """The days of November 2026 (which begins on a Sunday) on which a window opens at midnight."""
    first = datetime(2026, 11, 1, tzinfo=UTC)
    return [day + 1 for day in range(30) if closes(window(schedule), first + timedelta(days=day))]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 0 1 * 1", [1, 2, 9, 16, 23, 30]),  # the first, or a Monday
        ("0 0 1-7 * */7", [1]),  # a field that begins with a star restricts nothing by itself: both must hold
        ("0 0 * * */2", [1, 3, 5, 7, 8, 10, 12, 14, 15, 17, 19, 21, 22, 24, 26, 28, 29]),
        ("0 0 * * sun-tue", [1, 2, 3, 8, 9, 10, 15, 16, 17, 22, 23, 24, 29, 30]),
        ("0 0 * * 6-7", [1, 7, 8, 14, 15, 21, 22, 28, 29]),
        ("0 0 * * 0", [1, 8, 15, 22, 29]),
        ("0 0 * * 7", [1, 8, 15, 22, 29]),
        ("0 0 ? * Sat,5", [6, 7, 13, 14, 20, 21, 27, 28]),
        ("0 0 10-20/5,1 NOV ?", [1, 10, 15, 20]),
        ("@weekly", [1, 8, 15, 22, 29]),
        ("@monthly", [1]),
        ("@Daily", list(range(1, 31))),
        ("@hourly", list(range(1, 31))),
        ("@yearly", []),
    ],
)
def test_a_schedule_names_the_days_that_cron_names(schedule, expected):
    assert days(schedule) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        *("", "0 9 * *", "0 0 9 * * *", "@reboot", "@every 1h", "CRON_TZ=UTC 0 9 * * *", "0 9 30 2 *"),
        *(
            "60 9 * * *",
            "? 9 * * *",
            "0 9 32 * *",
            "0 9 * * 8",
            "0 9 * * 5-1",
            "0 9 * * so",
            "0 9 * * 1/0",
            "0 9 * * 1,",
        ),
    ],
)
def test_what_cron_would_not_read_is_refused(schedule):
    with pytest.raises(ConfigError, match="windows: schedule"):
        check_window(window(schedule))


def at(*parts):
    return datetime(*parts, tzinfo=AMSTERDAM)


def test_a_start_that_the_jump_in_spring_skips_counts_at_the_jump():
    night = window("30 2 * * *", 3600.0, "Europe/Amsterdam")
    jump = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 02:00 is 03:00
    assert closes(night, jump - MINUTE) is None
    assert closes(night, jump) == jump + timedelta(hours=1)
    assert opens(night, jump - MINUTE) == jump
    assert closes(night, jump + timedelta(hours=1)) is None


def test_a_start_whose_time_comes_twice_in_autumn_opens_once():
    night = window("30 2 * * *", 3600.0, "Europe/Amsterdam")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert closes(night, first) == closes(night, first + 59 * MINUTE) == first + timedelta(hours=1)
    assert closes(night, first + timedelta(hours=1)) is None
    assert opens(night, first + 30 * MINUTE) == at(2026, 10, 26, 2, 30).astimezone(UTC)


def test_a_duration_is_elapsed_time_and_its_end_is_told_as_it_will_be():
    window_ = window("0 1 * * *", 4 * 3600.0, "Europe/Amsterdam")
    assert "until 2026-03-29T06:00:00+02:00" in reason_to_wait((window_,), at(2026, 3, 29, 1, 30))
    assert "until 2026-10-25T04:00:00+01:00" in reason_to_wait((window_,), at(2026, 10, 25, 1, 30))


def test_of_windows_that_overlap_the_one_that_ends_last_is_told():
    hourly, daily = window("0 * * * *", 3 * 3600.0), window("0 0 * * *", 24 * 3600.0)
    now = datetime(2026, 6, 1, 5, 10, tzinfo=UTC)
    assert "until 2026-06-01T08:00:00" in reason_to_wait((hourly,), now)
    assert "until 2026-06-02T00:00:00" in reason_to_wait((daily, hourly), now)


# ── any schedule, any moment, held against a reading of crontab(5) that tries every minute ───────────────────────────

_LOWEST = (0, 0, 1, 1, 0)
_HIGHEST = (59, 23, 31, 12, 7)


@st.composite
def one_field(draw, place):
    """(text, values) of one field; the values of weekdays are 0 to 6."""
    low, high = _LOWEST[place], _HIGHEST[place]
    if draw(st.integers(0, 2)) == 0:
        step = draw(st.sampled_from([1, 1, 2, 5]))
        return ("*" if step == 1 else f"*/{step}"), set(range(low, high + 1, step))
    texts, values = [], set()
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, 4))
        if first == last:
            texts.append(str(first))
            values.add(first)
        else:
            texts.append(f"{first}-{last}/{step}")
            values |= set(range(first, last + 1, step))
    return ",".join(texts), values


@st.composite
def schedules(draw):
    fields = [draw(one_field(place)) for place in range(5)]
    fields[3] = draw(st.sampled_from([("*", set(range(1, 13))), ("3,10", {3, 10})]))
    return fields


def names(fields, local):
    minutes, hours, days_, months, weekdays = (values for _, values in fields)
    either = not fields[2][0].startswith("*") and not fields[4][0].startswith("*")
    by_day, by_weekday = local.day in days_, bool({local.isoweekday() % 7, local.isoweekday()} & weekdays)
    is_day = (by_day or by_weekday) if either else (by_day and by_weekday)
    return is_day and local.minute in minutes and local.hour in hours and local.month in months


def last_start(fields, zone, now, seconds):
    """The last start in the `seconds` up to `now`, found by trying each minute; None where there is none."""
    by_the_clock = not any(text.startswith("*") for text, _ in fields[:2])
    found = None
    moment = (now - timedelta(seconds=seconds)).replace(second=0)
    while moment <= now:
        local = moment.astimezone(zone)
        before = (moment - MINUTE).astimezone(zone)
        told = [local.replace(tzinfo=None)]
        if by_the_clock:  # what the clock jumped over, and never what it shows again
            skipped = before.replace(tzinfo=None) + MINUTE
            while skipped < told[-1]:
                told.insert(0, skipped)
                skipped += MINUTE
            told = [] if local.fold else told
        if now - moment < timedelta(seconds=seconds) and any(names(fields, one) for one in told):
            found = moment
        moment += MINUTE
    return found


def test_a_last_hour_of_the_day_that_comes_twice_counts_to_its_end():
    until_the_24th = window("* * 1-24 * *", 36_000.0, "Asia/Beirut")
    last = datetime(2026, 10, 24, 21, 59, tzinfo=UTC)  # 23:59 for the second time
    assert closes(until_the_24th, last + timedelta(hours=3)) == last + timedelta(hours=10)


@pytest.mark.parametrize("hours", ["1,4", "1,9"])
def test_a_window_opens_in_the_hour_to_which_clocks_jump_at_midnight(hours):
    before = datetime(2026, 3, 28, 21, 59, tzinfo=UTC)
    assert opens(window(f"* {hours} */2 * *", 60.0, "Asia/Beirut"), before) == before + MINUTE


NEAR_A_CHANGE = [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
ZONES = ["UTC", "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Santiago"]


@settings(deadline=None)
@given(
    schedules(),
    st.sampled_from(ZONES),
    st.sampled_from(NEAR_A_CHANGE) | st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.integers(-600, 600),
    st.sampled_from([600.0, 3600.0, 10 * 3600.0]),
)
def test_a_window_is_open_just_when_a_start_was_less_than_its_duration_ago(fields, zone, near, minutes, seconds):
    schedule = " ".join(text for text, _ in fields)
    try:
        check_window(window(schedule))
    except ConfigError:  # a day that none of the months has
        return
    now = near.replace(second=0, microsecond=0) + minutes * MINUTE
    start = last_start(fields, ZoneInfo(zone), now, seconds)
    expected = start + timedelta(seconds=seconds) if start else None
    assert closes(window(schedule, seconds, zone), now) == expected


MOMENTS = given(
    schedules(), st.sampled_from(ZONES), st.sampled_from(NEAR_A_CHANGE), st.integers(-600, 600), st.integers(0, 10**6)
)


def check_the_next_start(fields, zone, near, minutes, micro):
    one = window(" ".join(text for text, _ in fields), 60.0, zone)
    try:
        check_window(one)
    except ConfigError:
        return
    now = near + minutes * MINUTE + timedelta(microseconds=micro)
    following = opens(one, now)
    if following is None:
        return
    assert following > now
    assert closes(one, following) == following + MINUTE
    steps = range(1, min(120, int((following - now) / MINUTE)))  # a start at `now` itself would still be open
    assert not any(closes(one, following - step * MINUTE) for step in steps)


def test_the_next_start_is_the_first_moment_at_which_a_closed_window_opens():
    settings(deadline=None, max_examples=30)(MOMENTS(check_the_next_start))()


@pytest.mark.soak
@pytest.mark.timeout(4000)
def test_the_next_start_is_the_first_of_very_many():
    settings(deadline=None, max_examples=examples(5000), derandomize=IS_SHARE)(MOMENTS(check_the_next_start))()


def test_a_window_that_is_never_open_is_an_error():
    with pytest.raises(ConfigError, match=r"duration: .* would never open"):
        check_window(window("0 9 * * *", duration=0.0))


def test_a_window_in_an_hour_that_does_not_exist_opens_a_week_later():
    """In Beirut the clocks go from midnight to one."""
    one = window("*/5 0 * * 0", zone="Asia/Beirut")
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    following = opens(one, before)
    assert following == datetime(2026, 4, 4, 21, tzinfo=UTC)
    assert closes(one, following) == following + timedelta(minutes=1)


def test_a_window_opens_on_time_where_clocks_go_back_by_half_an_hour():
    """On Lord Howe two o'clock in summer is half past one in winter."""
    one = window("* 2 * * 0", 60.0, zone="Australia/Lord_Howe")
    assert opens(one, datetime(2026, 4, 4, 12, tzinfo=UTC)) == datetime(2026, 4, 4, 15, 30, tzinfo=UTC)


def test_of_two_allow_windows_the_earlier_opening_is_told():
    noon, evening = (window(f"0 {hour} * * *", 3600.0, kind="allow") for hour in (12, 20))
    now = datetime(2026, 6, 1, 5, 10, tzinfo=UTC)
    for windows in ((noon, evening), (evening, noon)):
        assert "the next opens at 2026-06-01T12:00:00" in reason_to_wait(windows, now)


def test_a_deny_window_wins_over_an_open_allow_window():
    allow, deny = window("0 * * * *", 3600.0, kind="allow"), window("0 5 * * *", 1800.0)
    now = datetime(2026, 6, 1, 5, 10, tzinfo=UTC)
    assert "denies syncs until 2026-06-01T05:30:00" in reason_to_wait((allow, deny), now)
    assert reason_to_wait((allow, deny), now.replace(minute=40)) == ""
    assert reason_to_wait((deny,), now.replace(minute=40)) == ""
