"""What a person's tool did, told from what automation did by the manager's name.

A hand edit is taken back by a sync; a field of other automation is not taken without being told to, since that would
start a drift loop.
"""

from gitops.manifests.key import Body
from gitops.model.errors import ApiError

_HAND_TOOLS = ("kubectl", "k9s", "lens", "node-fetch", "dashboard", "mozilla", "gitops-act")


def is_by_hand(entry: Body) -> bool:
    """True for an entry of managedFields that a person's tool wrote."""
    return str(entry.get("manager", "")).lower().startswith(_HAND_TOOLS)


def is_edit_by_hand(entry: Body) -> bool:
    """True for what a person's tool changed, unlike what one applied with an owner's name."""
    return entry.get("operation") == "Update" and not entry.get("subresource") and is_by_hand(entry)


def without_edits(live: Body) -> Body:
    """`live` without a word of what people's tools have changed, through `/scale` too: a sync takes that back."""
    entries = (live.get("metadata") or {}).get("managedFields") or []
    left = [entry for entry in entries if not (entry.get("operation") == "Update" and is_by_hand(entry))]
    return {**live, "metadata": {**live["metadata"], "managedFields": left}} if len(left) < len(entries) else live


def hand_edits_only(error: ApiError, live: Body) -> bool:
    """True when every conflict is with a person's tool that updated (not applied) the field.

    The API server tells an Update by the version that it used (`conflict with "kubectl" using apps/v1`).
    """
    entries = (live.get("metadata") or {}).get("managedFields") or []
    by_hand = {entry["manager"] for entry in entries if entry.get("operation") == "Update" and is_by_hand(entry)}
    messages = [cause.get("message", "") for cause in error.causes]
    return bool(messages) and all(
        any(f'conflict with "{name}"' in message and " using " in message for name in by_hand) for message in messages
    )
