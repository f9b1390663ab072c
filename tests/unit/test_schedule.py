"""Cron schedules."""

from datetime import UTC, datetime

import pytest

from gitops.sandbox.workloads.schedule import ScheduleError, next_time, parse

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("schedule", "following"),
    [
        ("*/5 * * * *", "2026-01-01T12:05"),
        ("0 9 * * 1-5", "2026-01-02T09:00"),
        ("30 2 29 2 *", "2028-02-29T02:30"),
        ("@daily", "2026-01-02T00:00"),
        ("0 0 1,15 * mon", "2026-01-05T00:00"),
        ("0 0 * * 7", "2026-01-04T00:00"),
        ("59 23 31 dec *", "2026-12-31T23:59"),
    ],
)
def test_the_next_time_of_a_schedule(schedule, following):
    found = next_time(schedule, NOON)
    assert found is not None
    assert found.strftime("%Y-%m-%dT%H:%M") == following


def test_a_schedule_may_be_in_another_zone():
    assert next_time("0 9 * * *", NOON, "Europe/Amsterdam") == datetime(2026, 1, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["* * * *", "61 * * * *", "x * * * *", "5-1 * * * *"])
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(ScheduleError):
        parse(text)
    assert next_time(text, NOON) is None
