"""Answers that cost requests to a cluster and that many look at, kept for a moment: one request is made for all."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

_SECONDS: Final = 2.0
_MOST: Final = 64

Answer = dict[str, Any]


class RecentAnswers:
    """The answers of the last moment, by what they are of; a failure is kept no longer than those who wait for it."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._kept: dict[str, tuple[float, asyncio.Task[Answer]]] = {}

    async def get(self, name: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer called `name`; `make` makes it where there is none that is new enough."""
        made_at, task = self._kept.get(name, (float("-inf"), None))
        is_old = time.monotonic() - made_at > self._seconds
        if task is None or (task.done() and (is_old or task.cancelled() or task.exception() is not None)):
            task = asyncio.ensure_future(_made(make))
            self._kept.pop(name, None)
            self._kept[name] = (time.monotonic(), task)
            while len(self._kept) > _MOST:
                self._kept.pop(next(iter(self._kept)))
        # Who leaves takes the answer from nobody else who waits for it.
        return await asyncio.shield(task)

    def forget(self, application: str) -> None:
        """Something was done to an object of the Application: whoever looks next sees it as it is now."""
        for name in [name for name in self._kept if application in name.split(" ")]:
            del self._kept[name]


async def _made(make: Callable[[], Awaitable[Answer]]) -> Answer:
    return await make()
