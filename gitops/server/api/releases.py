"""What the API tells of an Application's releases beside each other."""

import asyncio
from typing import Any, Final

from gitops.model.release import Release
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision
from gitops.server.api.applications import in_time
from gitops.server.api.objects import reached
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import Parameter
from gitops.sync.context import Request, SyncContext
from gitops.sync.releases import release_of, release_set
from gitops.views.compare import comparison_data


async def compare(call: Call) -> dict[str, Any]:
    context, _ = await reached(call)
    request = Request(call.served.overview.state(call.application).app, call.person.name)
    before, old = await in_time(call, _release(request, context, call["from"]))
    after, new = await in_time(call, _release(request, context, call["to"]))
    return await asyncio.to_thread(comparison_data, call.application, (before, after), (old, new))


async def _release(request: Request, context: SyncContext, number: int) -> tuple[Release, RenderedSet]:
    """A release, and what it rendered to. Raises a GitopsError where that cannot be had any more."""
    _, release = await release_of(request, context, number)
    return release, await release_set(request, context, release.digest, Revision(release.revision, release.ref))


def _number(name: str, about: str) -> Parameter:
    return Parameter(name, about, {"type": "integer", "minimum": 1, "maximum": 10**9}, required=True)


COMPARE: Final = Operation(
    "compareReleases",
    "/applications/{namespace}/{name}/compare",
    "What changed in its objects from one release to another.",
    "Comparison",
    compare,
    (_number("from", "The release to begin with."), _number("to", "The release to compare it with.")),
)
OPERATIONS: Final = (COMPARE,)
