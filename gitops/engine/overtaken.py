"""Whether an object still is what a sync applied, or somebody has changed what that sync wants of it. Pure.

An object counts as healthy for a sync only while it runs what the sync brought: after a `kubectl rollout undo`, say, it
is healthy, and the commit has never run.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gitops.engine.diff import changes_between
from gitops.engine.inventory import INSTANCE, Inventory
from gitops.engine.plan import desired_body
from gitops.engine.plan_input import PlanInput
from gitops.manifests.key import Body
from gitops.manifests.manifest import Manifest
from gitops.model.plan import FieldChange, Manager
from gitops.model.revision import short

_MOST_NAMED = 3
_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet"}
Predict = Callable[[Body, Body], Body]


def overtaken_fields(
    at: PlanInput, manifest: Manifest, applied: Body, live: Body, predict: Predict
) -> tuple[FieldChange, ...]:
    """The fields that the sync wants otherwise than they are `live`, and that were as wanted in `applied`.

    `applied` is what the API server stored for us. What a webhook or an ignored manager makes of a field differed
    there too. A scale (an autoscaler's, by whatever request) changes how many run, and not what; but what runs nothing
    any more, or holds its rollout back, has not run what the sync brought.
    """

    def differing(body: Body) -> tuple[FieldChange, ...]:
        wanted = desired_body(replace(at, live={manifest.key: body}), manifest)
        return changes_between(body, predict(body, wanted))

    before = {(change.path, repr(change.live)) for change in differing(applied)}
    wanted = tuple(
        change for change in differing(live) if (change.path, repr(change.live)) not in before and not _is_scale(change)
    )
    return wanted or _stopping(applied, live)


def _stopping(applied: Body, live: Body) -> tuple[FieldChange, ...]:
    """What somebody has set of a workload since that keeps what was applied from running: beside our fields, too."""
    spec = live.get("spec")
    if live.get("kind") not in _WORKLOADS or not isinstance(spec, dict):
        return ()
    paths = {".spec.updateStrategy"}
    paths |= {".spec.paused"} if spec.get("paused") else set()
    paths |= {".spec.replicas"} if spec.get("replicas") == 0 else set()
    status = live.get("status") or {}
    is_seen = status.get("observedGeneration") == live["metadata"].get("generation")
    if live["kind"] == "DaemonSet" and is_seen and not status.get("desiredNumberScheduled"):
        paths.add(".spec.template")
    return tuple(
        change
        for change in changes_between(live, applied)
        if any(f".{change.path.lstrip('.')}".startswith(path) for path in paths)
    )


def _is_scale(change: FieldChange) -> bool:
    """Another number of replicas, set by somebody else: autoscalers write it through `/scale`, or into the object."""
    is_number = change.path.lstrip(".") == "spec.replicas"
    return is_number and isinstance(change.owner, Manager) and change.owner.name != INSTANCE


def overtaken_by(fields: Sequence[FieldChange]) -> str:
    """In words: who changed what. "" for no field."""
    if not fields:
        return ""
    told = [f"{field.path} was {_changed_by(field)}" for field in fields[:_MOST_NAMED]]
    more = len(fields) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _changed_by(field: FieldChange) -> str:
    if not isinstance(field.owner, Manager):
        return "removed or changed"
    who = "another sync" if field.owner.name == INSTANCE else field.owner.name
    return f"changed by {who} at {field.owner.time}" if field.owner.time else f"changed by {who}"


def overtaken_inventory(ours: Inventory, digest: str, now: Inventory) -> str:
    """Which other sync has come in between since the inventory was recorded as `ours`, in words, or "".

    Two syncs of one set do not overtake each other.
    """
    if now.quarantine is not None and now.quarantine != ours.quarantine and now.quarantine.digest == digest:
        found = now.quarantine
        return f"revision {short(found.revision)} was rolled back" + (f" by {found.by}" if found.by else "")
    if now.rollback_target is not None and now.rollback_target != ours.rollback_target:
        return f"a rollback to {short(now.rollback_target.revision)} has begun"
    if now.synced not in (ours.synced, digest):
        newest = next((one for one in now.releases if one.digest == now.synced), None)
        return f"{short(newest.revision)} was synced by {newest.actor}" if newest else "another revision was synced"
    if now.partially_applied - ours.partially_applied - {digest}:
        return "a sync of another revision has begun"
    return ""
