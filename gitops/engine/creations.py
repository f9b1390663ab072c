"""Which objects of a set would be created, which of them the API server is asked about before, and which need not be.

Nothing is changed before all creates that can be tried have been: a refusal leaves everything as it was. One that could
be refused only before anything depends on it needs no try.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile

from gitops.engine import annotations
from gitops.engine.completed_jobs import has_ended
from gitops.engine.order import is_namespace, kinds_defined_by, places
from gitops.engine.plan import desired_body, selected
from gitops.engine.plan_input import PlanInput, PlanOptions
from gitops.manifests.key import Body, ResourceKey
from gitops.model.plan import Phase

# They hold data, and nothing acts on them by itself; only namespaces, and what limits or protects Pods, come before.
_HOLD_DATA = {("", "ServiceAccount"), ("", "Secret"), ("", "ConfigMap")}
# They do nothing before what comes after them: a binding, Pods.
_IDLE_AT_FIRST = {("rbac.authorization.k8s.io", "Role"), ("", "Service")}


@dataclass(frozen=True, slots=True)
class Creation:
    """A create to be tried out; `is_first` when no wave or hook before it can bring what it needs."""

    key: ResourceKey
    body: Body
    is_first: bool


def creations(at: PlanInput, makes: ResourceKey | None, changing: Collection[ResourceKey] = ()) -> list[Creation]:
    """What would be created and can be tried out now, as it would be applied.

    Not what goes into a namespace that the same sync brings (`makes` is one), nor kinds that it defines, or defines
    anew: `changing` are the objects that look changed.
    """
    spaces = {found.key for found in at.rendered.manifests if is_namespace(found.key)} - at.live.keys()
    brought = {key.name for key in (*spaces, *([makes] if makes else []))}
    defined = {
        (info.group, info.kind)
        for found in at.rendered.manifests
        if found.key not in at.live or found.key in changing
        for info in kinds_defined_by(found)
    }
    order = places(at.rendered.manifests)
    first = min(order.values(), default=(Phase.SYNC, 0, 0))[:2]
    return [
        Creation(found.key, desired_body(at, found), order[found.key][:2] == first)
        for found in selected(at.rendered, at.options)
        if found.key not in at.live
        and not annotations.hook_phases_of(found)
        and not has_ended(at.inventory, found)
        and found.key.namespace not in brought
        and (found.key.group, found.key.kind) not in defined
        and not (annotations.may_lack_kind(found.body) and not at.served.get((found.key.group, found.key.kind)))
    ]


def need_no_try(at: PlanInput) -> frozenset[ResourceKey]:
    """The objects whose refusal, while the plan is carried out, would find nothing changed that anything depends on.

    So in a first sync to where nothing of the set is, all in one wave and without a hook: what `holds_data_only` comes
    first of all then, and Roles and Services after it where nothing else does. Whoever tries again, after a refusal,
    tries everything out.
    """
    is_plain = at.options == PlanOptions(prune=at.options.prune, force_conflicts=at.options.force_conflicts)
    if at.inventory.exists or at.live or not is_plain:
        return frozenset()
    order = places(at.rendered.manifests)
    is_one_wave = len({place[:2] for place in order.values()}) == 1
    if not is_one_wave or any(annotations.hook_phases_of(found) for found in at.rendered.manifests):
        return frozenset()
    others = sorted((place, key) for key, place in order.items() if not holds_data_only(key))
    idle = takewhile(lambda found: (found[1].group, found[1].kind) in _IDLE_AT_FIRST, others)
    return frozenset(filter(holds_data_only, order)) | {key for _, key in idle}


def holds_data_only(key: ResourceKey) -> bool:
    """Whether it only holds data for others, which come after it."""
    return (key.group, key.kind) in _HOLD_DATA
