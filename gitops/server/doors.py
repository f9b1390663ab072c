"""Who may be connected, and for how long: a stranger who opens connections and says nothing stops nobody else.

    connection ──► a request within HEADER_SECONDS ──► its answer within ANSWER_SECONDS ──► the next request …

There are at most so many connections that file descriptors are left for all the rest of the controller. One more
takes the place of the one that has waited longest without a request; so a probe is answered in any crowd.
"""

import asyncio
import logging
import resource
from collections.abc import Callable
from typing import Any, Final

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from gitops.logs import Trouble
from gitops.server.problems import CONTENT_TYPE, Problem

HEADER_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
BACKLOG: Final = 32
_MOST: Final = 256
# Of the descriptors that this process may have, a connection may take no more than one of so many.
_SHARE: Final = 8
# A crowd is over when there was place for so long.
_QUIET_SECONDS: Final = 60.0

_NO_REQUEST: Final = "that is no request of HTTP/1.1, or a line of it is longer than 8190 bytes"

log = structlog.get_logger()
_SILENT = logging.getLogger("gitops.server.access")
_SILENT.disabled = True


def most_connections() -> int:
    """As many as leave file descriptors for work; what the system lets us have is taken first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or soft < hard:
        wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        soft = max(soft, wanted)
    return max(4, min(_MOST, soft // _SHARE))


class Doors:
    """The connections that there are; `make` makes aiohttp's protocol for each, as `web.AppRunner` would have it."""

    def __init__(self, server: web.Server, most: int) -> None:
        self._server = server
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[_Guarded, None] = {}  # have no request under way, the longest so first
        self._open = 0
        self._crowd = Trouble(log, "http.crowded", "http.not-crowded", most=most)
        self._quiet: asyncio.TimerHandle | None = None

    def make(self) -> "_Guarded":
        return _Guarded(self._server, self._loop, self)

    def came(self, one: "_Guarded") -> bool:
        """Whether there is place for one more; that which has waited longest goes for it."""
        if self._open >= self._most:
            self._tell()
            oldest = next(iter(self._waiting), None)
            if oldest is None:  # all are being answered
                return False
            oldest.hang_up()
        self._open += 1
        self._waiting[one] = None
        return True

    def waits(self, one: "_Guarded") -> None:
        self._waiting.pop(one, None)
        self._waiting[one] = None

    def is_answered(self, one: "_Guarded") -> None:
        self._waiting.pop(one, None)

    def went(self, one: "_Guarded") -> None:
        self._waiting.pop(one, None)
        self._open -= 1

    def _tell(self) -> None:
        self._crowd.is_there("more connections than may be: those that say nothing are closed")
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = self._loop.call_later(_QUIET_SECONDS, self._crowd.is_over)


class _Guarded(RequestHandler):
    """One connection, which is closed when it is silent, or does not take its answer."""

    __slots__ = ("_doors", "_is_in", "_timer")

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, doors: Doors) -> None:
        super().__init__(server, loop=loop, access_log=_SILENT, keepalive_timeout=HEADER_SECONDS, lingering_time=0.0)
        self._doors = doors
        self._is_in = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._is_in = self._doors.came(self)
        if self._is_in:
            self._wait(HEADER_SECONDS)
        else:
            self.hang_up()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def hang_up(self) -> None:
        """Close without a word; whatever is still to be sent is not."""
        self._leave()
        transport = self.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()

    def begins(self) -> None:
        """A whole request is there."""
        self._doors.is_answered(self)
        self._wait(ANSWER_SECONDS)

    def goes_on(self) -> None:
        """Another part of a long answer was taken."""
        self._wait(ANSWER_SECONDS)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """It is answered; another one may come."""
        sent = await super().finish_response(request, resp, start_time)
        if self._is_in:
            self._doors.waits(self)
            self._wait(HEADER_SECONDS)
        return sent

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no request of HTTP, or has too long a line: a problem that repeats nothing of it, and no trace."""
        if not isinstance(exc, HttpProcessingError) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        problem = Problem(status, "Not understood", _NO_REQUEST)
        response = web.Response(status=status, body=orjson.dumps(problem.body()), content_type=CONTENT_TYPE)
        response.force_close()
        return response

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.hang_up)

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_in:
            self._is_in = False
            self._doors.went(self)


@web.middleware
async def watched(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Tells the connection of each request when it begins."""
    protocol = request.protocol
    if isinstance(protocol, _Guarded):
        protocol.begins()
    answer: web.StreamResponse = await handler(request)
    return answer


def goes_on(request: web.Request) -> None:
    """Tells the connection that the client has taken what was sent so far: the rest may take as long again."""
    protocol = request.protocol
    if isinstance(protocol, _Guarded):
        protocol.goes_on()
