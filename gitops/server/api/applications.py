"""What the API tells of Applications: lists, and one of them with its tree, history, drift, entries and plans."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from gitops.controller.preview import application_of, context_of, preview
from gitops.controller.requested_rollback import plan_back
from gitops.engine.describe import described
from gitops.model.audit import EntryFilter
from gitops.model.health import HealthWord
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import choice, choices, flag, number, text
from gitops.server.problems import Problem
from gitops.sync.context import Request
from gitops.sync.inventory_store import read_inventory
from gitops.sync.releases import known_releases
from gitops.sync.standing import standing_of
from gitops.views.explain import drift_of
from gitops.views.history import entry_data, history_data
from gitops.views.listing import GROUPS, ONLY, SORTS, SYNC_WORDS, Query, row_data
from gitops.views.plan_data import MOST_CHANGES, bounded_plan_data, cut
from gitops.views.resources import inventory_facts, resource_tree

T = TypeVar("T")
MOST_LISTED: Final = 500
_MOST_ENTRIES: Final = 400
_LOOK_SECONDS: Final = 10.0
_PLAN_SECONDS: Final = 25.0  # a plan takes no longer, and the connection is closed soon after

LIST_QUERY: Final = (
    text(
        "q",
        "Words that all have to be in its name, source, revision, images, hosts, labels or what is wrong.",
    ),
    choices("health", "Only these words of health.", tuple(word.value for word in HealthWord)),
    choices("sync", "Only these words of sync.", SYNC_WORDS),
    text("cluster", "Only those that go to this cluster."),
    text("namespace", "Only those that live in this namespace, or go to it."),
    text("project", "Only those of this project."),
    choices("only", "Only those that fit each of these.", tuple(ONLY)),
    choice("sort", "The order; `-` before it turns it round.", (*SORTS, *(f"-{name}" for name in SORTS)), "urgency"),
    choice("group", "What the order is by first, with how many have each in common.", ("", *GROUPS), ""),
    number("offset", "How many to leave out.", 0, 1_000_000, 0),
    number("limit", "How many to give.", 1, MOST_LISTED, 50),
)


def query_of(values: dict[str, Any]) -> Query:
    """What a list is asked for."""
    return Query(
        text=values["q"] or "",
        health=tuple(values["health"]),
        sync=tuple(values["sync"]),
        cluster=values["cluster"] or "",
        namespace=values["namespace"] or "",
        project=values["project"] or "",
        group=values["group"],
        only=tuple(values["only"]),
        sort=values["sort"],
        offset=values["offset"],
        limit=values["limit"],
    )


async def list_applications(call: Call) -> dict[str, Any]:
    query = query_of(dict(call.values))
    found = await call.served.overview.listed(query, call.sees)
    return {
        "items": [row_data(row) for row in found.rows],
        "total": found.total,
        "known": found.known,
        "offset": query.offset,
        "limit": query.limit,
        "counts": found.counts,
        "groups": [{"name": one.name, "total": one.total, "problems": one.problems} for one in found.groups],
        "groupCount": found.group_count,
    }


async def get_application(call: Call) -> dict[str, Any]:
    overview = call.served.overview
    await overview.rows()
    state = overview.state(call.application)
    row = overview.row(call.application)
    assert row is not None  # its state is there
    standing = overview.controller.snapshot(state)
    return {
        **row_data(row),
        "ref": standing.revision.ref if standing.revision else "",
        "held": sorted(reason[:2000] for reason in standing.last.held),
        "pass": standing.is_busy,
        "failures": standing.failures,
        "changedAt": row.record.at or overview.controller.records.since(call.application),
        "options": {
            "automated": state.app.sync.automated,
            "prune": state.app.sync.prune,
            "drift": state.app.sync.drift,
            "serviceAccount": state.app.sync.serviceAccount,
        },
        "dependsOn": state.depends_on,
        "images": list(state.contents.images),
        "hosts": list(state.contents.hosts),
    }


async def get_resources(call: Call) -> dict[str, Any]:
    return await call.served.joined.get(f"resources {call.application}", lambda: _resources(call))


async def _resources(call: Call) -> dict[str, Any]:
    state = call.served.overview.state(call.application)
    context = context_of(state, call.served.overview.deps(state))
    inventory = await read_inventory(context, state.app)
    tree = resource_tree(await standing_of(context.cluster, inventory), state.live.failures)
    return {**tree, "inventory": inventory_facts(inventory)}


async def get_history(call: Call) -> dict[str, Any]:
    state = call.served.overview.state(call.application)
    context = context_of(state, call.served.overview.deps(state))
    inventory = await read_inventory(context, state.app)
    cluster, store = context.cluster.name, context.store
    releases = known_releases(await store.releases(state.identity, cluster), inventory, cluster)
    entries = await store.entries(EntryFilter(application=state.identity, limit=_MOST_ENTRIES))
    return history_data(releases[:100], [one for one in reversed(entries) if one.cluster == cluster])


async def get_drift(call: Call) -> dict[str, Any]:
    state = call.served.overview.state(call.application)
    context = context_of(state, call.served.overview.deps(state))
    inventory = await read_inventory(context, state.app)
    drift = await in_time(call, drift_of(context, inventory, application_of(state)))
    changes = [cut(described(change)) for change in drift.changes[:MOST_CHANGES]]
    told = await told_drift(call)
    return {"application": state.identity, "drift": changes, "underWay": drift.under_way, "recorded": told}


async def told_drift(call: Call) -> dict[str, Any] | None:
    """The last drift that was recorded: when, and who had done it."""
    store = call.served.overview.controller.store
    found = await store.entries(EntryFilter(application=call.application, fact="drift.detected", limit=1))
    return entry_data(found[0]) if found else None


async def get_events(call: Call) -> dict[str, Any]:
    call.served.overview.state(call.application)
    return await entries_of(call, EntryFilter(application=call.application, fact=call["fact"] or ""))


async def entries_of(call: Call, wanted: EntryFilter) -> dict[str, Any]:
    """One page of audit entries; `next` is what to give as `before` for the page after it."""
    limit = call["limit"]
    page = replace(wanted, before=_cursor(call["before"]), limit=limit + 1)
    found = await call.served.overview.controller.store.entries(page)
    last = found[limit - 1] if len(found) > limit else None
    cursor = f"{last.at}|{last.application}|{last.cluster}|{last.seq}" if last else None
    return {"items": [entry_data(one) for one in found[:limit]], "next": cursor}


def _cursor(given: str | None) -> tuple[str, str, str, int] | None:
    if not given:
        return None
    at, application, cluster, seq = given.split("|")
    return at, application, cluster, int(seq)


async def get_diff(call: Call) -> dict[str, Any]:
    """The plan that a pass would make now, with who owns each field."""
    state = call.served.overview.state(call.application)
    deps = call.served.overview.deps(state)
    planned = await in_time(call, preview(state, deps))
    row = call.served.overview.row(call.application)
    waits = bool(row and row.record.plan and row.record.plan == planned.plan.id)
    return {**bounded_plan_data(planned.plan, planned.decision), "waits": waits}


async def get_rollback(call: Call) -> dict[str, Any]:
    """What going back to a release would change: its id is what the rollback is asked for with."""
    state = call.served.overview.state(call.application)
    context = context_of(state, call.served.overview.deps(state))
    request = Request(state.app, call.person.name)
    back = plan_back(request, context, call["release"], prune=call["prune"], confirm=False)
    _, planned, release = await in_time(call, back)
    return {**bounded_plan_data(planned.plan, planned.decision), "release": release}


async def in_time(call: Call, work: Coroutine[Any, Any, T]) -> T:
    """What takes dry-runs of API servers: so many at once, and not for ever. Raises Problem."""
    return await _bounded(call.served.plans, _PLAN_SECONDS, work)


async def looked(call: Call, work: Coroutine[Any, Any, T]) -> T:
    """A look at a cluster that a page waits for: no plan stands in its way, and it takes no longer. Raises Problem."""
    return await _bounded(call.served.looks, _LOOK_SECONDS, work)


async def _bounded(places: asyncio.Semaphore, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    is_begun = False
    try:
        async with asyncio.timeout(seconds), places:
            is_begun = True
            return await work
    except TimeoutError:
        raise Problem(503, "It takes too long", "the answer is not there yet; try again", Retry_After="10") from None
    finally:
        if not is_begun:
            work.close()


_CURSOR: Final = r"^([^|\u0000]*\|[^|\u0000]*\|[^|\u0000]*\|[0-9]{1,15})?$"
ENTRIES_QUERY: Final = (
    text("fact", "Only this fact (`sync.failed`), or all that begin so (`rollback.*`)."),
    text(
        "before",
        "Go on after that entry: `next` of the page before.",
        most=1000,
        form=(_CURSOR, "expected what `next` of another page was"),
    ),
    number("limit", "How many to give.", 1, 200, 50),
)
_ONE = "/applications/{namespace}/{name}"
_BACK: Final = (
    number("release", "The release to go back to; without it the one before the present.", 1, 10**9),
    flag("prune", "Also delete what that release did not have."),
)
OPERATIONS: Final = (
    Operation(
        "listApplications",
        "/applications",
        "Applications: searched, filtered, sorted, counted.",
        "ApplicationList",
        list_applications,
        LIST_QUERY,
    ),
    Operation("getApplication", _ONE, "One Application as its controller sees it.", "Application", get_application),
    Operation("getResources", f"{_ONE}/resources", "What it owns, as a tree with health.", "Resources", get_resources),
    Operation("getHistory", f"{_ONE}/history", "Its releases, and each sync that was tried.", "History", get_history),
    Operation("getDrift", f"{_ONE}/drift", "How live state left what was synced, and by whom.", "Drift", get_drift),
    Operation("getEvents", f"{_ONE}/events", "Its audit entries, newest first.", "Entries", get_events, ENTRIES_QUERY),
    Operation("getDiff", f"{_ONE}/diff", "The plan of a sync now, with each field's owner.", "Plan", get_diff),
    Operation(
        "planRollback",
        f"{_ONE}/rollback",
        "The plan of going back to a release.",
        "RollbackPlan",
        get_rollback,
        _BACK,
    ),
)
