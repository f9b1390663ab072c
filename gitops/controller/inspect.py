"""Where Applications stand, read from the cluster alone: their inventory parents and the objects named there."""

from dataclasses import dataclass, replace

from gitops.controller.claim import narrowed
from gitops.controller.observe import owned_state
from gitops.engine.annotations import ignores_health
from gitops.engine.health import health_of
from gitops.engine.inventory import INSTANCE, MANAGED_BY, SET_ID, Inventory, parent_key
from gitops.engine.inventory_parent import read_parent
from gitops.engine.kstatus import kstatus_of
from gitops.manifests.cel import CelError, check_bounded
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.app_name import fits, several
from gitops.model.application import Application, Destination, HealthRule
from gitops.model.errors import ApiError, ConfigError
from gitops.model.health import ENDED, HEALTHY, MISSING, Health, HealthWord, worst
from gitops.model.revision import short
from gitops.model.source_name import source_parts
from gitops.model.spec import with_spec
from gitops.ports import Cluster, Store


@dataclass(frozen=True, slots=True)
class Member:
    """One object that an Application owns; `kstatus` is "NotFound" where it is missing."""

    key: ResourceKey
    health: Health
    kstatus: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One Application's inventory, and how each object that it owns is doing, sorted by key."""

    inventory: Inventory
    objects: tuple[Member, ...]

    @property
    def health(self) -> Health:
        return worst(member.health for member in self.objects)

    @property
    def revision(self) -> str:
        """The last healthy revision as people write it; "" before there was one."""
        healthy = self.inventory.healthy
        if healthy is None:
            return "(none healthy yet)"
        return f"{healthy.ref}@{short(healthy.revision)}" if healthy.ref else short(healthy.revision)


async def find_applications(
    cluster: Cluster, name: str = "", namespace: str = "", store: Store | None = None
) -> list[Inventory]:
    """Every Application on the cluster, or the one called `name` (NAME or NAMESPACE/NAME).

    Of several that one counts which bears the seal of `store`. Raises ConfigError when `name` is not there, or is
    there several times.
    """
    if not name:
        return await inventories(cluster, "", namespace)
    found = await find_application(cluster, name, namespace, store)
    if found is None:
        raise ConfigError(f"no Application {name} on this cluster (gitops status lists what is there)")
    return [found]


async def find_application(
    cluster: Cluster, name: str, namespace: str = "", store: Store | None = None
) -> Inventory | None:
    """The Application called `name`, or None where it is not. Raises ConfigError when it is there several times."""
    found = narrowed(store, await inventories(cluster, name, namespace))
    if len(found) > 1:
        raise several(name, ((one.application, one.parent.namespace) for one in found))
    return found[0] if found else None


async def inventories(
    cluster: Cluster, name: str, namespace: str = "", *, skip_unreadable: bool = False
) -> list[Inventory]:
    """All that fit ("" = any), in order; who names both asks for no more rights than to read that one.

    What cannot be read is left out (anybody may write a ConfigMap of any name into a namespace of theirs), unless
    nothing else fits: that is a ManifestError, or with `skip_unreadable` nothing.
    """
    found, damaged = await read_inventories(cluster, name, namespace)
    if damaged and not found and not skip_unreadable:
        raise ManifestError("; ".join(damaged.values()))
    return found


async def read_inventories(
    cluster: Cluster, name: str, namespace: str = ""
) -> tuple[list[Inventory], dict[ResourceKey, str]]:
    """The same, and for each parent that cannot be read the reason: it is nobody else's trouble."""
    bodies = await _bodies(cluster, name.rpartition("/")[2], namespace)
    found: list[Inventory] = []
    damaged: dict[ResourceKey, str] = {}
    for body in bodies:
        key = key_of(body)
        try:
            inventory = read_parent(body, key.name.removeprefix("gitops-"), key)
        except ManifestError as exc:
            damaged[key] = str(exc)
            continue
        if fits(inventory.application, key.namespace, name, namespace):
            found.append(inventory)
    return sorted(found, key=lambda inventory: (inventory.application, inventory.parent)), damaged


async def _bodies(cluster: Cluster, name: str, namespace: str) -> list[Body]:
    """The parents that may fit: those in `namespace`, or, where none of that name is there, everywhere."""
    if name and namespace:
        body = await cluster.get(parent_key(name, namespace))
        if body is not None:
            return [body]
    fields = f"metadata.name=gitops-{name}" if name else ""
    ours = f"{SET_ID},{MANAGED_BY}={INSTANCE}"
    try:
        return await _all(cluster, "", ours, fields)
    except ApiError:
        if not namespace:
            raise
        return await _all(cluster, namespace, ours, fields)


async def _all(cluster: Cluster, namespace: str, labels: str, fields: str) -> list[Body]:
    try:
        return list((await cluster.list("", "ConfigMap", namespace, labels, fields=fields)).items)
    except ApiError as exc:
        if exc.code != 403 or namespace:
            raise
        raise ApiError(403, exc.reason, f"{exc} (say where to look with -n NAMESPACE)", exc.status) from exc


def application_in(inventory: Inventory) -> Application:
    """The Application as its inventory remembers it: all but values for templates.

    Raises ConfigError, also for a health rule that no Application may have: its expression may run anywhere then.
    """
    space, _, name = inventory.application.rpartition("/")
    plain = Application(name, space, destination=Destination(namespace=inventory.parent.namespace))
    app = with_spec(plain, inventory.spec)
    for rule in app.health:
        for expression in (rule.degraded, rule.suspended, rule.progressing, rule.healthy):
            try:
                check_bounded(expression)
            except CelError as exc:
                raise ConfigError(f"{inventory.parent}: a health rule in its spec cannot be used: {exc}") from None
    address, path = source_parts(inventory.source)
    return replace(app, source=replace(app.source, repoURL=address, path=path))


async def standing_of(cluster: Cluster, inventory: Inventory) -> Standing:
    live, refused = await owned_state(cluster, inventory)
    own = application_in(inventory).health
    unknown = {key: Member(key, Health(HealthWord.UNKNOWN, reason), "Unknown") for key, reason in refused.items()}
    gone = {key: Member(key, ENDED, "Current") for key in inventory.ended.keys() - live.keys()}
    known = gone | unknown
    members = (known.get(key) or _member(key, live.get(key), own) for key in sorted(inventory.keys))
    return Standing(inventory, tuple(members))


def _member(key: ResourceKey, body: Body | None, own: tuple[HealthRule, ...]) -> Member:
    if body is None:
        return Member(key, MISSING, "NotFound")
    return Member(key, HEALTHY if ignores_health(body) else health_of(body, own), kstatus_of(body).value)


async def reason_unready(cluster: Cluster, store: Store, application: str) -> str:
    """Why `application` (NAMESPACE/NAME) is not healthy at the revision that it was last synced to, or ""."""
    try:
        (inventory,) = await find_applications(cluster, application, store=store)
    except ConfigError:
        return "it has not been synced to this cluster"
    if inventory.quarantine is not None:
        found = inventory.quarantine
        return f"its revision {short(found.revision)} " + (f"was rolled back by {found.by}" if found.by else "failed")
    if inventory.healthy is None or inventory.healthy.digest != inventory.synced:
        return "its last sync has not become healthy"
    health = (await standing_of(cluster, inventory)).health
    return "" if health.is_settled else f"it is {health.word.value}: {health.message}"
