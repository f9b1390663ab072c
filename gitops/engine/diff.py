"""Two bodies of one object → the fields in which they differ, each with the manager who owns the live value.

Lists of objects are matched by the keys that people know them by (a container's name, a port), so that an inserted
item is one change and not a shift of all that follow; where they have none, by place (`rules[1].verbs`). Values of
Secrets are masked here, where a change is made.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from gitops.manifests.key import Body
from gitops.manifests.secrets import shown, veiled
from gitops.manifests.typed import same
from gitops.model.plan import ABSENT, FieldChange, Manager, Owner, Unknown

# Written by the server on every change, and never desired.
_VOLATILE = {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
# What names an item of a list of objects, in the order tried; each combination must be unique in both lists.
_ITEM_KEYS = (
    ("name",),
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("mountPath",),
    ("devicePath",),
    ("key",),
    ("type",),
    ("ip",),
    ("uid",),
    ("topologyKey", "whenUnsatisfiable"),
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A manager, and its fieldsV1 subtree at the place that is looked at; an empty one owns all below it.

    `of_list` when that is a list as a whole: whoever wrote the list also wrote what is not in it.
    """

    manager: Manager
    fields: dict[str, Any]
    of_list: bool = False


def changes_between(live: Body, desired: Body) -> tuple[FieldChange, ...]:
    """The fields that change when `live` becomes `desired` (a whole body, as the server would answer), by path.

    Places in a list are ordered as numbers. Status and what the server keeps in metadata are not compared.
    """
    claims = [
        _Claim(
            Manager(entry.get("manager", ""), entry.get("operation", ""), entry.get("time", "")),
            entry.get("fieldsV1") or {},
        )
        for entry in (live.get("metadata") or {}).get("managedFields") or []
        if not entry.get("subresource") or entry.get("subresource") == "scale"
    ]
    found = _compare("", veiled(_comparable(live), desired), veiled(_comparable(desired), live), claims)
    return tuple(sorted(found, key=lambda change: _PLACE.sub(_padded, change.path)))


_PLACE = re.compile(r"\[\d+\]")


def _padded(place: re.Match[str]) -> str:
    return f"[{place[0][1:-1]:0>9}]"


def steady_path(path: str) -> str:
    """The path of a change as far as it stays the same from one change to the next: without the places in a list."""
    return _PLACE.split(path, maxsplit=1)[0]


def is_same(live: Body, desired: Body) -> bool:
    """True when nothing that can be desired differs; much cheaper than listing the changes."""
    return same(_comparable(live), _comparable(desired))


def pair_digest(desired: Body, live: Body) -> str:
    """Names a desired body together with what is live, times and versions aside; secrets enter only hashed."""
    metadata = live.get("metadata") or {}
    owners = [{**entry, "time": ""} for entry in metadata.get("managedFields") or []]
    text = json.dumps([desired, _comparable(live), metadata.get("uid"), owners], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _comparable(body: Body) -> Body:
    metadata = {name: value for name, value in (body.get("metadata") or {}).items() if name not in _VOLATILE}
    return {**{name: value for name, value in body.items() if name != "status"}, "metadata": metadata}


def _compare(text: str, live: Any, desired: Any, claims: list[_Claim]) -> Iterator[FieldChange]:
    """The changes at and below the place called `text`, of which `claims` are the managers."""
    if same(live, desired):
        return
    keys = item_keys(live, desired)
    if isinstance(live, dict) and isinstance(desired, dict):
        for name in live.keys() | desired.keys():
            below = [claim for claim in (_descend(claim, f"f:{name}") for claim in claims) if claim]
            yield from _compare(_member(text, name), live.get(name, ABSENT), desired.get(name, ABSENT), below)
    elif keys:
        yield from _compare_items(text, live, desired, claims, keys)
    elif _is_structured(live) and _is_structured(desired):
        yield from _compare_places(text, live, desired, claims)
    else:
        yield FieldChange(text, shown(live), shown(desired), _owner(claims, live))


def _compare_items(
    text: str, live: list[Body], desired: list[Body], claims: list[_Claim], keys: tuple[str, ...]
) -> Iterator[FieldChange]:
    lives = {item_name(item, keys): item for item in live}
    wanted = {item_name(item, keys): item for item in desired}
    for name in dict.fromkeys([*lives, *wanted]):
        item = lives.get(name, ABSENT)
        below = [claim for claim in (_descend_item(claim, item) for claim in claims) if claim]
        label = ",".join(f"{key}={value}" for key, value in zip(keys, name, strict=True) if value is not None)
        yield from _compare(f"{text}[{label}]", item, wanted.get(name, ABSENT), below)
    if lives.keys() == wanted.keys() and list(lives) != list(wanted):
        order = [",".join(str(part) for part in name) for name in lives]
        wanted_order = [",".join(str(part) for part in name) for name in wanted]
        yield FieldChange(f"{text} (order)", order, wanted_order, _owner(claims, live))


def _is_structured(value: Any) -> bool:
    """True for a list in which something can be pointed at; one of plain values is one value."""
    return isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)


