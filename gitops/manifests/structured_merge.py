"""Server-side apply: who owns which field, and what an apply makes of a live object.

The same rules serve the embedded cluster, which carries them out, and the engine, which predicts what a cluster will
do. They are those of sigs.k8s.io/structured-merge-diff/merge and of Kubernetes' field manager around it. Pure: bodies
and field sets are never changed, and an apply that changes nothing gives back the live object itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gitops.manifests import fields, typed
from gitops.manifests.fields import LEAF, FieldSet
from gitops.manifests.key import Body
from gitops.manifests.schema import Type, type_of
from gitops.manifests.typed_merge import merge
from gitops.manifests.typed_validation import validate

# Identity and what the server itself writes is nobody's field.
_UNOWNED: FieldSet = {
    "f:apiVersion": LEAF,
    "f:kind": LEAF,
    "f:metadata": {
        ".": LEAF,
        "f:name": LEAF,
        "f:namespace": LEAF,
        "f:creationTimestamp": LEAF,
        "f:selfLink": LEAF,
        "f:uid": LEAF,
        "f:clusterName": LEAF,
        "f:generation": LEAF,
        "f:managedFields": LEAF,
        "f:resourceVersion": LEAF,
    },
}

# So many Update managers an object remembers; the oldest beyond become one.
_MAX_UPDATE_MANAGERS = 10
_ANCIENT = "ancient-changes"


@dataclass(frozen=True, slots=True)
class Manager:
    """The identity of an entry in managedFields; an Apply entry keeps its identity over API versions."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    @property
    def shown(self) -> str:
        """As conflict messages write it."""
        text = orjson.dumps(self.name).decode()
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True, slots=True)
class Managed:
    """What one manager owns, at which API version it said so, and when its entry last changed."""

    owned: FieldSet
    api_version: str
    time: str | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field that the apply would change although another manager owns it."""

    manager: Manager
    path: tuple[str, ...]

    @property
    def field(self) -> str:
        return fields.display(self.path)


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of an apply: the new body (the live object itself when nothing changes), or the conflicts.

    With conflicts `body` is the live object.
    """

    body: Body
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a write goes: the type of its objects, its subresource, and the fields that it keeps out of ownership.

    Without a `schema` the type is that of the built-in kind. A status on the main resource is `ignored`, say.
    """

    schema: Type | None = None
    subresource: str = ""
    ignored: FieldSet | None = None


_MAIN = Endpoint()
_Managers = dict[Manager, Managed]


def apply(
    live: Body | None,
    desired: Body,
    *,
    manager: str,
    now: str,
    force: bool = False,
    at: Endpoint = _MAIN,
) -> Applied:
    """What applying `desired` as `manager` makes of `live` (None: it does not exist yet).

    `now` is the time of a changed entry (RFC 3339, seconds). Raises TypedError when `desired` does not fit the type.
    Neither defaults nor admission are part of this.
    """
    kind = at.schema or type_of(desired["apiVersion"], desired["kind"])
    validate(desired, kind)
    before = _unmanaged(live) if live is not None else {"apiVersion": desired["apiVersion"], "kind": desired["kind"]}
    managers = decode((live or {}).get("metadata", {}).get("managedFields") or ())
    who = Manager(manager, "Apply", "", at.subresource)
    last = managers.get(who)
    sent = typed.field_set(desired, kind)
    if at.ignored:
        sent = fields.without_subtrees(sent, at.ignored)
    merged = merge(before, desired, kind)
    time = last.time if last else None
    if last is not None:
        # While pruning, identity counts as applied, or removing the last label would take the whole metadata along.
        pruned = _prune(merged, {**managers, who: Managed(sent, desired["apiVersion"], time)}, last.owned, sent, kind)
        # What is applied as empty stays so, though nothing is left in it.
        merged = merged if pruned is merged else merge(pruned, desired, kind)
    owned = fields.difference(sent, _UNOWNED)
    after: _Managers = {**managers, who: Managed(owned, desired["apiVersion"], time)}
    conflicts, after = _settle(before, merged, after, who, kind, at.ignored)
    if conflicts and not force:
        return Applied(live if live is not None else before, conflicts)
    return Applied(_applied_body(live, before, merged, managers, after, who, now))


def _applied_body(
    live: Body | None, before: Body, merged: Body, managers: _Managers, after: _Managers, who: Manager, now: str
) -> Body:
    unchanged = live is not None and (merged is before or typed.same(merged, before))
    if unchanged and managers == after:
        assert live is not None
        return live
    entry = after.get(who)
    if entry is not None and not unchanged:
        # An apply that only joins the owners of what is there already leaves no time behind.
        after = {**after, who: Managed(entry.owned, entry.api_version, now)}
    return with_managers(merged, after)


def _prune(merged: Body, managers: _Managers, last: FieldSet, owned: FieldSet, kind: Type) -> Body:
    """`merged` without what the manager applied last time, applies no more, and nobody else owns."""
    if not fields.difference(last, owned):
        return merged
    named_last = typed.with_named_parents(last, kind)
    pruned = typed.remove(merged, named_last, kind)
    merged_set = typed.with_named_parents(typed.field_set(merged, kind), kind)
    pruned_set = typed.with_named_parents(typed.field_set(pruned, kind), kind)
    everyone: FieldSet = {}
    for managed in managers.values():
        everyone = fields.union(everyone, managed.owned)
    kept = fields.union(pruned_set, typed.with_named_parents(everyone, kind))
    pruned = typed.remove(merged, fields.difference(merged_set, kept), kind)
    # Items that only hung below removed ones come back: they were never this manager's.
    pruned_set = typed.with_named_parents(typed.field_set(pruned, kind), kind)
    gone = fields.intersection(fields.difference(merged_set, pruned_set), named_last)
    result: Body = typed.remove(merged, gone, kind) or {}
    return result


def _settle(
    before: Body, after: Body, managers: _Managers, who: Manager | None, kind: Type, ignored: FieldSet | None
) -> tuple[tuple[Conflict, ...], _Managers]:
    """The other managers' conflicts with a change, and the managers once the changed fields are taken from them."""
    change = _compare(before, after, kind, ignored)
    changed = fields.union(change.modified, change.added)
    conflicts: list[Conflict] = []
    out: _Managers = {}
    for manager, managed in managers.items():
        owned = managed.owned
        if manager != who:
            taken = fields.intersection(owned, changed)
            conflicts.extend(Conflict(manager, path) for path in fields.iterate(taken))
            if taken or change.removed:
                owned = fields.difference(fields.difference(owned, taken), change.removed)
        if owned:
            out[manager] = managed if owned == managed.owned else Managed(owned, managed.api_version, managed.time)
    return tuple(conflicts), out


