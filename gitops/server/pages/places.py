"""The pages of clusters and of repositories: how each is, and how many Applications it concerns."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from gitops.server.api import places
from gitops.server.api.operations import Operation
from gitops.server.pages.routes import Pages

_PER_PAGE: Final = 100


def routes(pages: Pages) -> list[web.RouteDef]:
    return [
        web.get("/clusters", _list(pages, places.CLUSTERS, "clusters")),
        web.get("/repositories", _list(pages, places.REPOSITORIES, "repositories")),
    ]


def _list(pages: Pages, operation: Operation, place: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def shown(request: web.Request) -> web.Response:
        call = await pages.call(request, operation, limit=_PER_PAGE)
        found: dict[str, Any] = await operation.carry_out(call)
        after = found["offset"] + _PER_PAGE
        following = f"/{place}?offset={after}" if after < found["total"] else ""
        return pages.show("places.html", call, place, found=found, following=following)

    return shown
