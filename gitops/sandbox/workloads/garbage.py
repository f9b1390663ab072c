"""What goes when its owner goes: dependents in the background, before it, or set free."""

from gitops.manifests.key import Body
from gitops.sandbox.storage import ResourceKey
from gitops.sandbox.workloads.world import World, is_going

_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"


def owner_deleted(world: World, uid: str) -> None:
    """Deletes every dependent that has no owner left; from the others the reference is taken."""
    for resource, body in world.dependents(uid):
        references = body["metadata"].get("ownerReferences") or []
        kept = [reference for reference in references if world.exists(reference["uid"])]
        if not kept:
            if not is_going(body):
                world.delete(resource, body, propagationPolicy="Background")
        elif kept != references:
            _set_owners(world, resource, body, kept)


def never_owned(world: World, resource: ResourceKey, body: Body) -> None:
    """An object whose owners are all gone already is deleted as well."""
    references = body["metadata"].get("ownerReferences") or ()
    if references and not is_going(body) and not any(world.exists(reference["uid"]) for reference in references):
        world.delete(resource, body, propagationPolicy="Background")


def owner_going(world: World, resource: ResourceKey, body: Body) -> None:
    """An owner that waits: for its dependents to be orphaned, or to be gone."""
    finalizers = body["metadata"].get("finalizers") or []
    uid = body["metadata"]["uid"]
    if _ORPHAN in finalizers:
        for kind, dependent in world.dependents(uid):
            references = dependent["metadata"].get("ownerReferences") or []
            _set_owners(world, kind, dependent, [entry for entry in references if entry["uid"] != uid])
        _release(world, resource, body, _ORPHAN)
    elif _FOREGROUND in finalizers:
        blocking = False
        for kind, dependent in world.dependents(uid):
            reference = next(entry for entry in dependent["metadata"]["ownerReferences"] if entry["uid"] == uid)
            blocking = blocking or bool(reference.get("blockOwnerDeletion"))
            if not is_going(dependent):
                world.delete(kind, dependent, propagationPolicy="Foreground")
        if not blocking or not world.dependents(uid):
            _release(world, resource, body, _FOREGROUND)


def _set_owners(world: World, resource: ResourceKey, body: Body, references: list[Body]) -> None:
    def change(live: Body) -> Body:
        metadata = {key: value for key, value in live["metadata"].items() if key != "ownerReferences"}
        if references:
            metadata["ownerReferences"] = references
        return {**live, "metadata": metadata}

    world.update(resource, body, change)


def _release(world: World, resource: ResourceKey, body: Body, finalizer: str) -> None:
    def change(live: Body) -> Body:
        left = [entry for entry in live["metadata"].get("finalizers") or () if entry != finalizer]
        metadata = {key: value for key, value in live["metadata"].items() if key != "finalizers"}
        if left:
            metadata["finalizers"] = left
        return {**live, "metadata": metadata}

    world.update(resource, body, change)
