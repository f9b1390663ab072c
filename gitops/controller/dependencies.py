"""Who depends on another Application waits until that has come to the same commit, not only until it is healthy."""

from collections.abc import Callable
from dataclasses import replace

from gitops.controller.queue import Priority
from gitops.controller.state import ApplicationIndex, ApplicationState
from gitops.engine.plan_input import PlanOptions
from gitops.engine.states import Response
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.model.result import Hold
from gitops.model.revision import short
from gitops.sync.context import PlannedSync

# An Application that has come to a commit has nothing to do for it, or waits for a person's word.
_UNDER_WAY = (None, Response.SYNC, Response.HELD)


def behind(index: ApplicationIndex, state: ApplicationState) -> str:
    """Which Application that it depends on has not been synced to the commit that both are at, or ""."""
    seen = state.source.observed_revision
    if seen is None:
        return ""
    for name in state.depends_on_health:
        other = index.get(name)
        if other is None or not other.app.sync.automated or _reads(other) != _reads(state):
            continue
        is_planned = other.source.equivalent_revision == seen.sha and other.source.answered == other.source.rendered
        if not is_planned or other.last.response in _UNDER_WAY:
            return f"{state.identity} depends on {name}: it has not been synced to {short(seen.sha)} yet"
    return ""


def wake_by_expression(
    index: ApplicationIndex, wake: Callable[[ApplicationState, Priority], None], identity: str
) -> None:
    """The custom resource of an Application was changed: wake those that are held and whose expressions may ask it."""
    for state in (index.get(identity), *index.dependents(identity)):
        if state is not None and state.app.readyExpr and state.last.response is Response.HELD:
            wake(state, Priority.RESYNC)


def _reads(state: ApplicationState) -> list[tuple[str, str]]:
    return [(source.repoURL, source.targetRevision) for source in state.app.all_sources]


def held_behind(planned: PlannedSync, reason: str, options: PlanOptions) -> PlannedSync:
    """The plan, held for this reason ("" for none) where it would change anything."""
    if not reason or not planned.plan.changes or options.confirms(reason):
        return planned
    before = planned.decision.obstacles if isinstance(planned.decision, Hold) else ()
    return replace(planned, decision=Hold((*before, Obstacle(ObstacleKind.DEPENDENCY, None, reason))))
