"""Pages that many look at, made once for all who see the same: of this moment, and while nothing was told since.

What is told of an Application, another policy, and every act take away what was made before; what nobody tells of (a
live object, an entry of another replica's) is seen a moment later.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final

from aiohttp import web

from gitops.server.api.operations import Served
from gitops.server.auth.person import Person
from gitops.server.pages.render import MADE, Renderer

_SECONDS: Final = 0.4
_MOST: Final = 64

Handler = Callable[[web.Request], Awaitable[web.Response]]
# Whether a page is the same for all who see the same Applications, or for just one person.
BY_SIGHT, BY_PERSON = "sight", "person"


class SharedPages:
    """`values` are what the frame of a page says of who looks."""

    def __init__(self, served: Served, renderer: Renderer, values: Callable[[Person, str], dict[str, Any]]) -> None:
        self._served = served
        self._renderer = renderer
        self._values = values
        self._made: dict[Hashable, tuple[float, asyncio.Task[web.Response]]] = {}

    def forget(self) -> None:
        """Something was done: whoever looks next sees it."""
        self._made.clear()

    def of(self, handler: Handler, place: str, by: str = BY_PERSON) -> Handler:
        """The handler of a page, which makes it once for all who ask at once."""

        async def shared(request: web.Request) -> web.Response:
            person = await self._served.access.person(request)
            key = (request.path_qs, self._seen_by(person, by), self._served.overview.feed.number)
            made_at, task = self._made.get(key, (float("-inf"), None))
            if task is None or (task.done() and (time.monotonic() - made_at > _SECONDS or not _is_page(task))):
                task = asyncio.ensure_future(_made(handler, request))
                self._made.pop(key, None)
                self._made[key] = (time.monotonic(), task)
                while len(self._made) > _MOST:
                    self._made.pop(next(iter(self._made)))
            # Who leaves takes the page from nobody else who waits for it.
            found = await asyncio.shield(task)
            return self._renderer.response(found[MADE], self._values(person, place), found.status)

        return shared

    def _seen_by(self, person: Person, by: str) -> Hashable:
        decisions = self._served.access.decisions
        sight = decisions.sight(person)
        alike: Hashable = person if by == BY_PERSON else ("everything" if sight.is_everything else sight)
        return alike, decisions.version


def _is_page(task: "asyncio.Task[web.Response]") -> bool:
    return not task.cancelled() and task.exception() is None


async def _made(handler: Handler, request: web.Request) -> web.Response:
    return await handler(request)
