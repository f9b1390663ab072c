"""What the API tells of an Application's objects one by one: what they made, how each is, and why."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gitops.controller.preview import context_of, preview
from gitops.engine.annotations import hook_phases_of
from gitops.engine.inventory import Inventory
from gitops.engine.object_acts import acts_of, obstruction
from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Manifest
from gitops.manifests.names import bad_segment
from gitops.model.errors import ConfigError, GitopsError
from gitops.model.plan import Phase
from gitops.server.api.applications import in_time, looked
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import text
from gitops.server.problems import Problem
from gitops.sync.context import PlannedSync, SyncContext
from gitops.sync.diagnostics import Diagnostics
from gitops.sync.inventory_store import read_inventory
from gitops.views.one_object import live_object, manifests_of, object_facts
from gitops.views.workloads import workload_tree

_MOST_TESTS: Final = 100


async def get_tree(call: Call) -> dict[str, Any]:
    context, inventory = await reached(call)

    async def make() -> dict[str, Any]:
        rendered = await synced_here(context, inventory)
        veil = veil_of(context, rendered)
        tree = await looked(call, workload_tree(context.cluster, inventory, veil.hidden))
        tests = [str(found.key) for found in rendered if Phase.TEST in hook_phases_of(found)]
        return {**tree, "tests": tests[:_MOST_TESTS]}

    return await call.served.recent.get(f"tree {call.application}", make)


async def get_object(call: Call) -> dict[str, Any]:
    key = key_of(call)
    return await call.served.recent.get(f"object {call.application} {key}", lambda: _object(call, key))


async def _object(call: Call, key: ResourceKey) -> dict[str, Any]:
    context, inventory = await reached(call)
    try:
        live, maker = await live_object(context.cluster, inventory, key)
    except ConfigError as exc:
        raise Problem(404, "No such object", str(exc)) from exc
    veil = veil_of(context, await synced_here(context, inventory))
    facts = await looked(call, object_facts(context.cluster, inventory, key, live, veil))
    planned, why = await _planned(call) if maker is None else (None, "")
    acts = _acts(key, live, is_made=maker is not None)
    return {**facts, **manifests_of(key, live, maker, planned), "desiredError": why, "acts": acts}


def _acts(key: ResourceKey, live: Body | None, *, is_made: bool) -> list[dict[str, Any]]:
    """What can be done to the object by whom the policy lets, each with what stands in its way."""
    if live is None:
        return []
    found = [(act, obstruction(act, key, live)) for act in acts_of(key, is_made=is_made)]
    return [
        {"act": act, "why": stands.why if stands else "", "confirmable": bool(stands and stands.confirmable)}
        for act, stands in found
    ]


async def _planned(call: Call) -> tuple[PlannedSync | None, str]:
    """The plan that a pass would make now, or why there is none: the live object is shown all the same."""
    state = call.served.overview.state(call.application)
    try:
        return await in_time(call, preview(state, call.served.overview.deps(state))), ""
    except GitopsError as exc:
        return None, f"what is desired is not known: {exc}"[:2000]
    except Problem as exc:
        return None, f"what is desired is not known: {exc.detail}"


def key_of(call: Call) -> ResourceKey:
    """The object that a query names. Raises Problem for what is no name of an object."""
    return key_in(call.values)


def key_in(values: Mapping[str, Any]) -> ResourceKey:
    """The object that these values name. Raises Problem for what is no name of an object."""
    key = ResourceKey(values["group"] or "", values["kind"], values["namespace"] or "", values["object"])
    for part in (key.group, key.kind, key.namespace, key.name):
        if part and (why := bad_segment(part)):
            raise Problem(404, "No such object", f"{part[:100]!r} is no name of an object's: {why}")
    return key


async def reached(call: Call) -> tuple[SyncContext, Inventory]:
    """What reaches the Application's cluster in the name of its account, and its inventory there. Raises Problem."""
    state = call.served.overview.state(call.application)
    context = context_of(state, call.served.overview.deps(state))
    return context, await read_inventory(context, state.app)


async def synced_here(context: SyncContext, inventory: Inventory) -> Sequence[Manifest]:
    """The manifests that were synced last, none where this store has not got them."""
    rendered = await context.store.rendered(inventory.synced) if inventory.synced else None
    return rendered.manifests if rendered else ()


def veil_of(context: SyncContext, manifests: Sequence[Manifest]) -> Diagnostics:
    """What looks at Pods, and hides the values of the Secrets among these manifests in all that it says."""
    return Diagnostics(context.cluster, [found.body for found in manifests])


OBJECT_QUERY: Final = (
    text("kind", "The kind of the object.", required=True, least=1),
    text("object", "The name of the object.", required=True, least=1, most=253),
    text("group", "The group of its kind; without it the core group."),
    text("namespace", "Its namespace; without it one that is in none."),
)
_ONE: Final = "/applications/{namespace}/{name}"
OPERATIONS: Final = (
    Operation("getTree", f"{_ONE}/tree", "What its workloads made: ReplicaSets, Pods, containers.", "Tree", get_tree),
    Operation(
        "getObject",
        f"{_ONE}/object",
        "One object: live and desired, who owns its fields, its events, why it is not well.",
        "Object",
        get_object,
        OBJECT_QUERY,
    ),
)
