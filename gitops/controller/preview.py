"""What a pass would plan for an Application, for somebody who only looks: nothing is written, noted or remembered."""

import contextlib
from dataclasses import replace
from functools import partial

from gitops.controller.pinned_source import PinnedSource
from gitops.controller.reconciler import ReconcilerDeps
from gitops.controller.state import ApplicationState
from gitops.engine.drift import without_drift_loops
from gitops.model.application import GROUP, KIND, Application
from gitops.sync.context import Callbacks, PlannedSync, Request, SyncContext, as_account
from gitops.sync.planning import held_without_rights, plan_sync


def context_of(state: ApplicationState, deps: ReconcilerDeps) -> SyncContext:
    """What a pass over this Application reaches out to, in the name of its account; nobody hears of it."""
    everything = SyncContext(
        PinnedSource(deps.repositories, state, contextlib.nullcontext),
        deps.render,
        deps.cluster,
        deps.store,
        deps.clock,
        deps.version,
        asks_around=False,
        callbacks=Callbacks(noted=deps.noted, rendering=partial(deps.rendering.in_thread, state.app.namespace)),
        about=deps.relatives.about,
    )
    return as_account(everything, state.app)


def application_of(state: ApplicationState) -> Application:
    """The Application as a pass has it: fields of a drift loop are left to who keeps writing them."""
    return without_drift_loops(state.app, state.drift.loops)


async def preview(state: ApplicationState, deps: ReconcilerDeps) -> PlannedSync:
    """The plan that a pass would make now. Raises a GitopsError for whatever keeps it from being made."""
    context = context_of(state, deps)
    if (await deps.cluster.kinds()).find(GROUP, KIND) is None:
        context = replace(context, child_kinds=frozenset({(GROUP, KIND)}))
    request = Request(application_of(state), deps.actor, is_manual=False)
    return held_without_rights(await plan_sync(request, context))
