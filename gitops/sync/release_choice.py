"""Which release a person goes back to, and what is quarantined for that; for commands and the controller."""

from dataclasses import dataclass
from itertools import pairwise

from gitops.engine.inventory import Inventory
from gitops.model.audit import AuditEvent
from gitops.model.errors import ConfigError
from gitops.model.release import BY_HAND, Quarantine, Release
from gitops.model.revision import Revision, is_called, short
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.planning import plan_rendered
from gitops.sync.releases import known_releases, release_set

_SHORTEST = 4  # characters of a commit's name, as Git has it


@dataclass(frozen=True, slots=True)
class WayBack:
    """The release to go to, and what is recorded of the revision that is left."""

    release: Release
    quarantine: Quarantine


async def way_back(
    context: SyncContext, inventory: Inventory, actor: str, number: int | None = None, revision: str = ""
) -> WayBack:
    """The release of this number, or the newest of this commit; without either the one before the present.

    Raises ConfigError where there is none.
    """
    stored = await context.store.releases(inventory.application, context.cluster.name)
    releases = known_releases(stored, inventory, context.cluster.name)
    failed = _failed(await context.store.events(inventory.application, context.cluster.name))
    if failed and inventory.healthy and inventory.healthy.at > failed.at:  # another store knows of a newer sync
        failed = None
    present = str(failed.detail.get("digest")) if failed else inventory.synced
    chosen = _chosen(releases, number, revision, present, inventory.application)
    left = failed or next((one for one in releases if one.digest == present), None)
    at = context.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    before = inventory.quarantine
    also = {before.digest, *before.also} - {present, chosen.digest} if before else set()
    reason = BY_HAND + actor
    return WayBack(chosen, Quarantine(left.revision if left else "", present, reason, at, also=tuple(sorted(also))))


async def plan_way_back(request: Request, context: SyncContext, release: Release, source: str) -> PlannedSync:
    """What going back to the release would change. Raises SourceError where what it was cannot be had any more."""
    rendered = await release_set(request, context, release.digest, Revision(release.revision, release.ref))
    return await plan_rendered(request, context, rendered, source)


def _failed(events: list[AuditEvent]) -> AuditEvent | None:
    """The start of the last sync, where that did not come to its end: what it brought is what is there now."""
    found = None
    for before, event in pairwise([None, *events]):
        if event is not None and event.fact == "sync.finished":
            found = None
        elif event is not None and event.fact == "sync.started" and not (before and before.fact == "rollback.started"):
            found = event
    return found


def _chosen(releases: list[Release], number: int | None, revision: str, present: str, application: str) -> Release:
    if number is not None and revision:
        raise ConfigError("give a release's number or --revision, not both")
    if number is not None:
        found = next((one for one in releases if one.number == number), None)
        if found is None:
            known = ", ".join(str(one.number) for one in releases) or "none"
            raise ConfigError(f"{application} has no release {number} (known: {known})")
        return found
    if revision:
        commits = {one.revision for one in releases if is_called(one.revision, revision)}
        if len(revision) < _SHORTEST or len(commits) != 1:
            known = ", ".join(dict.fromkeys(short(one.revision) for one in releases)) or "none"
            raise ConfigError(f"--revision {revision}: names no single release of {application} (known: {known})")
        return next(one for one in releases if one.revision in commits)
    earlier = next((one for one in releases if one.digest != present), None)
    if earlier is None:
        raise ConfigError(f"{application} has no earlier release to go back to")
    return earlier
