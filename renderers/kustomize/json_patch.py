"""JSON patches (RFC 6902) as Kustomize applies them, which is more lenient than the RFC.

`replace` of a missing field sets it, `test` of a missing field finds null, a `test` without a value expects null (as
Kustomize 5.8; 5.5 fails there), an `add` without a value sets null, indices may be negative or have leading zeros, a
path need not start with a slash, `~2` is left as it is. Numbers are compared as they are written (`1` is not `1.0`).
"""

from collections.abc import Mapping
from typing import Any, Final

from gitops.model.errors import RenderError
from renderers.kustomize.decode import load_yaml
from renderers.kustomize.fields import index_of

Operations = list[dict[str, Any]]

_MISSING: Final = object()


def parse_operations(text: str, where: str, is_old: bool) -> Operations:
    """The operations of a patch in JSON (it starts with a bracket) or YAML, as Kustomize 5.8 (5.5: `is_old`) reads it.

    Raises RenderError.
    """
    if not text:
        raise RenderError(f"{where}: the patch is empty")
    if text[0] == "[":
        from gitops.bounds import parsed

        try:
            value: Any = parsed(text)
        except ValueError as error:
            raise RenderError(f"{where}: not JSON: {error}") from error
    else:
        value = load_yaml(text.encode(), where)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RenderError(f"{where}: expected a list of operations")
    if is_old:
        return value
    return [{"value": None, **item} if item.get("op") == "test" else item for item in value]


def apply_operations(document: Any, operations: Operations) -> Any:
    """`document` (which is changed) after all operations; raises RenderError for one that does not apply."""
    for number, operation in enumerate(operations):
        kind, path = operation.get("op"), operation.get("path")
        function = _OPERATIONS.get(kind) if isinstance(kind, str) else None
        if function is None:
            raise RenderError(f"operation {number}: op: expected one of {', '.join(_OPERATIONS)}")
        if not isinstance(path, str):
            raise RenderError(f"operation {number}: path: expected text")
        try:
            function(document, path, operation)
        except RenderError as error:
            raise RenderError(f"operation {number}: {kind} {path}: {error}") from error
    return document


def _find(document: Any, path: str) -> tuple[Any, str]:
    """The container that a path leads into, and the last key."""
    parts = path.split("/")
    if len(parts) < 2:
        raise RenderError("there is no such path")
    here = document
    for part in parts[1:-1]:
        here = _child(here, _key(part))
        if not isinstance(here, dict | list):
            raise RenderError("there is no such path")
    return here, _key(parts[-1])


def _key(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~") if "~" in part else part


def _child(container: Any, key: str) -> Any:
    if isinstance(container, dict):
        return container.get(key)
    index = index_of(key)
    if index is None:
        return None
    try:
        return container[index]
    except IndexError:
        return None


def _index(container: list[Any], key: str, size: int) -> int:
    """An index into a list that has `size` items afterwards; negative ones count from the end."""
    index = index_of(key)
    if index is None:
        raise RenderError(f"`{key}` is not an index")
    if not -size <= index < size:
        raise RenderError(f"the list has {len(container)} items")
    return index + size if index < 0 else index


def _get(container: Any, key: str) -> Any:
    if isinstance(container, dict):
        return container.get(key)
    return container[_index(container, key, len(container))]


def _put(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(container, key, len(container) + 1), value)


def _take(container: Any, key: str) -> Any:
    if isinstance(container, dict):
        if key not in container:
            raise RenderError("there is no such field")
        return container.pop(key)
    return container.pop(_index(container, key, len(container)))


def _add(document: Any, path: str, operation: Mapping[str, Any]) -> None:
    _put(*_find(document, path), _copy(operation.get("value")))


def _remove(document: Any, path: str, operation: Mapping[str, Any]) -> None:
    _take(*_find(document, path))


def _replace(document: Any, path: str, operation: Mapping[str, Any]) -> None:
    container, key = _find(document, path)
    value = _copy(operation.get("value"))
    if isinstance(container, dict):
        container[key] = value
    else:
        container[_index(container, key, len(container))] = value


def _move(document: Any, path: str, operation: Mapping[str, Any]) -> None:
    container, key = _find(document, _from(operation))
    value = _get(container, key)
    _take(container, key)
    _put(*_find(document, path), value)


def _duplicate(document: Any, path: str, operation: Mapping[str, Any]) -> None:
    value = _get(*_find(document, _from(operation)))
    _put(*_find(document, path), _copy(value))


def _from(operation: Mapping[str, Any]) -> str:
    source = operation.get("from")
    if not isinstance(source, str):
        raise RenderError("from: expected text")
    return source


def _test(document: Any, path: str, operation: Mapping[str, Any]) -> None:
    """A missing field is equal to null, but the null must be written."""
    found = _get(*_find(document, path))
    if "value" not in operation or not _same(found, operation["value"]):
        raise RenderError("the value is another one")


def _same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(child) for key, child in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


_OPERATIONS: Final = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "test": _test,
    "copy": _duplicate,
}
