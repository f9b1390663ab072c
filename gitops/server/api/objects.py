"""What the API tells of an Application's objects one by one: what they made, down to the container."""

from typing import Any, Final

from gitops.controller.preview import context_of
from gitops.engine.inventory import Inventory
from gitops.server.api.applications import in_time
from gitops.server.api.operations import Call, Operation
from gitops.sync.context import SyncContext
from gitops.sync.diagnostics import Diagnostics
from gitops.sync.inventory_store import read_inventory
from gitops.views.workloads import workload_tree


async def get_tree(call: Call) -> dict[str, Any]:
    context, inventory = await reached(call)

    async def make() -> dict[str, Any]:
        veil = await veil_of(context, inventory)
        return await in_time(call, workload_tree(context.cluster, inventory, veil.hidden))

    return await call.served.recent.get(f"tree {call.application}", make)


async def reached(call: Call) -> tuple[SyncContext, Inventory]:
    """What reaches the Application's cluster in the name of its account, and its inventory there. Raises Problem."""
    state = call.served.overview.state(call.application)
    context = context_of(state, call.served.overview.deps(state))
    return context, await read_inventory(context, state.app)


async def veil_of(context: SyncContext, inventory: Inventory) -> Diagnostics:
    """What looks at Pods, and hides the values of the Secrets that were synced last in all that it says."""
    rendered = await context.store.rendered(inventory.synced) if inventory.synced else None
    return Diagnostics(context.cluster, [found.body for found in rendered.manifests] if rendered else ())


_ONE: Final = "/applications/{namespace}/{name}"
OPERATIONS: Final = (
    Operation("getTree", f"{_ONE}/tree", "What its workloads made: ReplicaSets, Pods, containers.", "Tree", get_tree),
)
