"""The watches of one cluster: a shelf per kind, begun with what is first read or written of it, kept true by a task.

A watch goes on through everything that passes; it ends where our rights or the kind end, and begins again with the
next read or write of the kind.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.object_store import ObjectStore, Seen, content_of
from gitops.engine.inventory import INSTANCE, MANAGED_BY
from gitops.engine.retry import pause_after
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.errors import ApiError, ClusterError
from gitops.ports import WatchEvent

log = structlog.get_logger()
OURS = f"{MANAGED_BY}={INSTANCE}"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
# The first list of a kind is waited for only so long; after that each object is asked for by name.
_FIRST_LIST_SECONDS = 60.0
_NAMESPACE_SECONDS = 5.0
_REFUSED_SECONDS, _REFUSED_PAUSE, _MOST_REFUSALS = 300.0, 2.0, 5
# Where nothing at all tells of changes, rights that come are found soon; where very many places are like that, later.
_BLIND_SECONDS, _LONGEST_BLIND_SECONDS, _EACH_BLIND_SECONDS = 2.0, 30.0, 0.5
_RIGHTS = "rbac.authorization.k8s.io"

Place = tuple[str, str, str]  # group, kind, namespace ("" = every one)


class SharedInformers:
    """The shelves of one cluster, each kept true by a task."""

    def __init__(self, cluster: KubernetesCluster, on_change: Callable[[Seen], None]) -> None:
        self._cluster = cluster
        self._on_change = on_change
        self._shelves: dict[Place, ObjectStore] = {}
        self._listed: dict[Place, asyncio.Event] = {}
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        # Until when (monotonic) a place is not tried again: our rights ended there, which may have been for a moment.
        self._refused: dict[Place, float] = {}
        self._blind: Counter[Place] = Counter()  # how often one was refused whose changes nothing else tells
        self._ended: set[Place] = set()  # it was told that these are not watched
        self._away: set[Place] = set()  # what is watched there cannot be reached now: nothing is answered from it
        self._closed = False
        self._writing: Counter[ResourceKey] = Counter()  # writes of ours that are not answered yet
        self._early: dict[ResourceKey, Seen] = {}  # what was seen of them before the answer
        self._namespaces: dict[str, tuple[float, Body]] = {}
        self._gone: Counter[tuple[str, str]] = Counter()  # group, kind → how many objects have gone from their shelves
        self._readers: dict[tuple[int, str], list[asyncio.Queue[WatchEvent | None]]] = {}

    async def shelf(self, group: str, kind: str, namespace: str) -> ObjectStore | None:
        """The shelf that holds this kind there, once it is filled; None where there can be none."""
        for _ in range(2):
            place = await self._watched_place(group, kind, namespace)
            if place is None or place in self._away:
                return None
            try:
                if not self._listed[place].is_set():  # a timeout is dear, and most are listed long since
                    async with asyncio.timeout(_FIRST_LIST_SECONDS):
                        await self._listed[place].wait()
            except TimeoutError:
                return None
            if place in self._shelves:
                return self._shelves[place]
        return None

    async def _watched_place(self, group: str, kind: str, namespace: str) -> Place | None:
        """The place whose watch covers this kind there, begun if it was not; None where there can be none."""
        place = (group, kind, namespace if self._is_refused((group, kind, "")) else "")
        if self._is_refused(place):
            return None
        if place not in self._tasks:
            info = (await self._cluster.kinds()).find(group, kind)
            if info is None or not {"list", "watch"} <= info.verbs:
                return None
            self._try_again(place)
        return place

    def _try_again(self, place: Place) -> None:
        if place not in self._tasks and not self._closed:
            self._begin(place)

    def _is_refused(self, place: Place) -> bool:
        return time.monotonic() < self._refused.get(place, 0.0)

    async def namespace(self, key: ResourceKey) -> Body | None:
        """A namespace that is not ours, as it was a moment ago: every Application in it asks whether it is there."""
        now = time.monotonic()
        known = self._namespaces.get(key.name)
        if known is None or now - known[0] > _NAMESPACE_SECONDS:
            body = await self._cluster.get(key)
            if body is None:
                self._namespaces.pop(key.name, None)
                return None
            known = self._namespaces[key.name] = (now, body)
        return known[1]

    def gone(self, key: ResourceKey) -> int:
        """How many objects of this kind went from their shelves so far, which may mean that they lost their label."""
        return self._gone[key.group, key.kind]

    def _begin(self, place: Place) -> None:
        self._listed[place] = asyncio.Event()
        self._tasks[place] = asyncio.create_task(self._run(place), name=f"watch {place[1]}")

    async def written(self, key: ResourceKey, write: Coroutine[Any, Any, Body]) -> Body:
        """Await a write of ours; an event of it that comes before its answer is no drift."""
        self._writing[key] += 1
        stored = None
        try:
            stored = await write
            await self._put_written(stored)
            return stored
        finally:
            self._writing[key] -= 1
            if not self._writing[key]:
                del self._writing[key]
                early = self._early.pop(key, None)
                if early is not None and (stored is None or not _is_same(early.body, stored)):
                    self._say(early)

    async def looked(self, key: ResourceKey, look: Coroutine[Any, Any, Body | None]) -> Body | None:
        """Await a look past the shelf, which learns what that tells."""
        shelf = self._shelf_of(key)
        began = shelf.serial if shelf is not None else 0
        body = await look
        if shelf is not None and body is not None and _is_ours(body):
            self._took_in(shelf, "MODIFIED", body, listed_from=began)
        elif shelf is not None and shelf.serial == began:
            self._lost(shelf, key)
        return body

    def _shelf_of(self, key: ResourceKey) -> ObjectStore | None:
        shelf = self._shelves.get((key.group, key.kind, ""))
        return shelf if shelf is not None else self._shelves.get((key.group, key.kind, key.namespace))

    async def _put_written(self, body: Body) -> None:
        """Put our own write on its shelf, so that what is planned next sees it.

        A kind that nobody watches yet came with this sync, or was away for a while: its watch begins here.
        """
        key = key_of(body)
        if key.group == _RIGHTS:
            self._try_all_again()
        if not _is_ours(body):
            return
        shelf = self._shelf_of(key)
        if shelf is None:
            with contextlib.suppress(ClusterError):  # the write is done, whatever becomes of its watch
                await self._watched_place(key.group, key.kind, key.namespace)
            return
        if shelf.is_past(body):
            return
        seen = shelf.put(body, ours=True)
        if seen is not None:
            self._tell(shelf, seen, "MODIFIED", body)

    @contextlib.asynccontextmanager
    async def follow(self, shelf: ObjectStore, set_id: str, serial: int) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Events of one set after `serial`."""
        missed = shelf.since(serial, set_id)
        if missed is None:
            raise ApiError(410, "Expired", "too much has happened since; list again")
        queue: asyncio.Queue[WatchEvent | None] = asyncio.Queue()
        for type_, body in missed:
            queue.put_nowait(WatchEvent(type_, body))
        readers = self._readers.setdefault((id(shelf), set_id), [])
        readers.append(queue)
        try:
            yield _drained(queue)
        finally:
            readers.remove(queue)
            if not readers:
                self._readers.pop((id(shelf), set_id), None)

    def _say(self, seen: Seen) -> None:
        """What whoever listens makes of one object must not end the watch of all the others."""
        try:
            self._on_change(seen)
            if seen.left:
                self._on_change(seen._replace(set_id=seen.left, body=None))
        except Exception:
            log.exception("watch.listener-crashed", object=str(seen.key))

    async def close(self) -> None:
        self._closed = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, place: Place) -> None:
        """List, then watch for as long as the kind is served; where our rights end there is no shelf."""
        shelf, pause, refusals, identity = ObjectStore(), _FIRST_PAUSE, 0, ""
        while True:
            try:
                if not shelf.version:
                    identity = await self._cluster.identity()
                    await self._list(place, shelf)
                    self._shelves[place] = shelf
                    self._listed[place].set()
                    self._is_watched(place)
                elif await self._cluster.has_gone_back(*place, shelf.version, identity):
                    log.warning("cluster.gone-back", group=place[0], kind=place[1], namespace=place[2])
                    shelf.version = ""
                    continue
                await self._watch(place, shelf)
                pause, refusals = _FIRST_PAUSE, 0
            except ApiError as exc:
                shelf.version = ""  # 410 and everything else: begin again with a list
                if exc.code >= 500:  # its server is away, or that of a webhook which converts it
                    self._away.add(place)
                    self._end_readers(shelf)
                refusals += exc.code == 403
                # An API server that starts refuses what it will allow in a moment.
                is_passing = exc.code == 403 and place in self._shelves and refusals < _MOST_REFUSALS
                pause = _REFUSED_PAUSE if is_passing else min(pause * 2, _LONGEST_PAUSE)
                if exc.code in (403, 404, 405) and not is_passing and not await self._is_left(place, exc):
                    return
            except ClusterError:
                pause = min(pause * 2, _LONGEST_PAUSE)
                shelf.version = ""  # it may come back with another history
                self._away.add(place)
                self._end_readers(shelf)
            except Exception:
                # A fault of ours, or an answer that no API server gives: a shelf that is not kept true is worse.
                log.exception("watch.crashed", group=place[0], kind=place[1])
                shelf.version, pause = "", _LONGEST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret

    async def _is_left(self, place: Place, exc: ApiError) -> bool:
        """Whether to go on with a watch that was refused: no, if our rights or the kind end here."""
        group, kind, namespace = place
        if exc.code in (403, 405):
            pause = await self._pause_of(place) if exc.code == 403 else _REFUSED_SECONDS
            self._refused[place] = time.monotonic() + pause
            asyncio.get_running_loop().call_later(pause, self._try_again, place)
        else:
            with contextlib.suppress(ClusterError):
                if not (await self._cluster.kinds(refresh=True)).is_gone(group, kind):
                    return True
        if place not in self._ended:  # told when it begins, not at every try
            self._ended.add(place)
            log.warning("watch.ended", group=group, kind=kind, namespace=namespace, reason=str(exc))
        shelf = self._shelves.pop(place, None)
        del self._tasks[place]
        if shelf is not None:
            self._end_readers(shelf)
        for key in shelf.keys() if shelf is not None else ():
            seen = shelf.take_away(key) if shelf is not None else None
            if seen is not None:
                self._say(seen)
        self._listed[place].set()
        return False

    async def _pause_of(self, place: Place) -> float:
        """How long a place that we have no right to watch is left alone.

        Where a kind may not be watched in the whole cluster, it is in its namespaces; who may not do that either sees
        no change at all until the right comes.
        """
        with contextlib.suppress(ClusterError):
            info = (await self._cluster.kinds()).find(place[0], place[1])
            if info is not None and info.namespaced and not place[2]:
                return _REFUSED_SECONDS
        self._blind[place] += 1
        pause = pause_after(self._blind[place], _BLIND_SECONDS, _LONGEST_BLIND_SECONDS)
        return min(max(pause, len(self._blind) * _EACH_BLIND_SECONDS), _REFUSED_SECONDS)

    def _is_watched(self, place: Place) -> None:
        """It is, from now on."""
        self._blind.pop(place, None)
        self._refused.pop(place, None)
        if place in self._ended:
            self._ended.discard(place)
            log.info("watch.begins-again", group=place[0], kind=place[1], namespace=place[2])

    def _try_all_again(self) -> None:
        """A role or its binding was written: rights may have come with it."""
        for place in [place for place in self._refused if place not in self._tasks]:
            self._refused[place] = 0.0
            asyncio.get_running_loop().call_later(_BLIND_SECONDS / 2, self._try_again, place)

    def _end_readers(self, shelf: ObjectStore) -> None:
        for (reader, _), queues in self._readers.items():
            for queue in queues if reader == id(shelf) else ():
                queue.put_nowait(None)

    async def _list(self, place: Place, shelf: ObjectStore) -> None:
        left, began = shelf.keys(), shelf.serial
        version = ""
        async for page in self._cluster.pages(*place, OURS):
            for body in page.items:
                left.discard(key_of(body))
                self._took_in(shelf, "ADDED", body, listed_from=began)
            version = page.version
            await asyncio.sleep(0)
        for key in left:
            self._lost(shelf, key)
        if not version:
            raise ApiError(405, "MethodNotAllowed", f"{place[1]} cannot be listed and watched")
        shelf.version = version

    async def _watch(self, place: Place, shelf: ObjectStore) -> None:
        async with self._cluster.watch(*place, shelf.version, OURS) as events:
            self._away.discard(place)
            async for event in events:
                shelf.check(event.body["metadata"]["resourceVersion"])
                if event.type == "DELETED":
                    self._lost(shelf, key_of(event.body))
                elif event.type != "BOOKMARK":
                    self._took_in(shelf, event.type, event.body)
                shelf.version = event.body["metadata"]["resourceVersion"]

    def _took_in(self, shelf: ObjectStore, type_: str, body: Body, listed_from: int | None = None) -> None:
        seen = shelf.put(body, listed_from=listed_from)
        if seen is not None:
            self._tell(shelf, seen, type_, body)

    def _lost(self, shelf: ObjectStore, key: ResourceKey) -> None:
        last = shelf.get(key)
        seen = shelf.take_away(key)
        self._gone[key.group, key.kind] += 1
        if seen is not None and last is not None:
            self._tell(shelf, seen, "DELETED", last)

    def _tell(self, shelf: ObjectStore, seen: Seen, type_: str, body: Body) -> None:
        for queue in self._readers.get((id(shelf), seen.set_id), ()):
            queue.put_nowait(WatchEvent(type_, body))  # type: ignore[arg-type]
        for queue in self._readers.get((id(shelf), seen.left), ()) if seen.left else ():
            queue.put_nowait(WatchEvent("DELETED", body))
        if seen.external_change and seen.key in self._writing:
            self._early[seen.key] = seen
            seen = seen._replace(external_change=False)
        self._say(seen)


def _is_ours(body: Body) -> bool:
    return (body["metadata"].get("labels") or {}).get(MANAGED_BY) == INSTANCE


def _is_same(seen: Body | None, stored: Body) -> bool:
    return seen is not None and content_of(seen) == content_of(stored)


async def _drained(queue: asyncio.Queue[WatchEvent | None]) -> AsyncIterator[WatchEvent]:
    """Events as they come; None says that the shelf is gone, or not kept true now: whoever reads has to list again."""
    while (event := await queue.get()) is not None:
        yield event
