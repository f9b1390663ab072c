"""What was decided, done: inventory claimed, plan executed, health reached, release recorded, inventory settled."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from gitops.engine.annotations import hook_phases_of, ignores_health
from gitops.engine.health import health_of
from gitops.engine.inventory import BEGUN, HookRun, Inventory, LastHealthy, LastSync, claimed, with_ownership
from gitops.engine.plan import hooks_of
from gitops.engine.refusal import failure_of, told
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import HOME
from gitops.model.errors import ApiError, ClusterError, LostClusterError, UnreachableError
from gitops.model.health import Health
from gitops.model.plan import Create, Prune, RunHook
from gitops.model.result import Changed, Outcome, SyncResult, told_failures
from gitops.model.spec import spec_text
from gitops.sync import events
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.executor import Execution
from gitops.sync.hook_cleanup import clean_up_hooks
from gitops.sync.inventory_store import write_inventory
from gitops.sync.namespace import make_namespace, namespace_exists
from gitops.sync.progress import Progress
from gitops.sync.settle import idle_hooks, keep_terminated, settle

_DONE_UNWRITTEN = "all was applied, but that cannot be recorded; sync again when it can be"
_MOST_UNFINISHED = 20  # that there are any is what counts


async def run_sync(request: Request, context: SyncContext, planned: PlannedSync, journal: AuditTrail) -> SyncResult:
    """SYNCED, FAILED or OVERTAKEN; whichever, all that was applied is in the inventory.

    Raises LostClusterError where the cluster goes away in the middle, ClusterError where what is owned cannot be
    written down. The audit log says so in each case.
    """
    await context.store.save_rendered(planned.at.rendered)
    await _note_start(request, planned, journal)
    progress = Progress()
    async with _told_when_cut_short(request, context, planned, journal, progress):
        return await _run(request, context, planned, journal, progress)


async def _run(
    request: Request, context: SyncContext, planned: PlannedSync, journal: AuditTrail, progress: Progress
) -> SyncResult:
    plan = planned.plan
    progress.made = await _make_namespace(context, planned, journal)
    nothing = f"nothing but {progress.made[0].key} was made" if progress.made else "nothing was changed"
    with _about(f"{nothing}, since what is to be owned cannot be recorded first"):
        inventory = await _claim(request, context, planned, journal)
    unchanged, as_before = _untouched(request, planned)
    execution = Execution(request, context, planned, journal, inventory, progress)
    await _carry_out(execution, unchanged, context, planned)
    result = SyncResult(
        outcome=_outcome(progress),
        plan=plan,
        changed=(*progress.made, *progress.changed),
        failures=tuple(progress.failures),
        health=tuple(sorted(progress.healths.items())),
        message=told_failures((str(failure.key or ""), failure.reason) for failure in progress.failures)
        or _told_before(as_before),
    )
    if result.outcome is Outcome.SYNCED:
        with _about(_DONE_UNWRITTEN):
            await settle(request, context, planned, inventory, progress, journal)
    else:
        failures = [{"object": str(item.key or ""), "reason": item.reason} for item in result.failures]
        fact = "sync.overtaken" if result.outcome is Outcome.OVERTAKEN else "sync.failed"
        await journal.note(fact, plan.revision.sha, changed=progress.told, failures=failures)
        with contextlib.suppress(
            ClusterError, ManifestError
        ):  # the failure itself is what matters; the next try ends it then
            await _end_hooks(request, context, planned, inventory)
    return result


async def _note_start(request: Request, planned: PlannedSync, journal: AuditTrail) -> None:
    """Say in the audit log that the sync begins, and what is special about it."""
    plan, options = planned.plan, planned.at.options
    is_by_itself = options.back and options.prune_only is not None  # a rollback after a failure
    handed_over_by = planned.at.inventory.previous_application
    said: dict[str, Any] = {"confirmed": True} if options.confirm and not is_by_itself else {}
    said |= {"formerly": handed_over_by} if options.adopt and handed_over_by else {}
    said |= {"cluster": request.app.destination.told} if request.app.destination.told else {}
    said |= {"commit": asdict(planned.commit)} if planned.commit else {}
    sha, ref = plan.revision.sha, plan.revision.ref
    await journal.note("sync.started", sha, ref=ref, digest=plan.digest, source=planned.source, **said)


@contextlib.asynccontextmanager
async def _told_when_cut_short(
    request: Request, context: SyncContext, planned: PlannedSync, journal: AuditTrail, progress: Progress
) -> AsyncIterator[None]:
    """Whatever ends a sync before its end is in the audit log, with what was done until then.

    Raises LostClusterError for a cluster that goes away, once anything was asked of it.
    """
    sha = planned.plan.revision.sha
    try:
        yield
    except ClusterError as exc:
        if not journal.says_how_it_ended:
            await journal.note("sync.interrupted", sha, reason=str(exc), **_done_so_far(progress))
        if not isinstance(exc, UnreachableError) or not (progress.made or progress.changed or progress.asked):
            raise
        raise LostClusterError(f"{exc}{_how_to_go_on(planned)}") from exc
    except BaseException:
        if journal.says_how_it_ended:
            raise
        if said := context.callbacks.terminated():
            where = {"namespace": request.app.destination.namespace, "cluster": request.app.destination.told or HOME}
            await journal.note("sync.terminated", sha, reason=said, **where, **_done_so_far(progress))
            await keep_terminated(request, context, planned, journal)
        else:
            await journal.note("sync.interrupted", sha, **_done_so_far(progress))
        raise


def _how_to_go_on(planned: PlannedSync) -> str:
    """What to do about a cluster that went away in the middle."""
    if planned.at.options.back:
        return " (the next sync goes on with it)"
    if planned.at.options.leaving:
        return "; the deletion was cut short: delete it again when the cluster answers"
    return "; the sync was cut short and nothing was rolled back: sync again when the cluster answers"


@contextlib.contextmanager
def _about(what: str) -> Iterator[None]:
    """Say of an answer of the API server what it means for the sync."""
    try:
        yield
    except ApiError as exc:
        raise ApiError(exc.code, exc.reason, f"{what}: {exc}", exc.status) from exc


async def _carry_out(
    execution: Execution, unchanged: dict[ResourceKey, Body], context: SyncContext, planned: PlannedSync
) -> None:
    """Do what is planned, and the sync-fail hooks when that goes wrong. Raises ClusterError.

    What goes wrong because another word came in between is no failure: that is looked at first.
    """
    progress = execution.progress
    try:
        async with context.callbacks.beside(planned, progress.changed):
            await execution.run(unchanged)
    except ApiError as exc:
        progress.failures.append(failure_of(None, told(exc), exc))
    if progress.failures:
        with contextlib.suppress(ApiError):  # the failure itself is what matters
            await execution.is_superseded()
    elif progress.has_waited:
        with _about(_DONE_UNWRITTEN):
            await execution.is_superseded()
    if progress.failures and not progress.is_superseded:
        try:
            await execution.run_fail_hooks()
        except ApiError as exc:
            progress.failures.append(failure_of(None, told(exc), exc))


def _outcome(progress: Progress) -> Outcome:
    """Somebody else's work is no failure of the revision, so there is nothing to go back from."""
    if not progress.failures:
        return Outcome.SYNCED
    if progress.is_superseded:
        return Outcome.OVERTAKEN
    return Outcome.OVERTAKEN if all(one.overtaken for one in progress.failures) else Outcome.FAILED


