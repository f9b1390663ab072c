"""The list of Applications: what is wrong first, with filters that show that they filter."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from gitops.server.api.applications import OPERATIONS, query_of
from gitops.server.api.operations import Call
from gitops.server.pages.routes import Pages, given
from gitops.views.listing import Query, Row

_LIST: Final = OPERATIONS[0]
_PER_PAGE: Final = 50
_GROUPS: Final = ("Need you", "Wait for a word", "Under way", "All well")
_ONLY: Final = {
    "problems": "problems",
    "waiting": "waiting",
    "drifted": "drifted",
    "syncing": "under way",
    "suspended": "suspended",
}

_SYNC: Final = {"OutOfSync": "Out of sync", "Unknown": "Sync unknown"}


def routes(pages: Pages) -> list[web.RouteDef]:
    async def applications(request: web.Request) -> web.Response:
        call = await pages.call(request, _LIST)
        query = query_of({**call.values, "limit": _PER_PAGE})
        found = await call.served.overview.listed(query, call.sees)
        asked = {name: value for name, value in given(request).items() if name not in ("offset", "limit")}
        return pages.show(
            "applications.html",
            call,
            "applications",
            query=query,
            found=found,
            groups=_groups(found.rows, query),
            facets=_facets(found.counts, asked),
            asked=asked,
            pages=_pages(found.total, query, asked),
            wrong_files=_wrong_files(call),
        )

    async def home(_: web.Request) -> web.Response:
        raise web.HTTPFound("/applications")

    return [web.get("/", home), web.get("/applications", applications)]


def _wrong_files(call: Call) -> list[tuple[str, str]]:
    """Files of Applications that cannot be read, for who may see whichever Application is in them."""
    files = call.served.overview.controller.records.wrong_files
    return sorted(files.items())[:5] if call.sees.is_everything else []


def _groups(rows: tuple[Row, ...], query: Query) -> list[tuple[str, list[Row]]]:
    """The rows under what they need; in any other order than that, all under nothing."""
    if query.sort != "urgency":
        return [("", list(rows))]
    return [(_GROUPS[rank], list(some)) for rank, some in groupby(rows, key=lambda row: row.urgency[0])]


def _facets(counts: Mapping[str, Mapping[str, int]], asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each word that narrows the list, with how many it would leave, and the address that sets it or takes it away."""
    found = []
    for name, words in (("only", _ONLY), ("health", {}), ("sync", _SYNC)):
        chosen = [word for word in asked.get(name, "").split(",") if word]
        for word, count in counts[name].items():
            if not count and word not in chosen:
                continue
            now = [one for one in chosen if one != word] if word in chosen else [*chosen, word]
            rest = {**asked, name: ",".join(now)} if now else {key: asked[key] for key in asked if key != name}
            text = words.get(word, word)
            found.append(
                {"kind": name, "word": word, "text": text, "count": count, "on": word in chosen, "href": _way(rest)}
            )
    return found


def _pages(total: int, query: Query, asked: Mapping[str, str]) -> dict[str, Any]:
    first, last = query.offset + 1 if total else 0, min(query.offset + query.limit, total)
    before = max(query.offset - query.limit, 0)
    return {
        "first": first,
        "last": last,
        "previous": _way({**asked, "offset": str(before)} if before else asked) if query.offset else "",
        "next": _way({**asked, "offset": str(query.offset + query.limit)}) if last < total else "",
    }


def _way(asked: Mapping[str, str]) -> str:
    return f"/applications?{urlencode(asked, safe=',')}" if asked else "/applications"
