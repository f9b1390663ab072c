"""What an Application owns, and how the cluster remembers it: marks on each object, and one parent ConfigMap.

Members and parent follow KEP-3659 (ApplySet) as kubectl ships it, so `kubectl` can list what we own. The parent also
holds, compressed, the keys that we own, and what a rollback needs, so that losing our store loses nothing.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from gitops.bounds import MIB, parsed, parsed_map, unzipped
from gitops.engine.annotations import annotations_of, labels_of
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, ResourceKey
from gitops.model.audit import Anchor
from gitops.model.reading import read_as
from gitops.model.release import Quarantine

PART_OF = "applyset.kubernetes.io/part-of"
MANAGED_BY = "gitops.dev/managed-by"
TRACKING = "gitops.dev/tracking"
INSTANCE = "gitops"
LABELS, ANNOTATIONS = (PART_OF, MANAGED_BY), (TRACKING, f"{TRACKING.partition('/')[0]}/sync")
SET_ID = "applyset.kubernetes.io/id"
_TOOLING = "applyset.kubernetes.io/tooling"
_KINDS = "applyset.kubernetes.io/contains-group-kinds"
_NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
_ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
# A ConfigMap of the most that a cluster stores names some 20,000 objects; a bomb says that it names millions.
_MOST_UNPACKED, _MOST_ROWS = 16 * MIB, 100_000
_FLUX_LABELS = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
_HELM_RELEASE = "meta.helm.sh/release-name"
# Argo CD may track by a label, of this name or of the one that Helm charts use; then its entry in managedFields tells.
_ARGO_LABEL, _INSTANCE_LABEL = "argocd.argoproj.io/instance", "app.kubernetes.io/instance"
_ARGO_MANAGERS = {"argocd-controller", "argocd-application-controller"}
# What the API server fills in: in a manifest that was read from a cluster it is a state that has passed.
_FILLED_IN = {
    "resourceVersion",
    "uid",
    "managedFields",
    "generation",
    "selfLink",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
}


@dataclass(frozen=True, slots=True)
class LastHealthy:
    """The last release that was healthy: enough for a runner without a store to render it again."""

    revision: str
    ref: str
    digest: str
    at: str


@dataclass(frozen=True, slots=True)
class PastRelease:
    """One of the last releases, for a history without a store; `Release` says what the fields are."""

    number: int
    revision: str
    ref: str
    digest: str
    at: str
    actor: str


@dataclass(frozen=True, slots=True)
class HookRun:
    """A sync that runs hooks and has not ended: its id, which their objects carry, and the set that it carries out."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Seal:
    """The keyed digest `mac` that a parent bears, of the digest `of` all that it says: whoever has the key compares."""

    of: str
    mac: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the parent records. `synced` is the digest of the last set that was carried out in full.

    `unfinished` are the digests of sets that a sync began to carry out since and did not finish: half of them may be
    there. `fresh` are those of `keys` that a sync which has not ended was about to make (or a rollback to delete),
    `going_back` is the release that a rollback which has not ended goes to: whoever goes on after a kill knows what to
    undo, and where to go.
    `releases` are the last ones, newest first. `spec` is what the Application asked for (`gitops.model.spec`),
    `version` the parent's resourceVersion. `hooks` of the set that is `synced` are done, but what they left behind is
    not tidied yet. `ended` tells of Jobs that may be gone (`gitops.engine.ended`). `formerly` is the Application that
    handed all of this over: some of it may still bear its name. `deletion_hooks` when the set that is `synced` has
    hooks that run when the Application is deleted. `seal` is as it was read.

    Whoever may edit ConfigMaps in its namespace may have written all of this. So nothing in it is a right to delete
    (`is_held_by` asks the object too) or to apply (`gitops.controller.releases` asks the store and the repository).
    """

    application: str
    parent: ResourceKey
    keys: frozenset[ResourceKey] = frozenset()
    fresh: frozenset[ResourceKey] = frozenset()
    source: str = ""
    spec: str = ""
    synced: str = ""
    unfinished: frozenset[str] = frozenset()
    healthy: LastHealthy | None = None
    releases: tuple[PastRelease, ...] = ()
    going_back: LastHealthy | None = None
    quarantine: Quarantine | None = None
    hooks: HookRun | None = None
    anchor: Anchor | None = None
    formerly: str = ""
    exists: bool = False
    version: str = ""
    deletion_hooks: bool = False
    ended: Mapping[ResourceKey, str] = field(default_factory=dict)
    seal: Seal | None = field(default=None, compare=False)

    @property
    def set_id(self) -> str:
        return set_id(self.parent)


def parent_key(name: str, namespace: str) -> ResourceKey:
    """The parent is always the ConfigMap `gitops-<name>` in the destination namespace."""
    return ResourceKey("", "ConfigMap", namespace, f"gitops-{name}")


def set_id(parent: ResourceKey) -> str:
    """The ApplySet's ID, as KEP-3659 makes it of the parent's identity."""
    text = f"{parent.name}.{parent.namespace}.{parent.kind}.{parent.group}"
    digest = hashlib.sha256(text.encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def marked(body: Body, key: ResourceKey, inventory: Inventory) -> Body:
    """`body` with the labels and the annotation that say whose it is; its namespace is filled in.

    What the API server fills in is left out, so that what `kubectl get -o yaml` gave can be kept in Git.
    """
    metadata = {name: value for name, value in body["metadata"].items() if name not in _FILLED_IN}
    if key.namespace:
        metadata["namespace"] = key.namespace
    else:
        metadata.pop("namespace", None)
    metadata["labels"] = {**(metadata.get("labels") or {}), PART_OF: inventory.set_id, MANAGED_BY: INSTANCE}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), TRACKING: tracking(inventory.application, key)}
    desired = {**body, "metadata": metadata}
    desired.pop("status", None)
    return desired


def tracking(application: str, key: ResourceKey) -> str:
    """The annotation's text: it names the object that it was written for, so a copy of it claims nothing."""
    return f"{application}:{key.group}/{key.kind}:{key.namespace}/{key.name}"


