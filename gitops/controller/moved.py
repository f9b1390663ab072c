"""Where an Application was before: what it has there would stay, run, and be forgotten once it goes somewhere else.

On this cluster the inventories tell. Of another cluster the audit log does: what was synced there, while the spec named
that cluster, and not deleted since.
"""

from gitops.controller.inspect import inventories
from gitops.controller.request import Outside
from gitops.engine.inventory import Inventory
from gitops.model.application import Application
from gitops.model.errors import ApiError
from gitops.model.plan import Obstacle, ObstacleKind

STARTED, DELETED = "sync.started", "application.deleted"


async def moved_from(outside: Outside, app: Application, source: str) -> tuple[Obstacle, ...]:
    """Why the first sync to where it goes now has to wait for a person's word.

    To a controller an identity is one Application, whatever else changed with its destination. In a person's own hands
    it need not be: there the same source has to have been somewhere else, and a cluster is whichever is at hand.
    """
    there = await inventories_elsewhere(outside, app, look_around=outside.asks_around)
    if outside.asks_around:
        there = [other for other in there if other.source == source]
    reasons = [
        f"{app.identity} was in namespace {other.parent.namespace} before: {len(other.keys)} objects; "
        f"delete them with `gitops delete {app.name} -n {other.parent.namespace}`, or --confirm to have both"
        for other in there
    ]
    if not outside.asks_around:
        reasons += [
            f"{app.identity} was on {cluster} before; delete what it has there (`gitops delete {app.name}` with that "
            "cluster's kubeconfig), and then, or to have both, --confirm"
            for cluster in await clusters_left(outside, app)
        ]
    return tuple(Obstacle(ObstacleKind.GUARD, None, reason) for reason in reasons)


async def inventories_elsewhere(outside: Outside, app: Application, *, look_around: bool) -> list[Inventory]:
    """What it owns in other namespaces of this cluster: in those that the store knows of, or wherever we may look."""
    cluster = outside.cluster
    found: list[Inventory] = []
    try:
        if look_around:
            found = await inventories(cluster, app.identity)
        else:
            known = await outside.store.releases(app.identity, cluster.name)
            for namespace in sorted({release.namespace for release in known}):
                found += await inventories(cluster, app.identity, namespace)
    except ApiError as exc:
        if exc.code != 403:  # who may look into one namespace only has not been elsewhere
            raise
    here = app.destination.namespace
    return [other for other in found if other.application == app.identity and other.parent.namespace != here]


async def clusters_left(outside: Outside, app: Application) -> list[str]:
    """The clusters that its spec named before and that it was never deleted from, in words.

    A cluster of the same name that has another address now is not one: that was moved or made again as a whole.
    """
    found = []
    for _, address in await outside.store.chains(app.identity):
        if address == outside.cluster.name:
            continue
        events = await outside.store.events(app.identity, address)
        last = next((event for event in reversed(events) if event.fact in (STARTED, DELETED)), None)
        if last is None or last.fact == DELETED:
            continue
        name = str(last.detail.get("cluster", ""))
        if name != app.destination.cluster:
            found.append(f"cluster {name} ({address})" if name else f"the controller's own cluster ({address})")
    return found
