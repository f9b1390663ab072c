"""Merging of values, as Helm 3.17 does it: a chart's own below its parent's, null deleting, globals going down."""

from typing import Any, Final

from gitops.model.errors import RenderError
from renderers.helm.chart import Chart
from renderers.helm.functions_dicts import deep_copy

GLOBAL: Final = "global"
Values = dict[str, Any]


def coalesce_values(chart: Chart, values: Values, merge: bool = False) -> Values:
    """The values of a chart and all below it. With `merge`, nulls are kept. Raises RenderError."""
    copied: Values = deep_copy(values)
    return _coalesce(chart, copied, merge)


def _coalesce(chart: Chart, into: Values, merge: bool) -> Values:
    _own_values(chart, into, merge)
    for child in chart.dependencies:
        below = into.setdefault(child.name, {})
        if not isinstance(below, dict):
            raise RenderError(f"{chart.label}: values: {child.name}: expected a map of the chart's values")
        _globals(below, into)
        into[child.name] = _coalesce(child, below, merge)
    return into


def _own_values(chart: Chart, into: Values, merge: bool) -> None:
    children = {child.name for child in chart.dependencies}
    for key, value in deep_copy(chart.values).items():
        if key not in into:
            into[key] = value
        elif into[key] is None and not merge:
            del into[key]
        elif isinstance(into[key], dict) and isinstance(value, dict):
            coalesce_tables(into[key], value, merge or key in children)


def coalesce_tables(into: Values, source: Values, merge: bool = False) -> Values:
    """`source` below `into`; a null in `into` deletes the key, but with `merge`."""
    for key, value in source.items():
        if key not in into:
            into[key] = value
        elif into[key] is None and not merge:
            del into[key]
        elif isinstance(value, dict) and isinstance(into[key], dict):
            coalesce_tables(into[key], value, merge)
    return into


def _globals(below: Values, above: Values) -> None:
    into, source = below.get(GLOBAL, {}), above.get(GLOBAL, {})
    if not isinstance(into, dict) or not isinstance(source, dict):
        return
    for key, value in source.items():
        if isinstance(value, dict):
            copied = dict(value)
            if key not in into:
                into[key] = copied
            elif isinstance(into[key], dict):
                into[key] = coalesce_tables(copied, into[key], merge=True)
        elif not isinstance(into.get(key), dict):
            into[key] = value
    below[GLOBAL] = into


def merge_maps(under: Values, over: Values) -> Values:
    """`over` on top of `under`: how files of values, in order, become one."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge_maps(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def table_at(values: Values, path: str) -> Values | None:
    """The map at `a.b.c`."""
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def value_at(values: Values, path: str) -> Any:
    """What stands at `a.b.c`, None where there is nothing or a map."""
    above, _, last = path.rpartition(".")
    table = table_at(values, above) if above else values
    found = table.get(last) if table is not None else None
    return None if isinstance(found, dict) else found
