"""Back to the last healthy release after a sync failed; the revision that failed is quarantined.

The release's rendered set comes from our store, or is rendered again from its commit where the store has it not (a CI
runner). A rollback updates what the failed sync changed and deletes what that sync created, and nothing else.
"""

from dataclasses import replace

from gitops.controller import news
from gitops.controller.carry_out import carry_out
from gitops.controller.claim import read_inventory, write_inventory
from gitops.controller.journal import Journal
from gitops.controller.planning import plan_rendered, render_source
from gitops.controller.request import Outside, Planned, Request
from gitops.engine.inventory import LastHealthy, parent_key
from gitops.engine.plan import PlanOptions, is_precious
from gitops.model.application import Application
from gitops.model.errors import GitopsError
from gitops.model.release import Quarantine
from gitops.model.rendered import RenderedSet
from gitops.model.result import Outcome, SyncResult

_LEAST_SECONDS = 120.0


async def roll_back(
    request: Request, outside: Outside, failed: Planned, result: SyncResult, journal: Journal
) -> SyncResult:
    """`result` is FAILED; the answer is ROLLED_BACK, or FAILED with the reason why there is no way back."""
    no_way = _no_way_back(request, failed, result)
    if no_way or not (result.changed or await _was_begun(request, outside, failed, result)):
        no_way = no_way or "nothing was changed"
        return replace(result, message=f"{result.message} ({no_way})")
    healthy = failed.at.inventory.healthy
    assert healthy is not None  # by _no_way_back
    reason = result.message
    outside.tell(news.RollingBack(reason, healthy.revision))
    await journal.note("rollback.started", healthy.revision, reason=reason, failed=failed.plan.revision.sha)
    quarantine = Quarantine(failed.plan.revision.sha, failed.plan.digest, reason, journal.now())
    back = replace(request, app=_patient(request.app), options=_options(result), wait=True, quarantine=quarantine)
    try:
        planned = await _plan_back(back, outside, failed, healthy)
        if planned.plan.obstacles:
            raise GitopsError("; ".join(item.reason for item in planned.plan.obstacles))
        undone = await carry_out(back, outside, planned, journal)
    except GitopsError as exc:
        return await _stuck(request, outside, result, quarantine, journal, str(exc))
    if undone.outcome is not Outcome.SYNCED:
        return await _stuck(request, outside, result, quarantine, journal, undone.message)
    return replace(result, outcome=Outcome.ROLLED_BACK, rollback=undone)


def _no_way_back(request: Request, failed: Planned, result: SyncResult) -> str:
    healthy = failed.at.inventory.healthy
    if request.app.sync.rollback == "never":
        return "not rolled back: sync.rollback is never"
    if {failure.key for failure in result.failures} <= {prune.key for prune in failed.plan.prunes}:
        return "not rolled back: all that is desired is there and healthy, only deletions are left"
    if healthy is None:
        return "not rolled back: no release has been healthy yet"
    if healthy.digest == failed.plan.digest:
        return "not rolled back: this is the last healthy release itself"
    return ""


async def _was_begun(request: Request, outside: Outside, failed: Planned, result: SyncResult) -> bool:
    """A sync that is gone on with after a kill may find nothing to change: what it had changed, the way back shows."""
    inventory = failed.at.inventory
    if inventory.healthy is None or inventory.synced == failed.plan.digest:
        return False
    try:
        back = replace(request, options=_options(result))
        return bool((await _plan_back(back, outside, failed, inventory.healthy)).plan.changes)
    except GitopsError:
        return False


async def _plan_back(back: Request, outside: Outside, failed: Planned, healthy: LastHealthy) -> Planned:
    rendered = await _release_set(back, outside, healthy.digest, healthy.revision)
    return await plan_rendered(back, outside, rendered, failed.source)


async def _release_set(request: Request, outside: Outside, digest: str, sha: str) -> RenderedSet:
    stored = await outside.store.rendered(digest)
    if stored is not None:
        return stored
    rendered, _ = await render_source(request, outside, sha)
    if rendered.digest != digest:
        raise GitopsError(f"commit {sha[:12]} no longer renders to what was healthy, and our store does not hold it")
    return rendered


def _patient(app: Application) -> Application:
    """However short the deadline of the sync was, the way back gets a fair one."""
    return replace(app, sync=replace(app.sync, timeout=max(app.sync.timeout, _LEAST_SECONDS)))


def _options(result: SyncResult) -> PlanOptions:
    created = frozenset(item.key for item in result.changed if item.verb == "created" and not is_precious(item.key))
    return PlanOptions(prune=True, prune_only=created, confirm=True, force_conflicts=True, hooks=False, back=True)


async def _stuck(
    request: Request, outside: Outside, result: SyncResult, quarantine: Quarantine, journal: Journal, reason: str
) -> SyncResult:
    """The way back failed too: say both reasons, and quarantine the revision all the same."""
    await journal.note("rollback.failed", result.plan.revision.sha, reason=reason)
    try:
        parent = await read_inventory(
            outside.cluster, request.app, parent_key(request.app.name, request.app.destination.namespace)
        )
        marked = journal.anchored(replace(parent, quarantine=quarantine))
        await write_inventory(outside.cluster, marked, parent, outside.version)
    except GitopsError as exc:
        reason = f"{reason}; the quarantine could not be recorded: {exc}"
    return replace(result, message=f"{result.message}; rolling back failed: {reason}")
