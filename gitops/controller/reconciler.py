"""One pass of the controller for one Application: plan, answer as the rules say, do it, remember what came of it.

The pipeline is `gitops.sync.reconcile`'s; here is only what a one-shot sync has no need of: what people said
before, drift beside a revision that is not synced, retries, fights.
"""

import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from gitops.controller.app_of_apps import Children
from gitops.controller.drift_reports import note_drift, note_drift_held, remember_corrections
from gitops.controller.limiter import Turns
from gitops.controller.pinned_source import Head
from gitops.controller.record_writer import recall_failures
from gitops.controller.self_heal import upkeep
from gitops.controller.state import Tracked
from gitops.engine.annotations import ignores_health
from gitops.engine.completed_jobs import has_ended
from gitops.engine.drift import Answer, Word, respond, without_fights
from gitops.engine.health import health_of
from gitops.engine.plan_input import PlanOptions, Situation
from gitops.engine.retry import delay_after
from gitops.logs import shortened
from gitops.manifests.manifest import Manifest
from gitops.model.application import GROUP, KIND
from gitops.model.errors import (
    ClusterError,
    ConfigError,
    GitopsError,
    ManifestError,
    RenderError,
    SourceError,
    UnknownKindError,
    UnreachableError,
)
from gitops.model.health import ENDED, MISSING, Health
from gitops.model.operator_command import SUSPENDED
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.model.result import Go, Hold, Outcome
from gitops.ports import Clock, Cluster, Repositories, Store
from gitops.sync.context import Outside, Planned, Render, Request, as_account
from gitops.sync.inventory_store import read_inventory
from gitops.sync.planning import plan_rendered, plan_sync
from gitops.sync.reconcile import is_settled, sync_planned
from gitops.sync.releases import synced_set
from gitops.sync.rollback import finish_rollback
from gitops.sync.run_sync import keep_spec
from gitops.sync.uninstall import leave_everywhere

log = structlog.get_logger()
# How soon a hold is looked at again: one that time or another Application ends, and one that only a person does.
_SOON, _LATER = 30.0, 300.0
_PASSING = {ObstacleKind.WINDOW, ObstacleKind.DEPENDENCY}
# A cluster that is away is asked for more often than what is wrong is tried again: it comes back by itself.
_LONGEST_BACKOFF, _LONGEST_AWAY = 180.0, 30.0
_RENDERS_EACH = 4


@dataclass(frozen=True, slots=True)
class Means:
    """What passes on one cluster work with."""

    cluster: Cluster
    repositories: Repositories
    render: Render
    store: Store
    clock: Clock
    version: str
    actor: str  # who the audit log says it was, where nobody asked for a pass
    # Called when an Application that is being deleted owns nothing any more.
    left: Callable[[Tracked], Awaitable[None]]
    # Why what it owns stays nevertheless, for now; "" for no reason.
    reason_to_stay: Callable[[Tracked], Awaitable[str]]
    # The Applications that Applications hold, where the cluster does not know that kind itself.
    children: Children
    noted: Callable[[], None] = lambda: None
    rendering: Turns = field(default_factory=lambda: Turns(_RENDERS_EACH))


async def pass_over(
    tracked: Tracked, means: Means, word: Word, waiting: Callable[[], AbstractAsyncContextManager[None]]
) -> float | None:
    """Bring one Application to where it should be; the seconds until it wants another pass, or None."""
    try:
        again = await _pass(tracked, means, word, waiting)
        _no_error(tracked)
        tracked.misses, tracked.is_away = 0, False
        return again
    except UnreachableError as exc:  # that says nothing about the Application; whose lane it is tells it for all
        tracked.missed(str(exc), is_away=True)
        return _backoff(tracked.misses, _LONGEST_AWAY)
    except GitopsError as exc:
        if tracked.error != str(exc):
            log.warning("pass.failed", application=tracked.identity, error=shortened(str(exc)))
        tracked.missed(str(exc))
        if isinstance(exc, ClusterError):
            with contextlib.suppress(ClusterError):  # the failure itself is what matters
                await means.cluster.kinds(refresh=True)
        # A kind comes when somebody installs it.
        return _backoff(tracked.misses, _LONGEST_AWAY if isinstance(exc, UnknownKindError) else _LONGEST_BACKOFF)


