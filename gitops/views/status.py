"""Where Applications stand, for whoever asks: the cluster's own words, and what a controller told of them.

inventories and their objects (the cluster) ─┐
records (the store that the controller shares) ├──► ApplicationStatus
statuses of custom resources ─────────────────┘     for those who have no such store
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gitops.engine.inventory import BEGUN, LastSync
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.app_name import fits, several
from gitops.model.application import DEFAULT_PROJECT, GROUP, KIND
from gitops.model.errors import ApiError, ConfigError
from gitops.model.health import MISSING, Health, HealthWord
from gitops.model.operator_command import SUSPENDED
from gitops.model.record import RECORD, Record, record_in
from gitops.model.result import Outcome
from gitops.model.revision import Revision, short
from gitops.ports import Cluster, Store
from gitops.sync.context import SyncContext
from gitops.sync.inventories import read_inventories, unknown
from gitops.sync.inventory_store import narrowed
from gitops.sync.record_reader import unseen_since
from gitops.sync.standing import Standing, application_in, standing_of


@dataclass(frozen=True, slots=True)
class ApplicationStatus:
    """One Application; `standing` is None where the cluster has nothing of it, `record` where no controller told.

    `unseen` is since when the controller that told has not been there, "" while it may be. `damage` is why its
    inventory cannot be read, "" where it can. `suspended` is by whom and why ("by ada because ..."), or "". `is_due`
    when the last sync has had all the time that it may take. `doubt` is why its inventory may be a stranger's, or "".
    """

    application: str
    namespace: str
    standing: Standing | None
    record: Record | None
    unseen: str = ""
    damage: str = ""
    suspended: str = ""
    is_due: bool = True
    doubt: str = ""

    @property
    def sync(self) -> str:
        return self.record.sync if self.record and not self.unseen else "Unknown"

    @property
    def project(self) -> str:
        """The project that it is in, "" where no controller told."""
        return self.record.project if self.record else ""

    @property
    def elsewhere(self) -> str:
        """The cluster that it goes to, by the controller's name for it, where that is not the one that was asked."""
        if self.standing is not None or self.record is None or self.record.cluster == "in-cluster":
            return ""
        return self.record.cluster

    @property
    def health(self) -> Health:
        if self.standing is not None:
            return self.standing.health
        if self.damage:
            return Health(HealthWord.UNKNOWN, self.damage)
        if self.record is not None and self.elsewhere:
            return Health(HealthWord(self.record.health))
        if self.record is not None and self.record.health != HealthWord.HEALTHY:
            return Health(HealthWord(self.record.health))
        return MISSING

    @property
    def applied(self) -> str:
        """The revision whose objects are there, if only in part after a failure; "" where none is, or nobody knows."""
        inventory = self.standing.inventory if self.standing else None
        if inventory is None:
            is_there = self.record is not None and self.elsewhere and self.record.sync == "Synced"
            return self.record.head if is_there and self.record else ""
        known = (*((inventory.healthy,) if inventory.healthy else ()), *inventory.releases)
        found = next((one.revision for one in known if one.digest == inventory.synced), "")
        last = inventory.last
        has_tried = last is not None and last.outcome in (Outcome.SYNCED.value, Outcome.FAILED.value)
        is_later = last is not None and (last.outcome == Outcome.FAILED.value and bool(inventory.partially_applied))
        return last.revision if last and (is_later or (has_tried and not found)) else found

    def named(self, revision: str) -> str:
        """A revision for people: a chart's by its version too, where the cluster remembers that."""
        inventory = self.standing.inventory if self.standing else None
        if inventory is None or '"chart"' not in inventory.spec:
            return short(revision)
        known = (*((inventory.healthy,) if inventory.healthy else ()), *inventory.releases)
        ref = next((one.ref for one in known if one.revision == revision), "")
        return str(Revision(revision, ref)) if revision else ""

    @property
    def wanted(self) -> str:
        """The newest commit of its target, as the controller saw it; "" without one."""
        return self.record.head if self.record else ""

    @property
    def healthy(self) -> str:
        """The last revision that was healthy, "" before there was one."""
        found = self.standing.inventory.healthy if self.standing else None
        return found.revision if found else ""

    @property
    def last(self) -> LastSync | None:
        """The last sync; one that has not ended is "interrupted" where nobody can be at it any more."""
        return self.standing.inventory.last if self.standing else None

    @property
    def is_there(self) -> bool:
        """Whether what is wanted is what runs, as far as anybody knows."""
        if self.record is None or self.unseen:
            known = self.standing.inventory if self.standing else None
            return known is not None and not known.partially_applied and known.quarantine is None and not self.unproven
        return self.record.sync == "Synced"

    @property
    def is_well(self) -> bool:
        is_plain = not (self.damage or self.suspended or self.unseen or self.doubt)
        return self.is_there and self.health.is_settled and is_plain

    @property
    def why(self) -> str:
        """What keeps it from being what its repository says, as the controller told it, or ""."""
        record = self.record
        if record is None or not (record.problem or record.reason):
            return ""
        is_there = not record.head or bool(self.elsewhere) or self.healthy == record.head
        return ("" if is_there else f"{short(record.head)}: ") + (record.problem or record.reason)

    @property
    def note(self) -> str:
        """What a person should know first; each fact once."""
        quarantine = self.standing.inventory.quarantine if self.standing else None
        why = self.why or self.health.message
        if quarantine is not None and not self.why:
            why = f"revision {short(quarantine.revision)} is quarantined: {quarantine.reason}"
        place = f"on cluster {self.elsewhere}, as the controller saw it" if self.elsewhere else ""
        alone = f"no controller has been seen since {self.unseen}" if self.unseen else ""
        suspended = f"suspended {self.suspended}" if self.suspended else ""
        facts = (
            self.damage,
            self.doubt,
            alone,
            suspended,
            self.interrupted or self.under_way,
            self.unproven,
            why,
            place,
        )
        return "; ".join(dict.fromkeys(filter(None, facts)))

    @property
    def failed(self) -> str:
        """In words, where the last sync failed and was not rolled back."""
        last = self.last
        is_it = last is not None and last.outcome == Outcome.FAILED.value
        return f"the sync to {short(last.revision)} failed" if is_it and last else ""

    @property
    def interrupted(self) -> str:
        """In words, where the last sync was begun and has not come to its end, and nobody is at it any more."""
        last = self._open
        is_at_it = (self.record is not None and not self.unseen) or not self.is_due
        return f"the sync to {short(last.revision)} was interrupted" if last and not is_at_it else ""

    @property
    def under_way(self) -> str:
        """In words, where the last sync was begun, and may go on: a person's command tells nobody that it is there."""
        last = self._open
        is_known = self.record is not None and not self.unseen
        return f"the sync to {short(last.revision)} is under way" if last and not is_known and not self.is_due else ""

    @property
    def _open(self) -> LastSync | None:
        """The last sync if it was begun and has not come to its end; one whose way back failed has."""
        last, inventory = self.last, self.standing.inventory if self.standing else None
        if last is None or inventory is None or last.outcome != BEGUN:
            return None
        left = inventory.quarantine
        return None if left and left.revision == last.revision and inventory.rollback_target is None else last

    @property
    def unproven(self) -> str:
        """In words, where what was synced last is no release: only a part was, or nobody waited for its health."""
        last, inventory = self.last, self.standing.inventory if self.standing else None
        if last is None or inventory is None or last.outcome != Outcome.SYNCED.value:
            return ""
        if inventory.partially_applied:
            return f"only a part of {short(last.revision)} was synced"
        is_release = inventory.healthy is not None and inventory.healthy.digest == inventory.synced
        return "" if is_release else f"{short(last.revision)} was synced, and has not been seen healthy"