async def keep_spec(request: Request, context: SyncContext, planned: PlannedSync) -> None:
    """Remember what the Application asks for and its source, where that is all that changed."""
    before = planned.at.inventory
    now = replace(before, spec=spec_text(request.app), source=planned.source)
    if not before.exists or before == now or request.quarantine is not None:
        return
    if before.source != now.source:
        journal = AuditTrail(request, context, before)
        sha = planned.plan.revision.sha
        await journal.note("source.changed", sha, before=before.source, source=now.source)
        now = journal.anchored(now)
    await write_inventory(context, now, before)


async def _make_namespace(context: SyncContext, planned: PlannedSync, journal: AuditTrail) -> tuple[Changed, ...]:
    """The inventory goes into it; where it has a manifest, it is one of the plan's changes, and only comes early."""
    at = planned.at
    key = ResourceKey("", "Namespace", "", at.inventory.parent.namespace)
    if at.inventory.exists or key in at.live or await namespace_exists(context.cluster, key.name):
        return ()
    own = next((found for found in at.rendered.manifests if found.key == key), None)
    if own is not None:
        await make_namespace(context.cluster, key, with_ownership(own.body, key, at.inventory))
        return ()
    changes = [{"change": "create", "object": str(key)}]
    await journal.note("namespace.made", planned.plan.revision.sha, changes=changes)
    await make_namespace(context.cluster, key, None)
    made = Changed(key, "created")
    context.emit(events.Wrote(made))
    return (made,)