def _compare_places(text: str, live: list[Any], desired: list[Any], claims: list[_Claim]) -> Iterator[FieldChange]:
    """By place, behind what both lists begin with, and before what both end with."""
    first = _shared(zip(live, desired, strict=False))
    last = _shared(zip(reversed(live[first:]), reversed(desired[first:]), strict=False))
    before, after = live[: len(live) - last], desired[: len(desired) - last]
    for place in range(first, max(len(before), len(after))):
        item, wanted = (items[place] if place < len(items) else ABSENT for items in (before, after))
        below = [claim for claim in (_descend_item(claim, item) for claim in claims) if claim]
        yield from _compare(f"{text}[{place}]", item, wanted, below)


def _shared(pairs: Iterable[tuple[Any, Any]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: same(*pair), pairs))


def item_keys(live: Any, desired: Any) -> tuple[str, ...]:
    """The keys that name each item of both lists, or () where the lists can only be compared as a whole."""
    if not (isinstance(live, list) and isinstance(desired, list) and live and desired):
        return ()
    if not all(isinstance(item, dict) for item in (*live, *desired)):
        return ()
    for keys in _ITEM_KEYS:
        if all(_names_each(items, keys) for items in (live, desired)):
            return keys
    return ()


def _names_each(items: list[Body], keys: tuple[str, ...]) -> bool:
    if not all(keys[0] in item and not isinstance(item[keys[0]], (dict, list)) for item in items):
        return False
    return len({item_name(item, keys) for item in items}) == len(items)


def item_name(item: Body, keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)


def _member(text: str, name: str) -> str:
    plain = "." not in name and "/" not in name
    if not text:
        return name if plain else f"[{name}]"
    return f"{text}.{name}" if plain else f"{text}[{name}]"


def _descend(claim: _Claim, step: str) -> _Claim | None:
    if not claim.fields:
        return claim  # a leaf: an atomic field is owned as a whole
    below = claim.fields.get(step)
    return None if below is None else _Claim(claim.manager, below)


def _descend_item(claim: _Claim, item: Any) -> _Claim | None:
    if not claim.fields:
        return replace(claim, of_list=True)
    if not isinstance(item, dict):
        return None
    for step, below in claim.fields.items():
        if step.startswith("k:") and _matches(json.loads(step[2:]), item):
            return _Claim(claim.manager, below)
    return None


def _matches(keys: dict[str, Any], item: Body) -> bool:
    return all(item.get(name) == value for name, value in keys.items())


def _owner(claims: list[_Claim], live: Any) -> Owner:
    """The newest of the managers that own the live value; managers that only own the place around it do not."""
    owners = [claim.manager for claim in claims if claim.of_list or live is not ABSENT]
    return max(owners, key=lambda owner: owner.time) if owners else Unknown()