async def all_statuses(context: SyncContext, name: str = "", namespace: str = "") -> list[ApplicationStatus]:
    """Every Application, or those called `name` (NAME or NAMESPACE/NAME), that go to `namespace` ("" = any)."""
    known, damaged = await read_inventories(context.cluster, name, namespace)
    found: dict[tuple[str, str], Standing] = {}
    for one in known:
        try:
            found[one.application, one.parent.namespace] = await standing_of(context.cluster, one)
        except (ConfigError, ManifestError) as exc:  # what it asked for cannot be read: the others can
            damaged[one.parent] = str(exc)
    stored, resources = await _records(context)
    spaces: dict[str, list[str]] = {}  # where those are whose record does not say it, since it is damaged
    for identity, space in found:
        spaces.setdefault(identity, []).append(space)
    records = {
        (identity, space): record
        for identity, record in (resources | stored).items()
        for space in ([record.namespace] if record.namespace else spaces.get(identity, [""]))
        if fits(identity, space, name, namespace)
    }
    unseen = await unseen_since(context.store, context.clock.now())
    suspended = await context.store.settings(SUSPENDED)
    lost = {_place_of(parent, records): why for parent, why in damaged.items()}
    return [
        ApplicationStatus(
            *place,
            found.get(place),
            records.get(place),
            unseen if place[0] in stored else "",
            lost.get(place, ""),
            suspended.get(place[0]) or _suspended(records.get(place)),
            is_due=_is_due(found.get(place), context.clock.now()),
            doubt=_doubt(place, found, context.store),
        )
        for place in sorted(found.keys() | records.keys() | lost.keys())
    ]


