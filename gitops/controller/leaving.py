"""An Application that goes: its custom resource was deleted, or a person asked for it and was shown what that deletes.

What comes from a file or from a repository would be brought back: it is deleted on a person's confirmation only, and
suspended before, so that nothing syncs it again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from gitops.controller.automatic_sync import LATER
from gitops.controller.frontends import Frontends
from gitops.controller.origin import Origin
from gitops.controller.state import ApplicationState
from gitops.engine.plan_input import PlanOptions
from gitops.model.errors import ConfigError, SourceError
from gitops.model.operator_command import DELETE, OperatorRequest
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.model.result import Hold, Outcome
from gitops.ports import Store
from gitops.sync.act_hooks import deletion_set
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.inventory_store import read_inventory
from gitops.sync.operator_acts import Operator
from gitops.sync.relocation import clusters_left, inventories_elsewhere
from gitops.sync.uninstall import planned_deletion, uninstall_everywhere

_SOON: Final = 0.1  # seconds until the next pass, which finds how things stand then
_WHILE: Final = 30.0  # how soon it is looked at again whether its kind is still being deleted
_DONE: Final = (Outcome.SYNCED, Outcome.IN_SYNC)


@dataclass(frozen=True, slots=True)
class Leaving:
    """What the controller has to do with an Application that is being deleted."""

    # Forgets what people have said of an Application.
    forget: Callable[[str], Awaitable[None]]
    # What Applications come from.
    resources: Frontends

    async def left(self, state: ApplicationState) -> None:
        """It owns nothing any more: nothing is known of it from now on. Raises StoreError, ClusterError."""
        await self.forget(state.identity)
        await self.resources.let_finish(state.identity)


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion would do: the plan with what holds it, where the Application comes from, and what else goes.

    `refused` is why its custom resource cannot be deleted, or "".
    """

    planned: PlannedSync
    origin: Origin
    also: tuple[str, ...]
    refused: str = ""

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        decision = self.planned.decision
        return decision.obstacles if isinstance(decision, Hold) else ()


async def plan_deletion(
    request: Request, context: SyncContext, leaving: Leaving, state: ApplicationState, *, keep: bool
) -> Deletion:
    """What deleting the Application would do; changes nothing. Raises a GitopsError where that cannot be told."""
    origin = await leaving.resources.origin(state.identity)
    planned = await planned_deletion(request, context)
    inventory = planned.at.inventory
    elsewhere = await inventories_elsewhere(context, request.app, look_around=True)
    also = [
        f"what it owns in namespace {one.parent.namespace}, where it was before: {len(one.keys)} objects"
        for one in elsewhere
    ]
    refused = await leaving.resources.reason_not_to_delete(state.identity)
    held = [Obstacle(ObstacleKind.GUARD, None, refused)] if refused else []
    if not keep:
        held += [Obstacle(ObstacleKind.GUARD, None, why) for why in await _reasons(request, context, planned, origin)]
        also += ["the hooks that it has for a deletion are run"] * bool(inventory.deletion_hooks)
    if origin.children:
        also.append(f"not what the Applications of its repository own: {', '.join(origin.children[:20])}")
    obstacles = () if keep or not isinstance(planned.decision, Hold) else planned.decision.obstacles
    decision = Hold((*obstacles, *held)) if obstacles or held else planned.decision
    return Deletion(replace(planned, decision=decision), origin, tuple(also), refused)


async def _reasons(request: Request, context: SyncContext, planned: PlannedSync, origin: Origin) -> list[str]:
    """What keeps a deletion from taking all that the Application owns, beside the guards of its plan."""
    found = [f"{origin.stays}; delete it and keep what it owns"] if origin.stays else []
    left = await clusters_left(context, request.app)
    if left:
        places = " and ".join(left)
        found.append(f"it was on {places} before: set destination.cluster back to have what it owns there deleted too")
    try:
        await deletion_set(request, context, planned.at.inventory)
    except SourceError as exc:
        found += [] if request.options.confirm else [str(exc)]
    return found


