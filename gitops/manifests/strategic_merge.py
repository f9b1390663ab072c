"""Strategic merge patch: Kubernetes' own patch, which merges lists of built-in kinds item by item.

Directives: `$patch` (replace, merge, delete), `$retainKeys`, `$setElementOrder/FIELD`, and
`$deleteFromPrimitiveList/FIELD`. The rules, the order of items included, are those of
k8s.io/apimachinery/pkg/util/strategicpatch. Pure: results are new values that share what did not change.
"""

from typing import Any

from gitops.manifests.key import Body
from gitops.manifests.schema import DEDUCED, Field, Type
from gitops.manifests.typed_validation import go_text

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"

_UNKNOWN = Field(DEDUCED)


class StrategicMergeError(ValueError):
    """The patch does not fit the object; the text is what an API server says of it."""


class StrategicFormatError(StrategicMergeError):
    """A directive is not written as directives are."""


def strategic_merge(original: Body, patch: Body, kind: Type) -> Body:
    """`original` with `patch`, both of type `kind`; StrategicMergeError when a directive makes no sense."""
    return _merge_maps(original, patch, kind)


def _merge_maps(original: Body, patch: Body, kind: Type) -> Body:
    match patch.get(_PATCH):
        case None:
            pass
        case "replace":
            return {name: value for name, value in patch.items() if name != _PATCH}
        case "delete":
            return {}
        case "merge":
            patch = {name: value for name, value in patch.items() if name != _PATCH}
        case other:
            raise StrategicMergeError(f"unknown patch type: {other} in map: {go_text(patch)}")
    out = _retained(original, patch)
    ordered = {name.removeprefix(_ORDER) for name in patch if name.startswith(_ORDER)}
    for name in sorted(ordered):
        _merge_ordered(out, name, patch, kind)
    for name, value in patch.items():
        if name == _RETAIN or name.startswith(_ORDER) or name in ordered:
            continue
        if name.startswith(_DELETE):
            field = name.removeprefix(_DELETE)
            if not isinstance(value, list):
                raise StrategicFormatError("invalid patch format of primitive list")
            if isinstance(out.get(field), list):
                out[field] = [item for item in out[field] if item not in value]
        elif value is None:
            out.pop(name, None)
        else:
            out[name] = _merge_value(out, name, value, _declared(kind, name))
    return out


def _declared(kind: Type, name: str) -> Field:
    declared = kind.fields.get(name)
    if declared is not None:
        return declared
    return Field(kind.element) if kind.element is not None else _UNKNOWN


def _retained(original: Body, patch: Body) -> Body:
    if _RETAIN not in patch:
        return dict(original)
    keep = patch[_RETAIN]
    named = [name for name in patch if not name.startswith("$") and patch[name] is not None]
    if not isinstance(keep, list) or any(name not in keep for name in named):
        raise StrategicFormatError("invalid patch format of retainKeys")
    return {name: value for name, value in original.items() if name in keep}


def _merge_value(out: Body, name: str, value: Any, declared: Field) -> Any:
    current = out.get(name)
    if isinstance(value, dict) and isinstance(current, dict):
        return value if "replace" in declared.patch else _merge_maps(current, value, declared.type)
    if isinstance(value, list) and isinstance(current, list):
        return _merge_lists(current, value, declared) if "merge" in declared.patch else value
    return without_directives(value)


def without_directives(value: Any) -> Any:
    """A patch value where there is nothing to merge with: its directives and nulls go."""
    if isinstance(value, dict):
        if value.get(_PATCH) == "delete":
            return {}
        return {
            name: without_directives(child)
            for name, child in value.items()
            if child is not None and not name.startswith((_ORDER, _DELETE)) and name not in (_PATCH, _RETAIN)
        }
    if isinstance(value, list):
        kept = [item for item in value if not (isinstance(item, dict) and _PATCH in item)]
        return [without_directives(item) for item in kept]
    return value


