"""The logs of an Application's Pods: the last lines as an answer, and what comes after them as server-sent events.

    id: TIME
    event: lines | ended
    data: {"lines": […], "errors": […], "cut": …} | {"why": …}

They are read with the rights that the Application is deployed with. A stream asks for what is new every two seconds,
and ends after so many bytes, so many minutes, or when its object is gone.
"""

import asyncio
from dataclasses import replace
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import web

from gitops.manifests.key import Body
from gitops.model.errors import ConfigError, GitopsError
from gitops.model.log_part import LogPart
from gitops.ports import Cluster
from gitops.server.api.applications import looked
from gitops.server.api.objects import OBJECT_QUERY, key_of, reached, synced_here, veil_of
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import choice, flag, number, text
from gitops.server.api.stream import Streams, write
from gitops.server.auth.policy import GET
from gitops.server.problems import Problem, problem_of
from gitops.views.one_object import live_object
from gitops.views.pod_logs import (
    LEVELS,
    Follower,
    Logs,
    container_names,
    logs_data,
    logs_of,
    moment,
    only_with,
    read_logs,
)
from gitops.views.workloads import Hide, makes, pods_below

LINES: Final = 200
_MOST_LINES: Final = 2000
_LOOK_SECONDS: Final = 2.0
_LOOKS_FOR_PODS: Final = 5  # so many looks later, the Pods are listed again
_STREAM_SECONDS: Final = 900.0
_STREAM_BYTES: Final = 16 * 2**20
_MOST_STREAMS: Final = 16

LOG_QUERY: Final = (
    *OBJECT_QUERY,
    text("container", "Only the containers of this name; without it all but those that only prepare.", most=253),
    number("tail", "How many of the last lines of each container.", 1, _MOST_LINES, LINES),
    flag("previous", "Of the run before the present one."),
    text("q", "Of these, only the lines that hold this text, in whatever case."),
    choice("level", "Of these, only the lines that say that they are that bad, or worse.", ("", *LEVELS), ""),
)


class _Target(NamedTuple):
    """Whose logs are wanted: `pods` are those of the object now."""

    cluster: Cluster
    pods: list[Body]
    hidden: Hide


async def get_logs(call: Call) -> dict[str, Any]:
    target = await looked(call, _target(call))
    wanted, more = logs_of(target.pods, call["container"] or "")
    part = LogPart(call["tail"], previous=call["previous"])
    found = await looked(call, read_logs(target.cluster, wanted, [part] * len(wanted), target.hidden))
    return {
        "object": str(key_of(call)),
        "pods": len(target.pods),
        "containers": container_names(target.pods),
        "more": more,
        **logs_data(only_with(found, call["q"] or "", call["level"])),
    }


async def _target(call: Call) -> _Target:
    """Raises Problem for an object that is not the Application's, or has no Pods, and for who is nobody."""
    check_may_read_logs(call)
    key = key_of(call)
    if makes(key) is None:
        raise Problem(404, "It has no logs", f"kind: {key.kind} has no Pods")
    context, inventory = await reached(call)
    try:
        live, _ = await live_object(context.cluster, inventory, key)
    except ConfigError as exc:
        raise Problem(404, "No such object", str(exc)) from exc
    veil = veil_of(context, await synced_here(context, inventory))
    return _Target(context.cluster, await pods_below(context.cluster, live) if live else [], veil.hidden)


def check_may_read_logs(call: Call) -> None:
    """Raise Problem for somebody who is nobody in particular, unless only this machine gets at us."""
    if not call.person.name and not call.served.access.only_here:
        why = "what Pods write may hold more than is for anyone who gets at this page: sign in with a token"
        raise Problem(401, "Logs need a token", why)


class LogStreams:
    """The streams of logs; there are fewer than of others, since each asks an API server again and again."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._open = 0

    async def serve(self, call: Call, request: web.Request) -> web.StreamResponse:
        """Send what is new until the client leaves or a bound is reached. Raises Problem."""
        if self._open >= _MOST_STREAMS:
            why = f"{_MOST_STREAMS} logs are followed already; try again later"
            raise Problem(503, "Too many streams", why, Retry_After="30")
        self._open += 1
        try:
            target = await looked(call, _target(call))

            async def send(response: web.StreamResponse) -> None:
                await self._send(call, target, request, response)

            return await self._streams.hold(request, send, _STREAM_SECONDS)
        finally:
            self._open -= 1

    async def _send(self, call: Call, target: _Target, request: web.Request, response: web.StreamResponse) -> None:
        follower = Follower(call["tail"], moment(request.headers.get("Last-Event-ID", "")))
        sent, looks, told_errors = 0, 0, None
        await write(request, response, b"retry: 5000\n\n")
        while sent < _STREAM_BYTES:
            try:
                # Whose token has ended meanwhile, or who may not see it any more, reads no further.
                person = await call.served.access.person_now(request)
                check_may_read_logs(replace(call, person=person))
                call.served.access.decisions.check(person, GET, call.application)
                if looks and looks % _LOOKS_FOR_PODS == 0:
                    target = await _target(call)
                wanted, _ = logs_of(target.pods, call["container"] or "")
                found = await follower.read(target.cluster, wanted, target.hidden)
                found = only_with(found, call["q"] or "", call["level"])
            except (GitopsError, Problem) as exc:
                await write(request, response, _ended(exc))
                return
            looks += 1
            is_news = bool(found.lines) or found.errors != told_errors
            data = _lines(found) if is_news else b": \n\n"
            told_errors, sent = found.errors, sent + len(data)
            await write(request, response, data)
            await asyncio.sleep(_LOOK_SECONDS)
        await write(request, response, _ended(Problem(200, "Enough", "so much was sent; follow it again to go on")))


def _lines(found: Logs) -> bytes:
    """JSON has no line break in it, so no line of a log can begin a field of its own."""
    at = f"id: {found.lines[-1].at}\n" if found.lines and found.lines[-1].at else ""
    return f"{at}event: lines\ndata: ".encode() + orjson.dumps(logs_data(found)) + b"\n\n"


def _ended(exc: GitopsError | Problem) -> bytes:
    problem = exc if isinstance(exc, Problem) else problem_of(exc)
    return b"event: ended\ndata: " + orjson.dumps({"why": problem.detail or problem.title}) + b"\n\n"


OPERATIONS: Final = (
    Operation(
        "getLogs",
        "/applications/{namespace}/{name}/logs",
        "The last lines of a Pod's containers, or of all Pods of a workload, merged by time.",
        "Logs",
        get_logs,
        LOG_QUERY,
    ),
)
LOG_STREAM: Final = Operation(
    "followLogs",
    "/applications/{namespace}/{name}/logs/stream",
    "The same, and what comes after it, as it comes.",
    "Logs",
    get_logs,
    LOG_QUERY,
)
