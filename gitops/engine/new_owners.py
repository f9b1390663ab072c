"""Whose each field of a live object has to be before we apply: what becomes ours, and what goes.

Not here: what a manager's name tells (`manual_edits`, `takeover`).
"""

from collections.abc import Callable

from gitops.engine.ignore import movable
from gitops.engine.manual_edits import is_by_hand, is_edit_by_hand
from gitops.engine.plan_input import PlanInput
from gitops.engine.predict import FIELD_MANAGER
from gitops.engine.strategy import old_options
from gitops.engine.takeover import at_served_versions, is_of_kubectl_apply, is_of_other_tool, owners_after_takeover
from gitops.engine.unions import excluded_fields
from gitops.manifests import fields
from gitops.manifests.fields import FieldSet
from gitops.manifests.key import Body, ResourceKey, version_of
from gitops.manifests.schema import builtin_type


def new_owners(
    at: PlanInput, key: ResourceKey, desired: Body, live: Body, *, by_hand: bool = False
) -> list[Body] | None:
    """managedFields as they must be for the apply to remove what it leaves out; None where they may stay."""
    sync = at.app.sync
    excluded = excluded_fields(desired, live, key)

    def beats(entry: Body) -> FieldSet:
        """What of an entry cannot stay, and may be taken: a hand edit is taken back, automation only by a word."""
        may = at.options.force_conflicts or is_edit_by_hand(entry)
        return fields.intersection(entry.get("fieldsV1") or {}, excluded) if may and excluded else {}

    def moves(entry: Body) -> FieldSet:
        is_given = (
            (at.options.adopt and is_of_other_tool(entry))
            or (by_hand and is_edit_by_hand(entry))
            or (sync.takeOverKubectl and is_of_kubectl_apply(entry))
            or (sync.strict and is_by_hand(entry))
        )
        given = movable(entry, live, key, at.app.ignoreDifferences) if is_given else {}
        return fields.union(given, beats(entry))

    served = at.served.get((key.group, key.kind), frozenset())
    readable = live
    if served and builtin_type(key.group, version_of(desired["apiVersion"]), key.kind) is None:
        readable = at_served_versions(live, served, desired["apiVersion"])
    more = old_options(desired, live, key)
    if excluded and not holders_of(excluded, live, moves):
        more = fields.union(more, excluded)
    owners = owners_after_takeover(readable, moves, more)
    return _entries_of(readable) if owners is None and readable is not live else owners


def _entries_of(body: Body) -> list[Body]:
    found: list[Body] = body["metadata"].get("managedFields") or []
    return found


def holders_of(excluded: FieldSet, live: Body, moves: Callable[[Body], FieldSet]) -> list[str]:
    """The other managers that go on owning what cannot stay."""
    holders = []
    for entry in _entries_of(live):
        is_ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        left = fields.difference(entry.get("fieldsV1") or {}, moves(entry))
        if not is_ours and fields.intersection(left, excluded):
            holders.append(str(entry.get("manager")))
    return holders