def _compare(before: Body, after: Body, kind: Type, ignored: FieldSet | None) -> typed.Comparison:
    change = typed.compare(before, after, kind)
    if not ignored:
        return change
    return typed.Comparison(
        fields.without_subtrees(change.removed, ignored),
        fields.without_subtrees(change.modified, ignored),
        fields.without_subtrees(change.added, ignored),
    )


def update(
    live: Body,
    new: Body,
    *,
    manager: str,
    now: str,
    at: Endpoint = _MAIN,
) -> Body:
    """`new` with managedFields as a write other than an apply leaves them: changed fields become `manager`'s.

    `live` is the object before (for a creation an empty object of its kind); the managedFields it carries count
    unless `new` has its own: an empty list in `new` asks to forget all.
    """
    kind = at.schema or type_of(new["apiVersion"], new["kind"])
    entries = managed_entries(live, new)
    managers = decode(entries)
    before, after = _unmanaged(live), _unmanaged(new)
    change = _compare(before, after, kind, at.ignored)
    if not (change.removed or change.modified or change.added):
        return with_managers(after, managers)
    _, settled = _settle(before, after, managers, None, kind, at.ignored)
    mine = fields.difference(fields.union(change.modified, change.added), _UNOWNED)
    if mine:
        who = Manager(manager, "Update", new["apiVersion"], at.subresource)
        previous = settled.get(who)
        owned = fields.union(previous.owned, mine) if previous else mine
        settled[who] = Managed(owned, new["apiVersion"], now)
    return with_managers(after, _capped(settled))


