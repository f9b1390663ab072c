"""The audit log as a timeline, with the state of its proof."""

from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gitops.server.api import audit
from gitops.server.pages.routes import Pages, given
from gitops.server.pages.shared_pages import BY_SIGHT
from gitops.server.pages.shown import folded, told_detail

_LIST: Final = audit.OPERATIONS[0]


def routes(pages: Pages) -> list[web.RouteDef]:
    async def timeline(request: web.Request) -> web.Response:
        call = await pages.call(request, _LIST)
        found = await audit.list_entries(call)
        asked = {name: value for name, value in given(request).items() if name not in ("before", "limit")}
        application = call["application"] or ""
        is_wanted = "verify" in request.query
        proof = await pages.served.proofs.proof(application) if is_wanted else pages.served.proofs.last(application)
        following = f"/audit?{urlencode({**asked, 'before': found['next']})}" if found["next"] else ""
        return pages.show(
            "audit.html",
            call,
            "audit",
            days=[(day, list(some)) for day, some in groupby(found["items"], key=lambda one: one["at"][:10])],
            asked=asked,
            following=following,
            is_first="before" not in request.query,
            proof=proof.data(call.sees) if proof else None,
            verify=f"/audit?{urlencode({**asked, 'verify': '1'})}",
            told=told_detail,
            folded=folded,
        )

    return [web.get("/audit", pages.shared_pages.of(timeline, "audit", BY_SIGHT))]
