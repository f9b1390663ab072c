"""JSON merge patch (RFC 7396) and JSON patch (RFC 6902) as an API server applies them. Pure: results are new values."""

from typing import Any

from gitops.manifests.typed import same


class PatchError(ValueError):
    """The patch is malformed, or does not fit the document."""


def merge_patch(document: Any, patch: Any) -> Any:
    """`document` with a JSON merge patch: null removes, maps merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge_patch(out.get(name), value)
    return out


def json_patch(document: Any, operations: Any) -> Any:
    """`document` with these operations applied in turn; PatchError when one is malformed or does not apply."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch is a list of operations")
    for operation in operations:
        if not isinstance(operation, dict):
            raise PatchError("an operation is a map")
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation.get("path"), or_all=operation.get("op") in ("replace", "test"))
    match operation.get("op"):
        case "add":
            return _changed(document, path, lambda parent, key: _add(parent, key, operation.get("value")))
        case "remove":
            return _changed(document, path, _remove)
        case "replace":
            _get_or_none(document, path)  # of a map, a member that is missing is made
            return _changed(document, path, lambda parent, key: _replace(parent, key, operation.get("value")))
        case "test":
            if not same(_get_or_none(document, path), operation.get("value")):
                raise PatchError(f"testing path {operation['path']} failed")
            return document
        case "move":
            source = _pointer(operation.get("from"))
            moved = _get(document, source)
            return _changed(_changed(document, source, _remove), path, lambda parent, key: _add(parent, key, moved))
        case "copy":
            copied = _get_or_none(document, _pointer(operation.get("from")))
            return _changed(document, path, lambda parent, key: _add(parent, key, copied))
    raise PatchError(f"unexpected kind: {operation.get('op')}")


def _pointer(path: Any, *, or_all: bool = False) -> list[str]:
    """The members on the way; what stands before the first `/` does not count. `or_all` where "" is the document."""
    if not isinstance(path, str) or not ("/" in path or (or_all and not path)):
        raise PatchError(f"not a JSON pointer: {path}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _index(items: list[Any], key: str) -> int:
    try:
        index = int(key)
    except ValueError:
        raise PatchError(f"not an index: {key}") from None
    if index < 0:
        index += len(items)
    if not 0 <= index < len(items):
        raise PatchError(f"index out of range: {key}")
    return index


def _step(node: Any, key: str) -> Any:
    if isinstance(node, dict) and key in node:
        return node[key]
    if isinstance(node, list):
        return node[_index(node, key)]
    raise PatchError(f"missing path: {key}")


def _get(document: Any, path: list[str]) -> Any:
    for key in path:
        document = _step(document, key)
    return document


def _get_or_none(document: Any, path: list[str]) -> Any:
    """As `_get`, but a missing last member reads as null, as the `test` of Kubernetes' library has it."""
    if not path:
        return document
    parent = _get(document, path[:-1])
    return parent.get(path[-1]) if isinstance(parent, dict) else _step(parent, path[-1])


def _changed(document: Any, path: list[str], change: Any) -> Any:
    """A copy along `path`, its last parent changed."""
    if not path:
        return change({"": document}, "").get("")
    if len(path) == 1:
        return change(document, path[0])
    child = _changed(_step(document, path[0]), path[1:], change)
    if isinstance(document, list):
        index = _index(document, path[0])
        return [*document[:index], child, *document[index + 1 :]]
    return {**document, path[0]: child}


def _add(parent: Any, key: str, value: Any) -> Any:
    if isinstance(parent, dict):
        return {**parent, key: value}
    if isinstance(parent, list):
        index = len(parent) if key == "-" else _index([*parent, None], key)  # -1 is behind the last
        return [*parent[:index], value, *parent[index:]]
    raise PatchError(f"cannot add {key} to a scalar")


def _remove(parent: Any, key: str) -> Any:
    _step(parent, key)
    if isinstance(parent, dict):
        return {name: value for name, value in parent.items() if name != key}
    index = _index(parent, key)
    return [*parent[:index], *parent[index + 1 :]]


def _replace(parent: Any, key: str, value: Any) -> Any:
    if isinstance(parent, dict):
        return {**parent, key: value}
    index = _index(parent, key)
    return [*parent[:index], value, *parent[index + 1 :]]
