"""What the API server would make of an apply, computed here: exact where fields decide, wrong only towards asking.

Quantities, defaults and webhooks are the server's business: an object that they alter looks changed here and costs
one dry-run, whose answer then decides.
"""

import json
from typing import Any

from gitops.manifests.fields import FieldSet
from gitops.manifests.key import Body
from gitops.manifests.structured_merge import apply
from gitops.manifests.typed import TypedError, same

FIELD_MANAGER = "gitops"
# The time of an entry decides nothing here; a constant keeps the function pure.
_NOW = "1970-01-01T00:00:00Z"
# Identity, which nobody owns.
_NO_FIELDS = {"apiVersion", "kind"}
_NO_METADATA = {"name", "namespace"}
# A live body, and what it says of its owners, is whatever its server gave.
_NOT_UNDERSTOOD = (TypedError, AttributeError, IndexError, KeyError, TypeError, ValueError)


def predict(live: Body, desired: Body) -> Body:
    """The body after a forced apply of `desired`: `live` itself when nothing would change.

    A desired body that does not fit its type is given back as it is, so that the server is asked and says why; so it is
    where the live one has not the form of its kind.
    """
    try:
        if _is_applied(live, desired):
            return live
        return apply(live, desired, manager=FIELD_MANAGER, now=_NOW, force=True).body
    except _NOT_UNDERSTOOD:
        return desired


def conflicting_fields(live: Body, desired: Body) -> frozenset[str] | None:
    """The fields that other managers own and an apply of `desired` would change, as the API server writes them.

    None where that cannot be told: `desired` does not fit its type, or `live` has not the form of its kind.
    """
    try:
        applied = apply(live, desired, manager=FIELD_MANAGER, now=_NOW, force=False)
    except _NOT_UNDERSTOOD:
        return None
    return frozenset(conflict.field for conflict in applied.conflicts)


def _is_applied(live: Body, desired: Body) -> bool:
    """True when we own just the fields of `desired`, and each is live as it is there; False is no answer.

    Most objects are unchanged most of the time, and this tells it without their schema.
    """
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            owned = entry.get("fieldsV1")
            if not owned or entry.get("apiVersion") != desired["apiVersion"] or live.get("kind") != desired["kind"]:
                return False
            metadata = {name: value for name, value in desired["metadata"].items() if name not in _NO_METADATA}
            body = {name: value for name, value in desired.items() if name not in _NO_FIELDS}
            return _holds({**body, "metadata": metadata}, live, owned)
    return False


def _holds(desired: Any, live: Any, owned: FieldSet) -> bool:
    if not owned:
        return type(desired) is type(live) and same(desired, live)
    if isinstance(desired, dict):
        if len(desired) != len(owned) - ("." in owned) or not isinstance(live, dict):
            return False
        for name, value in desired.items():
            below = owned.get(f"f:{name}")
            if below is None or name not in live or not _holds(value, live[name], below):
                return False
        return True
    return isinstance(desired, list) and isinstance(live, list) and _holds_items(desired, live, owned)


def _holds_items(desired: list[Any], live: list[Any], owned: FieldSet) -> bool:
    """Items by their keys, in the order in which they are live; a list of anything else is no answer."""
    if len(desired) != len(owned) - ("." in owned):
        return False
    keys = [(json.loads(step[2:]), below) for step, below in owned.items() if step.startswith("k:")]
    if len(keys) != len(desired):
        return False
    at = 0
    for item in desired:
        # A part of the key that a manifest leaves out is a default.
        found = (pair for pair in keys if isinstance(item, dict) and _fits({**pair[0], **item}, pair[0]))
        key, below = next(found, (None, {}))
        while key is not None and at < len(live) and not _fits(live[at], key):
            at += 1
        if key is None or at == len(live) or not _holds(item, live[at], below):
            return False
        at += 1
    return True


def _fits(item: Any, key: Body) -> bool:
    return isinstance(item, dict) and all(item.get(name) == value for name, value in key.items())