def owner_of(live: Body, key: ResourceKey) -> str:
    """The Application that owns a live object by its tracking annotation, or "" where none does."""
    text = annotations_of(live).get(TRACKING, "")
    application, _, rest = text.partition(":")
    return application if rest == f"{key.group}/{key.kind}:{key.namespace}/{key.name}" else ""


def is_ours(live: Body, key: ResourceKey, application: str) -> bool:
    """True when `application` has written the object, by its tracking annotation.

    Where that was taken off, our entry in managedFields tells: an object without either was never ours.
    """
    owner = owner_of(live, key)
    if owner or foreign_owner(live, key, application):
        return owner == application
    entries = (live.get("metadata") or {}).get("managedFields") or []
    return any(entry.get("manager") == INSTANCE for entry in entries)


def foreign_owner(live: Body, key: ResourceKey, application: str) -> str:
    """Who else the object belongs to, in words ("Application team/db", "Argo CD (guestbook)"), or ""."""
    owner = owner_of(live, key)
    if owner:
        return "" if owner == application else f"Application {owner}"
    annotations, labels = annotations_of(live), labels_of(live)
    if _ARGO_TRACKING in annotations:
        return f"Argo CD (application {annotations[_ARGO_TRACKING].partition(':')[0]})"
    if _ARGO_LABEL in labels:
        return f"Argo CD (application {labels[_ARGO_LABEL]})"
    entries = (live.get("metadata") or {}).get("managedFields") or []
    if _INSTANCE_LABEL in labels and any(entry.get("manager") in _ARGO_MANAGERS for entry in entries):
        return f"Argo CD (application {labels[_INSTANCE_LABEL]})"
    for label in _FLUX_LABELS:
        if label in labels:
            return f"Flux ({label.partition('.')[0]} {labels[label]})"
    if _HELM_RELEASE in annotations and labels.get("app.kubernetes.io/managed-by") == "Helm":
        return f"Helm (release {annotations[_HELM_RELEASE]})"
    return ""


def is_inventory(body: Body) -> bool:
    """True for a parent of ours, live or as it was read from a cluster."""
    labels = labels_of(body)
    return body.get("kind") == "ConfigMap" and SET_ID in labels and labels.get(MANAGED_BY) == INSTANCE


def handed_over(inventory: Inventory, application: str) -> Inventory:
    """The inventory of another identity, which is `application`'s from now on with all that it owns."""
    return replace(inventory, application=application, formerly=inventory.application)


def is_held_by(inventory: Inventory, live: Body, key: ResourceKey) -> bool:
    """True when a live object is the inventory's: by its own marks, or by those of who hands it over.

    The inventory alone proves nothing. An object outside of its namespace has to bear the inventory's label or name
    the Application; inside, an object that lost both marks is held too, by our entry in managedFields.
    """
    label = labels_of(live).get(PART_OF, "")
    if label not in ("", inventory.set_id):
        return False
    owner = owner_of(live, key)
    if owner in (inventory.application, ""):
        is_near = key.namespace == inventory.parent.namespace
        return is_ours(live, key, inventory.application) and bool(owner or label or is_near)
    was_held = key in inventory.keys and inventory.formerly not in ("", inventory.application)
    return was_held and owner == inventory.formerly and bool(label)


def claimed(inventory: Inventory, desired: Iterable[ResourceKey], new: Iterable[ResourceKey]) -> Inventory:
    """The superset that is written before the first change: what is owned and what is about to be.

    `new` are the objects that are about to be made; they are fresh where there is a release to go back to.
    """
    fresh = inventory.fresh | (frozenset(new) if inventory.healthy else frozenset())
    return replace(inventory, keys=inventory.keys | frozenset(desired), fresh=fresh)


