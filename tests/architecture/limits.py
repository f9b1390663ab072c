"""Measures the code: `python -m tests.architecture` prints what is largest; `test_limits` holds it to the limits."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gitops", "renderers", "policies")


class Measure(NamedTuple):
    """`what` is one of LIMITS, `place` is `path` or `path:name`."""

    what: str
    place: str
    size: int


# What is beyond one of these asks for a better idea, or for a reason.
LIMITS = {"lines of a file": 400, "lines of a function": 40, "fields of a class": 12, "arguments": 7}


def measures() -> Iterator[Measure]:
    """Every file, function and class of the product."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield from _of_file(path)


def _of_file(path: Path) -> Iterator[Measure]:
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text()
    yield Measure("lines of a file", name, text.count("\n"))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{name}:{node.name}"
            yield Measure("lines of a function", place, (node.end_lineno or 0) - node.lineno + 1)
            yield Measure("arguments", place, _arguments(node))
        elif isinstance(node, ast.ClassDef):
            yield Measure("fields of a class", f"{name}:{node.name}", _fields(node))


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def _fields(node: ast.ClassDef) -> int:
    """Of a dataclass or a tuple; a spec's fields are the user's, not ours, so these have no limit (see test_limits)."""
    return sum(isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) for item in node.body)
