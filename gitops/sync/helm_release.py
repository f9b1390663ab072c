"""What Helm remembers of a release whose objects an Application has taken over, and having it forget that.

Helm keeps each revision of a release in a Secret. While they are there, `helm list` shows the release, and `helm
uninstall` deletes its objects, whoever owns them by now. Without them Helm knows nothing of it; no object is touched.
"""

from gitops.engine.annotations import annotations_of
from gitops.engine.inventory import is_of_helm
from gitops.engine.plan_input import PlanInput
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application
from gitops.sync.audit import AuditTrail
from gitops.sync.context import Request, SyncContext
from gitops.sync.inventory_store import keep_anchor, read_inventory

_TYPE = "helm.sh/release.v1"
_NAME, _NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"


def releases_of(app: Application, at: PlanInput) -> tuple[tuple[str, str], ...]:
    """(namespace, name) of the releases whose objects were taken over, and of the one that its chart makes."""
    names = {source.helm.releaseName or app.name for source in app.all_sources}
    found = {(app.destination.namespace, name) for name in names}
    for body in at.live.values():
        if is_of_helm(body):
            marks = annotations_of(body)
            found.add((marks.get(_NAMESPACE) or app.destination.namespace, marks[_NAME]))
    return tuple(sorted(found))


async def release_secrets(context: SyncContext, release: tuple[str, str]) -> tuple[ResourceKey, ...]:
    """The Secrets in which Helm keeps a release. Raises ApiError where they may not be listed."""
    namespace, name = release
    found = await context.cluster.list("", "Secret", namespace, f"owner=helm,name={name}")
    names = sorted(body["metadata"]["name"] for body in found.items if body.get("type") == _TYPE)
    return tuple(ResourceKey("", "Secret", namespace, name) for name in names)


async def forget_release(
    request: Request, context: SyncContext, revision: str, secrets: tuple[ResourceKey, ...]
) -> None:
    """Delete these, which the audit log has first."""
    inventory = await read_inventory(context, request.app)
    journal = AuditTrail(request, context, inventory)
    await journal.note("helm.forgotten", revision, changed=[f"deleted {key}" for key in secrets])
    for key in secrets:
        await context.cluster.delete(key)
    await keep_anchor(context, inventory.parent, inventory.application, journal.head)
