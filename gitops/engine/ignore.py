"""Differences that a user asked to ignore, taken out of what is desired before it is compared or applied.

A field that is ignored but that we own is sent with its live value: leaving it out would reset it. One that is not in
the manifest and not ours is left out: it stays whose it is, also when all else of its owner becomes ours.
"""

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from gitops.engine.diff import item_keys, item_name
from gitops.engine.paths import Each, Field, Item, Path, Where, parse_path, parse_pointer
from gitops.engine.predict import FIELD_MANAGER
from gitops.manifests.fields import FieldSet
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import IgnoreRule
from gitops.model.plan import ABSENT


def without_ignored(desired: Body, live: Body, key: ResourceKey, rules: tuple[IgnoreRule, ...]) -> Body:
    """`desired` with each ignored field as it is live, or taken out where the live object has none.

    Raises ManifestError for a path that cannot be read.
    """
    for rule in rules:
        if _applies(rule, key):
            ours = next(iter(_fields_of(live, (FIELD_MANAGER,), "Apply")), None)
            for path in _paths(rule):
                desired = _ignored(desired, live, path, ours)
            for held in _fields_of(live, rule.managers):
                desired = _as_held(desired, live, held)
    return desired


def movable(entry: Body, live: Body, key: ResourceKey, rules: tuple[IgnoreRule, ...]) -> FieldSet:
    """The fields of an entry of managedFields that may become another's: those that no rule has left to their owner.

    Raises ManifestError for a path that cannot be read.
    """
    found: FieldSet = entry.get("fieldsV1") or {}
    for rule in rules:
        if not _applies(rule, key):
            continue
        if entry.get("manager") in rule.managers:
            return {}
        for path in _paths(rule):
            found = _without(found, live, path) or {}
    return found


def _paths(rule: IgnoreRule) -> Iterable[Path]:
    return (*map(parse_pointer, rule.jsonPointers), *map(parse_path, rule.jqPathExpressions))


def _applies(rule: IgnoreRule, key: ResourceKey) -> bool:
    pairs = ((key.group, rule.group), (key.kind, rule.kind), (key.namespace, rule.namespace), (key.name, rule.name))
    return all(fnmatchcase(value, pattern) for value, pattern in pairs)


def _fields_of(live: Body, managers: Iterable[str], operation: str = "") -> list[FieldSet]:
    entries = (live.get("metadata") or {}).get("managedFields") or []
    return [
        entry["fieldsV1"]
        for entry in entries
        if entry.get("manager") in managers and operation in ("", entry.get("operation")) and entry.get("fieldsV1")
    ]


# ── by path ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ignored(desired: Body, live: Body, path: Path, ours: FieldSet | None) -> Body:
    """`_as_live` for a whole object: a part of it that left the manifest (`data`) is made for what is ours below it.

    Only a part of the object itself: deeper, something else may have been chosen in place of what left.
    """
    first = path[0]
    value = live.get(first.name) if isinstance(first, Field) else None
    if not isinstance(first, Field) or len(path) == 1 or first.name in desired or not isinstance(value, dict | list):
        changed: Body = _as_live(desired, live, path, ours)
        return changed
    made: Body = _as_live({**desired, first.name: type(value)()}, live, path, ours)
    return made if made[first.name] else desired


def _as_live(desired: Any, live: Any, path: Path, ours: FieldSet | None) -> Any:
    """A copy of `desired` with what `path` names as in `live`; `ours` is the part of it that we own (None: nothing)."""
    if not path:
        return live
    rest = path[1:]
    match path[0]:
        case Field(name) if isinstance(desired, dict):
            return _member_as_live(desired, live, name, rest, ours)
        case Field(name) if isinstance(desired, list) and name.isdigit():
            return _as_live(desired, live, (Item(int(name)), *rest), ours)
        case Item(place) if isinstance(desired, list) and place < len(desired):
            partner = live[place] if isinstance(live, list) and place < len(live) else ABSENT
            if partner is ABSENT and rest:
                return desired  # its other fields are wanted: it is sent as it is written
            return _without_absent(
                [*desired[:place], _as_live(desired[place], partner, rest, ours), *desired[place + 1 :]]
            )
        case Each() if isinstance(desired, list):
            return _items_as_live(desired, live if isinstance(live, list) else [], rest, ours)
        case Where() as condition if condition.fits(desired):
            return _as_live(desired, live, rest, ours)
    return desired