def _merge_lists(original: list[Any], patch: list[Any], declared: Field) -> list[Any]:
    if not original and not patch:
        return original
    if any(isinstance(item, list) for item in [*original, *patch]):
        raise StrategicMergeError("lists of lists are not supported")
    if not all(isinstance(item, dict) for item in [*original, *patch]):
        if any(isinstance(item, dict) for item in [*original, *patch]):
            raise StrategicMergeError(f"list element types are not identical: {go_text([original, patch])}")
        merged = list(dict.fromkeys([*original, *patch]))
        return _in_order(merged, patch, original, "")
    key = declared.merge_key
    if not key:
        raise StrategicMergeError("map does not contain declared merge key: ")
    base, plain = _without_special(original, patch, key)
    merged = list(base)
    element = declared.type.element or DEDUCED
    for item in plain:
        wanted = _key_of(item, key)
        index = next((at for at, other in enumerate(merged) if other.get(key) == wanted), None)
        if index is None:
            merged.append(without_directives(item))
        else:
            merged[index] = _merge_maps(merged[index], item, element)
    return _in_order(merged, plain, base, key)


def _key_of(item: Body, key: str) -> Any:
    if key not in item:
        raise StrategicMergeError(f"map: {go_text(item)} does not contain declared merge key: {key}")
    return item[key]


def _without_special(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """The list and the patch once `$patch` items have done their work."""
    plain, replaced = [], False
    for item in patch:
        match item.get(_PATCH):
            case None:
                plain.append(item)
            case "delete":
                doomed = _key_of(item, key)
                original = [other for other in original if other.get(key) != doomed]
            case "replace":
                replaced = True
            case other:
                raise StrategicMergeError(f"unknown patch type: {other} in map: {go_text(item)}")
    return (plain, []) if replaced else (original, plain)


def _merge_ordered(out: Body, name: str, patch: Body, kind: Type) -> None:
    """A list whose order the patch gives: merged, then its named items in that order."""
    order, declared = patch[_ORDER + name], _declared(kind, name)
    current, sent = out.get(name), patch.get(name)
    if not isinstance(order, list):
        raise StrategicFormatError("invalid patch format of setElementOrder list")
    _check_order(sent, order, declared.merge_key)
    if current is None and sent is None:
        return
    if current is None:
        merged = without_directives(sent)
    elif sent is None:
        merged = current
    else:
        merged = _merge_lists(current, sent, declared) if "merge" in declared.patch else sent
    out[name] = _in_order(merged, order, current or [], declared.merge_key)


def _check_order(sent: Any, order: list[Any], key: str) -> None:
    if not sent:
        return
    wanted = [_identity(item, key) for item in order]
    named = [_identity(item, key) for item in sent if not (isinstance(item, dict) and _PATCH in item)]
    at = 0
    for item in named:
        while at < len(wanted) and wanted[at] != item:
            at += 1
        if at == len(wanted):
            lists = f"{go_text(sent)}\n doesn't match $setElementOrder list:\n{go_text(order)}\n"
            raise StrategicMergeError("The order in patch list:\n" + lists)
        at += 1


def _identity(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, dict) else item


def _in_order(merged: list[Any], patch: list[Any], server: list[Any], key: str) -> list[Any]:
    """`merged` with the items that `patch` names in its order, and the others where the server had them.

    Two items that the server both knew keep the server's order; an item it did not know goes as early as it may.
    """
    named = [_identity(item, key) for item in patch]
    known = [_identity(item, key) for item in server]
    ours = [item for item in merged if _identity(item, key) in named]
    ours.sort(key=lambda item: named.index(_identity(item, key)))
    others = [item for item in merged if _identity(item, key) not in named]
    others.sort(key=lambda item: known.index(_identity(item, key)) if _identity(item, key) in known else len(known))
    out: list[Any] = []
    while ours and others:
        left, right = _identity(others[0], key), _identity(ours[0], key)
        server_first = left in known and right in known and known.index(left) < known.index(right)
        out.append(others.pop(0) if server_first else ours.pop(0))
    return [*out, *ours, *others]
