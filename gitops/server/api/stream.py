"""Server-sent events: what changed, as it changes, from where the client was cut off.

    id: EPOCH-NUMBER
    event: application | gone | reset
    data: a row of the list | {"application": …} | {}

Who asks is told of the Applications that they may see, by the policy as it is then; of others not even that they are
no more. Changes that come close together are sent as one. Who does not take what is sent is disconnected, as on every
connection (`gitops.server.doors`); streams are only some of the connections, so that others find place.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
import structlog
from aiohttp import web

from gitops.model.errors import StoreError
from gitops.server.auth.person import Sight
from gitops.server.doors import goes_on, most_connections
from gitops.server.overview import Overview
from gitops.server.problems import Problem
from gitops.views.listing import row_data

log = structlog.get_logger()
_TOGETHER_SECONDS: Final = 0.1
_BEAT_SECONDS: Final = 10.0
# Beyond so many, it is less to read everything again.
_MOST_AT_ONCE: Final = 200
EVENTS: Final = {"Content-Type": "text/event-stream"}
_LONGEST_SECONDS: Final = 3600.0  # then the client comes again, with a token that may have ended meanwhile


Send = Callable[[web.StreamResponse], Awaitable[None]]


class Streams:
    """The open streams; at most a half of all connections."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._most = most_connections() // 2
        self._open: set[asyncio.Task[object]] = set()

    async def serve(self, request: web.Request, sight: Callable[[], Awaitable[Sight]]) -> web.StreamResponse:
        """Send what changes of what `sight` then sees, until the client leaves or may see nothing any more.

        Raises Problem where there is no place.
        """

        async def send(response: web.StreamResponse) -> None:
            await self._send(request, response, sight)

        return await self.hold(request, send, _LONGEST_SECONDS)

    async def hold(
        self, request: web.Request, send: Send, seconds: float, headers: Mapping[str, str] = EVENTS
    ) -> web.StreamResponse:
        """Have `send` send until it ends, or for so long. Raises Problem where there is no place."""
        task = asyncio.current_task()
        if len(self._open) >= self._most or task is None:
            raise Problem(503, "Too many streams", "as many are open as may be; try again later", Retry_After="30")
        response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers})
        self._open.add(task)
        try:
            await response.prepare(request)
            async with asyncio.timeout(seconds):
                await send(response)
        except (TimeoutError, ConnectionError, StoreError) as exc:
            # The client comes again, and goes on where it was.
            log.debug("http.stream.ended", reason=str(exc) or type(exc).__name__)
        except Problem:
            # Whoever it was may not come in any more: the stream ends here, and the next request is told why.
            if not response.prepared:
                raise
        finally:
            self._open.discard(task)
        return response

    async def close(self) -> None:
        """End all of them: a server that stops waits for nobody."""
        for task in list(self._open):
            task.cancel()

    async def _send(
        self, request: web.Request, response: web.StreamResponse, sight: Callable[[], Awaitable[Sight]]
    ) -> None:
        feed = self._overview.feed
        given = request.headers.get("Last-Event-ID", "")
        number = feed.number_in(given) if given else feed.number
        if number is None:
            await write(request, response, _event(feed.id, "reset", {}))
            number = feed.number
        else:
            await write(request, response, f"retry: 2000\nid: {given or feed.id}\n\n".encode())
        told = time.monotonic()
        while True:
            if not await feed.after(number, _BEAT_SECONDS):
                await sight()
                await self._overview.rows()  # what other replicas told meanwhile
                await write(request, response, b": \n\n")
                told = time.monotonic()
                continue
            await asyncio.sleep(_TOGETHER_SECONDS)
            sees = await sight()
            changed, at, number = list(filter(sees, feed.since(number))), feed.id, feed.number
            if not changed and time.monotonic() - told < _BEAT_SECONDS:
                continue  # what they may not see is not told by a beat at its moment either
            told = time.monotonic()
            if len(changed) > _MOST_AT_ONCE:
                await write(request, response, _event(at, "reset", {}))
                continue
            events = b"".join(self._told(identity, at) for identity in changed)
            await write(request, response, events or b": \n\n")

    def _told(self, identity: str, at: str) -> bytes:
        row = self._overview.row(identity)
        if row is None:
            return _event(at, "gone", {"application": identity})
        return _event(at, "application", row_data(row))


async def write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    """Send a part of a stream; the client has as long again for the next."""
    await response.write(data)
    goes_on(request)


def _event(at: str, name: str, data: object) -> bytes:
    """JSON has no line break in it, so nothing that is told can begin a field of its own."""
    return f"id: {at}\nevent: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"
