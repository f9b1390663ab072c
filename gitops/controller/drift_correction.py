"""Drift from the revision that is synced, while the newest one may not be: held, quarantined, or not to be rendered."""

from dataclasses import replace

from gitops.controller.drift_reports import note_drift, remember_corrections
from gitops.controller.plan_facts import learn_health
from gitops.controller.state import ApplicationState
from gitops.engine.inventory import Inventory
from gitops.engine.plan_input import PlanOptions
from gitops.model.application import Application
from gitops.model.errors import SourceError
from gitops.model.result import Go, Outcome
from gitops.sync.context import Request, SyncContext
from gitops.sync.inventory_store import read_inventory
from gitops.sync.planning import held_without_rights, plan_rendered
from gitops.sync.reconcile import sync_planned
from gitops.sync.releases import synced_set
from gitops.sync.rollback import finish_rollback


async def correct_synced(state: ApplicationState, request: Request, context: SyncContext) -> None:
    """Finish a rollback that was begun, or report the drift from what is synced and, if the spec asks, put it back."""
    app = request.app
    inventory = await read_inventory(context, app)
    state.live.inventoried(is_empty=not (inventory.keys or inventory.synced))
    if inventory.application != app.identity:
        return
    if inventory.rollback_target is not None:
        result = await finish_rollback(request, context, inventory)
        state.report.ended(result.outcome, result.message)
        return
    if _is_left_alone(app, inventory):
        return
    try:
        rendered = await synced_set(request, context, inventory)
    except SourceError:
        return
    again = replace(request, options=PlanOptions(hooks=False), quarantine=inventory.quarantine, wait=False)
    planned = held_without_rights(await plan_rendered(again, context, rendered, inventory.source))
    if not state.source.rendered:
        learn_health(state, planned)
    if not planned.plan.changes:
        await note_drift(state, again, context, None)
        return
    message = state.last.message
    await note_drift(state, again, context, planned)
    if app.sync.drift == "correct" and isinstance(planned.decision, Go):
        result = await sync_planned(again, context, planned)
        if result.outcome is Outcome.SYNCED:
            state.report.drifted(())
            remember_corrections(state, planned, context.clock)
    state.report.said(message)


def _is_left_alone(app: Application, inventory: Inventory) -> bool:
    """Whether nothing is known of which the cluster could have drifted, or going back to it is not wanted."""
    if not inventory.synced or app.sync.drift == "ignore" or (inventory.quarantine and inventory.quarantine.stuck):
        return True
    return bool(inventory.partially_applied) and app.sync.rollback == "never"  # to correct that would be a rollback