def _no_error(tracked: Tracked) -> None:
    if tracked.error:
        log.info("pass.well-again", application=tracked.identity)
    tracked.error = ""


def _backoff(misses: int, longest: float) -> float:
    return min(5.0 * 2.0 ** min(misses - 1, 10), longest)


async def _pass(
    tracked: Tracked, means: Means, word: Word, waiting: Callable[[], AbstractAsyncContextManager[None]]
) -> float | None:
    app = without_fights(tracked.app, tracked.fights)
    source = Head(means.repositories, tracked, waiting)
    everything = Outside(
        source,
        means.render,
        means.cluster,
        means.store,
        means.clock,
        means.version,
        asks_around=False,
        noted=means.noted,
        waiting=waiting,
        rendering=lambda work: _rendered(means.rendering, app.namespace, work, waiting),
    )
    outside = as_account(everything, app)
    if tracked.leaving and not word.asked and await _is_suspended(tracked, means):
        tracked.answer, tracked.message = Answer.HELD, "it is suspended: its deletion waits until it is resumed"
        return None
    if tracked.leaving:
        return await _leave(tracked, outside, means)
    if tracked.spec_error:
        tracked.answer, tracked.message = Answer.HELD, tracked.spec_error
        return None
    asked = tracked.wish
    # A person confirms what was told, and no more.
    shown = tracked.held if tracked.answer is Answer.HELD else None
    options = PlanOptions(confirm=bool(asked and asked.detail.get("confirm")), shown=shown)
    request = Request(app, asked.actor if asked else means.actor, options)
    if (await means.cluster.kinds()).find(GROUP, KIND) is None:
        outside = replace(outside, takes_children=True)
    try:
        planned = await plan_sync(request, outside)
    except (ManifestError, RenderError, SourceError, ConfigError):  # what cannot be rendered is no excuse
        await means.children.take_synced(tracked, request, outside, await read_inventory(outside, request.app))
        if not await _is_suspended(tracked, means):
            await _mend_synced(tracked, request, outside)
        if tracked.head is None:  # why, its look says
            return None
        raise
    _learn(tracked, source, planned)
    inventory = planned.at.inventory
    settled = is_settled(planned.at, wait=True)
    synced = "" if inventory.unfinished else inventory.synced  # half of another set may be there
    is_retry = tracked.failures and not tracked.is_given_up
    if is_retry and tracked.approved_set == planned.plan.digest:  # the approval is for its retries too
        word = replace(word, approved=planned.plan.id)
    answer = respond(app, planned.plan, planned.decision, word, synced=synced, settled=settled)
    if answer is Answer.SYNC and not word.asked and await _is_suspended(tracked, means):
        answer = Answer.SUSPENDED
    is_wanted = word.asked or word.approves(planned.plan.id) or inventory.synced == planned.plan.digest
    if answer is Answer.SYNC and tracked.outcome is None:
        await recall_failures(tracked, means.store)
    if answer is Answer.SYNC and tracked.is_given_up and not is_wanted:
        tracked.answer = Answer.HELD  # and the message says so
        await means.children.take_synced(tracked, request, outside, inventory, planned.at.rendered)
        return None
    _note_answer(tracked, planned, answer)
    tracked.approved_set = planned.plan.digest if answer is Answer.SYNC and word.approved else ""
    await means.children.take_synced(tracked, request, outside, inventory, planned.at.rendered)
    match answer:
        case Answer.SYNC:
            return await _sync(tracked, request, outside, planned, means.children, is_drift=settled)
        case Answer.SETTLED:
            tracked.failures = 0
            await keep_spec(replace(request, app=tracked.app), outside, planned)
            await note_drift(tracked, request, outside, None)
            return None
        case Answer.REPORT:
            await note_drift(tracked, request, outside, planned)
            return None
        case Answer.HELD | Answer.APPROVAL | Answer.SUSPENDED:
            if inventory.synced == planned.plan.digest and not inventory.going_back:
                await note_drift_held(tracked, request, outside, planned)
            elif not await _is_suspended(tracked, means):
                await _mend_synced(tracked, request, outside)
            return _until_looked_again(planned)


async def _is_suspended(tracked: Tracked, means: Means) -> bool:
    """By the store itself, before anything is changed: what people say is read once a second only."""
    return await means.store.setting(tracked.identity, SUSPENDED) is not None


