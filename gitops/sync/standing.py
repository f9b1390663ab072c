"""How an Application stands: the health of each object that its inventory names, read from the cluster alone."""

from dataclasses import dataclass, replace

from gitops.engine.annotations import is_apart
from gitops.engine.awaited import is_awaited
from gitops.engine.health import health_of
from gitops.engine.inventory import Inventory
from gitops.engine.kstatus import kstatus_of
from gitops.manifests.cel import CelError, check_bounded
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import BETWEEN_NAMES, Application, Destination, HealthRule, SourceSpec
from gitops.model.errors import ConfigError
from gitops.model.health import ENDED, HEALTHY, MISSING, Health, HealthWord, worst
from gitops.model.revision import short
from gitops.model.source_name import is_oci, source_parts
from gitops.model.spec import with_spec
from gitops.ports import Cluster, Store
from gitops.sync.inventories import find_applications
from gitops.sync.live_state import owned_state


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
    names = inventory.source.split(BETWEEN_NAMES)
    if len(names) != len(app.all_sources):
        raise ConfigError(f"{inventory.parent}: its spec has {len(app.all_sources)} sources, and it names {len(names)}")
    return app.with_sources(tuple(_at(source, name) for source, name in zip(app.all_sources, names, strict=True)))


def _at(source: SourceSpec, name: str) -> SourceSpec:
    if source.chart and is_oci(name):
        return replace(source, repoURL=name.removesuffix(f"/{source.chart}"))
    address, path = source_parts(name)
    return replace(source, repoURL=address) if source.chart else replace(source, repoURL=address, path=path)


async def standing_of(cluster: Cluster, inventory: Inventory) -> Standing:
    live, refused = await owned_state(cluster, inventory)
    own = application_in(inventory).health
    unknown = {key: Member(key, Health(HealthWord.UNKNOWN, reason), "Unknown") for key, reason in refused.items()}
    gone = {key: Member(key, ENDED, "Current") for key in inventory.completed_jobs.keys() - live.keys()}
    known = gone | unknown
    members = (known.get(key) or _member(key, live.get(key), own) for key in sorted(inventory.keys))
    return Standing(inventory, tuple(members))


def _member(key: ResourceKey, body: Body | None, own: tuple[HealthRule, ...]) -> Member:
    if body is None:
        return Member(key, MISSING, "NotFound")
    return Member(key, HEALTHY if is_apart(body) else health_of(body, own), kstatus_of(body).value)


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
    app = application_in(inventory)
    members = (await standing_of(cluster, inventory)).objects
    health = worst(member.health for member in members if is_awaited(app, member.key))
    return "" if health.is_settled else f"it is {health.word.value}: {health.message}"
