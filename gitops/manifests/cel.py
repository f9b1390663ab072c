"""CEL expressions as Kubernetes writes them, in CRD validation rules and admission policies.

The language is Google's own implementation; the functions that Kubernetes adds to it are in `cel_functions`. Compiled
expressions are kept.
"""

import functools
import time
from collections.abc import Mapping
from typing import Any

import orjson
import re2

from gitops.manifests.cel_dialect import CONFIGURATION, runnable, spelled, told

_GAP = r"(?:\s|//[^\n]*\n)*"  # a comment may stand before the bracket
_CALLED = _GAP + r"\("
_GROWING = re2.compile(
    r"\b(map|bind|optMap|optFlatMap|replace|join|format|quote|encode|range|transformList|transformMap"
    r"|transformMapEntry)" + _CALLED
)
_SETS = re2.compile(
    r"\b(sets" + _GAP + r"\." + _GAP + "(?:contains|equivalent|intersects)|distinct|sort|sortBy)" + _CALLED
)
_LOOP = re2.compile(r"\b(filter|all|exists|exists_one|existsOne)" + _CALLED)
_TEXT = re2.compile(r"""(?s)[rRbB]?(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""")
_NAME = re2.compile(r"\w+")
# What the library of Google's Go programs says, which Kubernetes' servers have.
_GO_WORDS = {"divide by zero": "division by zero", "modulus by zero": "modulus by zero"}
_MOST_LOOPS = 4
# A loop may compare all that it is given, 10,000 times over.
_MOST_BYTES = 16 * 1024
_SLOW_SECONDS = 0.25
_slow: set[str] = set()


class CelError(ValueError):
    """An expression cannot be compiled, or fails on these values; the text says why."""


class CelLimitError(CelError):
    """A stranger's expression is not evaluated: that would take too long, or has; the text says what to do."""


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """The value of `expression` with these variables; CelError when there is none."""
    program = compiled(expression, tuple(sorted(variables)))
    try:
        value = program.eval(data=dict(variables))
    except (RuntimeError, ValueError, TypeError) as error:
        raise CelError(_short(error)) from error
    if value.type().name() == "ERROR":
        raise CelError(_short(value.value()))
    return value.plain_value()


def evaluate_bounded(expression: str, variables: Mapping[str, Any]) -> Any:
    """As `evaluate`, for an expression that a stranger wrote and everybody waits for; CelLimitError for a slow one.

    What was slow once is not evaluated again; with a loop it is given no more than 16 KiB.
    """
    if expression in _slow:
        raise CelLimitError(f"`{expression}` has taken too long before (make it simpler)")
    if _LOOP.search(expression):
        size = _size_named(set(_NAME.findall(expression)), variables)
        if size > _MOST_BYTES:
            raise CelLimitError(
                f"`{expression}` has a loop, and what it names has {size:,} bytes, more than {_MOST_BYTES:,}"
            )
    compiled(expression, tuple(sorted(variables)))
    began = time.thread_time()  # a machine that stands still is not the expression's fault
    try:
        return evaluate(expression, variables)
    finally:
        if time.thread_time() - began > _SLOW_SECONDS:
            _slow.add(expression)


def _size_named(words: set[str], variables: Mapping[str, Any]) -> int:
    """Bytes of the variables that are named; an object's annotations and labels count where they are named too."""
    size = 0
    for name in variables.keys() & words:
        value = variables[name]
        if name == "metadata" and isinstance(value, dict):
            value = {key: part for key, part in value.items() if key in words or key not in ("annotations", "labels")}
        size += len(orjson.dumps(value))
    return size


def is_beyond(expression: str) -> bool:
    """Whether an expression that fails may be right: it calls a function of Kubernetes that is not declared here."""
    from gitops.manifests.cel_functions import is_lacking

    return is_lacking(_TEXT.sub("''", expression))