def _doubt(place: tuple[str, str], found: Mapping[tuple[str, str], Standing], store: Store) -> str:
    """Whether somebody else has written an inventory of a name that one of ours has."""
    if place not in found:
        return ""
    alike = [one.inventory for (identity, _), one in found.items() if identity == place[0]]
    ours = narrowed(store, alike)
    is_other = len(ours) < len(alike) and ours[0] is not found[place].inventory
    return f"it says that it is {place[0]}, and bears no seal of ours" if is_other else ""


def _is_due(standing: Standing | None, now: datetime) -> bool:
    """Whether a sync that was begun has had the time that it may take, and that of its way back."""
    last = standing.inventory.last if standing else None
    if standing is None or last is None:
        return True
    try:
        seconds = application_in(standing.inventory).sync.timeout
        return now - datetime.fromisoformat(last.at) > timedelta(seconds=2 * seconds)
    except (ConfigError, ValueError, OverflowError, TypeError):
        return True


def _suspended(record: Record | None) -> str:
    return "by somebody" if record is not None and record.suspended else ""


def _place_of(parent: ResourceKey, records: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The Application whose inventory is not to be read: by its records where those tell, else by the parent's name."""
    name = parent.name.removeprefix("gitops-")
    named = [place for place in records if place[1] == parent.namespace and place[0].rpartition("/")[2] == name]
    return named[0] if len(named) == 1 else (name, parent.namespace)


async def status_of(context: SyncContext, name: str, namespace: str = "") -> ApplicationStatus:
    """The one Application called `name`. Raises ConfigError when there is none, or several."""
    found = await all_statuses(context, name, namespace)
    if not found:
        raise await unknown(context.cluster, name)
    whole = [one for one in found if not one.damage]
    if len(whole) == 1:  # anybody may write what nobody can read into a namespace of theirs
        return whole[0]
    known = [one.standing.inventory for one in whole if one.standing]
    ours = narrowed(context.store, known) if len(known) == len(whole) else []
    if len(ours) == 1:
        return next(one for one in whole if one.standing and one.standing.inventory is ours[0])
    if len(found) > 1:
        raise several(name, ((one.application, one.namespace) for one in found))
    return found[0]


async def _records(context: SyncContext) -> tuple[dict[str, Record], dict[str, Record]]:
    """The store's, and what custom resources say, by identity; of one that is gone the store's does not count."""
    stored = {identity: record_in(text) for identity, text in (await context.store.settings(RECORD)).items()}
    resources = await _resources(context.cluster)
    if resources is not None:
        stored = {name: record for name, record in stored.items() if not record.is_resource or name in resources}
    return stored, {name: _of_resource(body) for name, body in (resources or {}).items()}


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


async def _resources(cluster: Cluster) -> dict[str, Body] | None:
    """Custom resources by identity; None where we may not look."""
    try:
        listing = await cluster.list(GROUP, KIND, "")
    except ApiError as exc:
        if exc.code == 403:
            return None
        raise
    return {f"{key.namespace}/{key.name}": body for key, body in ((key_of(body), body) for body in listing.items)}


def _of_resource(body: Body) -> Record:
    """What its status says, as the record that it would be."""
    spec, status = _map(body.get("spec")), _map(body.get("status"))
    sync, destination = _map(status.get("sync")), _map(spec.get("destination"))
    conditions = status.get("conditions")
    listed = conditions if isinstance(conditions, list) else []
    ready: dict[str, Any] = next((one for one in map(_map, listed) if one.get("type") == "Ready"), {})
    health = str(_map(status.get("health")).get("status") or "")
    said = "" if ready.get("status") == "True" else str(ready.get("message") or "")
    is_problem = ready.get("reason") in ("Failed", "Invalid")
    return Record(
        namespace=str(destination.get("namespace") or ""),
        cluster=str(destination.get("cluster") or ""),
        is_resource=True,
        sync=str(sync.get("status") or "Unknown"),
        health=health if health in set(HealthWord) else HealthWord.UNKNOWN.value,
        head=str(sync.get("revision") or ""),
        ref=str(sync.get("ref") or ""),
        problem=said if is_problem else "",
        reason=(said if status else "no controller has taken it in yet") if not is_problem else "",
        suspended=bool(status.get("suspended")),
        plan=str(status.get("plan") or ""),
        at=str(ready.get("lastTransitionTime") or ""),
        project=str(spec.get("project") or DEFAULT_PROJECT),
    )
