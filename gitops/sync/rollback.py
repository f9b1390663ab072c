"""Back to the last healthy release after a sync failed; the revision that failed is quarantined.

The release's rendered set comes from our store, or is rendered again from its commit where the store has it not (a CI
runner). A rollback updates what the failed sync changed and deletes what that sync created, and nothing else. Where it
goes is written into the inventory before its first change, so that whoever comes after a kill goes on with it.
"""

from dataclasses import dataclass, replace

from gitops.engine.health import health_of
from gitops.engine.inventory import INSTANCE, Inventory, LastHealthy
from gitops.engine.plan_input import BEING_DELETED, PlanOptions
from gitops.engine.refusal import first_of
from gitops.logs import shortened
from gitops.manifests.key import ResourceKey
from gitops.model.errors import GitopsError, LostClusterError, SourceError, UnreachableError
from gitops.model.plan import ABSENT, Change, Manager, Plan, Prune, Recreate, RunHook, Update
from gitops.model.release import Quarantine
from gitops.model.rendered import RenderedSet
from gitops.model.result import Outcome, SyncResult
from gitops.model.revision import Revision
from gitops.sync import events
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.inventory_store import read_inventory, write_inventory
from gitops.sync.planning import plan_rendered
from gitops.sync.releases import release_set
from gitops.sync.run_sync import run_sync

_LEAST_SECONDS = 120.0
_LONGEST_REASON = 2000  # the inventory holds a megabyte in all; the audit log has the whole of it


@dataclass(frozen=True, slots=True)
class _WayBack:
    """The release that a rollback goes to, and the `source` of both sets.

    `came_from` is the set that failed where only what it changed is to be undone, else None.
    """

    to: LastHealthy
    came_from: RenderedSet | None
    source: str


async def roll_back(
    request: Request, context: SyncContext, failed: PlannedSync, result: SyncResult, journal: AuditTrail
) -> SyncResult:
    """`result` is FAILED; the answer is ROLLED_BACK, or FAILED with the reason why there is no way back."""
    no_way = _no_way_back(request, failed, result)
    if no_way or not (_is_to_be_undone(failed, result) or await _was_begun(request, context, failed, result)):
        no_way = no_way or ("nothing else was changed" if result.changed else "nothing was changed")
        return replace(result, message=f"{result.message} ({no_way}){_what_stays(result)}")
    if await _is_not_its_doing(request, context, failed, result):
        no_way = "not rolled back: so it was before this sync, which does not touch it"
        return replace(result, message=f"{result.message} ({no_way})")
    healthy = failed.at.inventory.healthy
    assert healthy is not None  # by _no_way_back
    reason = shortened(result.message, _LONGEST_REASON)
    context.emit(events.RollingBack(reason, healthy.revision))
    await journal.note("rollback.started", healthy.revision, reason=reason, failed=failed.plan.revision.sha)
    quarantine = Quarantine(failed.plan.revision.sha, failed.plan.digest, reason, journal.now())
    back = _back(request, _fresh(failed, result), None if request.options.resources else quarantine)
    return await _go_back(back, context, result, _way_back(failed, healthy), journal)


async def finish_rollback(request: Request, context: SyncContext, inventory: Inventory) -> SyncResult:
    """Go on with a rollback that was killed on its way (`inventory.rollback_target`): ROLLED_BACK, or FAILED."""
    to, found = inventory.rollback_target, inventory.quarantine
    assert to is not None  # the caller asked because of it
    if found is not None and found.by:  # a person began it, and the audit log says so
        request = replace(request, actor=f"{found.by} (gone on with by {request.actor})")
    journal = AuditTrail(request, context, inventory)
    left = found or Quarantine("", "", "a rollback was begun", journal.now())
    context.emit(events.RollingBack(left.reason, to.revision))
    await journal.note("rollback.started", to.revision, reason=f"goes on: {left.reason}", failed=left.revision)
    plan = Plan(request.app.identity, Revision(left.revision, ""), left.digest, ())
    result = SyncResult(Outcome.FAILED, plan, message=left.reason)
    back = _back(replace(request, options=PlanOptions()), inventory.being_created, left)
    came_from = await context.store.rendered(left.digest) if inventory.partially_applied <= {left.digest} else None
    return await _go_back(back, context, result, _WayBack(to, came_from, inventory.source), journal, goes_on=True)


