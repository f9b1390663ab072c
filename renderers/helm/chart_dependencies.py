"""Which subcharts take part (condition, tags, alias), and what of their values their parent imports."""

from dataclasses import replace
from typing import Any

from gitops.model.errors import RenderError
from renderers.helm.chart import Chart, Dependency
from renderers.helm.chart_values import Values, coalesce_tables, coalesce_values, table_at, value_at
from renderers.helm.functions_dicts import deep_copy
from renderers.helm.gotemplate.printf import print_value
from renderers.helm.semver import is_compatible


def check_present(chart: Chart) -> None:
    """Raises RenderError naming the dependencies that are not in charts/."""
    present = {child.name for child in chart.dependencies}
    missing = [each.name for each in chart.metadata.dependencies if each.name not in present]
    if missing:
        raise RenderError(
            f"{chart.label}: found in Chart.yaml, but missing in charts/ directory: {', '.join(missing)} "
            "(run `helm dependency build` and commit charts/)"
        )


def process_dependencies(chart: Chart, values: Values) -> None:
    """Leave only what takes part, under its alias, and import values."""
    _enable(chart, values, "")
    _import_all(chart)


def _enable(chart: Chart, values: Values, path: str) -> None:
    wanted = chart.metadata.dependencies
    if not wanted:
        return
    kept = [child for child in chart.dependencies if not any(_is_meant(child, each) for each in wanted)]
    for each in wanted:
        found = next((child for child in chart.dependencies if _is_meant(child, each)), None)
        if found is not None:
            kept.append(_copied(found, each.alias or found.name))
        each.name = each.alias or each.name
        each.enabled = True
    chart.set_dependencies(kept)
    merged = coalesce_values(chart, values)
    _by_tags(wanted, merged)
    _by_conditions(wanted, merged, path)
    left_out = {each.name for each in wanted if not each.enabled}
    remaining = [child for child in chart.dependencies if child.name not in left_out]
    for child in remaining:
        _enable(child, merged, f"{path}{child.name}.")
    chart.metadata.dependencies = [each for each in wanted if each.name not in left_out]
    chart.metadata.fields["dependencies"] = [
        item
        for item in chart.metadata.fields["dependencies"]
        if (item.get("alias") or item.get("name")) not in left_out
    ]
    chart.set_dependencies(remaining)


def _is_meant(child: Chart, wanted: Dependency) -> bool:
    return child.name == wanted.name and is_compatible(wanted.version, child.metadata.version)


def _copied(chart: Chart, name: str) -> Chart:
    """The chart under a name. As in Helm, two aliases of one chart share the charts below it."""
    return replace(chart, metadata=replace(chart.metadata, name=name, fields={**chart.metadata.fields, "name": name}))


def _by_tags(wanted: list[Dependency], values: Values) -> None:
    tags = values.get("tags")
    if not isinstance(tags, dict):
        return
    for each in wanted:
        set_tags = [tags[tag] for tag in each.tags if isinstance(tags.get(tag), bool)]
        each.enabled = any(set_tags) or not set_tags


def _by_conditions(wanted: list[Dependency], values: Values, path: str) -> None:
    for each in wanted:
        for condition in each.condition.strip().split(","):
            found = value_at(values, path + condition) if condition else None
            if isinstance(found, bool):
                each.enabled = found
                break


def _import_all(chart: Chart) -> None:
    for child in chart.dependencies:
        _import_all(child)
    _import_values(chart)


def _import_values(chart: Chart) -> None:
    if not chart.metadata.dependencies:
        return
    merged = coalesce_values(chart, {}, merge=True)
    imported: Values = {}
    for each in chart.metadata.dependencies:
        for item in each.import_values:
            if isinstance(item, dict):
                child, parent = print_value(item.get("child")), print_value(item.get("parent"))
            elif isinstance(item, str):
                child, parent = f"exports.{item}", "."
            else:
                continue
            found = table_at(merged, f"{each.name}.{child}")
            if found is not None:
                imported = coalesce_tables(imported, _nested(parent, found), merge=True)
        each.import_values = ()  # as in Helm 3.17: where two aliases share the charts below, the first alone imports
    chart.values = coalesce_tables(deep_copy(merged), imported, merge=True)


def _nested(path: str, values: Values) -> Values:
    if path == ".":
        return values
    found: Any = values
    for name in reversed(path.split(".")):
        found = {name: found}
    return dict(found)
