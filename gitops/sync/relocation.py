"""Where an Application was before: what it has there would stay, run, and be forgotten once it goes somewhere else.

On this cluster the inventories tell, also when the store is new or nothing became healthy there. Of another cluster the
audit log does: what was synced there, while the spec named that cluster, and not deleted since.
"""

from collections.abc import Collection

from gitops.engine.inventory import Inventory
from gitops.model.application import Application
from gitops.model.errors import ApiError
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.sync.context import SyncContext
from gitops.sync.inventories import inventories

STARTED, MOVED, DELETED = "sync.started", "source.changed", "application.deleted"


async def relocation_obstacles(context: SyncContext, app: Application, source: str) -> tuple[Obstacle, ...]:
    """Why the first sync to where it goes now has to wait for a person's word.

    To a controller an identity is one Application, whatever else changed with its destination. In a person's own hands
    it need not be: there the same source has to have been somewhere else, and a cluster is whichever is at hand.
    """
    if context.asks_around:
        there = [other for other in await _namesakes(context, app, ()) if other.source == source]
    else:
        there = await inventories_elsewhere(context, app, look_around=False)
    reasons = [
        f"{app.identity} was in namespace {other.parent.namespace} before: {len(other.keys)} objects; "
        f"delete them with `gitops delete {app.name} -n {other.parent.namespace}`, or --confirm to have both"
        for other in there
    ]
    if not context.asks_around:
        reasons += [
            f"{app.identity} was on {cluster} before; delete what it has there (`gitops delete {app.name}` with that "
            "cluster's kubeconfig), and then, or to have both, --confirm"
            for cluster in await clusters_left(context, app)
        ]
    return tuple(Obstacle(ObstacleKind.RELOCATION, None, reason) for reason in reasons)


async def inventories_elsewhere(context: SyncContext, app: Application, *, look_around: bool) -> list[Inventory]:
    """What it owns in other namespaces of this cluster, as far as we may look.

    Somebody else's Application may bear the same name: it counts only with a source that this one has had. Without
    `look_around` so does, from whatever source, what is where the store knows of a release.
    """
    releases = [] if look_around else await context.store.releases(app.identity, context.cluster.name)
    known = {release.namespace for release in releases}
    found = await _namesakes(context, app, known)
    sources = await _sources_had(context, app) if found else frozenset()
    return [other for other in found if other.source in sources or other.parent.namespace in known]


async def _namesakes(context: SyncContext, app: Application, known: Collection[str]) -> list[Inventory]:
    """The inventories of this identity in other namespaces; in the `known` ones where we may not look everywhere.

    One that cannot be read is no reason to stop here: anybody may write such a ConfigMap into a namespace of theirs.
    """
    found: list[Inventory] = []
    for namespace in ("", *sorted(known)):
        try:
            found += await inventories(context.cluster, app.identity, namespace, skip_unreadable=True)
        except ApiError as exc:
            if exc.code != 403:  # who may look into one namespace only has not been elsewhere
                raise
        else:
            if not namespace:
                break
    here = app.destination.namespace
    return [other for other in found if other.application == app.identity and other.parent.namespace != here]


async def _sources_had(context: SyncContext, app: Application) -> frozenset[str]:
    """The names of its present source and of those that the audit log has of it on this cluster."""
    events = await context.store.events(app.identity, context.cluster.name)
    before = {str(event.detail.get("source", "")) for event in events if event.fact in (STARTED, MOVED)} - {""}
    return frozenset(before | {app.source_name})


async def clusters_left(context: SyncContext, app: Application) -> list[str]:
    """The clusters that its spec named before and that it was never deleted from, in words.

    A cluster of the same name that has another address now is not one: that was moved or made again as a whole.
    """
    found = []
    for _, address in await context.store.chains(app.identity):
        if address == context.cluster.name:
            continue
        events = await context.store.events(app.identity, address)
        last = next((event for event in reversed(events) if event.fact in (STARTED, DELETED)), None)
        if last is None or last.fact == DELETED:
            continue
        name = str(last.detail.get("cluster", ""))
        if name != app.destination.told:
            found.append(f"cluster {name} ({address})" if name else f"the controller's own cluster ({address})")
    return found
