"""Values seen through their type: field set, compare, remove.

The walks that server-side apply is made of, with the rules of sigs.k8s.io/structured-merge-diff/typed: granular maps
and structs merge key by key, list maps and sets item by item, everything atomic as a whole. Pure; values are never
changed, and a walk that changes nothing gives back the very object it was given.

Not here: whether a value fits its type (`typed_validation`), one value laid over another (`typed_merge`).
"""

from dataclasses import dataclass
from typing import Any

from gitops.manifests.fields import LEAF, FieldSet, go_json, is_member
from gitops.manifests.schema import DEDUCED, Type, list_type, map_type, scalar_type

_ABSENT: Any = object()
_DEDUCED_LIST = list_type(DEDUCED, "atomic")
_DEDUCED_MAP = map_type(DEDUCED)
_DEDUCED_SCALAR = scalar_type("untyped")


class TypedError(ValueError):
    """A value does not fit its type; the text is what an API server says of it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from one value to another, as field sets."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet


def resolved(kind: Type, value: Any) -> Type:
    """The type itself, or for a deduced one what the value's own form says."""
    if kind.kind != "any":
        return kind
    if isinstance(value, dict):
        return _DEDUCED_MAP
    if isinstance(value, list):
        return _DEDUCED_LIST
    return _DEDUCED_SCALAR


def item_element(item: Any, kind: Type) -> str:
    """The path element of one item of a list map or set; TypedError when it has none."""
    if not kind.keys:
        if isinstance(item, dict):
            raise TypedError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise TypedError("not supported: associative list with lists as elements")
        if item is None:
            raise TypedError("associative list without keys has an element that's an explicit null")
        return "v:" + go_json(item)
    if item is None:
        raise TypedError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise TypedError("associative list with keys may not have non-map elements")
    found = {}
    for key in sorted(kind.keys):
        if key in item:
            found[key] = item[key]
        elif kind.element is not None and key in kind.element.fields and kind.element.fields[key].default is not None:
            found[key] = kind.element.fields[key].default
    if not found:
        listed = "[" + " ".join(f'"{key}"' for key in kind.keys) + "]"
        raise TypedError(
            f"associative list with keys has an element that omits all key fields {listed} "
            "(and doesn't have default values for any key fields)"
        )
    return "k:" + go_json(found)


# --- field sets ---------------------------------------------------------------------------------------------------


def field_set(value: Any, kind: Type) -> FieldSet:
    """The fields that applying `value` owns: its leaves, the items of its lists, and its free map keys."""
    return _set_of(value, kind, parents=False) or {}


def _set_of(value: Any, kind: Type, *, parents: bool) -> FieldSet | None:
    """The children set below `value`: LEAF when it is itself a leaf, None when it holds nothing.

    With `parents` every non-empty map and list is a member too, as when a whole subtree is added or removed.
    """
    kind = resolved(kind, value)
    if kind.kind == "scalar" or kind.atomic:
        return LEAF
    if not value:
        # Empty and null have no children; only a whole added subtree counts them as leaves, whatever they are.
        return LEAF if parents else None
    if kind.kind == "list":
        out = _list_set(value, kind, parents=parents) if isinstance(value, list) else None
    else:
        out = _map_set(value, kind, parents=parents) if isinstance(value, dict) else None
    if parents and out:
        out["."] = LEAF
    return out


def _map_set(value: dict[str, Any], kind: Type, *, parents: bool) -> FieldSet:
    out: FieldSet = {}
    fields = kind.fields
    for name, child in value.items():
        declared = fields.get(name)
        child_type = declared.type if declared is not None else kind.element
        below = _set_of(child, child_type or DEDUCED, parents=parents)
        if below is None:
            if child is None or (isinstance(child, dict) and not child) or declared is None:
                out["f:" + name] = LEAF
        elif below and declared is None and "." not in below:
            out["f:" + name] = {".": LEAF, **below}
        else:
            out["f:" + name] = below
    return out


def _list_set(value: list[Any], kind: Type, *, parents: bool) -> FieldSet:
    assert kind.element is not None
    out: FieldSet = {}
    for item in value:
        element = item_element(item, kind)
        if element in out:  # duplicates count as one leaf
            out[element] = LEAF
            continue
        below = _set_of(item, kind.element, parents=parents)
        out[element] = {".": LEAF, **below} if below and "." not in below else (below or LEAF)
    return out


# --- comparison ---------------------------------------------------------------------------------------------------


def compare(left: Any, right: Any, kind: Type) -> Comparison:
    """What changed from `left` to `right`."""
    walk = _Compare()
    node = walk.values(left, right, kind)
    return Comparison(*(part or {} for part in node))


_Parts = tuple[FieldSet | None, FieldSet | None, FieldSet | None]
_SAME: _Parts = (None, None, None)