async def _claim(request: Request, context: SyncContext, planned: PlannedSync, journal: AuditTrail) -> Inventory:
    """Write down everything that is about to be ours before it is; nothing is written when it is there already."""
    at = planned.at
    # A sync of single objects claims only those: the rest would be told as missing.
    about = {change.key for change in planned.plan.changes} if at.options.resources else at.rendered.keys
    about -= idle_hooks(at, [change for step in planned.plan.steps for change in step.changes])
    # A rollback is given more time, say; what the Application asks for is what the last sync was told.
    spec = at.inventory.spec if request.quarantine else spec_text(request.app)
    hooks = _hook_run(planned)
    made = {change.key for change in planned.plan.changes if isinstance(change, Create)}
    revision, to = planned.plan.revision, at.inventory.rollback_target
    if not at.options.back:
        to = None
    elif not at.options.resources and (to is None or to.digest != planned.plan.digest):
        to = LastHealthy(revision.sha, revision.ref, planned.plan.digest, journal.now())
    fresh = made
    if at.options.back:  # what is to go, so that whoever goes on after a kill knows it
        fresh = {change.key for change in planned.plan.changes if isinstance(change, Prune)}
    inventory = replace(
        claimed(at.inventory, about, fresh),
        partially_applied=at.inventory.partially_applied | _begun(planned),
        source=planned.source,
        spec=spec,
        hooks=hooks,
        quarantine=request.quarantine or at.inventory.quarantine,
        rollback_target=to,
    )
    if inventory == at.inventory and inventory.exists:
        return inventory
    begun = replace(inventory, last=LastSync(revision.sha, revision.ref, journal.now(), request.actor, BEGUN))
    return await write_inventory(context, journal.anchored(begun), at.inventory)


def _begun(planned: PlannedSync) -> frozenset[str]:
    """The set that is about to be carried out in part, unless it was carried out in full before."""
    at, plan = planned.at, planned.plan
    is_new = plan.changes and plan.digest != at.inventory.synced
    is_counted = is_new and not at.options.back and len(at.inventory.partially_applied) < _MOST_UNFINISHED
    return frozenset({plan.digest} if is_counted else ())


def _hook_run(planned: PlannedSync) -> HookRun | None:
    """A sync of the same set that was killed is gone on with; another one that runs hooks is a new one."""
    before, plan = planned.at.inventory.hooks, planned.plan
    if before is not None and before.digest == plan.digest:
        return before
    runs = any(isinstance(change, RunHook) for step in plan.steps for change in step.changes)
    return HookRun(secrets.token_hex(8), plan.digest) if runs else None


async def _end_hooks(request: Request, context: SyncContext, planned: PlannedSync, inventory: Inventory) -> None:
    """A sync that failed has ended: the next one runs its hooks again."""
    if inventory.hooks is not None:
        ended_hooks = replace(inventory, hooks=None)
        written = await write_inventory(context, ended_hooks, inventory)
        gone = await clean_up_hooks(context.cluster, hooks_of(planned.at), inventory.hooks.id, request.app.health)
        if gone:  # as it asked: that is not missing
            await write_inventory(context, replace(written, keys=written.keys - gone), written)


def _untouched(request: Request, planned: PlannedSync) -> tuple[dict[ResourceKey, Body], dict[ResourceKey, Health]]:
    """What the plan does not write and must be healthy as well; and what was not before, and is not this sync's doing.

    After a sync that came to its end, what is unhealthy all the same (an autoscaler whose metrics went away, say) is no
    reason to call the next commit bad. Until one has, everything that is there may be a sync's work.
    """
    found, inventory = _unchanged(planned), planned.at.inventory
    is_next = inventory.synced not in ("", planned.plan.digest) and not inventory.partially_applied
    if not is_next or planned.at.options.back:
        return found, {}
    healths = {key: health_of(body, request.app.health) for key, body in found.items() if not ignores_health(body)}
    before = {key: health for key, health in healths.items() if not health.is_settled}
    return {key: body for key, body in found.items() if key not in before}, before


def _told_before(as_before: Mapping[ResourceKey, Health]) -> str:
    told = [f"{key} ({health.word.value}: {health.message})" for key, health in sorted(as_before.items())]
    return f"not healthy before either, and not touched: {', '.join(told)}" if told else ""


def _unchanged(planned: PlannedSync) -> dict[ResourceKey, Body]:
    """Desired objects that are live and that the plan does not write."""
    at = planned.at
    if at.options.resources:
        return {}
    written = {change.key for change in planned.plan.changes}
    return {
        found.key: at.live[found.key]
        for found in at.rendered.manifests
        if found.key in at.live
        and found.key not in written
        and not hook_phases_of(found)
        and (at.options.only is None or found.key in at.options.only | at.options.awaited)
    }


def _done_so_far(progress: Progress) -> dict[str, list[str]]:
    """What was changed, and what was asked for without an answer: that may have been changed too."""
    asked = [f"{verb} {key}" for key, verb in sorted(progress.asked.items())]
    return {"changed": progress.told, **({"unanswered": asked} if asked else {})}
