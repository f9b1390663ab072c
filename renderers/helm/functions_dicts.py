"""Functions of maps, and of the types of values, as sprig 3 has them."""

from typing import Any, Final

from renderers.helm.functions_strings import text_of
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, NilMap, TypedList, TypedMap, function, is_true, kind_of, type_of
from renderers.helm.gotemplate.work import DEEP, deep_size_of, spend


def deep_copy(value: Any) -> Any:
    """A copy that shares no map or list."""
    spend(deep_size_of(value))
    if isinstance(value, TypedMap):
        return value.copied(deep_copy)
    if isinstance(value, dict):
        return {key: deep_copy(item) for key, item in value.items()}
    if isinstance(value, TypedList):
        return TypedList(value.element, map(deep_copy, value))
    return [deep_copy(item) for item in value] if isinstance(value, list) else value


def _copy(value: Any) -> Any:
    if value is None:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    return deep_copy(value)


def _set(target: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    if isinstance(target, NilMap):
        raise FunctionError("assignment to entry in nil map")
    target[key] = value
    return target


def _unset(target: dict[str, Any], key: str) -> dict[str, Any]:
    target.pop(key, None)
    return target


def _dict(*values: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for at in range(0, len(values), 2):
        found[text_of(values[at])] = values[at + 1] if at + 1 < len(values) else ""
    return found


def _keys(*dicts: dict[str, Any]) -> TypedList:
    return TypedList.of_text(key for each in dicts for key in sorted(each))


def _values(target: dict[str, Any]) -> list[Any]:
    return [target[key] for key in sorted(target)]


def _pick(target: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: target[key] for key in keys if key in target}


def _omit(target: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in target.items() if key not in keys}


def merge_into(target: dict[str, Any], source: dict[str, Any], overwrite: bool, depth: int = 0) -> None:
    """mergo's Merge of two maps: what is empty in `target` is filled, or with `overwrite` replaced."""
    if depth > 500 or target is source:
        return
    spend(DEEP * len(source))
    for key, value in list(source.items()):
        if value is None:
            if overwrite:
                target[key] = None
            continue
        present, before = key in target, target.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if before or not overwrite:
                merge_into(before, value, overwrite, depth + 1)
            if before:
                continue
        if overwrite or not present or not is_true(before):
            target[key] = value


def _merge(target: dict[str, Any], *sources: dict[str, Any]) -> dict[str, Any]:
    target = {} if isinstance(target, NilMap) else target
    for source in sources:
        merge_into(target, source, overwrite=False)
    return target


def _merge_overwrite(target: dict[str, Any], *sources: dict[str, Any]) -> dict[str, Any]:
    target = {} if isinstance(target, NilMap) else target
    for source in sources:
        merge_into(target, source, overwrite=True)
    return target


def _dig(*values: Any) -> Any:
    if len(values) < 3:
        raise FunctionError("dig needs at least three arguments")
    *keys, fallback, target = values
    for key in keys:
        if type(key) is not str:
            told = "nil" if key is None else type_of(key)
            raise FunctionError(f"interface conversion: interface {{}} is {told}, not string")
    for number, key in enumerate(keys):
        if not isinstance(target, dict) or isinstance(target, TypedMap):
            raise FunctionError(
                f"interface conversion: interface {{}} is {'nil' if target is None else type_of(target)}, "
                "not map[string]interface {}"
            )
        if key not in target:
            return fallback
        target = target[key]
        if number == len(keys) - 1:
            return target
    return target


def _type_is_like(wanted: str, value: Any) -> bool:
    return type_of(value) in (wanted, "*" + wanted)


DICTS: Final[dict[str, Function]] = {
    "deepCopy": function("any", _copy),
    "dict": function("any...", _dict),
    "dig": function("any...", _dig),
    "get": function("map string", lambda target, key: target.get(key, "")),
    "hasKey": function("map string", lambda target, key: key in target),
    "keys": function("map...", _keys),
    "kindIs": function("string any", lambda wanted, value: kind_of(value) == wanted),
    "kindOf": function("any", kind_of),
    "merge": function("map map...", _merge),
    "mergeOverwrite": function("map map...", _merge_overwrite),
    "mustDeepCopy": function("any", _copy),
    "mustMerge": function("map map...", _merge),
    "mustMergeOverwrite": function("map map...", _merge_overwrite),
    "omit": function("map string...", _omit),
    "pick": function("map string...", _pick),
    "pluck": function("string map...", lambda key, *dicts: [each[key] for each in dicts if key in each]),
    "set": function("map string any", _set),
    "typeIs": function("string any", lambda wanted, value: type_of(value) == wanted),
    "typeIsLike": function("string any", _type_is_like),
    "typeOf": function("any", type_of),
    "unset": function("map string", _unset),
    "values": function("map", _values),
}
