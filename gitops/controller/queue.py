"""Which Application is passed over next: each waits at most once, urgent ones first, tenants in turn.

A key is never given out twice at the same time: what is put while it runs is told to whoever is done with it. What
waits for its time (a retry, a resync) holds no place.
"""

import asyncio
from collections import OrderedDict, deque
from enum import IntEnum


class Priority(IntEnum):
    """The most urgent first."""

    PERSON = 0
    COMMIT = 1
    DRIFT = 2
    RESYNC = 3


class WorkQueue:
    """Keys with their tenants; within a priority, tenants take turns, so that a large one delays nobody."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Priority, str]] = {}
        self._lines: dict[Priority, OrderedDict[str, deque[str]]] = {word: OrderedDict() for word in Priority}
        self._running: dict[str, Priority | None] = {}  # with what was put meanwhile
        self._timers: dict[str, tuple[float, asyncio.TimerHandle]] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait to be taken."""
        return len(self._waiting)

    def put(self, key: str, tenant: str, priority: Priority, *, after: float = 0.0) -> None:
        """Have `key` given out, not before `after` seconds; an earlier or more urgent one for it stands."""
        if after > 0:
            self._later(key, tenant, priority, after)
            return
        if key in self._running:
            again = self._running[key]
            if again is None or priority < again:
                self._running[key] = priority
            return
        known = self._waiting.get(key)
        if known is not None:
            if known[0] <= priority:
                return
            self._lines[known[0]][known[1]].remove(key)
        self._waiting[key] = (priority, tenant)
        self._lines[priority].setdefault(tenant, deque()).append(key)
        self._filled.set()

    def _later(self, key: str, tenant: str, priority: Priority, after: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + after
        known = self._timers.get(key)
        if known is not None:
            if known[0] <= due:
                return
            known[1].cancel()
        self._timers[key] = (due, loop.call_at(due, self._due, key, tenant, priority))

    def _due(self, key: str, tenant: str, priority: Priority) -> None:
        self._timers.pop(key, None)
        self.put(key, tenant, priority)

    async def take(self) -> tuple[str, Priority]:
        """The next key, and how urgent it is; it runs until `done`."""
        while True:
            for priority, tenants in self._lines.items():
                while tenants:
                    tenant, keys = tenants.popitem(last=False)
                    if not keys:
                        continue
                    key = keys.popleft()
                    if keys:
                        tenants[tenant] = keys  # to the end of the line
                    del self._waiting[key]
                    self._running[key] = None
                    return key, priority
            self._filled.clear()
            await self._filled.wait()

    def done(self, key: str) -> Priority | None:
        """The pass for `key` has ended: the most urgent one that was put for it meanwhile, to be put again, or None."""
        return self._running.pop(key, None)

    def drop(self, key: str) -> None:
        """Forget all that was put for `key`; a pass under way is not touched."""
        known = self._waiting.pop(key, None)
        if known is not None:
            self._lines[known[0]][known[1]].remove(key)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer[1].cancel()
        if key in self._running:
            self._running[key] = None
