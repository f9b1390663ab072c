"""Functions of Helm itself: what calls other templates, and what stops the render with a word of its own."""

from typing import Any, Final

from renderers.helm.circumstances import current
from renderers.helm.gotemplate.errors import FunctionError, TemplateError
from renderers.helm.gotemplate.quoting import quote
from renderers.helm.gotemplate.state import MAX_DEPTH, State
from renderers.helm.gotemplate.templates import FunctionTable, compiled_file, with_added
from renderers.helm.gotemplate.values import Function, function
from renderers.helm.gotemplate.work import spend

_ROOT: Final = "gotpl"
_EXECUTING: Final = 1750  # units of work
_PARSING: Final = 3000


# What `required` and `fail` say stands for the whole error: these mark where it begins and ends.
REFUSAL: Final = ("HELM_ERR_START", "HELM_ERR_END")


def _refusal(message: str) -> FunctionError:
    return FunctionError(message.join(REFUSAL))


def _deeper(state: State, what: str) -> None:
    if state.budget.depth >= MAX_DEPTH:
        raise FunctionError(f"rendering template has a nested reference name: {what}: unable to execute template")
    state.budget.depth += 1


def _include(state: State, name: str, data: Any) -> str:
    found = state.templates.get(name)
    if found is None:
        raise FunctionError(f"template: no template {quote(name)} associated with template {quote(_ROOT)}")
    _deeper(state, name)
    spend(_EXECUTING)
    text: str = found.execute(state.templates, data, state.budget)
    state.budget.depth -= 1
    return text


def _required(message: str, value: Any) -> Any:
    if value is None or value == "":
        raise _refusal(message)
    return value


def _fail(message: str) -> str:
    raise _refusal(message)


def template_functions(table: FunctionTable) -> dict[str, Function]:
    """The functions; `tpl` parses with those of `table`."""

    def tpl(state: State, text: str, data: Any) -> str:
        if "{{" not in text:
            return text.replace("<no value>", "")
        spend(_PARSING + 20 * len(text))
        try:
            templates, main = with_added(state.templates, compiled_file(_ROOT, text, table))
        except TemplateError as error:
            raise FunctionError(f"cannot parse template {quote(text)}: {error}") from None
        _deeper(state, "tpl")
        try:
            result = main.execute(templates, data, state.budget)
        except TemplateError as error:
            raise TemplateError(f"error during tpl function execution for {quote(text)}: {error}") from None
        state.budget.depth -= 1
        return result.replace("<no value>", "")

    return {
        "fail": function("string", _fail),
        "getHostByName": function("string", lambda name: ""),
        "include": function("string any", _include)._replace(with_state=True),
        "lookup": function("string string string string", lambda *names: current().look(*names)),
        "required": function("string any", _required),
        "tpl": function("string any", tpl)._replace(with_state=True),
    }
