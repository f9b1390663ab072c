"""Who depends on another Application waits until that has come to the same commit, not only until it is healthy."""

from collections.abc import Callable
from dataclasses import replace

from gitops.controller.queue import Priority
from gitops.controller.state import ApplicationIndex, ApplicationState
from gitops.engine.inventory import owner_of
from gitops.engine.plan_input import PlanOptions
from gitops.engine.states import Response
from gitops.manifests.key import ResourceKey
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


def let_go(index: ApplicationIndex, state: ApplicationState, planned: PlannedSync) -> frozenset[ResourceKey]:
    """What holds a plan up since another Application owns it, and that one's own newest plan has no more.

    As Flux has it, whose Kustomizations take over what another one delivers: here only once that has let it go. Of a
    Kustomization that delivers nothing any more, what it owns is left to a person.
    """
    if not isinstance(planned.decision, Hold) or state.app.source.kustomize.rules != "flux":
        return frozenset()
    held = [one.key for one in planned.decision.obstacles if one.kind is ObstacleKind.FOREIGN and one.key is not None]
    live = planned.at.live
    return frozenset(key for key in held if key in live and _lets_go(index.get(owner_of(live[key], key)), state, key))


def _lets_go(other: ApplicationState | None, state: ApplicationState, key: ResourceKey) -> bool:
    if other is None or other.app.source.kustomize.rules != "flux" or other.cluster != state.cluster:
        return False
    seen, own = other.source.observed_revision, state.source.observed_revision
    if seen is None or other.source.equivalent_revision != seen.sha or other.last.error:
        return False
    if _reads(other) == _reads(state) and own != seen:
        return False
    return bool(other.source.objects) and key not in {one for one, _ in other.source.objects}


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
