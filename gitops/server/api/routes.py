"""The API's operations as routes: each request is understood, allowed, carried out and answered in one way."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from aiohttp import web

from gitops.server.api import (
    acts,
    applications,
    audit,
    explaining,
    logs,
    object_acts,
    objects,
    places,
    projects,
    releases,
    waiting,
)
from gitops.server.api.logs import LOG_STREAM
from gitops.server.api.openapi import NAMES, PREFIX, document
from gitops.server.api.operations import Call, Operation, Served
from gitops.server.api.parameters import read_body, read_query
from gitops.server.api.stream import Streams
from gitops.server.problems import Problem

OPERATIONS: Final = (
    *applications.OPERATIONS,
    *objects.OPERATIONS,
    *logs.OPERATIONS,
    *explaining.OPERATIONS,
    *releases.OPERATIONS,
    *waiting.OPERATIONS,
    *places.OPERATIONS,
    *projects.OPERATIONS,
    *acts.OPERATIONS,
    *object_acts.OPERATIONS,
    *audit.OPERATIONS,
)

Handler = Callable[[web.Request], Awaitable[web.Response]]


def routes(served: Served, streams: Streams, version: str) -> list[web.RouteDef]:
    """All routes of the API, its document included."""
    described = orjson.dumps(document(OPERATIONS, version), option=orjson.OPT_INDENT_2)

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    async def stream(request: web.Request) -> web.StreamResponse:
        await served.access.person(request)
        return await streams.serve(request, lambda: served.access.sight(request))

    log_streams = logs.LogStreams(streams)

    async def follow(request: web.Request) -> web.StreamResponse:
        return await log_streams.serve(await _understood(served, LOG_STREAM, request), request)

    found = [_route(one, _handler(served, one)) for one in OPERATIONS]

    async def export(request: web.Request) -> web.StreamResponse:
        return await audit.export(await _understood(served, audit.EXPORT, request), streams, request)

    # Who asks for the head of what has no end would wait for it.
    endless = ((_pattern(LOG_STREAM), follow), (f"{PREFIX}/stream", stream), (_pattern(audit.EXPORT), export))
    found += [web.get(path, handler, allow_head=False) for path, handler in endless]
    return [*found, web.get("/openapi.json", openapi)]


def _route(operation: Operation, handler: Handler) -> web.RouteDef:
    return (
        web.post(_pattern(operation), handler) if operation.body is not None else web.get(_pattern(operation), handler)
    )


def _pattern(operation: Operation) -> str:
    path = PREFIX + operation.path
    for name, pattern in NAMES.items():
        path = path.replace(f"{{{name}}}", f"{{{name}:{pattern}}}")
    return path


def _handler(served: Served, operation: Operation) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        call = await _understood(served, operation, request)
        return answered(request, await operation.carry_out(call), operation.status)

    return handle


async def _understood(served: Served, operation: Operation, request: web.Request) -> Call:
    """Who asks for what. Raises Problem for what may not be, or cannot be understood."""
    person = await served.access.person(request)
    application = ""
    if operation.is_of_application:
        application = f"{request.match_info['namespace']}/{request.match_info['name']}"
    if operation.body is not None:
        # Who may not act is told so, and not what a body should have been.
        served.access.check_act(request, person, (operation.action,), application)
    elif application:
        served.access.decisions.check(person, operation.action, application)
    values = read_query(operation.query, _single(request))
    if operation.body is not None:
        values |= read_body(operation.body, await _json(request))
        served.access.check_act(request, person, operation.actions(values), application)
    if "project" in request.match_info:
        values["project"] = request.match_info["project"]
    if "number" in request.match_info:
        values["number"] = int(request.match_info["number"])
    return Call(served, person, application, values)


def _single(request: web.Request) -> dict[str, str]:
    """A query whose parameters are each given once. Raises Problem."""
    given = dict(request.query)
    if len(given) != len(request.query):
        raise Problem(400, "Not understood", "a parameter is given twice; write several words with commas")
    return given


async def _json(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise Problem(415, "Not JSON", "send the body as application/json")
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError as exc:
        raise Problem(400, "Not understood", f"the body is not JSON: {exc}") from None


def answered(request: web.Request, data: Any, status: int = 200) -> web.Response:
    """The answer, with what names its content: who has it already is told so, and sent nothing."""
    body = orjson.dumps(data, default=str)
    headers = {"Cache-Control": "no-cache", "Vary": "Authorization, Cookie"}
    if request.method in ("GET", "HEAD"):
        headers["ETag"] = tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
