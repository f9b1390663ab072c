"""May this plan be carried out? Go, Hold with every reason, or InSync. Nothing else decides it."""

from gitops.engine.annotations import is_hook
from gitops.engine.inventory import Inventory
from gitops.engine.plan_input import PlanInput
from gitops.model.plan import Obstacle, ObstacleKind, Plan
from gitops.model.rendered import RenderedSet
from gitops.model.result import Decision, Go, Hold, InSync
from gitops.model.revision import short

# A share of a handful says nothing, so the percentage counts from this many owned objects up.
_PERCENT_FROM = 10


def decide(at: PlanInput, plan: Plan, source: str, more: tuple[Obstacle, ...] = ()) -> Decision:
    """`source` names where the desired state came from, to be held against what the inventory remembers.

    `more` is what policies and windows put in the way; it does not matter while there is nothing to change, and this
    set is known as the one that was synced (its Applications may be all that is new in it).
    """
    is_new = at.rendered.digest != at.inventory.synced
    obstacles = [*plan.obstacles, *(more if plan.changes or is_new else ())]
    guards = [] if at.options.leaving else _prune_guards(at, plan)
    guards += [] if _is_release(at) else _quarantine_guard(at.rendered, at.inventory)
    obstacles += [guard for guard in guards if not at.options.confirms(guard.reason)]
    if not at.options.adopt:
        obstacles += _source_guard(at, source)
    if obstacles:
        return Hold(tuple(obstacles))
    return Go() if plan.changes else InSync()


def _prune_guards(at: PlanInput, plan: Plan) -> list[Obstacle]:
    owned, leaving = len(at.inventory.keys), len(plan.prunes)
    only_hooks = all(is_hook(manifest.body) for manifest in at.rendered.manifests)
    others_leave = not at.rendered.manifests or not all(is_hook(at.live[prune.key]) for prune in plan.prunes)
    if owned and only_hooks and others_leave:
        return [_guard(f"the source renders to nothing at all while {owned} objects are owned; confirm with --confirm")]
    limit = at.app.sync.pruneLimit
    if leaving > limit.count:
        return [_guard(f"{leaving} objects would be deleted, more than pruneLimit.count {limit.count}; use --confirm")]
    if owned >= _PERCENT_FROM and leaving * 100 > owned * limit.percent:
        share = f"{leaving} of {owned} objects would be deleted"
        return [_guard(f"{share}, more than pruneLimit.percent {limit.percent}; confirm with --confirm")]
    return []


def _is_release(at: PlanInput) -> bool:
    """A person goes to a release: it was healthy, whoever left it, and that word is newer."""
    return at.options.back and any(release.digest == at.rendered.digest for release in at.inventory.releases)


def _quarantine_guard(rendered: RenderedSet, inventory: Inventory) -> list[Obstacle]:
    found = inventory.quarantine
    if found is not None and rendered.digest in found.also:
        reason = "this revision failed or was rolled back before, and another rollback by hand came after it"
        return [_guard(f"{reason}; push a commit that mends it, or try it again with --confirm")]
    if found is None or found.digest != rendered.digest:
        return []
    if found.by:
        text = f"revision {short(found.revision)} was rolled back by {found.by} at {found.at}"
        return [_guard(f"{text}; push another commit, or bring it back with --confirm")]
    end = f"could not be rolled back: {found.stuck}" if found.stuck else "was rolled back"
    text = f"revision {short(found.revision)} failed at {found.at} and {end} ({found.reason})"
    return [_guard(f"{text}; push a commit that mends it, or try it again with --confirm")]


def _source_guard(at: PlanInput, source: str) -> list[Obstacle]:
    """A spec that names another source is its owner's word; a name that is given for a PATH may be mistaken."""
    application, inventory = at.app.identity, at.inventory
    if inventory.exists and inventory.application != application:
        text = f"{inventory.parent} is the inventory of Application {inventory.application}, and this is {application}"
        reason = f"{text}; choose another name, or take over what it owns with --adopt"
        return [Obstacle(ObstacleKind.FOREIGN, inventory.parent, reason)]
    if not inventory.exists or not inventory.source or inventory.source == source:
        return []
    text = f"Application {inventory.application} is synced from {inventory.source}, and this is {source}"
    if not at.app.source.repoURL:
        return [_guard(f"{text}; choose another --name, or hand it over to this source with --adopt")]
    if not inventory.keys or inventory.keys & at.rendered.keys:
        return []
    reason = f"{text}, which holds nothing of what it owns; hand it over with --confirm"
    return [] if at.options.confirms(reason) else [_guard(reason)]


def _guard(reason: str) -> Obstacle:
    return Obstacle(ObstacleKind.GUARD, None, reason)
