"""Compiles what has a value (constants, fields, variables, calls, pipelines) to functions of state and dot."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from renderers.helm.gotemplate import nodes
from renderers.helm.gotemplate.errors import FunctionError, TemplateError
from renderers.helm.gotemplate.place import failure
from renderers.helm.gotemplate.state import MAX_ITEMS, MAX_TEXT, State, Value
from renderers.helm.gotemplate.values import (
    Function,
    GoObject,
    Int64,
    TypedMap,
    is_true,
    mismatch,
    no_value,
    type_of,
)

_SHORT_CIRCUIT: Final = ("and", "or")
_NO_METHODS: Final[Mapping[str, Function]] = {}
_NAMED: Final = {"float": "float64", "map": "map[string]interface {}", "list": "[]interface {}"}
Error = Callable[[str], TemplateError]


class Expressions:
    """Compiles the expressions of one template."""

    def __init__(self, parsed: nodes.Parsed, functions: Mapping[str, Function]) -> None:
        self._parsed = parsed
        self._functions = functions

    def error_at(self, node: nodes.Node) -> Error:
        """Makes errors of what goes wrong at the node."""
        return failure(self._parsed, node)

    def pipeline(self, pipe: nodes.Pipe) -> Value:
        """The value of the last command, put into the declared variables."""
        value: Value | None = None
        for command in pipe.commands:
            value = self._command(command, value)
        assert value is not None
        if not pipe.declared:
            return value
        slots = [slot for _, slot in pipe.declared]
        inner = value

        def declared(state: State, dot: Any) -> Any:
            found = inner(state, dot)
            for slot in slots:
                state.variables[slot] = found
            return found

        return declared

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _command(self, command: nodes.Command, final: Value | None) -> Value:
        first, args = command.args[0], command.args[1:]
        match first:
            case nodes.Field(names=names):
                return self._fields(first, _dot, names, args, final)
            case nodes.Variable(names=names):
                if not names:
                    return self._no_function(first, args, final, self._variable(first))
                return self._fields(first, self._variable(first), names, args, final)
            case nodes.Chain(names=names):
                return self._fields(first, self._operand(first.node), names, args, final)
            case nodes.Identifier():
                return self._call(command, first, args, final)
            case nodes.Nil():
                return _raising(self.error_at(first), "nil is not a command")
        return self._no_function(first, args, final, self._operand(first))

    def _no_function(self, node: nodes.Node, args: list[nodes.Node], final: Value | None, value: Value) -> Value:
        if args or final is not None:
            return _raising(self.error_at(node), f"can't give argument to non-function {node}")
        return value

    def _variable(self, node: nodes.Variable) -> Value:
        slot = node.slot
        return lambda state, dot: state.variables[slot]

    def _operand(self, node: nodes.Node) -> Value:
        """What stands where a value of any type is wanted."""
        match node:
            case nodes.Dot():
                return _dot
            case nodes.Nil():
                return lambda state, dot: None
            case nodes.Constant(value=value):
                return lambda state, dot: value
            case nodes.Pipe():
                return self.pipeline(node)
            case nodes.Identifier():
                return self._call(node, node, [], None)
        return self._command(nodes.Command(node.at, [node]), None)

    # ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _fields(
        self, node: nodes.Node, start: Value, names: tuple[str, ...], args: list[nodes.Node], final: Value | None
    ) -> Value:
        error = self.error_at(_told(node))
        if args or final is not None:
            return self._method(node, start, names, args, final)
        if len(names) == 1:
            name = names[0]

            def one(state: State, dot: Any) -> Any:
                value = start(state, dot)
                if type(value) is dict:
                    return value.get(name)
                return None if value is None else _field(state, value, name, error)

            return one

        def walk(state: State, dot: Any) -> Any:
            value = start(state, dot)
            if value is None:
                return None
            kind = ""
            for name in names:
                value = value.get(name) if type(value) is dict else _field(state, value, name, error, kind)
                kind = "interface {}"
            return value

        return walk

    def _method(
        self, node: nodes.Node, start: Value, names: tuple[str, ...], args: list[nodes.Node], final: Value | None
    ) -> Value:
        error = self.error_at(node)
        *before, last = names
        compiled: dict[int, Value] = {}

        def call(state: State, dot: Any) -> Any:
            value = start(state, dot)
            if value is None:
                return None
            for name in before:
                value = _field(state, value, name, error)
            method = getattr(value, "methods", _NO_METHODS).get(last)
            if method is None:
                if value is None or not isinstance(value, GoObject | dict):
                    _field(state, value, last, error)
                raise error(f"{last} is not a method but has arguments")
            if id(method) not in compiled:
                compiled[id(method)] = self._bound(node, last, method, args, final)
            return compiled[id(method)](state, (value, dot))

        return call

    def _bound(
        self, node: nodes.Node, name: str, method: Function, args: list[nodes.Node], final: Value | None
    ) -> Value:
        """A call of the method of a pair (receiver, dot)."""
        given = self._arguments(node, name, method, args, final)
        error = self.error_at(node)
        if isinstance(given, str):
            return _raising(error, given)

        def call(state: State, pair: Any) -> Any:
            receiver, dot = pair
            values = [each(state, dot) for each in given]
            try:
                return method.call(receiver, *values)
            except (FunctionError, TemplateError) as caught:
                raise error(f"error calling {name}: {caught}") from None

        return call

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _call(
        self, command: nodes.Node, identifier: nodes.Identifier, args: list[nodes.Node], final: Value | None
    ) -> Value:
        name = identifier.name
        function = self._functions[name]
        error = self.error_at(command)
        given = self._arguments(identifier, name, function, args, final)
        if isinstance(given, str):
            return _raising(self.error_at(identifier), given)
        if name in _SHORT_CIRCUIT:
            return _logic(given, stops=name == "or", piped=final is not None)
        call = function.call
        if function.with_state:
            return _with_state(call, given, name, error)
        if final is not None and len(given) > 1:
            return _final_first(call, given, name, error)
        if len(given) == 1:
            only = given[0]

            def one(state: State, dot: Any) -> Any:
                value = only(state, dot)
                try:
                    return _bounded(call(value), error)
                except (FunctionError, TemplateError) as caught:
                    raise error(f"error calling {name}: {caught}") from None

            return one

        def many(state: State, dot: Any) -> Any:
            values = [each(state, dot) for each in given]
            try:
                return _bounded(call(*values), error)
            except (FunctionError, TemplateError) as caught:
                raise error(f"error calling {name}: {caught}") from None

        return many

    def _arguments(
        self, node: nodes.Node, name: str, function: Function, args: list[nodes.Node], final: Value | None
    ) -> list[Value] | str:
        """The arguments with their types checked, or what is wrong with their number."""
        fixed, count = len(function.parameters), len(args) + (final is not None)
        if function.variadic and count < fixed:
            return f"wrong number of args for {name}: want at least {fixed} got {count}"
        if not function.variadic and count != fixed:
            return f"wrong number of args for {name}: want {fixed} got {count}"
        kinds = [*function.parameters, *[function.variadic] * (count - fixed)]
        given = [self._argument(arg, kind) for arg, kind in zip(args, kinds, strict=False)]
        if final is not None:
            given.append(_checked(final, kinds[-1], self.error_at(node)))
        return given

    def _argument(self, node: nodes.Node, kind: str) -> Value:
        error = self.error_at(node)
        match node:
            case nodes.Nil() if kind not in ("any", "map", "list"):
                return _raising(error, f"cannot assign nil to {_NAMED.get(kind, kind)}")
            case nodes.Constant(value=value) if kind != "any":
                return _constant(value, kind, node, error)
        is_field = isinstance(node, nodes.Field | nodes.Chain) or (
            isinstance(node, nodes.Variable) and bool(node.names)
        )
        return _checked(self._operand(node), kind, error, is_field)


def _told(node: nodes.Node) -> nodes.Node:
    """What a message names: of fields behind parentheses, a single thing inside of them."""
    inner = node.node if isinstance(node, nodes.Chain) else node
    if isinstance(inner, nodes.Pipe) and len(inner.commands) == 1 and len(inner.commands[0].args) == 1:
        return inner.commands[0].args[0]
    return node


def _bounded(value: Any, error: Error) -> Any:
    """The value, if it is not longer than any chart needs it."""
    kind = type(value)
    if kind is str:
        if len(value) > MAX_TEXT:
            raise error(f"the text that it gives is longer than {MAX_TEXT // 2**20} MiB")
    elif kind is list and len(value) > MAX_ITEMS:
        raise error(f"the list that it gives has more than {MAX_ITEMS} items")
    return value


def _dot(state: State, dot: Any) -> Any:
    return dot


def _raising(error: Error, message: str) -> Value:
    def raising(state: State, dot: Any) -> Any:
        raise error(message)

    return raising


def _constant(value: Any, kind: str, node: nodes.Node, error: Error) -> Value:
    """A constant where a function takes `kind`: numbers become what is wanted, if they fit."""
    is_number = isinstance(value, int | float) and type(value) is not bool
    if is_number and kind in ("int", "int64") and float(value).is_integer():
        fitting: Any = Int64(value) if kind == "int64" else int(value)
    elif is_number and kind == "float":
        fitting = float(value)
    elif {"string": str, "bool": bool}.get(kind) is type(value):
        fitting = value
    else:
        names = {"int": "integer", "int64": "integer", "float": "float"}
        if kind in ("string", "bool", "int", "int64", "float"):
            return _raising(error, f"expected {names.get(kind, kind)}; found {node}")
        return _raising(error, f"can't handle {node} for arg of type {_NAMED.get(kind, kind)}")
    return lambda state, dot: fitting


def _checked(value: Value, kind: str, error: Error, is_field: bool = False) -> Value:
    if kind == "any":
        return value

    def checked(state: State, dot: Any) -> Any:
        found = value(state, dot)
        if kind == "string" and type(found) is str:
            return found
        wrong = mismatch(kind, found, is_field)
        if wrong is not None:
            raise error(wrong)
        return no_value(kind) if found is None else found

    return checked


def _with_state(call: Callable[..., Any], given: list[Value], name: str, error: Error) -> Value:
    def with_state(state: State, dot: Any) -> Any:
        values = [each(state, dot) for each in given]
        try:
            return call(state, *values)
        except (FunctionError, TemplateError) as caught:
            raise error(f"error calling {name}: {caught}") from None

    return with_state


def _final_first(call: Callable[..., Any], given: list[Value], name: str, error: Error) -> Value:
    """What comes through the pipeline is worked out before the other arguments."""
    *others, last = given

    def final_first(state: State, dot: Any) -> Any:
        final = last(state, dot)
        values = [each(state, dot) for each in others]
        try:
            return _bounded(call(*values, final), error)
        except (FunctionError, TemplateError) as caught:
            raise error(f"error calling {name}: {caught}") from None

    return final_first


def _logic(given: list[Value], stops: bool, piped: bool) -> Value:
    """`and` or `or`: arguments are worked out up to the one that decides, but what is piped in comes first."""

    def logic(state: State, dot: Any) -> Any:
        value = None
        last = given[-1](state, dot) if piped else None
        for each in [*given[:-1], lambda state, dot: last] if piped else given:
            value = each(state, dot)
            if is_true(value) is stops:
                return value
        return value

    return logic


def _field(state: State, value: Any, name: str, error: Error, kind: str = "") -> Any:
    """One field of a value that is no plain map; `kind` is its type in messages, where it is not its own."""
    if type(value) is dict:
        return value.get(name)
    if value is None:
        raise error(f"nil pointer evaluating interface {{}}.{name}")
    method = getattr(value, "methods", _NO_METHODS).get(name)
    if method is not None:
        return _called(value, name, method, error)
    if isinstance(value, GoObject):
        try:
            return value.field(name)
        except KeyError:
            raise error(f"can't evaluate field {name} in type {type_of(value)}") from None
    if isinstance(value, TypedMap):
        return value.get(name, value.zero)
    if isinstance(value, dict):
        return value.get(name)
    raise error(f"can't evaluate field {name} in type {kind or type_of(value)}")


def _called(value: Any, name: str, method: Function, error: Error) -> Any:
    if method.parameters:
        raise error(f"wrong number of args for {name}: want {len(method.parameters)} got 0")
    try:
        return method.call(value)
    except FunctionError as caught:
        raise error(f"error calling {name}: {caught}") from None
