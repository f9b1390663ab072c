"""The cluster's own time: it may run faster than the world's, and tests may step it."""

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Time in seconds since the start, `speed` times as fast as the world's, and timers on it."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._started = time.monotonic()
        self._stepped = 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._wakeup: asyncio.TimerHandle | None = None

    def time(self) -> float:
        """Seconds of cluster time since the start."""
        return (time.monotonic() - self._started) * self.speed + self._stepped

    @staticmethod
    def stamp() -> str:
        """The world's time as objects carry it: RFC 3339, whole seconds."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @staticmethod
    def stamp_after(seconds: float) -> str:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    @staticmethod
    def micro_stamp() -> str:
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def call_after(self, seconds: float, action: Callable[[], None]) -> None:
        """Runs `action` on the running loop once so much cluster time has passed."""
        self._count += 1
        heapq.heappush(self._timers, (self.time() + seconds, self._count, action))
        self._arm()

    def step(self, seconds: float) -> None:
        """Moves the cluster's time ahead; timers that are due then run at once, in order."""
        self._stepped += seconds
        self._run_due()

    def _arm(self) -> None:
        if self._wakeup is not None:
            self._wakeup.cancel()
            self._wakeup = None
        if self._timers:
            delay = max(0.0, (self._timers[0][0] - self.time()) / self.speed)
            self._wakeup = asyncio.get_running_loop().call_later(delay, self._run_due)

    def _run_due(self) -> None:
        while self._timers and self._timers[0][0] <= self.time() + 1e-6:
            heapq.heappop(self._timers)[2]()
        self._arm()

    def close(self) -> None:
        """Drops every timer."""
        self._timers.clear()
        if self._wakeup is not None:
            self._wakeup.cancel()
            self._wakeup = None
