"""What the API tells of projects: what their Applications may, who may do what to them, and how they are.

Only projects of Applications that whoever asks may see are told, and to who sees everything also those without any.
"""

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from gitops.model.project import KIND_LISTS, OPEN, Project, ProjectWindow
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import number
from gitops.server.problems import Problem
from gitops.views.listing import SYNC_WORDS, Row
from policies.windows import closes, opens

_MOST: Final = 500


async def list_projects(call: Call) -> dict[str, Any]:
    found = [_summary(call, name, rows) for name, rows in (await _seen(call)).items()]
    ordered = sorted(found, key=lambda one: (not one["problems"], one["project"]))
    items = ordered[call["offset"] : call["offset"] + call["limit"]]
    return {"items": items, "total": len(found), "offset": call["offset"], "limit": call["limit"]}


async def get_project(call: Call) -> dict[str, Any]:
    name, seen = call["project"], await _seen(call)
    if name not in seen:
        raise Problem(404, "No such project", f"there is no project {name}, or no Application of it that you may see")
    rows, controller = seen[name], call.served.overview.controller
    project = controller.projects.all.get(name) or Project(name)
    now = controller.clock.now()
    return {
        **_summary(call, name, rows),
        "health": dict(Counter(row.record.health for row in rows)),
        "sync": {word: sum(row.record.sync == word for row in rows) for word in SYNC_WORDS},
        "limits": {
            "sourceRepos": list(project.sourceRepos),
            "sourceNamespaces": list(project.sourceNamespaces),
            "destinations": [asdict(one) for one in project.destinations],
            **{field: [asdict(one) for one in getattr(project, field)] for field in KIND_LISTS},
        },
        "roles": [asdict(role) for role in project.roles],
        "syncWindows": [_window(one, now) for one in project.syncWindows],
        "unheeded": list(project.unheeded),
    }


async def _seen(call: Call) -> dict[str, list[Row]]:
    """The projects that may be seen, each with the Applications of it that may be."""
    overview, sees = call.served.overview, call.sees
    found: dict[str, list[Row]] = {name: [] for name in overview.controller.projects.all if sees.is_everything}
    for row in await overview.rows():
        if sees(row.application):
            found.setdefault(row.project, []).append(row)
    return found


def _summary(call: Call, name: str, rows: list[Row]) -> dict[str, Any]:
    controller = call.served.overview.controller
    project = controller.projects.all.get(name)
    return {
        "project": name,
        "description": project.description if project else "",
        "defined": project is not None,
        "limited": controller.projects.are_set and project is not OPEN,
        "applications": len(rows),
        "problems": sum(row.is_problem for row in rows),
    }


def _window(window: ProjectWindow, now: datetime) -> dict[str, Any]:
    until = closes(window.window, now)
    following = None if until else opens(window.window, now)
    return {
        **asdict(window),
        "open": until is not None,
        "until": until.isoformat() if until else "",
        "next": following.isoformat() if following else "",
    }


PROJECTS: Final = Operation(
    "listProjects",
    "/projects",
    "The projects, with how many Applications each has, and how these are.",
    "Projects",
    list_projects,
    (
        number("offset", "How many to leave out.", 0, 1_000_000, 0),
        number("limit", "How many to give.", 1, _MOST, 100),
    ),
)
PROJECT: Final = Operation(
    "getProject",
    "/projects/{project}",
    "One project: what it permits, its roles, and when its Applications are synced.",
    "Project",
    get_project,
)
OPERATIONS: Final = (PROJECTS, PROJECT)