async def _sync(
    tracked: Tracked, request: Request, outside: Outside, planned: Planned, children: Children, *, is_drift: bool
) -> float | None:
    """Carry the plan out, and take in the Applications of what has been synced then."""
    rendered = planned.at.rendered
    if not outside.takes_children:
        return await _carry_out(tracked, request, outside, planned, is_drift=is_drift)
    if children.would_all_go(tracked, rendered) and not request.options.confirm:
        tracked.answer = Answer.HELD
        tracked.message = "the source renders to nothing at all while it holds Applications; confirm with --confirm"
        return _LATER
    children.check(tracked, rendered)
    again = await _carry_out(tracked, request, outside, planned, is_drift=is_drift)
    if tracked.answer is Answer.SETTLED:
        children.take(tracked, rendered)
    return again


async def _leave(tracked: Tracked, outside: Outside, means: Means) -> float | None:
    """The custom resource is being deleted: prune what it owns; a guard or a failure keeps it, and says why."""
    if reason := await means.reason_to_stay(tracked):
        tracked.answer, tracked.message = Answer.HELD, reason
        return _SOON
    result = await leave_everywhere(Request(tracked.app, means.actor), outside)
    tracked.outcome, tracked.message = result.outcome, result.message
    if result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC):
        await means.left(tracked)
        return None
    tracked.answer = Answer.HELD
    return _LATER


def _learn(tracked: Tracked, source: Head, planned: Planned) -> None:
    """What the plan tells, whatever is decided."""
    at = planned.at
    if source.tree is not None:
        if tracked.rendered != at.rendered.revision.sha:
            _no_error(tracked)  # that was of another commit
        tracked.rendered = tracked.current = at.rendered.revision.sha
        tracked.reads = dict(source.tree.reads)
        tracked.follows_links = source.tree.follows_links
    tracked.digest, tracked.plan_id = at.rendered.digest, planned.plan.id
    tracked.quarantine = at.inventory.quarantine
    _learn_health(tracked, planned)


def _learn_health(tracked: Tracked, planned: Planned) -> None:
    at = planned.at
    tracked.owns = bool(at.inventory.keys or at.inventory.synced)
    own = tracked.app.health
    healths = {
        found.key: _when_gone(at, found) if found.key not in at.live else health_of(at.live[found.key], own)
        for found in at.rendered.manifests
        if found.key in at.inventory.keys and not ignores_health(found.body)
    }
    # What an event told since the plan's look at the cluster is newer.
    unhealthy = {key: health for key, health in healths.items() if not health.is_settled and key not in tracked.heard}
    tracked.unhealthy = unhealthy | {key: tracked.unhealthy[key] for key in tracked.heard & tracked.unhealthy.keys()}


def _when_gone(at: Situation, manifest: Manifest) -> Health:
    return ENDED if has_ended(at.inventory, manifest) else MISSING


def _note_answer(tracked: Tracked, planned: Planned, answer: Answer) -> None:
    if tracked.answer is Answer.HELD and answer is Answer.SETTLED:
        log.info("application.well-again", application=tracked.identity)
    tracked.answer, tracked.waits_for_others = answer, False
    tracked.pending = len(planned.plan.changes)
    before = tracked.message
    match answer:
        case Answer.HELD:
            assert isinstance(planned.decision, Hold)
            tracked.message = planned.decision.reason
            tracked.held = frozenset(item.reason for item in planned.decision.obstacles)
            tracked.waits_for_others = any(_is_of_others(item) for item in planned.decision.obstacles)
        case Answer.APPROVAL:
            counted = {0: "what its Applications are now waits", 1: "1 change waits"}
            changes = counted.get(tracked.pending, f"{tracked.pending} changes wait")
            tracked.message = f"{changes} for a sync or an approval of plan {planned.plan.id[:12]}"
        case Answer.SUSPENDED:
            tracked.message = "suspended"
        case Answer.SETTLED:
            tracked.message = "; ".join(str(fight) for fight in tracked.fights)
        case _:
            return
    if tracked.message != before and tracked.message:
        tell = log.warning if answer is Answer.HELD else log.info
        tell("application.waits", application=tracked.identity, answer=answer.value, reason=shortened(tracked.message))


def _is_of_others(obstacle: Obstacle) -> bool:
    """Whether it is over once another object is gone or given away: an owner's, or what is left where it was before."""
    return obstacle.kind is ObstacleKind.FOREIGN or (obstacle.kind is ObstacleKind.GUARD and obstacle.key is None)


