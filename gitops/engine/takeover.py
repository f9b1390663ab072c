"""Ownership moves from `kubectl apply` (client-side) to us, so that a field that leaves Git leaves the cluster too.

An object first made by client-side apply has its fields owned by an Update entry of that tool; a server-side apply
adds an owner, and removing a field then only removes one of two. As kubectl's own upgrade does (client-go csaupgrade),
the old entry's fields become ours before the first apply.
"""

from gitops.engine.predict import FIELD_MANAGER
from gitops.manifests import fields
from gitops.manifests.key import Body

_CLIENT_SIDE = {"kubectl-client-side-apply", "before-first-apply"}


def owners_after_takeover(live: Body) -> list[Body] | None:
    """The managedFields in which client-side apply's fields are ours; None where it owns none."""
    entries = (live.get("metadata") or {}).get("managedFields") or []
    theirs = [entry for entry in entries if _is_client_side(entry)]
    if not theirs:
        return None
    ours = next((entry for entry in entries if _is_ours(entry)), None)
    owned = (ours or {}).get("fieldsV1") or {}
    for entry in theirs:
        owned = fields.union(owned, entry.get("fieldsV1") or {})
    merged = {**(ours or {**theirs[-1], "manager": FIELD_MANAGER, "operation": "Apply"}), "fieldsV1": owned}
    return [merged, *(entry for entry in entries if not _is_client_side(entry) and not _is_ours(entry))]


def with_owners(live: Body, entries: list[Body]) -> Body:
    return {**live, "metadata": {**live["metadata"], "managedFields": entries}}


def _is_client_side(entry: Body) -> bool:
    return entry.get("manager") in _CLIENT_SIDE and entry.get("operation") == "Update" and not entry.get("subresource")


def _is_ours(entry: Body) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")
