"""A plan as plain data: what an audit entry, a plan file and a program read, and the id that an approval names."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from gitops.manifests.key import Body, ResourceKey
from gitops.model.plan import ABSENT, Change, Create, FieldChange, Manager, Plan, Prune, Recreate, RunHook, Update


def plan_id(plan: Plan, live: Mapping[ResourceKey, Body]) -> str:
    """sha256, in hex, of what a plan changes: it is another one once more, less or something else would be changed.

    Values of Secrets are in the digest of the set, which is slow to guess by; of a live Secret its version is taken.
    """
    rows = []
    for change in plan.changes:
        row = described(change)
        for field in row.get("fields") or ():
            field.pop("owner", None)  # its time moves on with fields that are not ours
        if change.key.kind == "Secret" and change.key in live:
            row["version"] = live[change.key]["metadata"].get("resourceVersion")
        rows.append(row)
    text = json.dumps([plan.digest, str(plan.makes or ""), rows], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def described(change: Change) -> dict[str, Any]:
    """A change as an audit entry holds it: what, which object, and each field before and after (Secrets masked)."""
    match change:
        case Create():
            return {"change": "create", "object": str(change.key)}
        case Update():
            return {"change": "update", "object": str(change.key), "fields": _rows(change)}
        case Recreate():
            return {"change": "recreate", "object": str(change.key), "reason": change.reason, "fields": _rows(change)}
        case Prune():
            return {"change": "prune", "object": str(change.key), "uid": change.uid}
        case RunHook():
            return {"change": "hook", "object": str(change.key)}


def _rows(change: Update | Recreate) -> list[dict[str, Any]]:
    return [field_row(field) for field in change.fields]


def field_row(field: FieldChange) -> dict[str, Any]:
    """A field's change as plain data; a side where the field is absent has no entry."""
    row: dict[str, Any] = {"path": field.path}
    if field.live is not ABSENT:
        row["live"] = field.live
    if field.desired is not ABSENT:
        row["desired"] = field.desired
    if isinstance(field.owner, Manager):
        row["owner"] = {"manager": field.owner.name, "operation": field.owner.operation, "time": field.owner.time}
    return row