async def _carry_out(
    tracked: Tracked, request: Request, outside: Outside, planned: Planned, *, is_drift: bool
) -> float | None:
    if is_drift and planned.plan.changes:
        await note_drift(tracked, request, outside, planned)
        request = replace(request, wait=False)  # the next hand edit must not wait for this one's rollout
    elif request.app.sync.drift == "correct" and tracked.wish is None:  # a person's wish may be one in a suspension
        outside = replace(outside, beside=partial(upkeep, tracked, request, outside))
    started = outside.clock.monotonic()
    result = await sync_planned(request, outside, planned)
    tracked.sync_seconds = outside.clock.monotonic() - started
    tracked.outcome, tracked.message = result.outcome, result.message
    tracked.synced_at = outside.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    if result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC):
        log.info("application.synced", application=tracked.identity, seconds=round(tracked.sync_seconds, 1))
        tracked.failures, tracked.drift, tracked.answer, tracked.owns = 0, (), Answer.SETTLED, True
        tracked.quarantine = request.quarantine
        if is_drift:  # what it put back was not waited for, so how it is comes with the events
            remember_corrections(tracked, planned, outside.clock)
            return None
        tracked.unhealthy = {}
        if result.outcome is Outcome.SYNCED and tracked.pushed_at:
            tracked.healthy_seconds = outside.clock.monotonic() - tracked.pushed_at
            tracked.pushed_at = 0.0
        return None
    tracked.answer = Answer.HELD
    delay = None if result.outcome is Outcome.ROLLED_BACK else _LATER
    if result.outcome in (Outcome.FAILED, Outcome.OVERTAKEN):
        tracked.failures += 1
        retry = tracked.app.sync.retry
        delay = delay_after(tracked.failures, retry)
        if planned.at.inventory.synced == planned.plan.digest:  # what was synced is mended whenever that can be
            delay = delay or retry.backoff.maxDuration
        elif tracked.is_given_up:
            tracked.message += f" (given up after {tracked.failures} tries; push a commit, or run gitops refresh)"
    log.warning(
        "application.not-synced",
        application=tracked.identity,
        outcome=result.outcome.value,
        reason=shortened(tracked.message),
        again_in=delay,
    )
    return delay


async def _rendered(
    turns: Turns,
    tenant: str,
    work: Callable[[], tuple[Manifest, ...]],
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> tuple[Manifest, ...]:
    """A render in its tenant's place; the cluster's is another's meanwhile."""
    async with waiting():
        return await turns.in_thread(tenant, work)


async def _mend_synced(tracked: Tracked, request: Request, outside: Outside) -> None:
    """Drift from the revision that is synced, while the head may not be: a quarantine or an approval is no excuse."""
    app = request.app
    inventory = await read_inventory(outside, app)
    tracked.owns = (tracked.owns or None) if inventory.keys or inventory.synced else False  # how it is, a plan tells
    if inventory.application != app.identity:
        return
    if inventory.going_back is not None:
        result = await finish_rollback(request, outside, inventory)
        tracked.outcome, tracked.message = result.outcome, result.message
        return
    if not inventory.synced or app.sync.drift == "ignore" or (inventory.quarantine and inventory.quarantine.stuck):
        return
    if inventory.unfinished and app.sync.rollback == "never":  # that would be one
        return
    try:
        rendered = await synced_set(request, outside, inventory)
    except SourceError:
        return
    mend = replace(request, options=PlanOptions(hooks=False), quarantine=inventory.quarantine, wait=False)
    planned = await plan_rendered(mend, outside, rendered, inventory.source)
    if not tracked.rendered:
        _learn_health(tracked, planned)
    if not planned.plan.changes:
        await note_drift(tracked, mend, outside, None)
        return
    message = tracked.message
    await note_drift(tracked, mend, outside, planned)
    if app.sync.drift == "correct" and isinstance(planned.decision, Go):
        result = await sync_planned(mend, outside, planned)
        if result.outcome is Outcome.SYNCED:
            tracked.drift = ()
            remember_corrections(tracked, planned, outside.clock)
    tracked.message = message


def _until_looked_again(planned: Planned) -> float | None:
    if not isinstance(planned.decision, Hold):
        return None
    return _SOON if all(item.kind in _PASSING for item in planned.decision.obstacles) else _LATER
