"""The pages of projects: all of them, and what one permits, with its Applications."""

from typing import Any, Final

from aiohttp import web

from gitops.server.api import projects
from gitops.server.api.openapi import NAMES
from gitops.server.pages.routes import Pages
from gitops.views.listing import Query

_PER_PAGE: Final = 100
_MOST_ROWS: Final = 50


def routes(pages: Pages) -> list[web.RouteDef]:
    async def all_projects(request: web.Request) -> web.Response:
        call = await pages.call(request, projects.PROJECTS, limit=_PER_PAGE)
        found: dict[str, Any] = await projects.list_projects(call)
        after = found["offset"] + _PER_PAGE
        following = f"/projects?offset={after}" if after < found["total"] else ""
        return pages.show("projects.html", call, "projects", found=found, following=following)

    async def one_project(request: web.Request) -> web.Response:
        name = request.match_info["project"]
        call = await pages.call(request, projects.PROJECT, project=name)
        project = await projects.get_project(call)
        listed = await call.served.overview.listed(Query(project=name, limit=_MOST_ROWS), call.sees)
        return pages.show("project.html", call, "projects", project=project, listed=listed)

    one = f"/projects/{{project:{NAMES['project']}}}"
    return [web.get("/projects", all_projects), web.get(one, one_project)]
