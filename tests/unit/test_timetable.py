"""Turns come at once and then again and again, also where the clock is set anew."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from gitops.controller.timetable import Every, Timetable
from gitops.testing.clock import SteppedClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class MovedClock(SteppedClock):
    """One whose time of day somebody sets."""

    moved = timedelta()

    def now(self):
        return super().now() + self.moved


def run(story):
    async def whole():
        clock, turns = MovedClock(), []

        async def work(name):
            turns.append(name)

        timetable = Timetable(clock, work)
        timetable.start()
        try:
            return await story(timetable, clock, turns)
        finally:
            timetable.stop()

    return asyncio.run(whole())


def test_a_turn_comes_at_once_and_then_again_and_again_until_it_is_dropped():
    async def story(timetable, clock, turns):
        timetable.every("a", 0.02)
        timetable.every("b", 60.0)
        await asyncio.sleep(0.3)
        assert (turns.count("a") > 3, turns.count("b")) == (True, 1)
        timetable.drop("a")
        await asyncio.sleep(0.05)
        before = turns.count("a")
        await asyncio.sleep(0.1)
        assert turns.count("a") == before
        timetable.drop("never known")
        timetable.put_off("never known", 1.0)

    run(story)


def test_another_interval_holds_at_once():
    async def story(timetable, clock, turns):
        timetable.every("a", 60.0)
        await asyncio.sleep(0.05)
        timetable.every("a", 0.02)
        await asyncio.sleep(0.2)
        assert turns.count("a") > 2

    run(story)


@pytest.mark.parametrize(("moved", "comes"), [(-3600, True), (3600, True), (3, False)])
def test_a_clock_that_is_set_keeps_nobody_waiting(moved, comes):
    async def story(timetable, clock, turns):
        timetable.every("a", 60.0)
        await asyncio.sleep(0.05)
        timetable.put_off("a", 3600.0)
        clock.moved = timedelta(seconds=moved)
        await clock.step(10.0)
        await asyncio.sleep(0.05)
        assert turns.count("a") == (2 if comes else 1)
        await clock.step(60.0)  # and it is noticed once
        await asyncio.sleep(0.05)
        assert turns.count("a") == (2 if comes else 1)

    run(story)


def test_what_was_missed_for_years_is_done_once():
    trigger, turns, at = Every(180.0), 0, NOW - timedelta(days=20_000)
    while at <= NOW:
        at = trigger.get_next_fire_time(at, NOW)
        turns += 1
    assert (turns, at) == (1, NOW + timedelta(seconds=180))


@pytest.mark.parametrize(("seconds", "longest"), [(180.0, 198.0), (3600.0, 3630.0)])
def test_turns_are_spread_over_a_tenth_of_the_interval_and_half_a_minute(seconds, longest):
    trigger = Every(seconds)
    found = [(trigger.get_next_fire_time(NOW, NOW) - NOW).total_seconds() for _ in range(200)]
    assert seconds <= min(found) < max(found) <= longest
    assert max(found) - min(found) > (longest - seconds) / 2
    assert (trigger.get_next_fire_time(None, NOW) - NOW).total_seconds() >= seconds


@pytest.mark.parametrize(("ended_by", "told"), [(ValueError("a fault"), True), (asyncio.CancelledError(), False)])
def test_the_scheduler_tells_of_a_fault_and_not_of_a_turn_that_is_ended(caplog, ended_by, told):
    async def story(timetable, clock, turns):
        """Nothing: it is stopped after this."""

    run(story)
    caplog.clear()
    scheduler = logging.getLogger("apscheduler.executors.default")
    scheduler.error("a turn raised", exc_info=(type(ended_by), ended_by, None))
    assert bool(caplog.records) is told
