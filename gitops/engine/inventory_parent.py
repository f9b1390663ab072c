"""The inventory as the cluster keeps it: one ConfigMap, the ApplySet's parent (KEP-3659), read as a stranger's.

Not here: what the inventory means (`inventory`).
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from gitops.bounds import MIB, parsed, parsed_map, unzipped
from gitops.engine.annotations import labels_of
from gitops.engine.inventory import (
    INSTANCE,
    MANAGED_BY,
    SET_ID,
    HookRun,
    Inventory,
    LastHealthy,
    LastSync,
    PastRelease,
    Seal,
    set_id,
)
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, ResourceKey
from gitops.model.audit import Anchor
from gitops.model.reading import read_as
from gitops.model.release import Quarantine

_TOOLING = "applyset.kubernetes.io/tooling"
_KINDS = "applyset.kubernetes.io/contains-group-kinds"
_NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
# A ConfigMap of the most that a cluster stores names some 20,000 objects; a bomb says that it names millions.
_MOST_UNPACKED, _MOST_ROWS = 16 * MIB, 100_000


def parent_patch(body: Body) -> Body:
    """The strategic merge patch that makes a live parent say what `body` does, and nothing of what it said before.

    Labels and annotations of others stay. An apply would not do: a fact that a create wrote would outlive it.
    """
    said = {field: {"$patch": "replace", **body[field]} for field in ("data", "binaryData")}
    return {**body, **said}


def _bare_parent(inventory: Inventory) -> Body:
    metadata = {
        "name": inventory.parent.name,
        "namespace": inventory.parent.namespace,
        "labels": {SET_ID: inventory.set_id, MANAGED_BY: INSTANCE},
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def parent_body(inventory: Inventory, version: str, seal: Callable[[str], str] = lambda _: "") -> Body:
    """The ConfigMap that records `inventory`, to be made, or written onto the version that it was read at and no other.

    `version` is ours, for the tooling annotation; `seal` makes a keyed digest of a digest, or "" without a key.
    """
    kinds = sorted({f"{key.kind}.{key.group}" if key.group else key.kind for key in inventory.keys})
    own = inventory.parent.namespace
    others = sorted({key.namespace for key in inventory.keys if key.namespace} - {own})
    facts: dict[str, Any] = {"application": inventory.application, "source": inventory.source}
    facts |= {"deletionHooks": "true"} if inventory.deletion_hooks else {}
    words = (("synced", inventory.synced), ("spec", inventory.spec), ("formerly", inventory.previous_application))
    facts |= {name: text for name, text in words if text}
    facts |= {"unfinished": " ".join(sorted(inventory.partially_applied))} if inventory.partially_applied else {}
    for name, value in (
        ("healthy", inventory.healthy),
        ("goingBack", inventory.rollback_target),
        ("quarantine", inventory.quarantine),
        ("hooks", inventory.hooks),
        ("audit", inventory.anchor),
        ("last", inventory.last),
    ):
        if value is not None:
            facts[name] = json.dumps({field: getattr(value, field) for field in value.__slots__}, sort_keys=True)
    if inventory.releases:
        facts["releases"] = json.dumps([asdict(release) for release in inventory.releases], separators=(",", ":"))
    packed = base64.b64encode(_pack(inventory)).decode()
    if mac := seal(_digest(inventory.parent, facts, packed)):
        facts["seal"] = mac
    bare = _bare_parent(inventory)
    annotations = {_TOOLING: f"gitops/v{version}", _KINDS: ",".join(kinds), _NAMESPACES: ",".join(others)}
    read_at = {"resourceVersion": inventory.version} if inventory.version else {}
    return {
        **bare,
        "metadata": {**bare["metadata"], **read_at, "annotations": annotations},
        "data": facts,
        "binaryData": {"inventory": packed},
    }


def read_parent(body: Body | None, application: str, parent: ResourceKey) -> Inventory:
    """The inventory that a parent's body records; an empty one where there is no parent yet.

    Raises ManifestError when the ConfigMap is there but is not one of ours, or was edited beyond reading.
    """
    if body is None:
        return Inventory(application, parent)
    if labels_of(body).get(SET_ID) != set_id(parent):
        raise ManifestError(
            f"{parent}: exists, but is not an inventory of ours (its label {SET_ID} is missing or wrong); "
            "remove or rename it, or choose another --name"
        )
    try:
        return _inventory(body, application, parent)
    except ValueError as exc:
        raise ManifestError(
            f"{parent}: its inventory cannot be read ({exc}); restore the ConfigMap, or delete it and sync with "
            "--adopt to own what the commit holds again"
        ) from exc


def _inventory(body: Body, application: str, parent: ResourceKey) -> Inventory:
    """What the entries of a parent say; ValueError for one that is not as we write it."""
    data = _texts(body, "data")
    packed = _texts(body, "binaryData").get("inventory", "")
    rows = _unpack(base64.b64decode(packed, validate=True))
    return Inventory(
        application=data.get("application") or application,
        parent=parent,
        keys=frozenset(ResourceKey(*row[:4]) for row in rows),
        being_created=frozenset(ResourceKey(*row[:4]) for row in rows if row[4:5] == [1]),
        completed_jobs={ResourceKey(*row[:4]): row[5] for row in rows if row[5:]},
        source=data.get("source", ""),
        spec=data.get("spec", ""),
        synced=data.get("synced", ""),
        partially_applied=frozenset(data.get("unfinished", "").split()),
        healthy=_read(LastHealthy, data, "healthy"),
        releases=tuple(read_as(PastRelease, fields) for fields in _listed(data.get("releases") or "[]")),
        rollback_target=_read(LastHealthy, data, "goingBack"),
        quarantine=_read(Quarantine, data, "quarantine"),
        hooks=_read(HookRun, data, "hooks"),
        anchor=_read(Anchor, data, "audit"),
        last=_read(LastSync, data, "last"),
        previous_application=data.get("formerly", ""),
        deletion_hooks=data.get("deletionHooks") == "true",
        exists=True,
        version=body["metadata"].get("resourceVersion", ""),
        seal=Seal(_digest(parent, data, packed), data.get("seal", "")),
    )


def _digest(parent: ResourceKey, facts: Mapping[str, Any], packed: str) -> str:
    """Of all that a parent says: a copy in another place, or one that was edited, has another one."""
    said = [parent.namespace, parent.name, {name: text for name, text in facts.items() if name != "seal"}, packed]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


T = TypeVar("T")


def _read(kind: type[T], data: Mapping[str, str], name: str) -> T | None:
    try:
        return read_as(kind, parsed_map(data[name])) if name in data else None
    except ValueError as exc:
        raise ValueError(f"data.{name}: {exc}") from exc


def _listed(text: str) -> list[Any]:
    found = parsed(text)
    if not isinstance(found, list):
        raise ValueError("data.releases: expected a list")
    return found


def _texts(body: Body, field: str) -> dict[str, str]:
    """`data` of a ConfigMap, which may have been read from anywhere."""
    found = body.get(field) or {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ValueError(f"{field}: expected a map of text")
    return found


def _pack(inventory: Inventory) -> bytes:
    """Rows of group, kind, namespace and name; a fifth is 1 for `being_created`, a sixth of `completed_jobs`."""
    rows: list[list[str | int]] = []
    for key in sorted(inventory.keys):
        is_fresh, digest = int(key in inventory.being_created), inventory.completed_jobs.get(key, "")
        more: list[str | int] = [is_fresh, digest] if digest else [1] if is_fresh else []
        rows.append([key.group, key.kind, key.namespace, key.name, *more])
    return gzip.compress(json.dumps(rows, separators=(",", ":")).encode(), mtime=0)


def _unpack(packed: bytes) -> list[list[Any]]:
    """The rows of `_pack`. Raises ValueError, before much memory is used, for what no `_pack` has made."""
    if not packed:
        return []
    text = unzipped(packed, _MOST_UNPACKED)
    if text.count(b"[") + text.count(b"{") > _MOST_ROWS:
        raise ValueError(f"it names more than {_MOST_ROWS:,} objects")
    rows = parsed(text)
    if not isinstance(rows, list) or not all(isinstance(row, list) and _is_row(*row) for row in rows):
        raise ValueError("expected a list of objects' names")
    return rows


def _is_row(*row: Any) -> bool:
    match row:
        case [str(), str(), str(), str()]:
            return True
        case [str(), str(), str(), str(), 0 | 1]:
            return True
        case [str(), str(), str(), str(), 0 | 1, str()]:
            return True
    return False