def _member_as_live(desired: Body, live: Any, name: str, rest: Path, ours: FieldSet | None) -> Body:
    value = live.get(name, ABSENT) if isinstance(live, dict) else ABSENT
    owned = _below(ours, f"f:{name}")
    if name not in desired and (rest or value is ABSENT or owned is None):
        return desired  # parents that do not exist are not made
    changed = _as_live(desired.get(name, ABSENT), value, rest, owned)
    if changed is ABSENT:
        return {field: item for field, item in desired.items() if field != name}
    return {**desired, name: changed}


def _items_as_live(desired: list[Any], live: list[Any], rest: Path, ours: FieldSet | None) -> list[Any]:
    whole = all(isinstance(step, Where) for step in rest)
    keys = item_keys(live, desired)
    names = [item_name(item, keys) if keys else place for place, item in enumerate(live)]
    partners = dict(zip(names, live, strict=True))
    items = []
    for place, item in enumerate(desired):
        partner = partners.pop(item_name(item, keys) if keys else place, ABSENT)
        is_new = partner is ABSENT and not whole
        items.append(item if is_new else _as_live(item, partner, rest, _item_below(ours, partner)))
    if whole:  # those that left the manifest, but are ours
        conditions = [step for step in rest if isinstance(step, Where)]
        for item in partners.values():
            if _item_below(ours, item) is not None and all(condition.fits(item) for condition in conditions):
                items.append(item)
    return _without_absent(items)


def _without_absent(items: list[Any]) -> list[Any]:
    return [item for item in items if item is not ABSENT]


def _below(owned: FieldSet | None, step: str) -> FieldSet | None:
    """The part of a field set below one step; a leaf owns all that is below it."""
    return owned if not owned else owned.get(step)


def _item_below(owned: FieldSet | None, item: Any) -> FieldSet | None:
    if not owned:
        return owned
    return next((below for step, below in owned.items() if _names(step, item)), None)


def _names(step: str, item: Any) -> bool:
    """True when a step of a field set (`k:{"name":"web"}`, `v:"web"`) names this item of a list."""
    if step.startswith("v:"):
        return bool(json.loads(step[2:]) == item)
    if not step.startswith("k:") or not isinstance(item, dict):
        return False
    return all(item.get(name) == value for name, value in json.loads(step[2:]).items())


def _without(fields: FieldSet, live: Any, path: Path) -> FieldSet | None:
    """`fields` less what `path` names in `live`; None when nothing is left. What is owned as one goes as one."""
    if not path or not fields:
        return None
    step, rest = path[0], path[1:]
    if isinstance(step, Where):
        return _without(fields, live, rest) if step.fits(live) else fields
    left: FieldSet = {}
    for element, below in fields.items():
        partner = _partner(element, step, live)
        kept = below if partner is ABSENT else _without(below, partner, rest)
        if kept is not None:
            left[element] = kept
    return left or None


def _partner(element: str, step: object, live: Any) -> Any:
    """The live value that both an element of a field set and a step of a path name; ABSENT where they do not."""
    match step:
        case Field(name) if isinstance(live, dict):
            return live.get(name, ABSENT) if element == f"f:{name}" else ABSENT
        case Field(name) if isinstance(live, list) and name.isdigit():
            return _partner(element, Item(int(name)), live)
        case Item(place) if isinstance(live, list) and place < len(live):
            return live[place] if _names(element, live[place]) else ABSENT
        case Each() if isinstance(live, list):
            return next((item for item in live if _names(element, item)), ABSENT)
    return ABSENT


# ── by manager ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _as_held(desired: Any, live: Any, held: FieldSet) -> Any:
    """A copy of `desired` in which every field that is in `held` as well is as in `live`."""
    if not held:
        return live
    below = {step: fields for step, fields in held.items() if step != "."}
    if isinstance(desired, dict) and isinstance(live, dict):
        shared = {step[2:]: fields for step, fields in below.items() if step.startswith("f:")}
        return {
            name: _as_held(value, live[name], shared[name]) if name in shared and name in live else value
            for name, value in desired.items()
        }
    if isinstance(desired, list) and isinstance(live, list):
        return [_item_as_held(item, live, below) for item in desired]
    return desired


def _item_as_held(item: Any, live: list[Any], held: FieldSet) -> Any:
    for step, fields in held.items():
        partner = next((found for found in live if _names(step, found)), None)
        if partner is not None and _names(step, item):
            return _as_held(item, partner, fields)
    return item
