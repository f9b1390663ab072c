"""Compiles what has a value (constants, fields, variables, calls, pipelines) to functions of state and dot."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from renderers.helm.gotemplate import nodes
from renderers.helm.gotemplate.arguments import (
    Error,
    LateError,
    bounded,
    checked,
    constant_of,
    fitting,
    miscounted,
    raising,
)
from renderers.helm.gotemplate.errors import FunctionError, TemplateError
from renderers.helm.gotemplate.fields import NO_METHODS, field_of, holds_any
from renderers.helm.gotemplate.place import failure, failure_after
from renderers.helm.gotemplate.state import DOT, NOTHING, State, Value
from renderers.helm.gotemplate.values import (
    NIL_ITEM,
    Function,
    GoObject,
    go_name,
    is_true,
)
from renderers.helm.gotemplate.work import CALL, size_of, sizer_of

_INTERFACE: Final = "interface {}"
_SHORT_CIRCUIT: Final = ("and", "or")
TOO_DEEP: Final = "nested too deeply: templates call each other without end, or a value holds itself"
Values = Callable[[State, Any], list[Any]]


class Expressions:
    """Compiles the expressions of one template."""

    def __init__(self, parsed: nodes.Parsed, functions: Mapping[str, Function]) -> None:
        self._parsed = parsed
        self._functions = functions
        self.items: frozenset[int] = NOTHING  # the variables, and DOT, that hold an item of what is gone over

    def error_at(self, node: nodes.Node) -> Error:
        """Makes errors of what goes wrong at the node."""
        return failure(self._parsed, node)

    def error_after(self, node: nodes.Node) -> LateError:
        """Makes errors of what is wrong with the value of the node."""
        return failure_after(self._parsed, node)

    def pipeline(self, pipe: nodes.Pipe) -> Value:
        """The value of the last command, put into the declared variables."""
        value: Value | None = None
        before: nodes.Node = pipe
        for command in pipe.commands:
            value = self._command(command, value, before)
            before = command
        assert value is not None
        if not pipe.declared:
            return value
        slots = [slot for _, slot in pipe.declared]
        if -1 in slots:
            return self._undefined(pipe, value)
        inner = value

        def declared(state: State, dot: Any) -> Any:
            found = inner(state, dot)
            for slot in slots:
                state.variables[slot] = found
            return found

        return declared

    def _undefined(self, pipe: nodes.Pipe, value: Value) -> Value:
        error = self.error_after(pipe)
        name = next(name for name, slot in pipe.declared if slot < 0)

        def undefined(state: State, dot: Any) -> Any:
            value(state, dot)
            raise error(state, f"undefined variable: {name}")

        return undefined

    def _command(self, command: nodes.Command, final: Value | None, before: nodes.Node) -> Value:
        """`before` is what Go came to last."""
        first, args = command.args[0], command.args[1:]
        match first:
            case nodes.Field(names=names):
                return self._fields(first, _dot, names, args, final)
            case nodes.Variable(names=names):
                if not names:
                    return self._no_function(first, args, final, self._operand(first), first)
                return self._fields(first, self._variable(first), names, args, final)
            case nodes.Chain(names=names):
                return self._fields(first, self._operand(first.node), names, args, final)
            case nodes.Identifier():
                return self._call(command, first, args, final)
            case nodes.Nil():
                return raising(self.error_at(first), "nil is not a command")
            case nodes.Pipe():  # Go does not come to what is in the parentheses
                return self._no_function(first, args, final, self._operand(first), before)
        return self._no_function(first, args, final, self._operand(first), first)

    def _no_function(
        self, node: nodes.Node, args: list[nodes.Node], final: Value | None, value: Value, told: nodes.Node
    ) -> Value:
        if not args and final is None:
            return value
        message = f"can't give argument to non-function {node}"

        def raising(state: State, dot: Any) -> Any:
            if final is None:
                raise self.error_at(told)(message)
            final(state, dot)
            raise self.error_after(told)(state, message)

        return raising

    def _variable(self, node: nodes.Variable) -> Value:
        slot = node.slot
        if slot < 0:
            return raising(self.error_at(node), f"undefined variable: {node.name}")
        return lambda state, dot: state.variables[slot]

    def _operand(self, node: nodes.Node) -> Value:
        """What stands where a value of any type is wanted."""
        match node:
            case nodes.Dot():
                return lambda state, dot: None if dot is NIL_ITEM else dot
            case nodes.Variable(names=(), slot=slot) if slot >= 0:
                return lambda state, dot: None if state.variables[slot] is NIL_ITEM else state.variables[slot]
            case nodes.Variable(names=()):
                return self._variable(node)
            case nodes.Nil():
                return lambda state, dot: None
            case nodes.Constant(value=int(value)) if not -(2**63) <= value < 2**63:
                return raising(self.error_at(node), f"{node} overflows int")
            case nodes.Constant(value=value):
                return lambda state, dot: value
            case nodes.Pipe():
                return self.pipeline(node)
            case nodes.Identifier():
                return self._call(node, node, [], None)
        return self._command(nodes.Command(node.at, [node]), None, node)

    # ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _fields(
        self, node: nodes.Node, start: Value, names: tuple[str, ...], args: list[nodes.Node], final: Value | None
    ) -> Value:
        if args or final is not None:
            return self._method(node, start, names, args, final)
        error = self.error_after(node)
        is_item = self._is_item(node)
        if len(names) == 1:
            name = names[0]

            def one(state: State, dot: Any) -> Any:
                value = start(state, dot)
                if type(value) is dict:
                    return value.get(name)
                if value is None:
                    return None
                return field_of(state, value, name, error, _INTERFACE if is_item(state) else "")

            return one

        return self._walk(node, start, names, None)

    def _is_item(self, node: nodes.Node) -> Callable[[State], bool]:
        """Whether the node begins with an item of what is gone over: Go takes it for an interface {}."""
        match node:
            case nodes.Field() | nodes.Chain(node=nodes.Dot()):
                place = DOT
            case nodes.Variable(slot=slot):
                place = slot
            case _:
                return lambda state: False
        return (lambda state: place not in state.typed) if place in self.items else lambda state: False

    def _walk(self, node: nodes.Node, start: Value, names: tuple[str, ...], nil: Any) -> Value:
        """The value that a chain of fields leads to; `nil` stands for one that is nil, but None for fields of nil."""
        error = self.error_after(node)
        is_item = self._is_item(node)

        def walk(state: State, dot: Any) -> Any:
            value = start(state, dot)
            if value is None:
                return None
            kind = _INTERFACE if is_item(state) else ""
            for name in names:
                if type(value) is dict:
                    value, kind = value.get(name), _INTERFACE
                    continue
                holder, value = value, field_of(state, value, name, error, kind)
                kind = _INTERFACE if holds_any(holder) else ""
            return nil if value is None else value

        return walk

    def _method(
        self, node: nodes.Node, start: Value, names: tuple[str, ...], args: list[nodes.Node], final: Value | None
    ) -> Value:
        error, late = self.error_at(node), self.error_after(node)
        *before, last = names
        is_item = self._is_item(node)
        compiled: dict[int, Value] = {}

        def found(state: State, value: Any) -> tuple[Any, Function]:
            for name in before:
                value = field_of(state, value, name, late)
            method = getattr(value, "methods", NO_METHODS).get(last)
            if method is None:
                if value is NIL_ITEM or not isinstance(value, GoObject | dict):
                    field_of(state, value, last, late, _INTERFACE if before or is_item(state) else "")
                raise error(f"{last} is not a method but has arguments")
            return value, method

        def call(state: State, dot: Any) -> Any:
            value = start(state, dot)
            if value is None:
                return None
            try:
                value, method = found(state, value)
            except TemplateError:
                if final is not None:  # what is piped in comes first, and fails first
                    final(state, dot)
                raise
            if id(method) not in compiled:
                compiled[id(method)] = self._bound(node, last, method, args, final)
            return compiled[id(method)](state, (value, dot))

        return call

    def _bound(
        self, node: nodes.Node, name: str, method: Function, args: list[nodes.Node], final: Value | None
    ) -> Value:
        """A call of the method of a pair (receiver, dot)."""
        error = self.error_at(node)
        wrong = miscounted(name, method, len(args) + (final is not None))
        if wrong:
            return self._miscounted(node, wrong)
        given = self._arguments(node, method, args, final)

        def call(state: State, pair: Any) -> Any:
            receiver, dot = pair
            values = given(state, dot)
            try:
                state.budget.meter.spend(CALL + size_of(receiver) + sum(map(size_of, values)))
                return method.call(receiver, *values)
            except (FunctionError, TemplateError) as caught:
                raise error(f"error calling {name}: {caught}") from None

        return call

    def _miscounted(self, node: nodes.Node, message: str) -> Value:
        error = self.error_after(node)

        def failing(state: State, dot: Any) -> Any:
            raise error(state, message)

        return failing

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _call(
        self, command: nodes.Node, identifier: nodes.Identifier, args: list[nodes.Node], final: Value | None
    ) -> Value:
        name = identifier.name
        function = self._functions[name]
        wrong = miscounted(name, function, len(args) + (final is not None))
        if wrong:
            return raising(self.error_at(identifier), wrong, final)
        if name in _SHORT_CIRCUIT:
            return _logic(id(command), [self._operand(arg) for arg in args], name == "or", final)
        call, error = function.call, self.error_at(command)
        if name == "call":  # which is told how its first argument is written
            call = partial(call, str(args[0]) if args else "")
        size = sizer_of(name)
        if len(args) == 1 and final is None and not function.with_state:
            only = self._argument(args[0], (*function.parameters, function.variadic)[0])
            return _of_one(only, call, name, size, error)
        given = self._arguments(identifier, function, args, final)

        def many(state: State, dot: Any) -> Any:
            values = given(state, dot)
            meter = state.budget.meter
            try:
                meter.spend(CALL + sum(map(size, values)))
                result = call(state, *values) if function.with_state else call(*values)
                meter.spend(size(result))
                return bounded(result)
            except (FunctionError, TemplateError) as caught:
                raise error(f"error calling {name}: {caught}") from None
            except RecursionError:
                raise error(f"error calling {name}: {TOO_DEEP}") from None

        return many

    def _arguments(self, node: nodes.Node, function: Function, args: list[nodes.Node], final: Value | None) -> Values:
        """The values of all arguments: what comes through the pipeline is worked out first, and looked at last."""
        count = len(args) + (final is not None)
        kinds = [*function.parameters, *[function.variadic] * (count - len(function.parameters))]
        given = [self._argument(arg, kind) for arg, kind in zip(args, kinds, strict=False)]
        if final is None:
            return lambda state, dot: [each(state, dot) for each in given]
        error, kind = self.error_after(args[-1] if args else node), kinds[-1] if kinds else "any"

        def with_final(state: State, dot: Any) -> list[Any]:
            piped = final(state, dot)
            values = [each(state, dot) for each in given]
            values.append(piped if kind == "any" else fitting(state, piped, kind, error))
            return values

        return with_final

    def _argument(self, node: nodes.Node, kind: str) -> Value:
        error = self.error_at(node)
        match node:
            case nodes.Nil() if kind not in ("any", "map", "list", "reflect"):
                return raising(error, f"cannot assign nil to {go_name(kind)}")
            case nodes.Constant(value=value) if kind not in ("any", "reflect"):
                return constant_of(value, kind, node, error)
            case nodes.Dot() if kind != "any":
                return checked(_dot, kind, self.error_after(node))
            case nodes.Variable(names=()) if kind != "any":
                return checked(self._variable(node), kind, self.error_after(node))
            case nodes.Field(names=names) if kind != "any":
                return checked(self._walk(node, _dot, names, NIL_ITEM), kind, self.error_after(node))
            case nodes.Variable(names=names) if kind != "any":
                return checked(self._walk(node, self._variable(node), names, NIL_ITEM), kind, self.error_after(node))
            case nodes.Chain(names=names) if kind != "any":
                start = self._operand(node.node)
                return checked(self._walk(node, start, names, NIL_ITEM), kind, self.error_after(node))
        return checked(self._operand(node), kind, self.error_after(node))


def _dot(state: State, dot: Any) -> Any:
    return dot


def _of_one(
    only: Value, call: Callable[..., Any], name: str, size: Callable[[Any], int], error: Callable[[str], TemplateError]
) -> Value:
    """A call with one argument, which most are."""

    def one(state: State, dot: Any) -> Any:
        value = only(state, dot)
        meter = state.budget.meter
        try:
            meter.spend(CALL + size(value))
            result = call(value)
            meter.spend(size(result))
            return bounded(result)
        except (FunctionError, TemplateError) as caught:
            raise error(f"error calling {name}: {caught}") from None
        except RecursionError:
            raise error(f"error calling {name}: {TOO_DEEP}") from None

    return one


def _logic(command: int, given: list[Value], stops: bool, final: Value | None) -> Value:
    """`and` or `or`: arguments are worked out up to the one that decides, but what is piped in comes first."""

    def logic(state: State, dot: Any) -> Any:
        value = None
        piped = final(state, dot) if final else None
        for number, each in enumerate(given):
            value = each(state, dot)
            if is_true(value) is stops:
                state.decided[command] = number
                return value
        state.decided[command] = len(given)
        return piped if final else value

    return logic