def managed_entries(live: Body, new: Body) -> Sequence[Body]:
    """The managedFields that a write starts from: those it sends, unless it sends none, or only an empty entry."""
    sent = new.get("metadata", {}).get("managedFields")
    if sent is None:
        return live.get("metadata", {}).get("managedFields") or ()
    if len(sent) == 1 and not sent[0]:
        return ()
    return sent or ()


def _capped(managers: _Managers) -> _Managers:
    updates = [who for who in managers if who.operation == "Update"]
    if len(updates) <= _MAX_UPDATE_MANAGERS:
        return managers
    oldest_first = sorted(updates, key=lambda who: (managers[who].time or "", who.name))
    out = dict(managers)
    excess = len(updates) - _MAX_UPDATE_MANAGERS + 1
    for who in oldest_first[:excess]:
        gone = out.pop(who)
        ancient = Manager(_ANCIENT, "Update", who.api_version)
        owned = fields.union(out[ancient].owned, gone.owned) if ancient in out else gone.owned
        out[ancient] = Managed(owned, who.api_version, gone.time)
    return out


# --- managedFields ------------------------------------------------------------------------------------------------


def decode(entries: Sequence[Body]) -> _Managers:
    """managedFields as managers; entries that mean nothing are left out."""
    out: _Managers = {}
    for entry in entries:
        operation = entry.get("operation", "")
        version = entry.get("apiVersion", "")
        if operation not in ("Apply", "Update") or not version:
            continue
        # An applier stays one manager whatever version it applies; its entry keeps the version.
        identity = "" if operation == "Apply" else version
        who = Manager(entry.get("manager", ""), operation, identity, entry.get("subresource", ""))
        owned = entry.get("fieldsV1") or {}
        if who in out:
            owned = fields.union(out[who].owned, owned)
        out[who] = Managed(owned, version, entry.get("time"))
    return out


def encode(managers: Mapping[Manager, Managed]) -> list[Body]:
    """Managers as managedFields, in the published order: operation, time, manager, version, subresource."""
    ordered = sorted(
        managers.items(),
        key=lambda pair: (
            pair[0].operation,
            pair[1].time or "",
            pair[0].name,
            pair[1].api_version,
            pair[0].subresource,
        ),
    )
    return [_entry(who, managed) for who, managed in ordered if managed.owned]


def _entry(who: Manager, managed: Managed) -> Body:
    entry: dict[str, Any] = {
        "manager": who.name,
        "operation": who.operation,
        "apiVersion": managed.api_version,
        "time": managed.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields.ordered(managed.owned),
    }
    if managed.time is None:
        del entry["time"]
    if who.subresource:
        entry["subresource"] = who.subresource
    return entry


def with_managers(body: Body, managers: Mapping[Manager, Managed]) -> Body:
    """`body` with these managers as its managedFields."""
    metadata = {**(body.get("metadata") or {})}
    metadata.pop("managedFields", None)
    if entries := encode(managers):
        metadata["managedFields"] = entries
    return {**body, "metadata": metadata}


def _unmanaged(body: Body) -> Body:
    metadata = body.get("metadata") or {}
    if "managedFields" not in metadata:
        return body
    return {**body, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def conflict_message(conflicts: Sequence[Conflict]) -> str:
    """What an API server says of these conflicts."""
    if len(conflicts) == 1:
        only = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {only.manager.shown}: {only.field}"
    by_manager: dict[str, list[str]] = {}
    for conflict in conflicts:
        by_manager.setdefault(conflict.manager.shown, []).append(conflict.field)
    lines = []
    for shown in sorted(by_manager):
        lines.append(f"conflicts with {shown}:")
        lines.extend(f"- {field}" for field in by_manager[shown])
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
