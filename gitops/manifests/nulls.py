"""Nulls where they mean nothing: a template with an empty value writes one, and the API server reads no field there.

As a written field it would be owned all the same: a default that the server put there would be taken away by each
apply, and a null in a list's key would name another item. kubectl and Flux drop them as well.
"""

from typing import Any

from gitops.manifests.key import Body
from gitops.manifests.schema import DEDUCED, Type, custom_type, type_of


def without_nulls(body: Body) -> Body:
    """`body` without the null fields of built-in types, which the metadata of a custom kind has too.

    The body itself where there are none. Kept are nulls in free maps, where the API server reads an empty value, in
    lists, which it refuses, and wherever a type allows anything: null may be a value there.
    """
    if not _has_null(body):
        return body
    kind = type_of(body["apiVersion"], body["kind"])
    found: Body = _without(body, custom_type(None) if kind is DEDUCED else kind)
    return found


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return any(map(_has_null, value)) if isinstance(value, list) else value is None


def _without(value: Any, kind: Type) -> Any:
    if isinstance(value, list) and kind.kind == "list":
        return [_without(item, kind.element or DEDUCED) for item in value]
    if not isinstance(value, dict) or kind.kind not in ("struct", "map"):
        return value
    return {
        name: _without(item, kind.child(name) or DEDUCED)
        for name, item in value.items()
        if item is not None or not _means_nothing(name, kind)
    }


def _means_nothing(name: str, kind: Type) -> bool:
    """True for a null in this declared field; an undeclared one is the server's to judge."""
    declared = kind.fields.get(name)
    return declared is not None and declared.type.kind != "any"
