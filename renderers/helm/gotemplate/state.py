"""What an execution carries along, and the bounds that it is kept to."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from renderers.helm.gotemplate.errors import FunctionError, TemplateError
from renderers.helm.gotemplate.work import CALL, Meter

MAX_OUTPUT: Final = 64 * 1024 * 1024
MAX_TEXT: Final = 16 * 1024 * 1024
MAX_ITEMS: Final = 1_000_000
MAX_STEPS: Final = 5_000_000
MAX_DEPTH: Final = 1000


DOT: Final = -1
NOTHING: Final[frozenset[int]] = frozenset()


class Budget:
    """What all executions of one render may use together."""

    def __init__(self) -> None:
        self.written = 0
        self.steps = 0
        self.depth = 0
        self.meter = Meter()

    def step(self) -> None:
        """One more turn of a range."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TemplateError(f"ranges take more than {MAX_STEPS} turns in all: give them less to go over")

    def call(self) -> None:
        """One more template that is called."""
        try:
            self.meter.spend(8 * CALL)
        except FunctionError as error:
            raise TemplateError(str(error)) from None


class State:
    """One execution of a template: its output, its variables (in slots), and the templates that it can call."""

    __slots__ = ("budget", "decided", "out", "templates", "typed", "variables")

    def __init__(self, templates: "Mapping[str, Any]", variables: list[Any], budget: Budget) -> None:
        self.templates = templates
        self.variables = variables
        self.budget = budget
        self.out: list[str] = []
        self.typed: frozenset[int] = NOTHING  # slots of items of lists of one type, and DOT
        self.decided: dict[int, int] = {}  # which argument gave the value of each `and` and `or`

    def write(self, text: str) -> None:
        """Add to the output. Raises TemplateError when it grows beyond all measure."""
        self.out.append(text)
        self.budget.written += len(text)
        if self.budget.written > MAX_OUTPUT:
            raise TemplateError(f"the output is longer than {MAX_OUTPUT // 2**20} MiB")


Value = Callable[[State, Any], Any]
Step = Callable[[State, Any], str | None]
