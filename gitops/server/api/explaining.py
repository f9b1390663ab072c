"""What the API says in words of one Application: why it is not healthy or not synced, down to the last log lines."""

from dataclasses import replace
from typing import Any, Final

from gitops.controller.preview import application_of, context_of
from gitops.model.operator_command import SUSPENDED
from gitops.server.api.applications import in_time
from gitops.server.api.logs import check_may_read_logs
from gitops.server.api.operations import Call, Operation
from gitops.sync.context import SyncContext
from gitops.sync.inventory_store import read_inventory
from gitops.sync.standing import standing_of
from gitops.views.explain import explained
from gitops.views.status import ApplicationStatus

_MOST_TOLD: Final = 200
_MOST_TEXT: Final = 4000


async def explain(call: Call) -> dict[str, Any]:
    check_may_read_logs(call)
    state = call.served.overview.state(call.application)
    context = context_of(state, call.served.overview.deps(state))
    story = await in_time(call, _story(call, context))
    more = len(story["objects"]) - _MOST_TOLD
    objects = [{**one, "reason": one["reason"][:_MOST_TEXT]} for one in story["objects"][:_MOST_TOLD]]
    facts = [fact[:_MOST_TEXT] for fact in story["facts"][:_MOST_TOLD]]
    return {**story, "facts": facts, "objects": objects, "more": max(more, 0)}


async def _story(call: Call, context: SyncContext) -> dict[str, Any]:
    state, row = call.served.overview.state(call.application), call.served.overview.row(call.application)
    inventory = await read_inventory(context, state.app)
    standing = await standing_of(context.cluster, inventory) if inventory.exists else None
    suspended = await context.store.setting(state.identity, SUSPENDED) or ""
    since = call.served.overview.controller.records.since(state.identity)
    record = None if row is None else replace(row.record, at=row.record.at or since)
    told = ApplicationStatus(state.identity, state.app.destination.namespace, standing, record, suspended=suspended)
    return await explained(context, told, application_of(state))


OPERATIONS: Final = (
    Operation(
        "explain",
        "/applications/{namespace}/{name}/explain",
        "Why it is not healthy or not synced, in words.",
        "Explanation",
        explain,
    ),
)
