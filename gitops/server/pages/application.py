"""One Application: where its newest commit is, what waits, what it owns, what was done; and the acts of an operator."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from gitops.server.api import acts, applications, objects
from gitops.server.api.openapi import NAMES
from gitops.server.api.operations import Call
from gitops.server.pages.forms import carried_out
from gitops.server.pages.render import way
from gitops.server.pages.routes import ONE, Pages, part
from gitops.server.pages.shown import (
    changes_of,
    earlier_of,
    folded,
    grouped,
    is_only_drift,
    known_changes,
    made_of,
    pipeline,
    repeated,
    told_detail,
    unread_of,
)
from gitops.server.problems import Problem

_BY_ID: Final = {one.id: one for one in applications.OPERATIONS}
_FEW: Final[Mapping[str, Any]] = {"fact": None, "before": None, "limit": 30}
_SAID: Final = {
    "sync": "A sync was asked for.",
    "refresh": "The controller looks at its repository and its cluster.",
    "terminate": "The controller was asked to end the sync that is under way.",
    "test": "Its tests were asked for; the audit entries below tell how they end.",
    "delete": "The object is deleted. What is in Git is made again: where drift is corrected at once, else by a sync.",
    "suspend": "It is suspended: the controller changes nothing of it.",
    "resume": "The controller goes on with it.",
    "approve": "The plan is approved: the controller carries it out.",
    "rollback": "The rollback was asked for.",
}


def routes(pages: Pages) -> list[web.RouteDef]:
    async def diff(request: web.Request) -> web.Response:
        call = await pages.call(request)
        return await _plan_page(pages, call, "diff.html", applications.get_diff(call))

    async def rollback(request: web.Request) -> web.Response:
        call = await pages.call(request, _BY_ID["planRollback"])
        back = applications.get_rollback(call)
        return await _plan_page(pages, call, "rollback.html", back, release=call["release"], prune=call["prune"])

    async def deletion(request: web.Request) -> web.Response:
        call = await pages.call(request, acts.PLAN_DELETION)
        found = acts.plan_delete(call)
        return await _plan_page(pages, call, "deletion.html", found, keep=call["keep"], deleting=True)

    async def asked(request: web.Request) -> web.Response:
        call = await pages.call(request, number=int(request.match_info["number"]))
        found = await acts.get_request(call)
        return pages.show("request.html", call, "applications", found=found)

    return [
        web.get(ONE, pages.shared_pages.of(_application(pages), "applications")),
        web.get(f"{ONE}/diff", diff),
        web.get(f"{ONE}/rollback", rollback),
        web.get(f"{ONE}/deletion", deletion),
        web.get(f"/requests/{{number:{NAMES['number']}}}", asked),
        web.post(f"{ONE}/acts/{{act:[a-z]+}}", _act(pages)),
    ]


def _application(pages: Pages) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def application(request: web.Request) -> web.Response:
        call = await pages.call(request)
        app = await applications.get_application(call)
        tree = await part(applications.get_resources(call))
        grown = await part(objects.get_tree(call))
        history = await part(applications.get_history(call))
        return pages.show(
            "application.html",
            call,
            "applications",
            app=app,
            stages=pipeline(app, tree.get("inventory")),
            tree=tree,
            made=made_of(grown),
            unread=unread_of(grown),
            tests=grown.get("tests", ()),
            history=history,
            earlier=earlier_of(history),
            drift=await part(_recorded_drift(call)),
            events=await part(applications.get_events(replace(call, values=_FEW))),
            told=told_detail,
            folded=folded,
            repeated=repeated,
            only_drift=is_only_drift(app),
            said=_SAID.get(request.query.get("said", ""), ""),
        )

    return application


async def _plan_page(
    pages: Pages, call: Call, name: str, making: Coroutine[Any, Any, dict[str, Any]], **values: Any
) -> web.Response:
    """The page of a plan; why there is none stands in its place."""
    try:
        app = await applications.get_application(call)
    except Problem:
        making.close()
        raise
    plan = await part(making)
    groups = [] if plan["error"] else grouped(changes_of(plan))
    return pages.show(name, call, "applications", app=app, plan=plan, groups=groups, **values)


async def _recorded_drift(call: Call) -> dict[str, Any]:
    """What drifted and stands, as it was recorded with its author; the live comparison has an address of its own."""
    row = call.served.overview.row(call.application)
    recorded = await applications.told_drift(call) if row is not None and row.drift else None
    changes = recorded["detail"].get("changes") if recorded else None
    return {"entry": recorded, "groups": grouped(known_changes(changes)), "words": list(row.drift) if row else []}


def _act(pages: Pages) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def act(request: web.Request) -> web.Response:
        operation = acts.known_act(request.match_info["act"])
        call, done = await carried_out(pages, request, operation)
        if operation.id == acts.DELETE_APPLICATION.id:  # whose own page goes with it
            raise web.HTTPSeeOther(f"/requests/{done['request']}")
        raise web.HTTPSeeOther(f"{way(call.application)}?said={operation.id}")

    return act
