"""The page of all that waits, with why and what goes on."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from aiohttp import web

from gitops.server.api import waiting
from gitops.server.api.operations import Call
from gitops.server.auth.policy import OVERRIDE, SYNC, UPDATE
from gitops.server.pages.routes import Pages

_PER_PAGE: Final = 100
_ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "approval": (SYNC,),
    "confirmation": (SYNC, OVERRIDE),
    "window": (SYNC, OVERRIDE),
    "suspended": (UPDATE,),
}
_TITLES: Final = {
    "approval": ("For an approval", "Each has a plan that is carried out when a person approves it."),
    "confirmation": ("For a confirmation", "A guard holds each until a person confirms what it told."),
    "held": ("Until it is fixed", "Something stands in the way that a person has to fix."),
    "suspended": ("Until it is resumed", "A person suspended each."),
    "dependency": ("For another Application", "Each goes on when that one is healthy."),
    "window": ("For a window", "Each goes on by itself when a window opens."),
    "project-window": ("For a window of its project", "Each goes on by itself when that opens; nobody overrides it."),
}


def routes(pages: Pages) -> list[web.RouteDef]:
    async def all_that_waits(request: web.Request) -> web.Response:
        call = await pages.call(request, waiting.LIST, limit=_PER_PAGE)
        found = await waiting.list_waiting(call)
        groups = [(_TITLES[kind], list(some)) for kind, some in groupby(found["items"], lambda one: one["waitsFor"])]
        allowed = {one["application"] for one in found["items"] if _may(call, one)}
        after = found["offset"] + _PER_PAGE
        following = f"/waiting?offset={after}" if after < found["total"] else ""
        return pages.show(
            "waiting.html", call, "waiting", found=found, groups=groups, following=following, allowed=allowed
        )

    return [web.get("/waiting", all_that_waits)]


def _may(call: Call, one: Mapping[str, Any]) -> bool:
    """Whether whoever looks may do what goes on with this Application."""
    of_it = replace(call, application=one["application"])
    return bool(one["act"]) and all(map(of_it.may, _ACTIONS[one["waitsFor"]]))
