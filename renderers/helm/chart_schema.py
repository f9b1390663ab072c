"""Checks values against `values.schema.json` of a chart and of those below it."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from renderers.helm.chart import Chart
from renderers.result import Remote

_MOST_TOLD: Final = 200


class SchemasNeededError(Exception):
    """Values cannot be checked before these have been fetched."""

    def __init__(self, remotes: tuple[Remote, ...]) -> None:
        self.remotes = remotes


def check_schema(chart: Chart, values: dict[str, Any], remotes: Mapping[Remote, Tree]) -> None:
    """Raises RenderError that names each value that does not fit, SchemasNeededError for what is not in `remotes`."""
    problems = _problems(chart, values, remotes)
    if problems:
        raise RenderError(
            "values don't meet the specifications of the schema(s) in the following chart(s):\n" + "\n".join(problems)
        )


def _problems(chart: Chart, values: dict[str, Any], remotes: Mapping[Remote, Tree]) -> list[str]:
    lines = _against(chart, values, remotes) if chart.schema is not None else []
    found = [f"{chart.name}:", *lines] if lines else []
    for child in chart.dependencies:
        below = values.get(child.name)
        found += _problems(child, below if isinstance(below, dict) else {}, remotes)
    return found


def _against(chart: Chart, values: dict[str, Any], remotes: Mapping[Remote, Tree]) -> list[str]:
    import jsonschema_rs
    import orjson

    from renderers.helm.schema_remotes import schemas_of

    where = f"{chart.label}/values.schema.json"
    try:
        schema = orjson.loads(chart.schema or b"null")
    except ValueError as error:
        raise RenderError(f"{where}: is no JSON: {error}") from None

    schema_at = schemas_of(schema, where, remotes)
    try:
        kind = jsonschema_rs.validator_for if isinstance(schema, dict) and "$schema" in schema else None
        options: dict[str, Any] = {"retriever": schema_at, "validate_formats": True}
        validator = kind(schema, **options) if kind else jsonschema_rs.Draft7Validator(schema, **options)
        found = islice(validator.iter_errors(_plain(values)), _MOST_TOLD + 1)
        told = [f"- {'.'.join(map(str, error.instance_path)) or '(root)'}: {error.message[:1000]}" for error in found]
        return [*told[:_MOST_TOLD], "- and more"] if len(told) > _MOST_TOLD else told
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise RenderError(f"{where}: cannot be used: {str(error).splitlines()[0]}") from None


def _plain(value: Any) -> Any:
    """As JSON has it: no kinds of integers, and numbers without a fraction as integers."""
    match value:
        case dict():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case str():
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        case int() if not isinstance(value, bool):
            return int(value)
        case float() if value.is_integer():
            return int(value)
    return value
