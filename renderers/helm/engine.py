"""Renders the templates of a chart and of those below it: file by file, as `helm template` does."""

import posixpath
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from gitops.model.errors import RenderError
from renderers.helm.chart import Chart
from renderers.helm.circumstances import current
from renderers.helm.functions import function_table
from renderers.helm.functions_templates import REFUSAL
from renderers.helm.gotemplate.errors import TemplateError
from renderers.helm.gotemplate.expressions import TOO_DEEP
from renderers.helm.gotemplate.state import Budget
from renderers.helm.gotemplate.templates import TemplateSet
from renderers.helm.gotemplate.values import as_text
from renderers.helm.objects import ChartObject, Files, Values

_MOST_SAID: Final = 1500
_MOST_ACTIONS: Final = 200_000
_MOST_IN_ACTIONS: Final = 1_500_000
_FRAMES: Final = 12_000


class Release(NamedTuple):
    """What templates see as `.Release`."""

    name: str
    namespace: str
    is_upgrade: bool = False
    revision: int = 1

    def as_map(self) -> dict[str, Any]:
        """The map that templates see."""
        return {
            "Name": self.name,
            "Namespace": self.namespace,
            "IsUpgrade": self.is_upgrade,
            "IsInstall": not self.is_upgrade,
            "Revision": self.revision,
            "Service": "Helm",
        }


class _Renderable(NamedTuple):
    text: str
    scope: dict[str, Any]
    base: str


def render_chart(chart: Chart, values: dict[str, Any], release: Release, capabilities: Any) -> dict[str, str]:
    """Template path → text, partials left out. Raises RenderError."""
    shared = {"Release": release.as_map(), "Capabilities": capabilities}
    templates: dict[str, _Renderable] = {}
    _collect(chart, values, shared, templates)
    order = sorted(templates, key=lambda name: (name.count("/"), name), reverse=True)
    with _deep():
        return _rendered(templates, order)


def _collect(chart: Chart, values: Any, shared: dict[str, Any], templates: dict[str, _Renderable]) -> dict[str, Any]:
    below: dict[str, Any] = {}
    scope = {
        "Chart": ChartObject(chart),
        "Files": Files(chart.files),
        "Values": Values(values) if isinstance(values, dict) else Values(),
        "Subcharts": below,
        **shared,
    }
    for child in chart.dependencies:
        below[child.name] = _collect(child, scope["Values"].get(child.name), shared, templates)
    is_library = chart.metadata.kind.lower() == "library"
    for file in chart.templates:
        if is_library and not posixpath.basename(file.name).startswith("_"):
            continue
        name = posixpath.normpath(f"{chart.full_path}/{file.name}")
        templates[name] = _Renderable(as_text(file.read()), scope, f"{chart.full_path}/templates")
    return scope


def _rendered(templates: dict[str, _Renderable], order: list[str]) -> dict[str, str]:
    found = TemplateSet(function_table())
    _check_sizes(templates, order)
    for name in order:
        try:
            found.add(name, templates[name].text)
        except TemplateError as error:
            raise RenderError(_without_middle(_parse_error(name, str(error)))) from None
    texts: dict[str, str] = {}
    budget = Budget()
    for name in order:
        if posixpath.basename(name).startswith("_"):
            continue
        template = templates[name]
        template.scope["Template"] = Values(Name=name, BasePath=template.base)
        budget.depth, current().place = 0, name
        try:
            texts[name] = found.execute(name, template.scope, budget).replace("<no value>", "")
        except TemplateError as error:
            raise RenderError(_without_middle(_execution_error(name, str(error)))) from None
        except RecursionError:
            raise RenderError(f"{name}: {TOO_DEEP}") from None
        except MemoryError:
            raise RenderError(f"{name}: the template takes more memory than there is") from None
    return texts


def _check_sizes(templates: dict[str, _Renderable], order: list[str]) -> None:
    """Raises RenderError for more actions than can be read in a few seconds; plain text takes next to nothing."""
    actions = characters = 0
    for name in order:
        _, *pieces = templates[name].text.split("{{")
        actions += len(pieces)
        characters += sum(len(piece) if (end := piece.find("}}")) < 0 else end for piece in pieces)
        if actions > _MOST_ACTIONS or characters > _MOST_IN_ACTIONS:
            raise RenderError(
                f"{name}: the templates of this chart hold more than {_MOST_ACTIONS} actions, "
                f"or {_MOST_IN_ACTIONS / 10**6} MB of them"
            )


def _parse_error(name: str, text: str) -> str:
    parts = text.split(": ")
    if len(parts) == 1:
        return f"parse error in ({name}): {text}"
    return f"parse error at ({parts[1]}): {parts[-1]}"


def _execution_error(name: str, text: str) -> str:
    parts = text.split(": ", 2)
    if len(parts) != 3:
        return f"execution error in ({name}): {text}"
    refused = re.search(f"{REFUSAL[0]}(.*){REFUSAL[1]}", parts[2], re.DOTALL)
    return f"execution error at ({parts[1]}): {refused[1]}" if refused else text


def _without_middle(text: str) -> str:
    """Templates that call each other name the call before for each call; the first and the last tell enough."""
    left = len(text) - 2 * _MOST_SAID
    return f"{text[:_MOST_SAID]} [... {left} characters ...] {text[-_MOST_SAID:]}" if left > 0 else text


@contextmanager
def _deep() -> Iterator[None]:
    """Templates may call each other a thousand deep, each over some of Python's frames."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
