"""What an Application owns, and how the cluster remembers it: marks on each object, and one parent ConfigMap.

Members and parent follow KEP-3659 (ApplySet) as kubectl ships it, so `kubectl` can list what we own. The parent also
holds, compressed, the keys that we own, and what a rollback needs, so that losing our store loses nothing.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gitops.engine.annotations import annotations_of, labels_of
from gitops.manifests.key import Body, ResourceKey
from gitops.model.audit import Anchor
from gitops.model.release import Quarantine

PART_OF = "applyset.kubernetes.io/part-of"
MANAGED_BY = "gitops.dev/managed-by"
TRACKING = "gitops.dev/tracking"
INSTANCE = "gitops"
LABELS, ANNOTATIONS = (PART_OF, MANAGED_BY), (TRACKING, f"{TRACKING.partition('/')[0]}/sync")
SET_ID = "applyset.kubernetes.io/id"
_ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
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
class LastSync:
    """The last sync: what it went to, when it began (RFC 3339, UTC), on whose word, and how it ended.

    `outcome` is that of `gitops.model.result.Outcome`, or BEGUN for one that has not ended, or was interrupted.
    """

    revision: str
    ref: str
    at: str
    actor: str
    outcome: str


BEGUN = "begun"


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

    `partially_applied` are the digests of sets that a sync began to carry out since and did not finish: half of them
    may be there. `being_created` are those of `keys` that a sync which has not ended was about to create (or a rollback
    to delete). `rollback_target` is the release that a rollback which has not ended goes to. So whoever goes on after a
    kill knows what to undo, and where to go. `completed_jobs` tells of Jobs that may be gone
    (`gitops.engine.completed_jobs`).

    `releases` are the last ones, newest first. `spec` is what the Application asked for (`gitops.model.spec`),
    `version` the parent's resourceVersion. `hooks` of the set that is `synced` are done, but what they left behind is
    not cleaned up yet. `deletion_hooks` when the set that is `synced` has hooks that run when the Application is
    deleted. `previous_application` is the Application that handed all of this over: some of it may still bear its name.
    `seal` is as it was read.

    Whoever may edit ConfigMaps in its namespace may have written all of this. So nothing in it is a right to delete
    (`is_owned_by` asks the object too) or to apply (`gitops.sync.releases` asks the store and the repository).
    """

    application: str
    parent: ResourceKey
    keys: frozenset[ResourceKey] = frozenset()
    being_created: frozenset[ResourceKey] = frozenset()
    source: str = ""
    spec: str = ""
    synced: str = ""
    partially_applied: frozenset[str] = frozenset()
    healthy: LastHealthy | None = None
    releases: tuple[PastRelease, ...] = ()
    rollback_target: LastHealthy | None = None
    quarantine: Quarantine | None = None
    hooks: HookRun | None = None
    anchor: Anchor | None = None
    previous_application: str = ""
    exists: bool = False
    version: str = ""
    deletion_hooks: bool = False
    last: LastSync | None = None
    completed_jobs: Mapping[ResourceKey, str] = field(default_factory=dict)
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


def with_ownership(body: Body, key: ResourceKey, inventory: Inventory) -> Body:
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
    if is_of_helm(live):
        return f"Helm (release {annotations[_HELM_RELEASE]})"
    return ""


def is_of_helm(live: Body) -> bool:
    """Whether an object belongs to a release of Helm's own."""
    return _HELM_RELEASE in annotations_of(live) and labels_of(live).get("app.kubernetes.io/managed-by") == "Helm"


def is_inventory(body: Body) -> bool:
    """True for a parent of ours, live or as it was read from a cluster."""
    labels = labels_of(body)
    return body.get("kind") == "ConfigMap" and SET_ID in labels and labels.get(MANAGED_BY) == INSTANCE


def handed_over(inventory: Inventory, application: str) -> Inventory:
    """The inventory of another identity, which is `application`'s from now on with all that it owns."""
    return replace(inventory, application=application, previous_application=inventory.application)


def is_owned_by(inventory: Inventory, live: Body, key: ResourceKey) -> bool:
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
    was_held = key in inventory.keys and inventory.previous_application not in ("", inventory.application)
    return was_held and owner == inventory.previous_application and bool(label)


def claimed(inventory: Inventory, desired: Iterable[ResourceKey], new: Iterable[ResourceKey]) -> Inventory:
    """The superset that is written before the first change: what is owned and what is about to be.

    `new` are the objects that are about to be made; they are `being_created` where there is a release to go back to.
    """
    being_created = inventory.being_created | (frozenset(new) if inventory.healthy else frozenset())
    return replace(inventory, keys=inventory.keys | frozenset(desired), being_created=being_created)


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


_JOINED = ("keys", "being_created", "partially_applied")
_SHARED = (
    "completed_jobs",
    "source",
    "spec",
    "synced",
    "healthy",
    "releases",
    "rollback_target",
    "quarantine",
    "hooks",
    "deletion_hooks",
)
