"""What was decided, done: inventory claimed, plan executed, health reached, release recorded, inventory settled."""

import contextlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gitops.engine.annotations import hook_phases_of, ignores_health
from gitops.engine.completed_jobs import ended
from gitops.engine.health import health_of
from gitops.engine.hooks import leaves_something, removes_itself
from gitops.engine.inventory import BEGUN, HookRun, Inventory, LastHealthy, LastSync, claimed, with_ownership
from gitops.engine.inventory_parent import read_parent
from gitops.engine.overtaken import overtaken_inventory
from gitops.engine.plan import all_hooks, has_deletion_hooks, hooks_of
from gitops.engine.plan_input import PlanInput
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import ClusterError, LostClusterError, UnreachableError
from gitops.model.health import Health, worst
from gitops.model.plan import Change, Create, Prune, RunHook
from gitops.model.release import Release
from gitops.model.result import Changed, Failure, Outcome, SyncResult, told_failures
from gitops.model.revision import Revision
from gitops.model.spec import spec_text
from gitops.sync import events
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.executor import Execution, Progress
from gitops.sync.hook_cleanup import clean_up_hooks
from gitops.sync.inventory_store import write_inventory
from gitops.sync.live_state import read_by_name
from gitops.sync.namespace import make_namespace, namespace_exists
from gitops.sync.releases import known_releases, remembered

_MOST_UNFINISHED = 20  # that there are any is what counts


async def run_sync(request: Request, context: SyncContext, planned: PlannedSync, journal: AuditTrail) -> SyncResult:
    """SYNCED, FAILED or OVERTAKEN; whichever, all that was applied is in the inventory. Raises LostClusterError."""
    at, plan = planned.at, planned.plan
    sha = plan.revision.sha
    await context.store.save_rendered(at.rendered)
    is_by_itself = at.options.back and at.options.prune_only is not None  # a rollback after a failure
    said: dict[str, Any] = {"confirmed": True} if at.options.confirm and not is_by_itself else {}
    said |= (
        {"formerly": at.inventory.previous_application}
        if at.options.adopt and at.inventory.previous_application
        else {}
    )
    said |= {"cluster": request.app.destination.cluster} if request.app.destination.cluster else {}
    await journal.note("sync.started", sha, ref=plan.revision.ref, digest=plan.digest, source=planned.source, **said)
    made = await _make_namespace(context, planned, journal)
    inventory = await _claim(request, context, planned, journal)
    execution = Execution(request, context, planned, journal, inventory)
    try:
        async with context.callbacks.beside(planned, execution.progress.changed):
            unchanged, as_before = _untouched(request, planned)
            progress = await execution.run(unchanged)
        if progress.failures:
            await execution.run_fail_hooks()
    except UnreachableError as exc:
        await journal.note("sync.interrupted", sha, reason=str(exc), **_done_so_far(execution.progress))
        raise LostClusterError(
            f"{exc}; the sync was cut short and nothing was rolled back: sync again when the cluster answers"
        ) from exc
    except ClusterError as exc:
        progress = execution.progress
        progress.failures.append(Failure(None, str(exc)))
    except BaseException:
        await journal.note("sync.interrupted", sha, **_done_so_far(execution.progress))
        raise
    if progress.has_waited and not progress.failures:
        progress.failures += await _overtaken(request, context, inventory, plan.digest)
    result = SyncResult(
        outcome=_outcome(progress),
        plan=plan,
        changed=(*made, *progress.changed),
        failures=tuple(progress.failures),
        health=tuple(sorted(progress.healths.items())),
        message=told_failures((str(failure.key or ""), failure.reason) for failure in progress.failures)
        or _told_before(as_before),
    )
    if result.outcome is Outcome.SYNCED:
        await _settle(request, context, planned, inventory, progress, journal)
    else:
        failures = [{"object": str(item.key or ""), "reason": item.reason} for item in result.failures]
        fact = "sync.overtaken" if result.outcome is Outcome.OVERTAKEN else "sync.failed"
        await journal.note(fact, sha, changed=_changes(progress), failures=failures)
        with contextlib.suppress(ClusterError):  # the failure itself is what matters; the next try ends it then
            await _end_hooks(request, context, planned, inventory)
    return result


def _outcome(progress: Progress) -> Outcome:
    """Somebody else's work is no failure of the revision, so there is nothing to go back from."""
    if not progress.failures:
        return Outcome.SYNCED
    return Outcome.OVERTAKEN if all(one.overtaken for one in progress.failures) else Outcome.FAILED


async def _overtaken(request: Request, context: SyncContext, ours: Inventory, digest: str) -> list[Failure]:
    """Another sync of the Application that came in between, whatever its objects look like: none of ours is healthy."""
    now = read_parent(await context.cluster.get(ours.parent, fresh=True), request.app.identity, ours.parent)
    who = overtaken_inventory(ours, digest, now) if now.exists else "the Application was deleted"
    return [Failure(None, f"another word came in between: {who}", overtaken=True)] if who else []


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
    about -= _idle(at, [change for step in planned.plan.steps for change in step.changes])
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


