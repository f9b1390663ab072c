"""A rollback that an operator asked the controller for: to the release that was chosen, by the plan that was shown."""

from dataclasses import replace

from gitops.controller.state import ApplicationState
from gitops.engine.plan_input import PlanOptions
from gitops.model.errors import ConfigError, HeldError, ManifestError, RenderError, SourceError
from gitops.model.operator_command import OperatorRequest
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.inventory_store import read_inventory
from gitops.sync.planning import held_without_rights
from gitops.sync.reconcile import sync_planned
from gitops.sync.release_choice import plan_way_back, way_back

_SOON = 0.1  # seconds until the next pass, which finds how things stand then


async def plan_back(
    app_request: Request, context: SyncContext, number: int | None, *, prune: bool, confirm: bool
) -> tuple[Request, PlannedSync, int]:
    """What going back would change, the request that does it, and the number of the release. Raises a GitopsError.

    Without a number it is the release before the present one.
    """
    inventory = await read_inventory(context, app_request.app)
    way = await way_back(context, inventory, app_request.actor, number)
    options = PlanOptions(prune=prune, confirm=confirm, hooks=False, back=True)
    request = replace(app_request, options=options, quarantine=way.quarantine)
    planned = await plan_way_back(request, context, way.release, inventory.source)
    return request, held_without_rights(planned), way.release.number


async def roll_back_as_asked(
    state: ApplicationState, asked: OperatorRequest, request: Request, context: SyncContext
) -> float:
    """Carry out the rollback, if its plan is still the one that was shown; the seconds until the next pass."""
    number, detail = asked.detail.get("release"), asked.detail
    try:
        back, planned, _ = await plan_back(
            Request(request.app, asked.actor),
            context,
            number if isinstance(number, int) else None,
            prune=bool(detail.get("prune")),
            confirm=bool(detail.get("confirm")),
        )
    except (ConfigError, HeldError, ManifestError, RenderError, SourceError) as exc:
        state.report.stopped(str(exc))
        return _SOON
    if planned.plan.id != detail.get("plan"):
        shown = str(detail.get("plan"))[:12]
        reason = f"going back would change something else now than plan {shown} says: look at it again"
        state.report.stopped(reason)
        return _SOON
    started = context.clock.monotonic()
    result = await sync_planned(back, context, planned)
    state.times.sync_ended(context.clock, started)
    state.report.ended(result.outcome, result.message)
    return _SOON
