"""The page that compares two releases of an Application."""

from aiohttp import web

from gitops.server.api import applications, releases
from gitops.server.pages.routes import ONE, Pages, part
from gitops.server.pages.shown import grouped

_NUMBER = "[0-9]{1,9}"


def routes(pages: Pages) -> list[web.RouteDef]:
    async def compare(request: web.Request) -> web.Response:
        numbers = {name: int(request.match_info[name]) for name in ("from", "to")}
        return await shown(request, numbers)

    async def chosen(request: web.Request) -> web.Response:
        call = await pages.call(request, releases.COMPARE)
        return await shown(request, {"from": call["from"], "to": call["to"]})

    async def shown(request: web.Request, numbers: dict[str, int]) -> web.Response:
        call = await pages.call(request, None, **numbers)
        await applications.get_application(call)
        found = await part(releases.compare(call))
        return pages.show(
            "compare.html",
            call,
            "applications",
            application=call.application,
            numbers=numbers,
            found=found,
            groups=[] if found["error"] else grouped(found["changes"]),
            history=await part(applications.get_history(call)),
        )

    path = f"{ONE}/compare"
    return [web.get(f"{path}/{{from:{_NUMBER}}}/{{to:{_NUMBER}}}", compare), web.get(path, chosen)]