def _idle(at: PlanInput, changes: Iterable[Change]) -> set[ResourceKey]:
    """Hooks that are not among `changes` and that no object is left of: they are not missing."""
    run = {change.key for change in changes}
    idle = (hook for hook in all_hooks(at) if hook.key not in run)
    return {hook.key for hook in idle if hook.key not in at.live or removes_itself(hook.body)}


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


async def _settle(
    request: Request,
    context: SyncContext,
    planned: PlannedSync,
    inventory: Inventory,
    progress: Progress,
    journal: AuditTrail,
) -> None:
    """Record the release, then make the inventory exact: what is desired, and what is kept though it left."""
    at, plan = planned.at, planned.plan
    health = worst(progress.healths.values())
    whole = not at.options.resources
    seen = {"health": health.word.value} if request.wait else {}  # nobody has looked at what was not waited for
    await journal.note("sync.finished", plan.revision.sha, changed=_changes(progress), **seen)
    healthy, releases = inventory.healthy, inventory.releases
    if whole and request.wait:
        stored = await context.store.releases(inventory.application, context.cluster.name)
        known = known_releases(stored, inventory, context.cluster.name)
        if not known or known[0].digest != plan.digest:  # a repair of the present release is not a new one
            new = _release(request, context, planned, journal, health.word.value)
            new = replace(new, number=known[0].number + 1 if known else 1)
            known = [await context.store.add_release(new), *known]
        releases = remembered(known)
        healthy = LastHealthy(plan.revision.sha, plan.revision.ref, plan.digest, journal.now())
    keys = (at.rendered.keys - _idle(at, plan.changes)) | {kept.key for kept in plan.kept}
    keys |= await _out_of_sight(context, planned)
    if not request.wait:  # nobody has seen what was deleted go
        keys |= (await read_by_name(context.cluster, dict.fromkeys((prune.key for prune in plan.prunes), ""))).keys()
    keys |= inventory.keys - at.inventory.keys - at.rendered.keys  # claimed by another runner meanwhile
    if at.inventory.partially_applied - {plan.digest}:  # whoever has begun that may still be about to make them
        keys |= at.inventory.keys - at.live.keys() - _idle(at, plan.changes)
    hooks = hooks_of(at) if whole else []
    settled = replace(
        inventory,
        hooks=inventory.hooks if not whole or any(leaves_something(hook) for hook in hooks) else None,
        keys=keys if whole else inventory.keys,
        completed_jobs=ended(at.rendered.manifests) if whole else inventory.completed_jobs,
        being_created=frozenset() if whole else at.inventory.being_created - {change.key for change in plan.changes},
        partially_applied=frozenset() if whole else inventory.partially_applied,
        synced=plan.digest if whole else inventory.synced,
        deletion_hooks=has_deletion_hooks(at) if whole else inventory.deletion_hooks,
        healthy=healthy,
        releases=releases,
        rollback_target=None if whole else inventory.rollback_target,
        quarantine=request.quarantine if whole else inventory.quarantine,
        last=ended_sync(inventory, plan.revision, journal.now(), request.actor, Outcome.SYNCED),
    )
    if ResourceKey("", "Namespace", "", inventory.parent.namespace) in {prune.key for prune in plan.prunes}:
        return  # the inventory goes with the namespace that it is in
    tidied = await write_inventory(context, journal.anchored(settled), inventory)
    if whole and tidied.hooks is not None:
        gone = await clean_up_hooks(context.cluster, hooks, tidied.hooks.id, request.app.health)
        exact = replace(tidied, hooks=None, keys=tidied.keys - gone)
        await write_inventory(context, exact, tidied)


async def _out_of_sight(context: SyncContext, planned: PlannedSync) -> set[ResourceKey]:
    """What is owned but of a kind that is not served now (its API is down): not seen is not the same as gone."""
    kinds = await context.cluster.kinds()
    pruned = {prune.key for prune in planned.plan.prunes}
    return {key for key in planned.at.inventory.keys - pruned if kinds.is_gone(key.group, key.kind)}


def _release(request: Request, context: SyncContext, planned: PlannedSync, journal: AuditTrail, health: str) -> Release:
    app, plan = request.app, planned.plan
    return Release(
        number=0,
        application=planned.at.inventory.application,
        cluster=context.cluster.name,
        revision=plan.revision.sha,
        ref=plan.revision.ref,
        digest=plan.digest,
        health=health,
        at=journal.now(),
        actor=request.actor,
        namespace=app.destination.namespace,
        source=planned.source,
    )


def _done_so_far(progress: Progress) -> dict[str, list[str]]:
    """What was changed, and what was asked for without an answer: that may have been changed too."""
    asked = [f"{verb} {key}" for key, verb in sorted(progress.asked.items())]
    return {"changed": _changes(progress), **({"unanswered": asked} if asked else {})}


def ended_sync(inventory: Inventory, revision: Revision, now: str, actor: str, outcome: Outcome) -> LastSync:
    """How the sync that was begun ended; what was not recorded as begun began just now."""
    last = inventory.last
    is_it = last is not None and last.outcome == BEGUN and last.revision == revision.sha
    return LastSync(revision.sha, revision.ref, last.at if is_it and last else now, actor, outcome.value)


def _changes(progress: Progress) -> list[str]:
    return [f"{item.verb} {item.key}" for item in progress.changed]
