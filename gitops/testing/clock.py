"""A clock that moves only when it is told to: nothing waits for real time."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta


class SteppedClock:
    """`gitops.ports.Clock` that stands still until `step`; sleepers wake in the order of their times."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._monotonic + seconds, self._count, woken))
        await woken

    async def step(self, seconds: float) -> None:
        """Let `seconds` pass: each sleeper wakes at its own time, and what it does then is done before the next."""
        end = self._monotonic + seconds
        await _settled()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self._move(at)
            if not woken.done():
                woken.set_result(None)
                await _settled()
        self._move(end)

    def _move(self, monotonic: float) -> None:
        self._now += timedelta(seconds=monotonic - self._monotonic)
        self._monotonic = monotonic


async def _settled() -> None:
    """Give every task that can run its turn; a handful of rounds, as one wakes the next."""
    for _ in range(20):
        await asyncio.sleep(0)
