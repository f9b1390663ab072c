"""Whether a value fits its type, in the words of an API server. The rules are those of `typed`."""

from collections.abc import Iterator
from typing import Any

import orjson

from gitops.manifests.fields import display
from gitops.manifests.schema import Type
from gitops.manifests.typed import TypedError, item_element, resolved


def validate(value: Any, kind: Type) -> None:
    """Raises TypedError unless `value` fits `kind`; the text lists every mistake with its path."""
    errors = list(_errors(value, kind, ""))
    if len(errors) == 1:
        raise TypedError(errors[0])
    if errors:
        raise TypedError("errors:\n" + "\n".join("  " + error for error in errors))


def _errors(value: Any, kind: Type, path: str) -> Iterator[str]:
    if value is None:
        return
    kind = resolved(kind, value)
    if kind.kind == "scalar":
        if message := _scalar_error(value, kind.scalar):
            yield f"{path}: {message}" if path else message
    elif kind.kind == "list":
        if not isinstance(value, list):
            yield f"{path}: expected list, got {_go_value(value)}"
        else:
            yield from _list_errors(value, kind, path)
    elif not isinstance(value, dict):
        yield f"{path}: expected map, got {_go_value(value)}"
    else:
        for name, child in value.items():
            child_type = kind.child(name)
            if child_type is None:
                yield f"{path}.{name}: field not declared in schema"
                return
            yield from _errors(child, child_type, f"{path}.{name}")


def _list_errors(value: list[Any], kind: Type, path: str) -> Iterator[str]:
    assert kind.element is not None
    seen: set[str] = set()
    for index, item in enumerate(value):
        if kind.atomic:
            element = f"[{index}]"
        else:
            try:
                encoded = item_element(item, kind)
            except TypedError as error:
                yield f"{path}: element {index}: {error}"
                return
            element = display((encoded,))
            if encoded in seen:
                yield f"{path}: duplicate entries for key {element}"
            seen.add(encoded)
        yield from _errors(item, kind.element, path + element)


_GO_TYPES = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    dict: "map[string]interface {}",
    list: "[]interface {}",
}


def _scalar_error(value: Any, scalar: str) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if scalar == "numeric" and not is_number:
        return f"expected numeric (int or float), got {_GO_TYPES.get(type(value), 'unknown')}"
    if scalar == "string" and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{_go_literal(value)}}}"
    if scalar == "boolean" and not isinstance(value, bool):
        return f"expected boolean, got {_go_value(value)}"
    if scalar == "untyped" and isinstance(value, dict | list):
        return f"expected any scalar, got {_go_value(value)}"
    return None


def _go_value(value: Any) -> str:
    return f"&{{{go_text(value)}}}"


def go_text(value: Any) -> str:
    """A JSON value as Go's %v prints it: map[a:1 b:[x y]]."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case dict():
            return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(go_text(item) for item in value) + "]"
        case _:
            return str(value)


def _go_literal(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            inner = ", ".join(f'"{key}":{_go_literal(value[key])}' for key in sorted(value))
            return f"map[string]interface {{}}{{{inner}}}"
        case list():
            return "[]interface {}{" + ", ".join(_go_literal(item) for item in value) + "}"
        case str():
            return orjson.dumps(value).decode()
        case _:
            return str(value)
