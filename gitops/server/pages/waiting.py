"""The page of all that waits, with why and what goes on."""

from itertools import groupby
from typing import Final

from aiohttp import web

from gitops.server.api import waiting
from gitops.server.pages.routes import Pages

_PER_PAGE: Final = 100
_TITLES: Final = {
    "approval": ("For an approval", "Each has a plan that is carried out when a person approves it."),
    "confirmation": ("For a confirmation", "A guard holds each until a person confirms what it told."),
    "held": ("Until it is mended", "Something stands in the way that a person has to mend."),
    "suspended": ("Until it is resumed", "A person suspended each."),
    "dependency": ("For another Application", "Each goes on when that one is healthy."),
    "window": ("For a window", "Each goes on by itself when a window opens."),
}


def routes(pages: Pages) -> list[web.RouteDef]:
    async def all_that_waits(request: web.Request) -> web.Response:
        call = pages.call(request, waiting.LIST, limit=_PER_PAGE)
        found = await waiting.list_waiting(call)
        groups = [(_TITLES[kind], list(some)) for kind, some in groupby(found["items"], lambda one: one["waitsFor"])]
        after = found["offset"] + _PER_PAGE
        following = f"/waiting?offset={after}" if after < found["total"] else ""
        return pages.show("waiting.html", call, "waiting", found=found, groups=groups, following=following)

    return [web.get("/waiting", all_that_waits)]
