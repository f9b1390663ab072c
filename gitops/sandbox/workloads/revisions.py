"""ControllerRevisions: the templates that StatefulSets and DaemonSets had, numbered."""

from gitops.manifests.key import Body
from gitops.sandbox.workloads.world import REVISIONS, World, owner_reference, template_hash


def ensure_revision(world: World, owner: Body, label: str) -> Body | None:
    """The revision of the owner's present template, made or renumbered if need be."""
    metadata, template = owner["metadata"], owner["spec"]["template"]
    hashed = template_hash(template)
    name = f"{metadata['name']}-{hashed}"
    known = world.owned(owner, REVISIONS)
    latest = max((entry["revision"] for entry in known), default=0)
    found = next((entry for entry in known if entry["metadata"]["name"] == name), None)
    if found is None:
        body = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": {**(template["metadata"].get("labels") or {}), label: hashed},
                "ownerReferences": [owner_reference(owner)],
            },
            "data": {"spec": {"template": {**template, "$patch": "replace"}}},
            "revision": latest + 1,
        }
        return world.create(REVISIONS, metadata["namespace"], body)
    if found["revision"] < latest:
        return world.update(REVISIONS, found, lambda body: {**body, "revision": latest + 1})
    return found


def forget_old(world: World, owner: Body, used: set[str]) -> None:
    """Deletes the oldest revisions beyond the history limit; those in use stay."""
    spare = [entry for entry in world.owned(owner, REVISIONS) if entry["metadata"]["name"] not in used]
    limit = owner["spec"].get("revisionHistoryLimit", 10)
    for entry in sorted(spare, key=lambda revision: revision["revision"])[: max(len(spare) - limit, 0)]:
        world.delete(REVISIONS, entry)
