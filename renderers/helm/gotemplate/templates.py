"""A set of templates that can call each other."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from renderers.helm.gotemplate.compiler import Compiled, compile_template
from renderers.helm.gotemplate.parser import parse
from renderers.helm.gotemplate.state import Budget
from renderers.helm.gotemplate.values import Function
from renderers.helm.gotemplate.work import metered


class FunctionTable(dict[str, Function]):
    """The functions that templates may call; compared by identity, so that what was compiled with one is kept.

    Some are loaded once they are looked up.
    """

    def __init__(self) -> None:
        super().__init__()
        self._later: dict[str, Callable[[], Mapping[str, Function]]] = {}

    def add_later(self, names: Iterable[str], load: Callable[[], Mapping[str, Function]]) -> None:
        """Have `load` give all of these when the first of them is looked up."""
        self._later.update(dict.fromkeys(names, load))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._later

    def __missing__(self, name: str) -> Function:
        self.update(self._later[name]())
        return self[name]

    def load_all(self) -> None:
        """Look all of them up."""
        for name in self._later:
            self[name]

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


@lru_cache(maxsize=2048)
def compiled_file(name: str, text: str, functions: FunctionTable) -> tuple[tuple[Compiled, bool], ...]:
    """The templates that a text defines, then itself, each with whether it is empty. Raises TemplateError."""
    found = parse(name, text, functions)
    return tuple((compile_template(parsed, functions), parsed.is_empty()) for parsed in found)


class TemplateSet:
    """Templates by name; a later definition replaces an earlier one, unless it is empty."""

    def __init__(self, functions: FunctionTable) -> None:
        self.functions = functions
        self.templates: dict[str, Compiled] = {}

    def add(self, name: str, text: str) -> Compiled:
        """Take in what a file defines, and itself. Raises TemplateError."""
        return add_to(self.templates, compiled_file(name, text, self.functions))

    def execute(self, name: str, data: Any, budget: Budget) -> str:
        """The text that a template gives for `data`. Raises TemplateError."""
        with metered(budget.meter):
            return self.templates[name].execute(self.templates, data, budget)


def add_to(templates: dict[str, Compiled], found: tuple[tuple[Compiled, bool], ...]) -> Compiled:
    """Add what was compiled; the last is returned."""
    for compiled, is_empty in found:
        if not is_empty or compiled.name not in templates:
            templates[compiled.name] = compiled
    return found[-1][0]


def with_added(
    templates: Mapping[str, Compiled], found: tuple[tuple[Compiled, bool], ...]
) -> tuple[Mapping[str, Compiled], Compiled]:
    """The templates with these, for one execution; the same where nothing is defined."""
    if len(found) == 1:
        return templates, found[0][0]
    copied = dict(templates)
    return copied, add_to(copied, found)
