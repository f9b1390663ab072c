"""What must never be seen in a diff, a log or an audit entry: the values of Secrets, and copies of them."""

from dataclasses import dataclass, field
from typing import Any

from gitops.manifests.key import Body

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HIDDEN = "(hidden)"
_VALUES = ("data", "stringData")


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that can be compared with another but not seen."""

    _value: Any = field(repr=False)

    def __str__(self) -> str:
        return HIDDEN


def veiled(body: Body) -> Body:
    """`body` with each value of a Secret, and each copy of one, replaced by a Hidden; other kinds as they are."""
    if body.get("kind") != "Secret" or body.get("apiVersion") != "v1":
        return body
    hidden = dict(body)
    for name in _VALUES:
        if name in hidden:
            hidden[name] = _veiled_values(hidden[name])
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    if LAST_APPLIED in annotations:
        veiled_copy = {**annotations, LAST_APPLIED: Hidden(annotations[LAST_APPLIED])}
        hidden["metadata"] = {**body["metadata"], "annotations": veiled_copy}
    return hidden


def shown(value: Any) -> Any:
    """`value` as it may be shown: plain JSON in which nothing hidden is left."""
    if isinstance(value, Hidden):
        return HIDDEN
    if isinstance(value, dict):
        return {name: shown(item) for name, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


def _veiled_values(values: Any) -> Any:
    return {name: Hidden(value) for name, value in values.items()} if isinstance(values, dict) else Hidden(values)
