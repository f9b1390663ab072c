"""The pages of an Application's objects: one object with its manifests, owners and events; the logs of its Pods."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from gitops.engine.object_acts import DELETE, MOST_REPLICAS
from gitops.manifests.key import ResourceKey
from gitops.manifests.yaml_write import write_document
from gitops.server.api import logs, object_acts, objects
from gitops.server.api.operations import Call
from gitops.server.auth.policy import OVERRIDE
from gitops.server.pages.forms import carried_out
from gitops.server.pages.render import of_object, way
from gitops.server.pages.routes import ONE, Pages, part
from gitops.views.workloads import makes

_BY_ID: Final = {one.id: one for one in (*objects.OPERATIONS, *logs.OPERATIONS)}
_MOST_YAML: Final = 100_000
_SAID: Final = {
    "restart": "It is restarted: its Pods are made anew, as its strategy says.",
    "scale": "It is scaled; Git does not say how many, so it stays.",
}


def routes(pages: Pages) -> list[web.RouteDef]:
    async def one(request: web.Request) -> web.Response:
        call = await pages.call(request, _BY_ID["getObject"])
        found = await objects.get_object(call)
        return pages.show(
            "object.html",
            call,
            "applications",
            one=found,
            live_text=await asyncio.to_thread(_yaml, found["live"]),
            desired_text=await asyncio.to_thread(_yaml, found["desired"]),
            has_logs=makes(objects.key_of(call)) is not None,
            unknown=found["desiredError"],
            acts=_offered(call, objects.key_of(call), found["acts"]),
            most_replicas=MOST_REPLICAS,
            said=_SAID.get(request.query.get("said", ""), ""),
        )

    async def log(request: web.Request) -> web.Response:
        call = await pages.call(request, _BY_ID["getLogs"])
        found = await part(logs.get_logs(call))
        names = {name: call[name] or "" for name in ("kind", "object", "group", "namespace", "container", "q", "level")}
        asked = {name: value for name, value in names.items() if value} | {"tail": str(call["tail"])}
        values = {"asked": asked, "object": str(objects.key_of(call)), "application": call.application}
        return pages.show("logs.html", call, "applications", logs=found, previous=call["previous"], **values)

    return [
        web.get(f"{ONE}/object", one),
        web.get(f"{ONE}/logs", log),
        web.post(f"{ONE}/object/acts/{{act:[a-z]+}}", _act(pages)),
    ]


def _act(pages: Pages) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def act(request: web.Request) -> web.Response:
        operation = object_acts.known_act(request.match_info["act"])
        call, _ = await carried_out(pages, request, operation)
        if operation.id == DELETE:
            raise web.HTTPSeeOther(f"{way(call.application)}?said={operation.id}")
        key = objects.key_of(call)
        named = {"kind": key.kind, "name": key.name, "group": key.group, "namespace": key.namespace}
        raise web.HTTPSeeOther(f"{way(call.application, 'object')}?{of_object(named)}&said={operation.id}")

    return act


def _offered(call: Call, key: ResourceKey, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The acts that whoever looks may do, each with what stands in its way."""
    may = [one for one in found if call.may(object_acts.action_of(one["act"], key))]
    return [one for one in may if not one["confirmable"] or call.may(OVERRIDE)]


def _yaml(body: Any) -> str:
    """A manifest as people write it, cut where it is very long; "" where there is none."""
    if body is None:
        return ""
    text = write_document(body, sort=True)
    more = len(text) - _MOST_YAML
    return f"{text[:_MOST_YAML]}… ({more} more characters)" if more > 0 else text
