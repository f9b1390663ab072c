"""Field sets: which fields of an object somebody owns, as managedFields writes them (FieldsV1).

A set is kept in its own published encoding, nested dicts, so that reading and writing managedFields costs nothing:
`{"f:spec": {"f:replicas": {}}}` holds the one field spec.replicas; a node is itself a member when it is empty or holds
".". Elements are `f:NAME` (a field or key), `k:{"name":"web"}` (an item of a list map), `v:"x"` (a member of a set) and
`i:0` (an index). Sets are never changed after they are made. Encoding and algebra are those of
sigs.k8s.io/structured-merge-diff/fieldpath.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gitops.manifests.key import Body

# One node of a set; the whole set is the root's children (the root itself is never a member).
FieldSet = dict[str, Any]

LEAF: FieldSet = {}


@dataclass(frozen=True, slots=True)
class Member:
    """A path element that names a member of a set list by its value."""

    value: Any


# How callers write a path: a field or key, the keys of a list-map item, a set's member, an index.
Element = str | Mapping[str, Any] | Member | int
FieldPath = tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """One manager that owns a field; `time` is when its entry last changed (there is no time per field)."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str | None


def is_member(node: FieldSet) -> bool:
    """Whether a node of a set is itself in the set."""
    return not node or "." in node


def encode(element: Element) -> str:
    """One path element as FieldsV1 writes it."""
    match element:
        case str():
            return "f:" + element
        case Member(value):
            return "v:" + go_json(value)
        case int():
            return f"i:{element}"
        case _:
            return "k:" + go_json(dict(sorted(element.items())))


def decode(element: str) -> Element:
    """The reverse of `encode`; ValueError when it is no path element."""
    kind, text = element[:2], element[2:]
    match kind:
        case "f:":
            return text
        case "v:":
            return Member(orjson.loads(text))
        case "i:":
            return int(text)
        case "k:":
            keys: dict[str, Any] = orjson.loads(text)
            return keys
    raise ValueError(f"not a field path element: {element}")


def go_json(value: Any) -> str:
    """JSON as Go writes it: as ours, but `<`, `>` and `&` are escaped."""
    text = orjson.dumps(value).decode()
    if "<" in text or ">" in text or "&" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text


def display(path: Sequence[str]) -> str:
    """An encoded path as conflict messages write it: `.spec.containers[name="web"].image`."""
    shown = []
    for element in path:
        kind, text = element[:2], element[2:]
        if kind == "f:":
            shown.append("." + text)
        elif kind == "k:":
            keys = orjson.loads(text)
            shown.append("[" + ",".join(f"{name}={go_json(value)}" for name, value in keys.items()) + "]")
        elif kind == "v:":
            shown.append(f"[={text}]")
        else:
            shown.append(f"[{text}]")
    return "".join(shown)


def _node(member: bool, children: FieldSet) -> FieldSet | None:
    """The node for `children`, itself a member or not; None when it would hold nothing."""
    if not children:
        return LEAF if member else None
    return {".": LEAF, **children} if member else children


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """The fields in either."""
    if not left or left is right:
        return right
    if not right:
        return left
    out = dict(left)
    for element, theirs in right.items():
        ours = out.get(element)
        if ours is None:
            out[element] = theirs
        elif ours is not theirs and element != ".":
            out[element] = _union_nodes(ours, theirs)
    return out


def _union_nodes(left: FieldSet, right: FieldSet) -> FieldSet:
    if not left:
        return right if is_member(right) else {".": LEAF, **right}
    if not right:
        return left if is_member(left) else {".": LEAF, **left}
    return union(left, right)


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """The fields of `left` that are not in `right`; descendants of a removed field stay."""
    if not left or not right:
        return left
    out: FieldSet = {}
    for element, ours in left.items():
        if element == ".":
            continue
        theirs = right.get(element)
        if theirs is None:
            out[element] = ours
            continue
        node = _node(is_member(ours) and not is_member(theirs), difference(_children(ours), theirs))
        if node is not None:
            out[element] = node
    return out


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """The fields in both."""
    out: FieldSet = {}
    for element, ours in left.items():
        theirs = right.get(element)
        if theirs is None or element == ".":
            continue
        node = _node(is_member(ours) and is_member(theirs), intersection(ours, theirs))
        if node is not None:
            out[element] = node
    return out


