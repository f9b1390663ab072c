"""Tables, the form that `kubectl get` asks for: columns per kind, one row per object; and metadata-only objects.

Columns of built-in kinds are in `columns`; those of custom kinds come from their CRD's printer columns.
"""

from collections.abc import Sequence
from typing import Any

from gitops.manifests.key import Body
from gitops.sandbox import cells, columns, jsonpath
from gitops.sandbox.resources import Resource


def partial(body: Body) -> Body:
    """An object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"]}


def table(resource: Resource, bodies: Sequence[Body], metadata: Body, include: str, *, headed: bool = True) -> Body:
    """A Table of these objects; rows carry the object as `include` (None, Metadata, Object) says."""
    described, cells = _columns(resource)
    rows = []
    for body in bodies:
        row: Body = {"cells": cells(body)}
        if include == "Metadata":
            row["object"] = partial(body)
        elif include == "Object":
            row["object"] = body
        rows.append(row)
    head: Body = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return {**head, "columnDefinitions": list(described) if headed else [], "rows": rows}


def _columns(resource: Resource) -> tuple[Sequence[Body], Any]:
    if resource.custom is None:
        chosen = columns.COLUMNS.get(resource.key, columns.DEFAULT)
        return chosen.definitions, chosen.cells
    declared = resource.custom.columns or ({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},)
    definitions = [columns.NAME, *(_custom_column(column) for column in declared)]
    return definitions, lambda body: [body["metadata"]["name"], *(_custom_cell(column, body) for column in declared)]


def _custom_column(column: Body) -> Body:
    described = (
        column.get("description") or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
    )
    if column["jsonPath"] == ".metadata.creationTimestamp" and "description" not in column:
        described = columns.AGE["description"]
    return {
        "name": column["name"],
        "type": column["type"],
        "format": column.get("format", ""),
        "description": described,
        "priority": column.get("priority", 0),
    }


def _custom_cell(column: Body, body: Body) -> Any:
    found = jsonpath.find(body, column["jsonPath"])
    if not found:
        return None if column["type"] != "date" else "<unknown>"
    value = found[0]
    if column["type"] == "date":
        return cells.age(value) if isinstance(value, str) else "<unknown>"
    if column["type"] == "string":
        return jsonpath.text(found)
    if column["type"] == "integer":
        return int(value) if isinstance(value, int | float) else None
    return value
