"""The Applications that one depends on, and why they are not ready: by their health, or by an expression for them."""

from gitops.manifests.key import Body
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.model.readiness import reason_unready_by, resource_of
from gitops.ports import Cluster, Store
from gitops.sync.context import SyncContext
from gitops.sync.inventories import find_applications
from gitops.sync.standing import application_in, reason_unready, standing_of


async def unready(context: SyncContext, app: Application) -> tuple[Obstacle, ...]:
    """An obstacle for each Application that this one depends on and that is not ready."""
    found = []
    for name in app.dependsOn:
        identity = name if "/" in name else f"{app.namespace}/{name}"
        expression = app.readyExpr.get(name, "")
        if expression:
            reason = await _reason_by_expression(context, app, identity, expression)
        else:
            reason = await _reason_unready(context, identity)
        if reason:
            found.append(Obstacle(ObstacleKind.DEPENDENCY, None, f"{app.identity} depends on {name}: {reason}"))
    return tuple(found)


async def _reason_unready(context: SyncContext, application: str) -> str:
    """In words; who acts for a service account is told no more of another Application's objects than how they are."""
    reason = await reason_unready(context.everyone or context.cluster, context.store, application)
    return reason.partition(":")[0] if context.everyone is not None else reason


async def _reason_by_expression(context: SyncContext, app: Application, identity: str, expression: str) -> str:
    itself = await context.about.resource(app.identity) or resource_of(app, {})
    other = await context.about.resource(identity)
    if other is None:
        other = await _known_of(context.everyone or context.cluster, context.store, identity)
    if other is None:
        return "it is not there"
    if context.everyone is not None and identity.rpartition("/")[0] != app.namespace:
        # A tenant's expression must not find out what another's spec holds.
        other = {name: value for name, value in other.items() if name != "spec"}
    return reason_unready_by(expression, itself, other)


async def _known_of(cluster: Cluster, store: Store, application: str) -> Body | None:
    """An Application without a custom resource, as its inventory knows it; None where it has none."""
    try:
        (inventory,) = await find_applications(cluster, application, store=store)
    except ConfigError:
        return None
    health, last = (await standing_of(cluster, inventory)).health, inventory.healthy
    reason = await reason_unready(cluster, store, application)
    ready = {"type": "Ready", "status": "False" if reason else "True", "message": reason}
    status = {
        "sync": {"revision": last.revision if last else "", "ref": last.ref if last else ""},
        "health": {"status": health.word.value, "message": health.message},
        "conditions": [ready],
    }
    return resource_of(application_in(inventory), status)