def without_subtrees(left: FieldSet, right: FieldSet) -> FieldSet:
    """The fields of `left` that are neither in `right` nor below a member of it."""
    out: FieldSet = {}
    for element, ours in left.items():
        theirs = right.get(element)
        if theirs is None:
            out[element] = ours
        elif element != "." and not is_member(theirs):
            node = _node(is_member(ours), without_subtrees(_children(ours), theirs))
            if node is not None:
                out[element] = node
    return out


def _children(node: FieldSet) -> FieldSet:
    return {element: child for element, child in node.items() if element != "."} if "." in node else node


def has(fields: FieldSet, path: FieldPath) -> bool:
    """Whether exactly this path is in the set."""
    node: FieldSet | None = fields
    for element in path:
        node = node.get(encode(element)) if node is not None else None
    return node is not None and bool(path) and is_member(node)


def iterate(fields: FieldSet, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every path in the set, encoded, parents before children, in the published order."""
    members = [element for element, node in fields.items() if element != "." and is_member(node)]
    for element in sorted(members):
        yield (*prefix, element)
    for element in sorted(fields):
        if element != "." and fields[element]:
            yield from iterate(fields[element], (*prefix, element))


def leaves(fields: FieldSet) -> Iterator[tuple[str, ...]]:
    """The paths in the set that have no descendant in it."""
    for element, node in sorted(fields.items()):
        if element == ".":
            continue
        below = _children(node)
        if below:
            yield from ((element, *rest) for rest in leaves(below))
        else:
            yield (element,)


def ordered(fields: FieldSet) -> FieldSet:
    """The same set with its elements in the published order."""
    return {element: ordered(fields[element]) if fields[element] else LEAF for element in sorted(fields)}


def make(*paths: FieldPath) -> FieldSet:
    """The set of these paths."""
    out: FieldSet = {}
    for path in paths:
        node: FieldSet = LEAF
        for element in reversed(path):
            node = {encode(element): node}
        out = union(out, node)
    return out


def owners_of(managed_fields: Sequence[Body], path: FieldPath) -> list[Owner]:
    """Who owns the field at `path`, or the atomic field that holds it, in the order of managedFields.

    A field below an atomic one has no entry of its own, so the nearest owned ancestor counts when the path itself does
    not occur in any set.
    """
    encoded = [encode(element) for element in path]
    exact = [_owner(entry) for entry in managed_fields if _owned_depth(entry, encoded) == len(encoded)]
    if exact:
        return exact
    depths = [(entry, _leaf_depth(entry, encoded)) for entry in managed_fields]
    deepest = max((depth for _, depth in depths), default=0)
    return [_owner(entry) for entry, depth in depths if depth == deepest and depth > 0]


def _owned_depth(entry: Body, encoded: Sequence[str]) -> int:
    """How long the longest prefix of the path is that is a member of the entry's set."""
    node, depth = entry.get("fieldsV1") or {}, 0
    for index, element in enumerate(encoded, start=1):
        node = node.get(element)
        if node is None:
            return depth
        if is_member(node):
            depth = index
    return depth


def _leaf_depth(entry: Body, encoded: Sequence[str]) -> int:
    """As `_owned_depth`, but only a member with nothing below it counts: it may be atomic and hold the path."""
    node = entry.get("fieldsV1") or {}
    for index, element in enumerate(encoded, start=1):
        node = node.get(element)
        if node is None:
            return 0
        if not node:
            return index
    return 0


def _owner(entry: Body) -> Owner:
    return Owner(
        entry.get("manager", ""),
        entry.get("operation", ""),
        entry.get("apiVersion", ""),
        entry.get("subresource", ""),
        entry.get("time"),
    )
