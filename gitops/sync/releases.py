"""The releases that are known (by our store, and by the cluster), and what each of them rendered to.

The cluster remembers the last ten, and the store all that were made through it; what a release rendered to is in the
store, or is rendered again from its commit, and then has to be what it was.

Who may edit ConfigMaps may write into the cluster's list. So a set is taken out of the store only for an Application
that the store knows to have had it, and a commit is rendered again only when the Application's own source leads to it.
"""

from dataclasses import replace

from gitops.engine.inventory import Inventory, PastRelease
from gitops.model.errors import ConfigError, ManifestError, RenderError, SourceError
from gitops.model.release import Release
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision
from gitops.sync.context import Request, SyncContext
from gitops.sync.inventory_store import read_inventory
from gitops.sync.planning import render_source

_REMEMBERED = 10


def known_releases(stored: list[Release], inventory: Inventory, cluster: str) -> list[Release]:
    """Newest first. `stored` are our store's on `cluster`; where the cluster says something else, it is right."""
    known = {one.number: one for one in stored}
    for past in inventory.releases:
        if past.number not in known or known[past.number].digest != past.digest:
            known[past.number] = Release(
                number=past.number,
                application=inventory.application,
                cluster=cluster,
                revision=past.revision,
                ref=past.ref,
                digest=past.digest,
                health="Healthy",
                at=past.at,
                actor=past.actor,
                namespace=inventory.parent.namespace,
                source=inventory.source,
            )
    return [known[number] for number in sorted(known, reverse=True)]


async def release_of(request: Request, context: SyncContext, number: int) -> tuple[Inventory, Release]:
    """The inventory, and the release of this number. Raises ConfigError for one that is not known."""
    inventory = await read_inventory(context, request.app)
    stored = await context.store.releases(request.app.identity, context.cluster.name)
    releases = known_releases(stored, inventory, context.cluster.name)
    found = next((one for one in releases if one.number == number), None)
    if found is None:
        known = ", ".join(str(one.number) for one in releases) or "none"
        raise ConfigError(f"{request.app.identity} has no release {number} (known: {known})")
    return inventory, found


def remembered(releases: list[Release]) -> tuple[PastRelease, ...]:
    """What the cluster is to remember of `releases`, newest first."""
    return tuple(
        PastRelease(one.number, one.revision, one.ref, one.digest, one.at, one.actor) for one in releases[:_REMEMBERED]
    )


async def release_set(request: Request, context: SyncContext, digest: str, revision: Revision) -> RenderedSet:
    """What `revision` rendered to when it was released.

    Raises SourceError where that cannot be had any more, or where nothing but the inventory says that it was one.
    """
    stored = await stored_set(request, context, digest)
    if stored is not None:
        return replace(stored, revision=revision)  # other commits may have rendered to the same
    lost = f"this store does not hold what {revision} rendered to"
    if not revision.is_commit:
        raise SourceError(f"{lost}, and that was made of files that were in no commit")
    try:
        await _check_is_ours(request, context, revision)
        rendered, _ = await render_source(request, context, revision.sha)
    except (SourceError, RenderError, ConfigError, ManifestError) as exc:
        raise SourceError(f"{lost}, and it cannot be rendered again: {exc}") from exc
    if rendered.digest != digest:
        raise SourceError(
            f"{lost}, and the commit renders to something else now (its renderer, values or bases changed)"
        )
    rendered = replace(rendered, revision=revision)
    await context.store.save_rendered(rendered)
    return rendered


async def _check_is_ours(request: Request, context: SyncContext, revision: Revision) -> None:
    """Raise SourceError for a commit that the source's target does not lead to."""
    if not (request.believes_inventory or await context.source.in_history(request.app, revision.sha)):
        source = request.app.source
        past = f"{source.targetRevision or 'the default branch'} does not descend from it"
        raise SourceError(
            f"{f'{source.name} does not offer it' if source.chart else past}, and only the inventory says that it was "
            "a release, which anybody may write who may edit ConfigMaps (gitops rollback --confirm takes its word)"
        )


async def stored_set(request: Request, context: SyncContext, digest: str) -> RenderedSet | None:
    """The set that is stored, if this very Application has had it: another one's may hold what is not for it."""
    application, cluster = request.app.identity, context.cluster.name
    known = any(one.digest == digest for one in await context.store.releases(application))
    if not known:
        events = await context.store.events(application, cluster)
        known = any(event.fact == "sync.started" and event.detail.get("digest") == digest for event in events)
    return await context.store.rendered(digest) if known else None


async def synced_set(request: Request, context: SyncContext, inventory: Inventory) -> RenderedSet:
    """What the Application was synced to last. Raises SourceError where that cannot be had."""
    digest = inventory.synced
    if not digest:
        raise SourceError("no sync of it has come to its end yet")
    known = (inventory.healthy, *inventory.releases)
    revision = next((Revision(one.revision, one.ref) for one in known if one and one.digest == digest), None)
    if revision is not None:
        return await release_set(request, context, digest, revision)
    stored = await stored_set(request, context, digest)
    if stored is None:
        raise SourceError("this store does not hold what it was synced to (sync it from here once)")
    return stored
