"""Brings notifications to their destinations, each in a line of its own: one that is dead or slow holds up nobody.

A destination gets so many messages a minute at the most; what waits beyond that is told in one summary.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from gitops.engine.notifications import summary_of, told
from gitops.model.errors import NotificationError
from gitops.model.notification import COMMIT_TYPES, Notification, Place
from gitops.ports import Clock, Notifier

log = structlog.get_logger()
BURST: Final = 10
_LONGEST_PAUSE: Final = 300.0
_MOST_LINES: Final = 1024
_OLDEST: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A notification of an Application with its text, on its way to one destination."""

    identity: str
    note: Notification
    text: str


@dataclass(slots=True)
class _Line:
    """What waits for one destination; `tokens` are the messages that it may get at once, as of `at` (monotonic)."""

    waiting: deque[Parcel] = field(default_factory=deque)
    known: set[str] = field(default_factory=set)  # notifications that wait, or are being sent
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: float = BURST
    at: float = 0.0
    failures: int = 0
    pause: float = 0.0
    task: asyncio.Task[None] | None = None


class Deliveries:
    """`place` finds a destination by its name, None where there is none any more; `is_ours` tells whether this replica
    still tells of an Application, and `let_go` hears of one that it does not. `ended` is awaited with what has been
    delivered, or given up, and with the result.
    """

    def __init__(
        self,
        notifier: Notifier,
        clock: Clock,
        place: Callable[[str], Place | None],
        is_ours: Callable[[str], bool],
        ended: Callable[[str, Sequence[Parcel], str], Awaitable[None]],
        let_go: Callable[[str], None],
    ) -> None:
        self._notifier = notifier
        self._clock = clock
        self._place = place
        self._is_ours = is_ours
        self._ended = ended
        self._let_go = let_go
        self._lines: dict[str, _Line] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            for name, line in self._lines.items():
                self._begin(name, line)
            await asyncio.Event().wait()

    def put(self, destination: str, parcel: Parcel) -> None:
        """Have a parcel delivered in its turn, once."""
        line = self._lines.get(destination)
        if line is None:
            self._clear_away()
            line = self._lines[destination] = _Line(at=self._clock.monotonic())
            self._begin(destination, line)
        if parcel.note.id not in line.known:
            line.known.add(parcel.note.id)
            line.waiting.append(parcel)
            line.wake.set()

    def _begin(self, name: str, line: _Line) -> None:
        if self._tasks is not None:
            line.task = self._tasks.create_task(self._work(name, line), name=f"notify {name}")

    def _clear_away(self) -> None:
        """Of destinations that come and go, those that nothing waits for are not kept without end."""
        if len(self._lines) < _MOST_LINES:
            return
        for name, line in list(self._lines.items()):
            if not line.known and line.task is not None:
                line.task.cancel()
                del self._lines[name]

    async def _work(self, name: str, line: _Line) -> None:
        while True:
            while not line.waiting:
                line.wake.clear()
                await line.wake.wait()
            try:
                await self._deliver(name, line)
            except Exception:
                # A destination that nobody expected to fail so must not end the others.
                log.exception("notification.crashed", destination=name)

    async def _deliver(self, name: str, line: _Line) -> None:
        """The next message to one destination."""
        place = self._place(name)
        has_waited = line.pause > 0
        if has_waited:
            await self._clock.sleep(line.pause)
            line.pause = 0.0
        if place is not None:
            has_waited |= await self._wait_for_turn(line, place)
        batch = _taken(line, place, all_of_them=has_waited)
        ours = [parcel for parcel in batch if self._is_ours(parcel.identity)]
        for parcel in batch:
            if parcel not in ours:
                line.known.discard(parcel.note.id)
                self._let_go(parcel.identity)
        if not ours:
            return
        if place is None:
            await self._end(name, ours, "unknown")
            return
        if place.spec.type in COMMIT_TYPES:
            ours = await self._newest(name, ours)
        note, text = ours[0].note, ours[0].text
        if len(ours) > 1:
            note = summary_of([parcel.note for parcel in ours])
            text = told(note)
        try:
            is_sent = await self._notifier.send(place, note, text)
        except NotificationError as exc:
            await self._failed(name, line, ours, exc)
            return
        line.failures = 0
        await self._end(name, ours, "sent" if is_sent else "skipped")

    async def _wait_for_turn(self, line: _Line, place: Place) -> bool:
        """Wait until the destination may get another message; whether that took a while."""
        if place.spec.type == "alertmanager":  # which groups by itself, and needs each alert
            return False
        each = 60.0 / place.spec.rate
        now = self._clock.monotonic()
        line.tokens, line.at = min(float(BURST), line.tokens + (now - line.at) / each), now
        has_waited = line.tokens < 1
        if has_waited:
            await self._clock.sleep((1 - line.tokens) * each)
            line.tokens, line.at = 1.0, self._clock.monotonic()
        line.tokens -= 1
        return has_waited

    async def _newest(self, name: str, batch: list[Parcel]) -> list[Parcel]:
        """A commit has one status: what an older notification says of it is not told any more."""
        if batch[:-1]:
            await self._end(name, batch[:-1], "superseded")
        return batch[-1:]

    async def _failed(self, name: str, line: _Line, batch: list[Parcel], exc: NotificationError) -> None:
        """Try again later, longer and longer apart; give up what is too old, or will never be taken."""
        now = self._clock.now()
        old = [one for one in batch if exc.is_final or now - datetime.fromisoformat(one.note.at) > _OLDEST]
        again = [one for one in batch if one not in old]
        log.warning("notification.failed", destination=name, error=str(exc), again=len(again), given_up=len(old))
        if old:
            await self._end(name, old, "failed")
        if again:
            line.failures += 1
            line.pause = max(exc.after, min(_LONGEST_PAUSE, 2.0**line.failures))
            line.waiting.extendleft(reversed(again))

    async def _end(self, name: str, batch: Sequence[Parcel], result: str) -> None:
        log.info("notification.ended", destination=name, result=result, count=len(batch), fact=batch[0].note.fact)
        if name in self._lines:
            self._lines[name].known -= {parcel.note.id for parcel in batch}
        await self._ended(name, batch, result)


def _taken(line: _Line, place: Place | None, *, all_of_them: bool) -> list[Parcel]:
    """What the next message is of: one parcel; all of many that had to wait; of a commit, all that is said of it."""
    first = line.waiting.popleft()
    if place is not None and place.spec.type in COMMIT_TYPES:
        about = (first.identity, first.note.revision)
        same = [one for one in line.waiting if (one.identity, one.note.revision) == about]
        line.waiting = deque(one for one in line.waiting if (one.identity, one.note.revision) != about)
        return [first, *same]
    if place is None or (all_of_them and len(line.waiting) >= BURST and place.spec.type != "alertmanager"):
        rest = list(line.waiting)
        line.waiting.clear()
        return [first, *rest]
    return [first]
