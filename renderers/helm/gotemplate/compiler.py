"""Compiles a parsed template to functions: text, actions, branches, ranges and calls of other templates."""

from collections.abc import Iterator, Mapping
from typing import Any

from renderers.helm.gotemplate import nodes
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.expressions import TOO_DEEP, Expressions
from renderers.helm.gotemplate.printf import print_value
from renderers.helm.gotemplate.quoting import quote
from renderers.helm.gotemplate.state import DOT, MAX_DEPTH, Budget, State, Step, Value
from renderers.helm.gotemplate.values import NIL_ITEM, Function, TypedList, TypedMap, is_true


class Compiled:
    """A template that can be executed."""

    __slots__ = ("_body", "_functions", "_parsed", "name", "slots")

    def __init__(self, parsed: nodes.Parsed, functions: Mapping[str, Function]) -> None:
        self.name = parsed.name
        self.slots = parsed.slots
        self._parsed = parsed
        self._functions = functions
        self._body: Step | None = None

    @property
    def body(self) -> Step:
        """What executes it; made when it is first asked for, since of many templates few are used."""
        if self._body is None:
            self._body = _Compiler(self._parsed, self._functions).steps(self._parsed.body)
        return self._body

    def execute(self, templates: Mapping[str, "Compiled"], data: Any, budget: Budget) -> str:
        """The text it gives for `data`, calling others of `templates`. Raises TemplateError."""
        state = State(templates, [data] + [None] * (self.slots - 1), budget)
        self.body(state, data)
        return "".join(state.out)


def compile_template(parsed: nodes.Parsed, functions: Mapping[str, Function]) -> Compiled:
    """Compile one template; `functions` are those that it was parsed with."""
    return Compiled(parsed, functions)


class _Compiler:
    def __init__(self, parsed: nodes.Parsed, functions: Mapping[str, Function]) -> None:
        self._expressions = Expressions(parsed, functions)

    def steps(self, body: list[nodes.Node]) -> Step:
        steps = [self._step(node) for node in body]
        if not steps:
            return lambda state, dot: None
        if len(steps) == 1:
            return steps[0]

        def run(state: State, dot: Any) -> str | None:
            for step in steps:
                left = step(state, dot)
                if left is not None:
                    return left
            return None

        return run

    def _step(self, node: nodes.Node) -> Step:
        match node:
            case nodes.Text(text=text):
                return lambda state, dot: state.write(text)
            case nodes.Action(pipe=pipe):
                return self._action(pipe)
            case nodes.Branch(kind="range"):
                return self._range(node)
            case nodes.Branch():
                return self._branch(node)
            case nodes.Call():
                return self._template(node)
            case nodes.Leave(kind=kind):
                return lambda state, dot: kind
        raise AssertionError(node)

    def _action(self, pipe: nodes.Pipe) -> Step:
        value, error = self._expressions.pipeline(pipe), self._expressions.error_at(pipe)
        if pipe.declared:
            return lambda state, dot: _ignore(value(state, dot))

        def act(state: State, dot: Any) -> None:
            found = value(state, dot)
            if type(found) is str:
                state.write(found)
            else:
                try:
                    state.write("<no value>" if found is None else print_value(found))
                except FunctionError as caught:
                    raise error(str(caught)) from None
                except RecursionError:
                    raise error(TOO_DEEP) from None

        return act

    def _branch(self, node: nodes.Branch) -> Step:
        value = self._expressions.pipeline(node.pipe)
        before = self._expressions.items
        if node.kind == "with":
            self._expressions.items = before - {DOT}
        body = self.steps(node.body)
        self._expressions.items = before
        otherwise = self.steps(node.otherwise)
        if node.kind == "if":

            def if_step(state: State, dot: Any) -> str | None:
                return body(state, dot) if is_true(value(state, dot)) else otherwise(state, dot)

            return if_step

        def with_step(state: State, dot: Any) -> str | None:
            found = value(state, dot)
            return body(state, found) if is_true(found) else otherwise(state, dot)

        return with_step

    def _range(self, node: nodes.Branch) -> Step:
        value = self._expressions.pipeline(node.pipe)
        slots = [slot for _, slot in node.pipe.declared]
        places = frozenset((DOT, *slots[-1:]))
        before = self._expressions.items
        self._expressions.items = before | places
        body = self.steps(node.body)
        self._expressions.items = before
        otherwise = self.steps(node.otherwise)
        error = self._expressions.error_after(node.pipe)

        def run(state: State, dot: Any) -> str | None:
            found = value(state, dot)
            if found is not None and not isinstance(found, list | dict):
                raise error(state, f"range can't iterate over {print_value(found)}")
            empty = True
            typed = state.typed
            state.typed = typed | places if _is_typed(found) else typed - places
            for key, each in _turns(found):
                item = NIL_ITEM if each is None else each
                empty = False
                state.budget.step()
                if len(slots) == 1:
                    state.variables[slots[0]] = item
                elif slots:
                    state.variables[slots[0]] = key
                    state.variables[slots[1]] = item
                if body(state, item) == "break":
                    break
            state.typed = typed
            return otherwise(state, dot) if empty else None

        return run

    def _template(self, node: nodes.Call) -> Step:
        value: Value = self._expressions.pipeline(node.pipe) if node.pipe else lambda state, dot: None
        error = self._expressions.error_at(node)
        name = node.name

        def call(state: State, dot: Any) -> None:
            found = state.templates.get(name)
            if found is None:
                raise error(f"template {quote(name)} not defined")
            budget = state.budget
            if budget.depth >= MAX_DEPTH:
                raise error(f"exceeded maximum template depth ({MAX_DEPTH})")
            data = value(state, dot)
            budget.depth += 1
            budget.call()
            inner = State(state.templates, [data] + [None] * (found.slots - 1), budget)
            inner.out = state.out
            found.body(inner, data)
            budget.depth -= 1

        return call


def _is_typed(value: Any) -> bool:
    """Whether Go knows the type of the items."""
    return isinstance(value, TypedList) or (isinstance(value, TypedMap) and value.zero is not None)


def _ignore(value: Any) -> None:
    """A declaration prints nothing."""


def _turns(value: Any) -> Iterator[tuple[Any, Any]]:
    if value is None:
        return iter(())
    if isinstance(value, list):
        return enumerate(list(value))
    return iter([(key, value[key]) for key in sorted(value)])
