"""The tasks that a controller is made of: none dies unseen, and all end together."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import structlog

from gitops.model.errors import GitopsError

log = structlog.get_logger()


class TaskSupervisor:
    """Long-lived parts, whose end is the controller's, and small pieces of work beside them, whose failure is told."""

    def __init__(self) -> None:
        self._parts: set[asyncio.Future[None]] = set()
        self._pieces: set[asyncio.Task[None]] = set()
        self._dead: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self, name: str, part: Awaitable[None]) -> "asyncio.Future[None]":
        """Start a part; its end, whatever the cause, ends the controller: half of one is worse than none."""
        task = asyncio.ensure_future(part)
        self._parts.add(task)
        task.add_done_callback(lambda ended: self._ended(name, ended))
        return task

    def once(self, work: Awaitable[None]) -> "asyncio.Task[None]":
        """Start a small piece of work; its failure is told, not fatal."""

        async def told() -> None:
            try:
                await work
            except GitopsError as exc:
                log.warning("store.unavailable", error=str(exc))

        task = asyncio.create_task(told())
        if asyncio.iscoroutine(work):  # one that is cancelled before it begins would complain of that
            task.add_done_callback(lambda _: work.close())
        self._pieces.add(task)
        task.add_done_callback(self._pieces.discard)
        return task

    async def until(self, stop: asyncio.Event) -> None:
        """Wait for `stop`. Raises what the first part that died raised."""
        stopping = asyncio.create_task(stop.wait())
        try:
            ends: set[asyncio.Future[Any]] = {stopping, self._dead}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._dead.done():
                self._dead.result()
        finally:
            stopping.cancel()

    async def end(self, seconds: float) -> bool:
        """Cancel everything; whether all of it ended in time."""
        tasks = {*self._parts, *self._pieces}
        for task in tasks:
            task.cancel()
        _, running = await asyncio.wait(tasks, timeout=seconds) if tasks else (set(), set())
        return not running

    def _ended(self, name: str, task: "asyncio.Future[None]") -> None:
        self._parts.discard(task)
        if task.cancelled() or self._dead.done():
            return
        self._dead.set_exception(task.exception() or GitopsError(f"the controller's part {name} ended by itself"))
