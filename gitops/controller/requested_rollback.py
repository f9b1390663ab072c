"""A rollback that an operator asked the controller for: to the release that was chosen, by the plan that was shown.

One that another replica began, and had to leave, is gone on with: its rest is no other plan.
"""

from dataclasses import replace

from gitops.controller.state import ApplicationState
from gitops.engine.plan_input import PlanOptions
from gitops.model.errors import ConfigError, HeldError, ManifestError, RenderError, SourceError
from gitops.model.operator_command import OperatorRequest
from gitops.model.result import Outcome, SyncResult
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.inventory_store import read_inventory
from gitops.sync.planning import held_without_rights
from gitops.sync.reconcile import sync_planned
from gitops.sync.release_choice import plan_way_back, way_back
from gitops.sync.rollback import finish_rollback

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
        return _held(state, str(exc))
    if planned.plan.id != detail.get("plan") and not _is_here(planned, asked):
        shown = str(detail.get("plan"))[:12]
        return _held(state, f"going back would change something else now than plan {shown} says: look at it again")
    started = context.clock.monotonic()
    if _is_begun(planned, asked):
        result = await finish_rollback(Request(request.app, asked.actor), context, planned.at.inventory)
        is_there = result.outcome is Outcome.ROLLED_BACK
        result = replace(result, outcome=Outcome.SYNCED) if is_there else result
    elif _is_here(planned, asked):
        result = SyncResult(Outcome.IN_SYNC, planned.plan, message="that release is what is there")
    else:
        result = await sync_planned(back, context, planned)
    state.times.sync_ended(context.clock, started)
    state.report.ended(result.outcome, result.message)
    # What else is wrong with it, such as a repository that cannot be read, says nothing of the rollback.
    state.schedule.act_result = (result.outcome, result.message)
    return _SOON


def _held(state: ApplicationState, reason: str) -> float:
    state.report.stopped(reason)
    state.schedule.act_result = (Outcome.HELD, reason)
    return _SOON


def _is_here(planned: PlannedSync, asked: OperatorRequest) -> bool:
    """Whether just this rollback was begun or done already, and nobody could say so."""
    inventory = planned.at.inventory
    is_theirs = inventory.quarantine is not None and inventory.quarantine.by == asked.actor
    is_done = inventory.synced == planned.plan.digest and not planned.plan.changes and not inventory.partially_applied
    return is_theirs and (is_done or _is_begun(planned, asked))


def _is_begun(planned: PlannedSync, asked: OperatorRequest) -> bool:
    to, left = planned.at.inventory.rollback_target, planned.at.inventory.quarantine
    return to is not None and left is not None and (to.digest, left.by) == (planned.plan.digest, asked.actor)
