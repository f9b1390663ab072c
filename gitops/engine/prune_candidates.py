"""What is owned and left the source: whether it is pruned, and in which order."""

from dataclasses import dataclass

from gitops.engine import annotations
from gitops.engine.annotations import labels_of
from gitops.engine.deletion import holds_data, is_going
from gitops.engine.inventory import PART_OF, foreign_owner, is_inventory, is_owned_by
from gitops.engine.order import is_namespace, rank_of
from gitops.engine.plan_input import BEING_DELETED, PlanInput, PlanOptions
from gitops.manifests.key import Body, ResourceKey
from gitops.model.plan import Kept, Obstacle, ObstacleKind, Phase, Prune, Step

MAY_STAY = "it says that it may be there without a source (IgnoreExtraneous)"
OF_ANOTHER = f"it belongs to another inventory, as its label {PART_OF} says"
LOST_MARKS = "it does not bear our marks any more, so it may be somebody else's; delete it by hand"


@dataclass(frozen=True, slots=True)
class PruneCandidates:
    """What is owned and live but no longer desired: pruned, kept, or in need of a person's word."""

    prunes: list[Prune]
    kept: list[Kept]
    guarded: list[Obstacle]


def find_prune_candidates(at: PlanInput) -> PruneCandidates:
    """What becomes of each object that is ours and is not desired any more; a plan for some objects leaves all."""
    found = PruneCandidates([], [], [])
    if at.options.resources and at.options.prune_only is None:
        return found
    for key in sorted(at.inventory.keys - at.rendered.keys):
        live = at.live.get(key)
        if live is None:
            continue
        if not is_owned_by(at.inventory, live, key):
            if not foreign_owner(live, key, at.inventory.application):
                is_of_another = labels_of(live).get(PART_OF, "") not in ("", at.inventory.set_id)
                found.kept.append(Kept(key, OF_ANOTHER if is_of_another else LOST_MARKS))
            continue
        if key in at.rendered.left_alone:
            found.kept.append(Kept(key, "its manifest says to leave it alone"))
            continue
        if is_inventory(live):
            found.kept.append(Kept(key, "it is the inventory of an Application"))
            continue
        if is_going(live):
            found.kept.append(Kept(key, BEING_DELETED))
            continue
        word = annotations.prune_word_of(live, leaving=at.options.leaving)
        if reason := _reason_to_keep(at.options, key, live, word):
            found.kept.append(Kept(key, reason))
            continue
        found.prunes.append(Prune(key, live["metadata"]["uid"], annotations.live_wave_of(live)))
        if is_namespace(key) and (reason := _reason_against(at, key)):
            found.guarded.append(Obstacle(ObstacleKind.GUARD, key, reason))
            continue
        reason = f"{key} would be deleted with all that is in it; confirm with --confirm"
        if not at.options.confirms(reason) and (word == "confirm" or holds_data(key, live)):
            found.guarded.append(Obstacle(ObstacleKind.GUARD, key, reason))
    return found


def _reason_against(at: PlanInput, space: ResourceKey) -> str:
    """Why a namespace that left the source may not go whoever confirms it: what is still wanted would go with it."""
    inside = [key for key in at.rendered.keys if key.namespace == space.name]
    if inside:
        more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
        return (
            f"{space} left the source, and {min(inside)}{more} of the source are in it; "
            "keep the namespace in the source, or move them first"
        )
    others = sorted(set(at.tenants.get(space.name, ())) - {at.inventory.application})
    if others:
        return f"{space} would be deleted with what Application {others[0]} has in it; delete that Application first"
    return ""


def _reason_to_keep(options: PlanOptions, key: ResourceKey, live: Body, word: str) -> str:
    if word == "disabled":
        return "it is annotated not to be pruned"
    if options.prune_only is not None:
        if key not in options.prune_only:
            return "it was there before this sync"
        return "it may hold data, so a way back leaves it" if holds_data(key, live) else ""
    return "" if options.prune else "pruning is off (--prune, or sync.prune: true)"


def prune_steps(prunes: list[Prune]) -> list[Step]:
    """Pruning comes after everything that stays is healthy: the last wave first, users before what they use."""
    by_place: dict[tuple[int, int], list[Prune]] = {}
    for prune in prunes:
        by_place.setdefault((prune.wave, rank_of(prune.key.kind)), []).append(prune)
    return [Step(Phase.PRUNE, *place, tuple(by_place[place])) for place in sorted(by_place, reverse=True)]
