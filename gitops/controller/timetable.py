"""What is to be done at once, and then again and again: by APScheduler, on a wall clock that may be set anew.

A machine without a clock of its own wakes up in 1970 until somebody tells it the time; a virtual machine sleeps for a
week. What was due meanwhile is done once, and what was due at times that will not come for long is done now.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from gitops.ports import Clock

log = structlog.get_logger()
# One that runs, one that sees so and ends, and a few that were asked for meanwhile.
_INSTANCES = 8
# Turns are spread over a tenth of the interval, so that replicas and repositories do not ask in step.
_JITTER, _LONGEST_JITTER = 0.1, 30.0
# How often the clock is looked at, and how far it has to have moved to be one that was set.
_LOOK_SECONDS, _MOVED_SECONDS = 10.0, 5.0


class Timetable:
    """Calls `work` with a name at once, and then again and again, each name with an interval of its own."""

    def __init__(self, clock: Clock, work: Callable[[str], Awaitable[None]]) -> None:
        self._clock = clock
        self._work = work
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._scheduler.start()
        self._watch = asyncio.create_task(self._follow_clock())

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if self._scheduler.running:
            logging.getLogger("apscheduler.executors.default").addFilter(_is_fault)
            self._scheduler.shutdown(wait=False)

    def every(self, name: str, seconds: float) -> None:
        """Now, and so many seconds after each turn; in place of another interval of this name."""
        self._scheduler.add_job(
            self._work,
            Every(seconds),
            args=[name],
            id=name,
            replace_existing=True,
            next_run_time=_now(),
            max_instances=_INSTANCES,
            coalesce=True,
            misfire_grace_time=None,
        )

    def put_off(self, name: str, seconds: float) -> None:
        """The next turn is in so many seconds."""
        with contextlib.suppress(JobLookupError):
            self._scheduler.modify_job(name, next_run_time=_now() + timedelta(seconds=seconds))

    def drop(self, name: str) -> None:
        """No more; a name that is not known is no error."""
        with contextlib.suppress(JobLookupError):
            self._scheduler.remove_job(name)

    async def _follow_clock(self) -> None:
        """Where the clock is set back, every next turn would be as far away as that."""
        offset = self._offset()
        while True:
            await self._clock.sleep(_LOOK_SECONDS)
            moved = self._offset() - offset
            if abs(moved) > _MOVED_SECONDS:
                log.warning("clock.moved", seconds=round(moved))
                offset += moved
                for job in self._scheduler.get_jobs():
                    self.put_off(job.id, 0.0)

    def _offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


class Every(BaseTrigger):  # type: ignore[misc] # APScheduler has no types
    """So many seconds after the last turn, or after now where that would be past: what was missed is not made up for.

    APScheduler's own interval counts every turn that was missed, which takes minutes after a year.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)
        self._jitter = min(seconds * _JITTER, _LONGEST_JITTER)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        begins = now if previous_fire_time is None else previous_fire_time
        after = begins + self._interval + timedelta(seconds=random.uniform(0, self._jitter))  # noqa: S311 - no secret
        return after if after > now else now + self._interval


def _now() -> datetime:
    """The time that APScheduler goes by."""
    return datetime.now(UTC)


def _is_fault(record: logging.LogRecord) -> bool:
    """A turn that is ended before it has begun is none, though the scheduler logs it as an error."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