def merged(ours: Inventory, base: Inventory, now: Inventory) -> Inventory:
    """What is to be recorded when the parent has become `now` since `ours` was made of `base`.

    What another runner has claimed since stays claimed, and what it wrote where we change nothing stays written.
    """
    kept = {name: getattr(now, name) for name in _SHARED if getattr(ours, name) == getattr(base, name)}
    joined = {name: getattr(ours, name) | (getattr(now, name) - getattr(base, name)) for name in _JOINED}
    anchor = ours.anchor
    if anchor and now.anchor and anchor.store == now.anchor.store and now.anchor.seq > anchor.seq:
        anchor = now.anchor  # of one store the later entry proves the earlier ones too
    return replace(ours, **joined, **kept, anchor=anchor)


_JOINED = ("keys", "fresh", "unfinished")
_SHARED = (
    "ended",
    "source",
    "spec",
    "synced",
    "healthy",
    "releases",
    "going_back",
    "quarantine",
    "hooks",
    "deletion_hooks",
)


def bare_parent(inventory: Inventory) -> Body:
    """The parent as it is made: it says whose it is, and records nothing yet."""
    metadata = {
        "name": inventory.parent.name,
        "namespace": inventory.parent.namespace,
        "labels": {SET_ID: inventory.set_id, MANAGED_BY: INSTANCE},
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def parent_body(inventory: Inventory, version: str, seal: Callable[[str], str] = lambda _: "") -> Body:
    """The ConfigMap that records `inventory`, to be written onto the version that it was read at, and no other.

    `version` is ours, for the tooling annotation; `seal` makes a keyed digest of a digest, or "" without a key.
    """
    kinds = sorted({f"{key.kind}.{key.group}" if key.group else key.kind for key in inventory.keys})
    own = inventory.parent.namespace
    others = sorted({key.namespace for key in inventory.keys if key.namespace} - {own})
    facts: dict[str, Any] = {"application": inventory.application, "source": inventory.source}
    facts |= {"deletionHooks": "true"} if inventory.deletion_hooks else {}
    words = (("synced", inventory.synced), ("spec", inventory.spec), ("formerly", inventory.formerly))
    facts |= {name: text for name, text in words if text}
    facts |= {"unfinished": " ".join(sorted(inventory.unfinished))} if inventory.unfinished else {}
    for name, value in (
        ("healthy", inventory.healthy),
        ("goingBack", inventory.going_back),
        ("quarantine", inventory.quarantine),
        ("hooks", inventory.hooks),
        ("audit", inventory.anchor),
    ):
        if value is not None:
            facts[name] = json.dumps({field: getattr(value, field) for field in value.__slots__}, sort_keys=True)
    if inventory.releases:
        facts["releases"] = json.dumps([asdict(release) for release in inventory.releases], separators=(",", ":"))
    packed = base64.b64encode(_pack(inventory)).decode()
    if mac := seal(_digest(inventory.parent, facts, packed)):
        facts["seal"] = mac
    bare = bare_parent(inventory)
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
        data = _texts(body, "data")
        packed = _texts(body, "binaryData").get("inventory", "")
        rows = _unpack(base64.b64decode(packed, validate=True))
        return Inventory(
            application=data.get("application") or application,
            parent=parent,
            keys=frozenset(ResourceKey(*row[:4]) for row in rows),
            fresh=frozenset(ResourceKey(*row[:4]) for row in rows if row[4:5] == [1]),
            ended={ResourceKey(*row[:4]): row[5] for row in rows if row[5:]},
            source=data.get("source", ""),
            spec=data.get("spec", ""),
            synced=data.get("synced", ""),
            unfinished=frozenset(data.get("unfinished", "").split()),
            healthy=_read(LastHealthy, data, "healthy"),
            releases=tuple(read_as(PastRelease, fields) for fields in _listed(data.get("releases") or "[]")),
            going_back=_read(LastHealthy, data, "goingBack"),
            quarantine=_read(Quarantine, data, "quarantine"),
            hooks=_read(HookRun, data, "hooks"),
            anchor=_read(Anchor, data, "audit"),
            formerly=data.get("formerly", ""),
            deletion_hooks=data.get("deletionHooks") == "true",
            exists=True,
            version=body["metadata"].get("resourceVersion", ""),
            seal=Seal(_digest(parent, data, packed), data.get("seal", "")),
        )
    except ValueError as exc:
        raise ManifestError(
            f"{parent}: its inventory cannot be read ({exc}); restore the ConfigMap, or delete it and sync with "
            "--adopt to own what the commit holds again"
        ) from exc


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
    """Rows of group, kind, namespace and name; a fifth element is 1 for what is fresh, a sixth is of what has ended."""
    rows: list[list[str | int]] = []
    for key in sorted(inventory.keys):
        is_fresh, digest = int(key in inventory.fresh), inventory.ended.get(key, "")
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
