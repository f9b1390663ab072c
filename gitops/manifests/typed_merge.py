"""One value laid over another, as server-side apply merges them. The rules are those of `typed`."""

from collections.abc import KeysView
from typing import Any

from gitops.manifests.fields import display
from gitops.manifests.schema import DEDUCED, Type
from gitops.manifests.typed import TypedError, form_of, item_element, resolved, same


def merge(left: Any, right: Any, kind: Type) -> Any:
    """`right` laid over `left`; `left` itself when that changes nothing."""
    if left is right:
        return left
    if kind.kind == "any" and form_of(left) != form_of(right):
        return right
    kind = resolved(kind, right if right is not None else left)
    if kind.kind == "scalar" or kind.atomic or (not left and not right):
        return left if same(left, right) else right
    if kind.kind == "list":
        return _merge_lists(left or [], right or [], kind)
    return _merge_maps(left or {}, right or {}, kind)


def _merge_maps(left: dict[str, Any], right: dict[str, Any], kind: Type) -> dict[str, Any]:
    out = left
    for name, value in right.items():
        if name in left:
            merged = merge(left[name], value, kind.child(name) or DEDUCED)
            if merged is left[name]:
                continue
        else:
            merged = value
        if out is left:
            out = dict(left)
        out[name] = merged
    return out


def _merge_lists(left: list[Any], right: list[Any], kind: Type) -> list[Any]:
    """Items of both lists, in the order of `_places`; an item of both is merged, unless `left` has it twice."""
    left_keys = [item_element(item, kind) for item in left]
    right_keys = [item_element(item, kind) for item in right]
    left_items = dict(zip(left_keys, left, strict=True))
    right_items = dict(zip(right_keys, right, strict=True))
    if len(right_items) != len(right_keys):
        duplicate = next(key for index, key in enumerate(right_keys) if key in right_keys[:index])
        raise TypedError(f"duplicate entries for key {display((duplicate,))}")
    if len(left_items) != len(left_keys):
        # Items that share one key are replaced as a whole.
        left_once = {key: item for key, item in left_items.items() if left_keys.count(key) == 1}
    else:
        left_once = left_items
    element = kind.element or DEDUCED
    out: list[Any] = []
    same_keys = left_keys == right_keys
    for place in right_keys if same_keys else _places(left_keys, right_keys, left_items.keys(), right_items.keys()):
        if isinstance(place, int):
            out.append(left[place])
        elif place in left_once:
            out.append(merge(left_once[place], right_items[place], element))
        else:
            out.append(right_items[place])
    if len(out) == len(left) and all(new is old for new, old in zip(out, left, strict=True)):
        return left
    return out


def _places(
    left_keys: list[str], right_keys: list[str], in_left: KeysView[str], in_right: KeysView[str]
) -> list[int | str]:
    """The order of a merged list: the keys of `right` in its order, and between them, where they stood, the others.

    A key is one that `right` has, a number the index of an item that only `left` has.
    """
    out: list[int | str] = []
    shared = iter([key for key in right_keys if key in in_left])
    awaited = next(shared, None)
    merged: set[str] = set()
    at_left = at_right = 0
    while at_left < len(left_keys) or at_right < len(right_keys):
        if at_left < len(left_keys):
            key = left_keys[at_left]
            if at_right < len(right_keys):
                if key == right_keys[at_right]:
                    merged.add(key)
                    out.append(key)
                    at_left, at_right, awaited = at_left + 1, at_right + 1, next(shared, None)
                    continue
                if key in in_right and awaited is not None and awaited != key:
                    at_left += 1
                    continue
            if key not in in_right:
                out.append(at_left)
                at_left += 1
                continue
            if key in merged:
                at_left += 1
        if at_right < len(right_keys):
            key = right_keys[at_right]
            merged.add(key)
            out.append(key)
            at_right += 1
            if awaited == key:
                awaited = next(shared, None)
    return out
