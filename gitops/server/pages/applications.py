"""The list of Applications: what is wrong first, with filters that show that they filter."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from gitops.server.api.applications import OPERATIONS, query_of
from gitops.server.api.operations import Call
from gitops.server.api.parameters import choice
from gitops.server.pages.routes import Pages, given
from gitops.server.pages.shared_pages import BY_SIGHT
from gitops.views.listing import GROUPS, Group, Listed, Query

_VIEWS: Final = ("list", "tiles")
# The list of the API, and how the page shows it.
_LIST: Final = replace(
    OPERATIONS[0], query=(*OPERATIONS[0].query, choice("view", "How they are shown.", _VIEWS, _VIEWS[0]))
)
_PER_PAGE: Final = 50
_NEEDS: Final = ("Need you", "Wait for a decision", "Under way", "All well")
_MOST_WAYS: Final = 40  # to groups; the others are on the pages after
_SHOWN: Final = ("view", "group", "sort")  # what says how, and leaves nothing out
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
            groups=_groups(found, query, asked),
            view=call["view"],
            views={view: _way({**asked, "view": view}) for view in _VIEWS},
            ways=[_group_of(group, query, asked) for group in found.groups[:_MOST_WAYS]],
            everything=_way({name: asked[name] for name in _SHOWN if name in asked}),
            facets=_facets(found.counts, asked),
            asked=asked,
            pages=_pages(found.total, query, asked),
            wrong_files=_wrong_files(call),
        )

    async def home(_: web.Request) -> web.Response:
        raise web.HTTPFound("/applications")

    return [web.get("/", home), web.get("/applications", pages.shared_pages.of(applications, "applications", BY_SIGHT))]


def _wrong_files(call: Call) -> list[tuple[str, str]]:
    """Files of Applications that cannot be read, for who may see whichever Application is in them."""
    files = call.served.overview.controller.records.wrong_files
    return sorted(files.items())[:5] if call.sees.is_everything else []


def _groups(found: Listed, query: Query, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows under what they have in common, else under what they need; in another order, all under nothing."""
    if query.group:
        of_all = {group.name: group for group in found.groups}
        parts = [(name, list(some)) for name, some in groupby(found.rows, key=GROUPS[query.group])]
        groups = [
            (of_all.get(name, Group(name, len(rows), sum(row.is_problem for row in rows))), rows)
            for name, rows in parts
        ]
        return [{**_group_of(group, query, asked), "rows": rows} for group, rows in groups]
    if query.sort != "urgency":
        return [{"title": "", "href": "", "rows": list(found.rows)}]
    ranks = groupby(found.rows, key=lambda row: row.urgency[0])
    return [{"title": _NEEDS[rank], "href": "", "rows": list(some)} for rank, some in ranks]


def _group_of(group: Group, query: Query, asked: Mapping[str, str]) -> dict[str, Any]:
    """One group with the address of just what is in it."""
    title = group.name or "its own namespaces"
    href = _way({**asked, query.group: group.name}) if group.name else ""
    return {"title": title, "total": group.total, "problems": group.problems, "href": href}


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
