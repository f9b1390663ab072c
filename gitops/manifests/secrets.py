"""What must never be seen in a diff, a log or an audit entry: the values of Secrets, and copies of them."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gitops.manifests.key import Body

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HIDDEN = "(hidden)"
# On an object of another kind than Secret: what it holds is one, since it was encrypted where it came from.
HIDDEN_VALUES = "gitops.dev/values"
_VALUES = ("data", "stringData")
_NO_VALUES = ("apiVersion", "kind", "metadata", "type", "immutable", "status")
# Shorter values are words like "true", which would make holes in every message.
_SHORTEST = 6
# How the API server quotes a value of the wrong type; it may hold anything, so all that follows goes with it.
_QUOTED_VALUE = re.compile(r"&value\.valueUnstructured\{.*|(?<=, got ).*", re.S)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that can be compared with another but not seen."""

    _value: Any = field(repr=False)

    def __str__(self) -> str:
        return HIDDEN


def is_secret(body: Body) -> bool:
    return body.get("kind") == "Secret" and body.get("apiVersion") == "v1"


def is_hidden(body: Body) -> bool:
    """Whether its values must not be seen: a Secret's, and what was encrypted in an object of another kind."""
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return is_secret(body) or (isinstance(annotations, dict) and annotations.get(HIDDEN_VALUES) == "hidden")


def with_data_only(body: Body) -> Body:
    """A Secret with its `stringData` in its `data`, as the API server keeps it; any other body as it is.

    A key that is applied as `stringData` is owned there, but lives in `data`: when it leaves, nothing removes it. What
    the API server would refuse is left for it to refuse.
    """
    text, data = body.get("stringData"), body.get("data") or {}
    if not is_secret(body) or not isinstance(text, dict) or not isinstance(data, dict):
        return body
    if not all(isinstance(value, str) for value in text.values()):
        return body
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    plain = {name: value for name, value in body.items() if name != "stringData"}
    return {**plain, "data": {**data, **encoded}}


def values_of(body: Body) -> set[str]:
    """The hidden values, encoded and decoded, that are long enough to be told from other text; {} where none is."""
    found: set[str] = set()
    if is_hidden(body):
        for name in _VALUES if is_secret(body) else body.keys() - _NO_VALUES:
            for value in _leaves(body.get(name)):
                decoded = _decoded(value)
                # Of a value of several lines each: a log may show one, or all with something in between.
                found |= {value, decoded, *value.splitlines(), *decoded.splitlines()}
    return {value for value in found if len(value) >= _SHORTEST}


def _leaves(value: Any) -> Iterator[str]:
    """Every text in a value that should be a map of texts, and may be anything."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)


def scrubbed(text: str, body: Body) -> str:
    """What the API server says about `body`, without its hidden values, which it may quote."""
    if not is_hidden(body):
        return text
    for value in sorted(values_of(body), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return _QUOTED_VALUE.sub(HIDDEN, text)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except ValueError:
        return ""


def veiled(body: Body, other: Body | None = None) -> Body:
    """`body` with each hidden value, and each copy of one, replaced by a Hidden; what hides nothing as it is.

    What is hidden in `other`, the same object at another time, is hidden in both.
    """
    if not is_hidden(body) and (other is None or not is_hidden(other)):
        return body
    hidden = {
        name: value if name in _NO_VALUES else _veiled_values(value) for name, value in body.items()
    }  # a value may be under a field's misspelt name
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
