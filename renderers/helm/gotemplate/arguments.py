"""What a function is given: whether it fits, what a constant becomes, and what Go says of what does not fit."""

from collections.abc import Callable
from typing import Any

from renderers.helm.gotemplate import nodes
from renderers.helm.gotemplate.errors import FunctionError, TemplateError
from renderers.helm.gotemplate.state import MAX_ITEMS, MAX_TEXT, State, Value
from renderers.helm.gotemplate.values import NIL_ITEM, Function, Int64, go_name, mismatch, no_value

Error = Callable[[str], TemplateError]
LateError = Callable[[State, str], TemplateError]


def bounded(value: Any) -> Any:
    """The value, if it is not longer than any chart needs it. Raises FunctionError."""
    kind = type(value)
    if kind is str:
        if len(value) > MAX_TEXT:
            raise FunctionError(f"the text that it gives is longer than {MAX_TEXT // 2**20} MiB")
    elif kind is list and len(value) > MAX_ITEMS:
        raise FunctionError(f"the list that it gives has more than {MAX_ITEMS} items")
    return value


def raising(error: Error, message: str, final: Value | None = None) -> Value:
    """What has no value, but this error; what is piped into it is worked out before."""

    def failing(state: State, dot: Any) -> Any:
        if final is not None:
            final(state, dot)
        raise error(message)

    return failing


def constant_of(value: Any, kind: str, node: nodes.Node, error: Error) -> Value:
    """A constant where a function takes `kind`: numbers become what is wanted, if they fit."""
    is_number = isinstance(value, int | float) and type(value) is not bool
    if is_number and kind in ("int", "int64", "duration") and float(value).is_integer() and -(2**63) <= value < 2**63:
        fitting: Any = Int64(value) if kind == "int64" else int(value)
    elif is_number and kind == "float":
        fitting = float(value)
    elif {"string": str, "bool": bool}.get(kind) is type(value):
        fitting = value
    else:
        names = {"int": "integer", "int64": "integer", "duration": "integer", "float": "float"}
        if kind in ("string", "bool", "int", "int64", "float", "duration"):
            return raising(error, f"expected {names.get(kind, kind)}; found {node}")
        return raising(error, f"can't handle {node} for arg of type {go_name(kind)}")
    return lambda state, dot: fitting


def checked(value: Value, kind: str, error: LateError) -> Value:
    """The value, if it is one of `kind`. NIL_ITEM is a nil that a field or an item of a list holds."""
    if kind == "any":
        return value

    def checked(state: State, dot: Any) -> Any:
        found = value(state, dot)
        if kind == "string" and type(found) is str:
            return found
        return fitting(state, found, kind, error)

    return checked


def fitting(state: State, found: Any, kind: str, error: LateError) -> Any:
    """The value that a function is given where it takes `kind`. Raises TemplateError."""
    if kind == "reflect":
        return found
    is_field = found is NIL_ITEM
    found = None if is_field else found
    wrong = mismatch(kind, found, is_field)
    if wrong is not None:
        raise error(state, wrong)
    return no_value(kind) if found is None else found


def miscounted(name: str, function: Function, count: int) -> str | None:
    """What is wrong with the number of arguments."""
    fixed = len(function.parameters)
    if function.variadic and count < fixed:
        return f"wrong number of args for {name}: want at least {fixed} got {count}"
    if not function.variadic and count != fixed:
        return f"wrong number of args for {name}: want {fixed} got {count}"
    return None