def _way_back(failed: PlannedSync, healthy: LastHealthy) -> _WayBack:
    return _WayBack(healthy, _left_behind(failed), failed.source)


def _left_behind(failed: PlannedSync) -> RenderedSet | None:
    """The set that failed, where all else that is there is the release: only what differs is to be undone then."""
    before = failed.at.inventory
    is_all = before.partially_applied <= {failed.plan.digest} and before.rollback_target is None
    is_from_release = before.healthy is not None and before.synced == before.healthy.digest
    return failed.at.rendered if is_all and is_from_release else None


def _back(request: Request, fresh: frozenset[ResourceKey], quarantine: Quarantine | None = None) -> Request:
    """However short the deadline of the sync was, the way back gets a fair one; it goes no further than the sync."""
    app = replace(request.app, sync=replace(request.app.sync, timeout=max(request.app.sync.timeout, _LEAST_SECONDS)))
    options = PlanOptions(
        prune=True,
        prune_only=fresh,
        confirm=True,
        force_conflicts=True,
        hooks=False,
        back=True,
        resources=request.options.resources,
    )
    return replace(request, app=app, options=options, wait=True, quarantine=quarantine)


async def _go_back(
    back: Request,
    context: SyncContext,
    result: SyncResult,
    way: _WayBack,
    journal: AuditTrail,
    *,
    goes_on: bool = False,
) -> SyncResult:
    """`result` is that of the sync which failed.

    With `goes_on` the cluster remembers where this goes: a source that cannot be read now may be read later.
    """
    try:
        failed = frozenset(failure.key for failure in result.failures if failure.key)
        planned = await _plan_back(back, context, way, failed)
        if planned.plan.obstacles:
            raise GitopsError("; ".join(item.reason for item in planned.plan.obstacles))
        undone = await run_sync(back, context, planned, journal)
        if undone.outcome is not Outcome.SYNCED:
            raise GitopsError(undone.message)
    except UnreachableError as exc:  # no failure of the way back: whoever comes next goes on with it
        raise LostClusterError(f"{result.message}; rolling back was cut short: {exc}") from exc
    except GitopsError as exc:
        if goes_on and isinstance(exc, SourceError):
            raise
        return await _stuck(back, context, result, journal, str(exc))
    return replace(result, outcome=Outcome.ROLLED_BACK, rollback=undone)


def _no_way_back(request: Request, failed: PlannedSync, result: SyncResult) -> str:
    healthy = failed.at.inventory.healthy
    if request.app.sync.rollback == "never":
        return "not rolled back: sync.rollback is never"
    if {failure.key for failure in result.failures} <= {prune.key for prune in failed.plan.prunes}:
        return "not rolled back: all that is desired is there and healthy, only deletions are left"
    if all(failure.forbidden for failure in result.failures):
        return "not rolled back: a right is missing, which says nothing of the revision; sync again when it is given"
    if all(failure.forbidden or failure.unanswered for failure in result.failures):
        return "not rolled back: a webhook does not answer, which says nothing of the revision; sync again when it does"
    if healthy is None:
        return "not rolled back: no release has been healthy yet"
    if healthy.digest == failed.plan.digest:
        return "not rolled back: this is the last healthy release itself"
    return ""


def _is_to_be_undone(failed: PlannedSync, result: SyncResult) -> bool:
    """Whether a release is changed: the last run of a hook, which had to go for the next, is no part of one."""
    hooks = {change.key for change in failed.plan.changes if isinstance(change, RunHook)}
    return any(item.verb != "deleted" or item.key not in hooks for item in result.changed)


def _what_stays(result: SyncResult) -> str:
    """What was done before a write was refused; of what became unhealthy, the failures tell."""
    changed = {item.key for item in result.changed if item.verb != "deleted"}
    if not result.changed or all(failure.key in changed for failure in result.failures):
        return ""
    return f"; done before: {first_of([f'{item.verb} {item.key}' for item in result.changed], 'object')}"


