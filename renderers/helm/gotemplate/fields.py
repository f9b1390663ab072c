"""One field of a value, as Go looks for it: an entry of a map, a field or a method, or what is wrong with it."""

from collections.abc import Mapping
from typing import Any, Final

from renderers.helm.gotemplate.arguments import LateError
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.state import State
from renderers.helm.gotemplate.values import NIL_ITEM, Function, GoObject, TypedMap, type_of

NO_METHODS: Final[Mapping[str, Function]] = {}


def field_of(state: State, value: Any, name: str, error: LateError, kind: str = "") -> Any:
    """One field of a value that is no plain map; `kind` is its type in messages, where it is not its own."""
    if type(value) is dict:
        return value.get(name)
    if value is None or value is NIL_ITEM:
        raise error(state, f"nil pointer evaluating interface {{}}.{name}")
    method = getattr(value, "methods", NO_METHODS).get(name)
    if method is not None:
        return _called(state, value, name, method, error)
    if isinstance(value, GoObject):
        try:
            return value.field(name)
        except KeyError:
            raise error(state, f"can't evaluate field {name} in type {type_of(value)}") from None
    if isinstance(value, TypedMap):
        return value.get(name, value.zero)
    if isinstance(value, dict):
        return value.get(name)
    raise error(state, f"can't evaluate field {name} in type {kind or type_of(value)}")


def holds_any(value: Any) -> bool:
    """Whether Go does not know the type of what the value holds."""
    return isinstance(value, dict) and not (isinstance(value, TypedMap) and value.zero is not None)


def _called(state: State, value: Any, name: str, method: Function, error: LateError) -> Any:
    if method.parameters:
        raise error(state, f"wrong number of args for {name}: want {len(method.parameters)} got 0")
    try:
        return method.call(value)
    except FunctionError as caught:
        raise error(state, f"error calling {name}: {caught}") from None