async def asked_before(state: ApplicationState, store: Store) -> OperatorRequest | None:
    """The deletion under way as a person asked for it, of another replica or before a restart. Raises StoreError."""
    found = [one for one in await store.requests() if (one.application, one.verb) == (state.identity, DELETE)]
    return found[-1] if found else None


async def delete_as_asked(
    state: ApplicationState, asked: OperatorRequest, context: SyncContext, leaving: Leaving
) -> float | None:
    """Delete the Application, if what that does is still what was shown; the seconds until the next pass.

    A deletion of a custom resource that has begun goes on, whatever becomes of the request.
    """
    keep = bool(asked.detail.get("keep"))
    request = Request(state.app, asked.actor, PlanOptions(confirm=bool(asked.detail.get("confirm"))))
    if not state.leaving:
        try:
            found = await plan_deletion(request, context, leaving, state, keep=keep)
        except (ConfigError, SourceError) as exc:
            return _held(state, str(exc))
        if why := _reason_to_hold(found, asked, keep=keep):
            return _held(state, why)
        if not found.origin.is_resource:
            operator = Operator(asked.actor, context, await read_inventory(context, state.app))
            await operator.suspend(f"it is deleted, and {found.origin.place} still has it")
        elif not keep:
            await leaving.resources.delete(state.identity, prunes=True)
            state.leaving = True
    return await _go(state, request, context, leaving, keep=keep)


def _reason_to_hold(found: Deletion, asked: OperatorRequest, *, keep: bool) -> str:
    """Why the deletion is not begun, or ""."""
    if found.refused:
        return found.refused
    if found.planned.plan.id != asked.detail.get("plan"):
        shown = str(asked.detail.get("plan"))[:12]
        return f"a deletion would delete something else now than plan {shown} says: look at it again"
    origin = found.origin
    if origin.brought_back_by and not asked.detail.get("confirm"):
        return f"{told_return(origin)}; confirm it to delete it all the same"
    if not keep and found.obstacles:
        return "; ".join(one.reason for one in found.obstacles)
    return ""


def told_return(origin: Origin) -> str:
    """What becomes of a deleted Application that somebody would bring back, and what to do first; "" for none."""
    if not origin.brought_back_by:
        return ""
    if origin.is_resource:
        return f"{origin.place} is made by {origin.brought_back_by}, and made again: take it out there first"
    return (
        f"it comes from {origin.place}, which this does not change: the Application stays there, suspended, until it "
        "is taken out"
    )


async def _go(
    state: ApplicationState, request: Request, context: SyncContext, leaving: Leaving, *, keep: bool
) -> float | None:
    """Carry it out; how it ended is kept for who asked."""
    result = await uninstall_everywhere(request, context, keep=keep)
    state.report.ended(result.outcome, result.message)
    if result.outcome not in _DONE:
        goes_on = "; its deletion is tried again by itself" if state.leaving else ""
        state.schedule.act_result = (result.outcome, result.message + goes_on)
        state.report.stopped()
        return LATER if state.leaving else _SOON
    origin = await leaving.resources.origin(state.identity)
    is_known = not origin.is_resource
    state.schedule.act_result = (Outcome.SYNCED, told_return(origin) if is_known else "")
    if state.leaving:
        await leaving.left(state)
    elif not is_known:
        await leaving.resources.delete(state.identity, prunes=False)
    return _SOON if is_known else None


async def leave(state: ApplicationState, request: Request, context: SyncContext, leaving: Leaving) -> float | None:
    """The custom resource is being deleted: prune what it owns; a guard or a failure keeps it, and says why."""
    if reason := await leaving.resources.reason_to_stay(state.identity):
        state.report.stopped(reason)
        return _WHILE
    result = await uninstall_everywhere(request, context)
    state.report.ended(result.outcome, result.message)
    if result.outcome in _DONE:
        await leaving.left(state)
        return None
    state.report.stopped()
    return LATER


def _held(state: ApplicationState, reason: str) -> float:
    state.report.stopped(reason)
    state.schedule.act_result = (Outcome.HELD, reason)
    return _SOON
