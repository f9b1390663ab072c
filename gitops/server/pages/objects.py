"""The pages of an Application's objects: one object with its manifests, owners and events; the logs of its Pods."""

import asyncio
from typing import Any, Final

from aiohttp import web

from gitops.manifests.yaml_write import write_document
from gitops.server.api import logs, objects
from gitops.server.pages.routes import ONE, Pages, part
from gitops.views.workloads import makes

_BY_ID: Final = {one.id: one for one in (*objects.OPERATIONS, *logs.OPERATIONS)}
_MOST_YAML: Final = 100_000


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
        )

    async def log(request: web.Request) -> web.Response:
        call = await pages.call(request, _BY_ID["getLogs"])
        found = await part(logs.get_logs(call))
        names = {name: call[name] or "" for name in ("kind", "object", "group", "namespace", "container")}
        asked = {name: value for name, value in names.items() if value} | {"tail": str(call["tail"])}
        values = {"asked": asked, "object": str(objects.key_of(call)), "application": call.application}
        return pages.show("logs.html", call, "applications", logs=found, previous=call["previous"], **values)

    return [web.get(f"{ONE}/object", one), web.get(f"{ONE}/logs", log)]


def _yaml(body: Any) -> str:
    """A manifest as people write it, cut where it is very long; "" where there is none."""
    if body is None:
        return ""
    text = write_document(body, sort=True)
    more = len(text) - _MOST_YAML
    return f"{text[:_MOST_YAML]}… ({more} more characters)" if more > 0 else text
