"""So many at a time for each tenant (a namespace): what one of them does for ever, the others do not wait for.

What takes long gives its place to those that do not, as long as not too many do: of one tenant's Applications a few
endless ones hold up the others for a moment only.
"""

import asyncio
import contextlib
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_LONG_SECONDS = 2.0
_IDLE_SECONDS = 5.0
_MOST_LONG = 2


class TenantLimiter:
    """`each` is how many places a tenant has."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._places: dict[str, asyncio.Semaphore] = {}
        self._wanted: dict[str, int] = {}
        self._long: Counter[str] = Counter()
        self._without_place: set[asyncio.Future[Any]] = set()

    @contextlib.asynccontextmanager
    async def taken(self, tenants: Iterable[str]) -> AsyncIterator[None]:
        """Hold a place of that one of the tenants who wants the fewest now."""
        tenant = min(sorted(tenants), key=lambda name: self._wanted.get(name, 0))
        await self._take(tenant)
        try:
            yield
        finally:
            self._give_back(tenant)

    async def in_thread(self, tenant: str, work: Callable[[], T]) -> T:
        """What `work` gives, or raises, in a thread that meanwhile does nothing else.

        A thread cannot be ended, so whoever is cancelled leaves it behind: it keeps what it has of its tenant's
        places as long as it computes, and the process does not wait for it at its end.
        """
        await self._take(tenant)
        done = _begin(work)
        asyncio.get_running_loop().call_later(_LONG_SECONDS, self._is_long, tenant, done)
        done.add_done_callback(lambda ended: self._end(tenant, ended))
        return await asyncio.shield(done)

    def _is_long(self, tenant: str, work: "asyncio.Future[T]") -> None:
        if not work.done() and self._long[tenant] < _MOST_LONG:
            self._long[tenant] += 1
            self._without_place.add(work)
            self._give_back(tenant)

    def _end(self, tenant: str, work: "asyncio.Future[T]") -> None:
        if work not in self._without_place:
            self._give_back(tenant)
            return
        self._without_place.discard(work)
        self._long[tenant] -= 1

    async def _take(self, tenant: str) -> None:
        self._wanted[tenant] = self._wanted.get(tenant, 0) + 1
        places = self._places.setdefault(tenant, asyncio.Semaphore(self._each))
        try:
            await places.acquire()
        except asyncio.CancelledError:
            self._unwanted(tenant)
            raise

    def _give_back(self, tenant: str) -> None:
        self._places[tenant].release()
        self._unwanted(tenant)

    def _unwanted(self, tenant: str) -> None:
        self._wanted[tenant] -= 1
        if not self._wanted[tenant]:
            del self._wanted[tenant], self._places[tenant]


def _begin(work: Callable[[], T]) -> "asyncio.Future[T]":
    loop, context = asyncio.get_running_loop(), copy_context()
    done: asyncio.Future[T] = loop.create_future()
    done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # there may be nobody who hears it

    def told(settle: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(lambda: None if done.done() else settle())

    def run() -> None:
        try:
            result = context.run(work)
        except BaseException as exc:  # noqa: BLE001 - handed to whoever asked
            error = exc
            told(lambda: done.set_exception(error))
        else:
            told(lambda: done.set_result(result))

    _THREADS.run(run)
    return done


class _Threads:
    """A thread for each work at once; one whose work has ended takes the next, since to begin one stops the loop.

    One that has none for a while ends.
    """

    def __init__(self) -> None:
        self._idle: deque[SimpleQueue[Callable[[], None]]] = deque()

    def run(self, work: Callable[[], None]) -> None:
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="render", daemon=True).start()
        inbox.put(work)

    def _serve(self, inbox: "SimpleQueue[Callable[[], None]]") -> None:
        while True:
            try:
                work = inbox.get(timeout=_IDLE_SECONDS)
            except Empty:
                try:
                    self._idle.remove(inbox)
                except ValueError:  # it was just taken, and its work comes
                    continue
                return
            work()
            del work  # nothing of it is kept while the thread waits for the next
            self._idle.append(inbox)


_THREADS = _Threads()
