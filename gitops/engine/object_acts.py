"""What a person has done to one object, beside what Git says of it: whether that can be, and the patch that does it."""

from dataclasses import dataclass
from typing import Final

from gitops.engine.deletion import holds_data
from gitops.engine.predict import FIELD_MANAGER
from gitops.manifests import fields
from gitops.manifests.fields import FieldPath
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import GROUP, KIND

RESTART, SCALE, DELETE = "restart", "scale", "delete"
MOST_REPLICAS: Final = 10_000
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
_RESTARTED: Final = {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet")}
_SCALED: Final = {
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "ReplicaSet"),
    ("", "ReplicationController"),
}
# What owns what it delivers, and may take it along.
_DELIVERING: Final = {
    (GROUP, KIND),
    ("argoproj.io", "Application"),
    ("argoproj.io", "ApplicationSet"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ("helm.toolkit.fluxcd.io", "HelmRelease"),
}
_REPLICAS: Final[FieldPath] = ("spec", "replicas")
_STAMP: Final[FieldPath] = ("spec", "template", "metadata", "annotations", RESTARTED_AT)


@dataclass(frozen=True, slots=True)
class Obstruction:
    """Why it cannot be, and what to do; `confirmable` where a person may say that it is meant."""

    why: str
    confirmable: bool = False


def acts_of(key: ResourceKey, *, is_made: bool) -> tuple[str, ...]:
    """The acts that there are for an object; of what workloads made, a Pod can be deleted, so that another is made."""
    kind = (key.group, key.kind)
    if is_made:
        return (DELETE,) if kind == ("", "Pod") else ()
    found = ((RESTART, kind in _RESTARTED), (SCALE, kind in _SCALED), (DELETE, True))
    return tuple(act for act, there_is in found if there_is)


def obstruction(act: str, key: ResourceKey, live: Body) -> Obstruction | None:
    """What stands in the way of the act on a live object, or None."""
    if live["metadata"].get("deletionTimestamp"):
        return Obstruction("it is being deleted")
    match act:
        case "restart" if (live.get("spec") or {}).get("paused") is True:
            return Obstruction("it is paused: set spec.paused to false in Git first")
        case "restart" if _is_of_git(live, _STAMP):
            return Obstruction(f"Git sets the annotation {RESTARTED_AT}, which says when: change it there")
        case "scale" if _is_of_git(live, _REPLICAS):
            return Obstruction("Git sets spec.replicas, and would take it back: change it there, or leave it out there")
        case "delete" if (key.group, key.kind) in _DELIVERING:
            return Obstruction("it delivers other objects, which may be deleted with it", confirmable=True)
        case "delete" if holds_data(key, live):
            return Obstruction("what is in it, or its data, would be deleted with it", confirmable=True)
    return None


def restart_patch(at: str, uid: str) -> Body:
    """As `kubectl rollout restart` has it: a template that is another one, so that the Pods are made anew.

    With the uid, the API server refuses it for another object of the same name.
    """
    return {"metadata": {"uid": uid}, "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: at}}}}}


def scale_patch(replicas: int, uid: str) -> Body:
    """For the subresource `scale`; with the uid, for just that object."""
    return {"metadata": {"uid": uid}, "spec": {"replicas": replicas}}


def _is_of_git(live: Body, path: FieldPath) -> bool:
    """Whether what was synced sets the field: we own it then, by our applies."""
    entries = live["metadata"].get("managedFields") or []
    return any(
        entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
        and fields.has(entry.get("fieldsV1") or {}, path)
        for entry in entries
    )