class _Compare:
    """Gives (removed, modified, added) below a node, LEAF for the node itself and None for nothing."""

    def values(self, left: Any, right: Any, kind: Type) -> _Parts:
        if left is right:
            return _SAME
        if left is _ABSENT:
            return (None, None, _whole(right, kind))
        if right is _ABSENT:
            return (_whole(left, kind), None, None)
        if kind.kind == "any" and form_of(left) != form_of(right) and left is not None and right is not None:
            removed = self.maps(left, {}, _DEDUCED_MAP)[0] if isinstance(left, dict) else None
            added = self.maps({}, right, _DEDUCED_MAP)[2] if isinstance(right, dict) else None
            return (removed, LEAF, added)
        kind = resolved(kind, left if left is not None else right)
        if kind.kind == "scalar" or kind.atomic or (not left and not right):
            return _SAME if same(left, right) else (None, LEAF, None)
        if kind.kind == "list":
            if not (isinstance(left or [], list) and isinstance(right or [], list)):
                return (None, LEAF, None)  # a value of a wrong type, which validation will refuse
            return self.lists(left or [], right or [], kind)
        if not (isinstance(left or {}, dict) and isinstance(right or {}, dict)):
            return (None, LEAF, None)
        return self.maps(left or {}, right or {}, kind)

    def maps(self, left: dict[str, Any], right: dict[str, Any], kind: Type) -> _Parts:
        out: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
        for name, value in left.items():
            other = right.get(name, _ABSENT)
            if other is not value:
                self._put(out, "f:" + name, self.values(value, other, kind.child(name) or DEDUCED))
        for name, value in right.items():
            if name not in left:
                self._put(out, "f:" + name, self.values(_ABSENT, value, kind.child(name) or DEDUCED))
        return _parts(out)

    def lists(self, left: list[Any], right: list[Any], kind: Type) -> _Parts:
        assert kind.element is not None
        out: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
        ours, theirs = _grouped(left, kind), _grouped(right, kind)
        for element in {**ours, **theirs}:
            mine, other = ours.get(element, []), theirs.get(element, [])
            if len(mine) > 1 or len(other) > 1:
                self._put(out, element, self._duplicates(mine, other, kind.element))
            else:
                before, after = (mine or [_ABSENT])[0], (other or [_ABSENT])[0]
                self._put(out, element, self.values(before, after, kind.element))
        return _parts(out)

    def _duplicates(self, mine: list[Any], other: list[Any], element: Type) -> _Parts:
        """Items that share one key count as a single leaf."""
        if len(mine) > 1 and len(other) > 1:
            return _SAME if same(mine, other) else (None, LEAF, None)
        if len(mine) > 1:
            return (LEAF, None, _whole(other[0], element) if other else None)
        return (_whole(mine[0], element) if mine else None, None, LEAF)

    @staticmethod
    def _put(out: tuple[FieldSet, FieldSet, FieldSet], element: str, parts: _Parts) -> None:
        for target, part in zip(out, parts, strict=True):
            if part is not None:
                target[element] = part


def _parts(out: tuple[FieldSet, FieldSet, FieldSet]) -> _Parts:
    removed, modified, added = out
    return (removed or None, modified or None, added or None)


def _whole(value: Any, kind: Type) -> FieldSet:
    return _set_of(value, kind, parents=True) or LEAF


def form_of(value: Any) -> str:
    """What a value is, whatever its type says: map, list or scalar."""
    return "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"


def _grouped(items: list[Any], kind: Type) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for item in items:
        out.setdefault(item_element(item, kind), []).append(item)
    return out


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values: as Python's, but true is not 1."""
    if left is right:
        return True
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


# --- removal ------------------------------------------------------------------------------------------------------


def remove(value: Any, fields: FieldSet, kind: Type) -> Any:
    """`value` without these fields; None for a map or list of which nothing is left."""
    kind = resolved(kind, value)
    if not fields or kind.kind == "scalar" or kind.atomic or not value:
        return value
    if kind.kind == "list":
        return _remove_items(value, fields, kind)
    return _remove_keys(value, fields, kind)


def _remove_keys(value: dict[str, Any], fields: FieldSet, kind: Type) -> Any:
    out = {}
    for name, child in value.items():
        node = fields.get("f:" + name)
        if node is None:
            out[name] = child
        elif not is_member(node):
            left = remove(child, node, kind.child(name) or DEDUCED)
            if left is not None:
                out[name] = left
    return out or None


def _remove_items(value: list[Any], fields: FieldSet, kind: Type) -> Any:
    out = []
    for item in value:
        node = fields.get(item_element(item, kind))
        if node is None:
            out.append(item)
        elif not is_member(node):
            out.append(remove(item, node, kind.element or DEDUCED))
    return out or None


def with_named_parents(fields: FieldSet, kind: Type) -> FieldSet:
    """The set, and every declared struct field that it only passes through."""
    out: FieldSet = {}
    for element, node in fields.items():
        if not node:
            out[element] = node
            continue
        child: Type | None = None
        if element[:2] == "f:" and kind.kind != "list":
            child = kind.child(element[2:]) or (DEDUCED if kind.kind == "any" else None)
        elif element[:2] == "k:" and kind.kind == "list":
            child = kind.element
        below = with_named_parents(node, child) if child is not None else node
        if element[:2] == "f:" and element[2:] in kind.fields and "." not in below:
            below = {".": LEAF, **below}
        out[element] = below
    return out