_LITERAL = r"""('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
_MATCHED = re2.compile(r"\.matches\(\s*" + _LITERAL)
_FORMATTED = re2.compile(_LITERAL + r"\.format(\()")
_CLAUSE = re2.compile(r"%(?:\.\d+)?(.)")


def wrong_literal(expression: str) -> str | None:
    """What Kubernetes' compiler says of literals: a regular expression, or a format, that cannot be read."""
    for found in _MATCHED.finditer(expression):
        try:
            re2.compile(found[1][1:-1], options=_quiet())
        except re2.error:
            return _told(expression, found.start(1), "invalid matches argument")
    for found in _FORMATTED.finditer(expression):
        for clause in _CLAUSE.finditer(found[1]):
            if clause[1] not in "sdfebxXo%":
                what = f'could not parse formatting clause: unrecognized formatting clause "{clause[1]}"'
                return _told(expression, found.start(2), what)
    return None


def _told(expression: str, at: int, what: str) -> str:
    line = expression.count("\n", 0, at)
    column = at - (expression.rfind("\n", 0, at) + 1)
    return f"ERROR: <input>:{line + 1}:{column + 1}: {what}\n | {expression.splitlines()[line]}\n | {'.' * column}^"


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


@functools.lru_cache(maxsize=1024)
def compiled(expression: str, names: tuple[str, ...]) -> Any:
    """The compiled expression over variables of these names; CelError when it is not an expression."""
    environment = _environment(names)
    try:
        return runnable(environment, environment.compile(spelled(expression)))
    except (RuntimeError, ValueError) as error:
        raise CelError(_short(error)) from error


def check_bounded(expression: str) -> None:
    """CelError for an expression that may make more of its object than it holds: a stranger's may run anywhere then.

    The library counts the rounds of all loops of one evaluation; how large a value grows in them is told by nothing.
    """
    code = _TEXT.sub("''", expression)
    growing = _GROWING.search(code)
    if growing:
        raise CelError(f"{growing[1]} can make values of any size (write it with filter, exists or all)")
    crossing = _SETS.search(code)
    if crossing:
        name = re2.sub(r"//[^\n]*|\s", "", crossing[1])
        raise CelError(f"{name} compares each with each, uncounted (write it with exists or all)")
    loops = list(_LOOP.finditer(code))
    if len(loops) > _MOST_LOOPS:
        raise CelError(f"expected at most {_MOST_LOOPS} of filter, all, exists and exists_one, got {len(loops)}")
    for loop in loops:
        if "+" in _in_brackets(code, loop.end()):
            raise CelError(f"a + in {loop[1]} can make values of any size")


def _in_brackets(code: str, start: int) -> str:
    """What stands between the bracket that ends before `start` and the one that closes it."""
    depth = 1
    for place in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[place], 0)
        if not depth:
            return code[start:place]
    return code[start:]


def _short(error: object) -> str:
    text = told(str(error)).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")
    missing = re2.fullmatch(r'NOT_FOUND: Key not found in map : "(.*)"', text)
    if missing:
        return f"no such key: {missing[1]}"
    text = text.strip().removeprefix("UNKNOWN: ")
    converted = re2.fullmatch(r"cannot convert (\w+) to (\w+)", text)
    return (
        f"type conversion error from '{converted[1]}' to '{converted[2]}'" if converted else _GO_WORDS.get(text, text)
    )


@functools.lru_cache(maxsize=64)
def _environment(names: tuple[str, ...]) -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_math, ext_optional, ext_strings

    from gitops.manifests.cel_functions import declared

    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(CONFIGURATION),
        variables=dict.fromkeys(names, cel.Type.DYN),
        extensions=[module() for module in _constructors(ext_strings, ext_math, ext_optional)],
        functions=declared(cel),
    )


def _constructors(*modules: Any) -> list[Any]:
    """The one extension class of each module."""
    found: list[Any] = []
    for module in modules:
        found.extend(value for name, value in vars(module).items() if name.startswith("Ext") and callable(value))
    return found