async def _is_not_its_doing(request: Request, context: SyncContext, failed: PlannedSync, result: SyncResult) -> bool:
    """True when all that failed was unhealthy before, and neither this sync nor the way back changes it."""
    at, healthy = failed.at, failed.at.inventory.healthy
    written = {change.key for change in failed.plan.changes if not _is_made_again(change)}
    for failure in result.failures:
        live = at.live.get(failure.key) if failure.key else None
        if live is None or failure.key in written or health_of(live, request.app.health).is_settled:
            return False
    assert healthy is not None  # by _no_way_back
    try:
        back = _back(request, _fresh(failed, result))
        plan = (await _plan_back(back, context, _way_back(failed, healthy))).plan
    except GitopsError:
        return False
    undone = {change.key for change in plan.changes}
    return not any(failure.key in undone for failure in result.failures)


def _is_made_again(change: Change) -> bool:
    """Somebody else is deleting the object: that it does not go is not for this sync to answer."""
    return isinstance(change, Recreate) and change.reason == BEING_DELETED


async def _was_begun(request: Request, context: SyncContext, failed: PlannedSync, result: SyncResult) -> bool:
    """A sync that is gone on with after a kill may find nothing to change: what it had changed, the way back shows.

    What others changed meanwhile is drift, which is no reason to give the revision up.
    """
    inventory = failed.at.inventory
    if inventory.healthy is None or inventory.synced == failed.plan.digest:
        return False
    try:
        back = _back(request, _fresh(failed, result))
        plan = (await _plan_back(back, context, _way_back(failed, inventory.healthy))).plan
    except GitopsError:
        return False
    return any(_is_of_ours(change) for change in plan.changes)


def _is_of_ours(change: Change) -> bool:
    """True when what `change` would undo was written by a sync: by our own word, or gone without anybody's."""
    match change:
        case Update():
            return any(
                field.owner.name == INSTANCE if isinstance(field.owner, Manager) else field.live is ABSENT
                for field in change.fields
            )
        case _:
            return isinstance(change, (Prune, Recreate))


async def _plan_back(
    back: Request,
    context: SyncContext,
    way: _WayBack,
    awaited: frozenset[ResourceKey] = frozenset(),
) -> PlannedSync:
    """Only what the two sets have otherwise: anything else is drift, which is not for a rollback to judge.

    `awaited` failed, and must be healthy again although it is the same in both: what it uses may not be.
    """
    rendered = await release_set(back, context, way.to.digest, Revision(way.to.revision, way.to.ref))
    if way.came_from is not None:
        there = {manifest.key: manifest.body for manifest in way.came_from.manifests}
        only = frozenset(found.key for found in rendered.manifests if there.get(found.key) != found.body)
        back = replace(back, options=replace(back.options, only=only, awaited=awaited))
    return await plan_rendered(back, context, rendered, way.source)


def _fresh(failed: PlannedSync, result: SyncResult) -> frozenset[ResourceKey]:
    """What the sync made, and what one that was killed before it had made or was about to."""
    return failed.at.inventory.being_created | {item.key for item in result.changed if item.verb == "created"}


async def _stuck(
    back: Request, context: SyncContext, result: SyncResult, journal: AuditTrail, reason: str
) -> SyncResult:
    """The way back failed too: say both reasons, quarantine the revision all the same, and go no further."""
    await journal.note("rollback.failed", result.plan.revision.sha, reason=reason)
    try:
        parent = await read_inventory(context, back.app)
        stuck = (
            replace(back.quarantine, stuck=shortened(reason, _LONGEST_REASON)) if back.quarantine else parent.quarantine
        )
        with_ownership = journal.anchored(replace(parent, quarantine=stuck, rollback_target=None))
        await write_inventory(context, with_ownership, parent)
    except GitopsError as exc:
        reason = f"{reason}; the quarantine could not be recorded: {exc}"
    return replace(result, message=f"{result.message}; rolling back failed: {reason}")
