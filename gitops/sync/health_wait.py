"""Waits until objects are healthy, woken by watch events; holds nothing while it waits."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from gitops.engine.health import health_of
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.application import Application, HealthRule
from gitops.model.errors import ApiError, UnreachableError
from gitops.model.health import Health, HealthWord
from gitops.sync import events
from gitops.sync.context import SyncContext
from gitops.sync.diagnostics import Diagnostics

T = TypeVar("T")
# Answers to a list or watch that are no reason to give up: no right to watch, too old a version, a server in trouble.
_PASSING = {403, 404, 410, 429, 500, 502, 503, 504}
# How long to wait before a watch that ended, or may not be had, is tried again.
_AGAIN_SECONDS = 1.0
# What was deleted or changed is so for good when nobody has put it back by then: who corrects drift does at once.
_BACK_SECONDS = 5.0
# Pods are asked for with growing pauses: many workloads may be waited for at a time.
_FIRST_LOOK, _LONGEST_LOOK, _GROWTH = 2.0, 10.0, 1.5
_DELETED = Health(HealthWord.MISSING, "it was deleted while it was waited for", final=True)
_UNSEEN = Health(
    HealthWord.DEGRADED,
    "it is gone and was not seen to end (deleted, or its ttlSecondsAfterFinished is too short to tell)",
    final=True,
)


def health_when_gone(body: Body, own: tuple[HealthRule, ...] = ()) -> Health:
    """The health of an object that is not there any more, by its last state: a Job that its TTL removed has ended."""
    if body.get("kind") != "Job" or (body.get("spec") or {}).get("ttlSecondsAfterFinished") is None:
        return _DELETED
    last = health_of({**body, "metadata": {**body["metadata"], "deletionTimestamp": None}}, own)
    return last if last.final or last.is_settled else _UNSEEN


def _grouped(keys: Iterable[ResourceKey]) -> dict[tuple[str, str, str], set[ResourceKey]]:
    """By what one list or watch gives: group, kind and namespace."""
    groups: dict[tuple[str, str, str], set[ResourceKey]] = {}
    for key in keys:
        groups.setdefault((key.group, key.kind, key.namespace), set()).add(key)
    return groups


class HealthWait:
    """The health of some objects as events come in; `healths` is their present state."""

    def __init__(
        self,
        context: SyncContext,
        app: Application,
        labels: str,
        diagnostics: Diagnostics,
        free: Callable[[ResourceKey], Awaitable[None]],
        *,
        to_end: bool = False,
        changed: Callable[[ResourceKey, Body], str] = lambda key, body: "",
    ) -> None:
        """`free` is called now and then for a workload that is not healthy, to remove what it waits for in vain.

        `changed` says who has made something else of an object than what is waited for, "" as long as nobody has.
        With `to_end` a Job that is suspended is waited for: others (Kueue) do that until there is room.
        """
        self._cluster = context.cluster
        self._clock = context.clock
        self._emit = context.emit
        self._diagnostics = diagnostics
        self._own = app.health
        self._labels = labels
        self._free = free
        self._to_end = to_end
        self._who_changed = changed
        self._overtaken: dict[ResourceKey, float] = {}  # since when
        self._changed = asyncio.Event()
        self._last: dict[ResourceKey, Body] = {}
        self._gone: dict[ResourceKey, float] = {}  # since when
        self.healths: dict[ResourceKey, Health] = {}
        self.has_waited = False
        self.away_seconds = 0.0  # for so long nothing could be known: a deadline does not count them
        self._away: tuple[float, UnreachableError] | None = None

    async def until_settled(
        self, live: dict[ResourceKey, Body], seconds: float, *, look: bool = False
    ) -> dict[ResourceKey, Health]:
        """Wait until each object of `live` (as last seen) is settled, one has failed for good, or time is up.

        With `look` they were seen some time ago, and are looked at once more first.

        Raises UnreachableError when the cluster cannot be asked then: that says nothing about the objects.
        """
        self._last = dict(live)
        for key, body in live.items():
            self._see(key, self._health_of(body))
        deadline = self._clock.monotonic() + seconds
        if look:
            await asyncio.gather(*(self._look(group, keys) for group, keys in _grouped(live).items()))
        groups = _grouped(self._unsettled())
        watches = [asyncio.create_task(self._follow(group, keys)) for group, keys in groups.items()]
        watches += [
            asyncio.create_task(self._examine(key)) for key in self._unsettled() if self._diagnostics.can_look(key)
        ]
        watches.append(asyncio.create_task(self._give_up_what_is_lost()))
        try:
            while self._unsettled() and not any(health.has_failed for health in self.healths.values()):
                self.has_waited = True
                left = deadline + self.away_seconds - self._clock.monotonic()
                if left <= 0:
                    if self._away is not None:
                        raise self._away[1]
                    break
                await self._next_change(watches, left)
        finally:
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
        return dict(self.healths)

    async def _next_change(self, watches: list[asyncio.Task[None]], seconds: float) -> None:
        waiting = asyncio.create_task(self._changed.wait())
        time_is_up = asyncio.create_task(self._clock.sleep(seconds))
        try:
            done, _ = await asyncio.wait({waiting, time_is_up, *watches}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            time_is_up.cancel()
        for task in done & set(watches):
            task.result()  # a watch only ends by an error that must not be lost
        self._changed.clear()

    def _unsettled(self) -> Iterable[ResourceKey]:
        return [key for key, health in self.healths.items() if not health.is_settled]

    def _see(self, key: ResourceKey, health: Health) -> None:
        if self.healths.get(key) != health:
            self.healths[key] = health
            self._emit(events.HealthChanged(key, health))
            self._changed.set()

    async def _follow(self, group: tuple[str, str, str], keys: set[ResourceKey]) -> None:
        """List, then watch from there, again and again; without the right to watch, list every second.

        A server that cannot be reached is asked again until the deadline ends the wait.
        """
        while True:
            with contextlib.suppress(UnreachableError):
                try:
                    await self._follow_once(group, keys)
                except ApiError as exc:
                    if exc.code not in _PASSING:
                        raise
                    with contextlib.suppress(ApiError):
                        await self._ask(keys)
            await self._clock.sleep(_AGAIN_SECONDS)

    async def _follow_once(self, group: tuple[str, str, str], keys: set[ResourceKey]) -> None:
        version = await self._look(group, keys)
        async with self._cluster.watch(*group, version, self._labels) as changes:
            async for event in changes:
                if event.type == "DELETED":  # or its label was taken off: then it is still there
                    await self._ask({key_of(event.body)} & keys)
                elif event.type != "BOOKMARK":
                    self._judge(key_of(event.body), event.body, keys)

    async def _examine(self, key: ResourceKey) -> None:
        """Emit why a workload is not healthy, and give up on one whose pods cannot recover before the deadline."""
        since: float | None = None
        told = ""
        pause = _FIRST_LOOK
        while True:
            await self._clock.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_LOOK)
            if self.healths[key].is_settled:
                since = None
                continue
            with contextlib.suppress(ApiError, UnreachableError):
                await self._free(key)
                trouble = await self._diagnostics.trouble_of(key)
                now = self._clock.monotonic()
                since = None if trouble is None else now if since is None else since
                if trouble is not None and trouble.in_a_word != told:
                    told, health = trouble.in_a_word, self.healths[key]
                    self._emit(events.HealthChanged(key, replace(health, message=f"{health.message}; {told}")))
                if trouble is not None and since is not None and trouble.is_final(now - since, key.kind):
                    self._see(key, Health(HealthWord.DEGRADED, "cannot become healthy", final=True))

    async def _give_up_what_is_lost(self) -> None:
        """What was deleted, or made into something else, and not put back."""
        while True:
            await self._clock.sleep(_AGAIN_SECONDS)
            late = self._clock.monotonic() - _BACK_SECONDS
            for key in [key for key, since in self._gone.items() if since <= late]:
                with contextlib.suppress(ApiError, UnreachableError):
                    await self._ask([key])  # somebody may have made another one, which no watch of ours tells of
                if key in self._gone:
                    self._see(key, _DELETED)
            for key in [key for key, since in self._overtaken.items() if since <= late]:
                self._see(key, replace(self.healths[key], word=HealthWord.DEGRADED, final=True))

    @property
    def overtaken(self) -> frozenset[ResourceKey]:
        """What somebody has made into something else than what is waited for."""
        return frozenset(self._overtaken)

    async def _look(self, group: tuple[str, str, str], keys: set[ResourceKey]) -> str:
        listing = await self._answer_to(self._cluster.list(*group, self._labels))
        found = {key_of(body): body for body in listing.items}
        for key in keys:
            if key in found:
                self._judge(key, found[key], keys)
        await self._ask(key for key in keys if key not in found)
        return listing.version

    async def _ask(self, keys: Iterable[ResourceKey]) -> None:
        for key in keys:
            body = await self._answer_to(self._cluster.get(key))
            if body is not None:
                self._judge(key, body, {key})
                continue
            health: Health | None = health_when_gone(self._last[key], self._own)
            if health == _DELETED:
                self._gone.setdefault(key, self._clock.monotonic())
                health = replace(_DELETED, final=self.healths[key].final)
            elif health == _UNSEEN:
                with contextlib.suppress(ApiError):  # without the right to read events
                    health = await self._diagnostics.end_of(key, self._last[key])
            self._see(key, health or _UNSEEN)

    async def _answer_to(self, question: Awaitable[T]) -> T:
        """Only what cannot be asked is away: a watch that breaks is not, while a list tells how the objects are."""
        try:
            answer = await question
        except UnreachableError as exc:
            self._away = self._away or (self._clock.monotonic(), exc)
            raise
        if self._away is not None:
            self.away_seconds += self._clock.monotonic() - self._away[0]
            self._away = None
        return answer

    def _judge(self, key: ResourceKey, body: Body, keys: set[ResourceKey]) -> None:
        if key in keys:
            self._gone.pop(key, None)
            self._last[key] = body
            who = self._who_changed(key, body)
            if not who:
                self._overtaken.pop(key, None)
                self._see(key, self._health_of(body))
                return
            self._overtaken.setdefault(key, self._clock.monotonic())
            is_final = self.healths[key].final
            self._see(key, Health(HealthWord.PROGRESSING, f"it is not what was applied any more: {who}", is_final))

    def _health_of(self, body: Body) -> Health:
        health = health_of(body, self._own)
        if self._to_end and health.word is HealthWord.SUSPENDED:
            return Health(HealthWord.PROGRESSING, "suspended, so it has not run")
        return health
