"""Hand edits while a sync waits for health: what it wants there, and has there already, is put back at once.

That is what the sync has applied, and what it found as it should be; everything else is its own to apply. It goes on
undisturbed, with its deadline, and the pass after it looks at all that was edited once more.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from gitops.controller.drift_reports import note_drift, remember_corrections
from gitops.controller.state import ApplicationState
from gitops.engine.drift import without_drift_loops
from gitops.engine.hooks import removes_itself
from gitops.engine.plan import questions
from gitops.engine.plan_input import PlanOptions
from gitops.engine.predict import predict
from gitops.manifests.key import ResourceKey, version_of
from gitops.model.errors import GitopsError
from gitops.model.plan import Create, Plan, Update
from gitops.model.result import Changed, Go
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.executor import Execution
from gitops.sync.live_state import read_by_name
from gitops.sync.planning import held_without_rights, plan_rendered

# Rollouts touch objects often: looking at what they touched takes a quarter of the time at most.
_PAUSE_SECONDS, _PAUSE_SHARE = 0.1, 3.0


@contextlib.asynccontextmanager
async def self_heal(
    state: ApplicationState, request: Request, context: SyncContext, planned: PlannedSync, changed: Sequence[Changed]
) -> AsyncIterator[None]:
    """Put back what events tell of while a plan is carried out; `changed` is what that has written so far."""
    if planned.at.options.back:  # on the way back nothing is wanted of what the sync had brought
        yield
        return
    task = asyncio.create_task(_put_back_for_ever(state, request, context, planned, changed))
    try:
        yield
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


async def _put_back_for_ever(
    state: ApplicationState, request: Request, context: SyncContext, planned: PlannedSync, changed: Sequence[Changed]
) -> None:
    to_come = {change.key for step in planned.plan.steps for change in step.changes}
    while True:
        edited = await state.live.take_edited()
        began = context.clock.monotonic()
        there = planned.at.rendered.keys - (to_come - {item.key for item in changed})
        left = {loop.key for loop in state.drift.loops if not loop.manager}  # it is deleted again and again
        with contextlib.suppress(GitopsError):
            await _put_back(state, request, context, planned, frozenset(edited & there - left))
        took = context.clock.monotonic() - began
        await context.clock.sleep(max(_PAUSE_SECONDS, took * _PAUSE_SHARE))


async def _put_back(
    state: ApplicationState, request: Request, context: SyncContext, planned: PlannedSync, keys: frozenset[ResourceKey]
) -> None:
    options = PlanOptions(hooks=False, only=keys, prune_only=frozenset())
    app = without_drift_loops(request.app, state.drift.loops)
    if not keys or not await _look_changed(context, replace(planned, at=replace(planned.at, app=app, options=options))):
        return
    mend = replace(request, app=app, options=options, wait=False)
    again = held_without_rights(await plan_rendered(mend, context, planned.at.rendered, planned.source))
    again = replace(again, plan=_at_once(again.plan))
    if not again.plan.changes or not isinstance(again.decision, Go):
        return
    message = state.last.message
    await note_drift(state, mend, context, again)
    execution = Execution(mend, context, again, AuditTrail(mend, context, again.at.inventory), again.at.inventory)
    if not (await execution.run({})).failures:
        state.report.drifted(())
        remember_corrections(state, again, context.clock)
    state.report.said(message)


async def _look_changed(context: SyncContext, planned: PlannedSync) -> bool:
    """Whether any of the objects looks otherwise than it is wanted: most events tell of what a rollout does itself."""
    at = planned.at
    versions = {found.key: version_of(found.body["apiVersion"]) for found in at.rendered.manifests}
    live = await read_by_name(context.cluster, {key: versions[key] for key in at.options.only or ()})
    return len(live) < len(at.options.only or ()) or bool(questions(replace(at, live=live), predict))


def _at_once(plan: Plan) -> Plan:
    """What is done by one write each; the rest waits for the pass after the sync. A Job that has run may be gone."""
    steps = [
        replace(
            step,
            changes=tuple(
                change
                for change in step.changes
                if isinstance(change, Update) or (isinstance(change, Create) and not removes_itself(change.body))
            ),
        )
        for step in plan.steps
    ]
    return replace(plan, steps=tuple(step for step in steps if step.changes))
