"""Whether an Application has arrived at one revision: what a pipeline waits for (`gitops wait`).

Read from the cluster (the inventory, and what a controller wrote into the custom resource), and from the store (the
controller's record, the audit log) by those who have it.
"""

from dataclasses import dataclass
from typing import Any

from gitops.engine.inventory import Inventory
from gitops.manifests.key import ResourceKey
from gitops.model.audit import AuditEvent
from gitops.model.errors import ApiError
from gitops.model.record import Record
from gitops.model.result import Outcome
from gitops.model.revision import is_called, short
from gitops.ports import Cluster
from gitops.sync.context import SyncContext
from gitops.sync.inventories import find_application
from gitops.sync.record_reader import known_as, stored_record
from gitops.sync.standing import standing_of
from gitops.views.history import reason_in

_ENDS = {Outcome.FAILED.value: Outcome.FAILED, Outcome.ROLLED_BACK.value: Outcome.ROLLED_BACK}
_MOST_OBJECTS = 3


@dataclass(frozen=True, slots=True)
class Arrival:
    """`outcome` is SYNCED (there, and healthy), FAILED, ROLLED_BACK, or None while it is open.

    `where` tells it in words; `application` is its identity, as far as it is known.
    """

    application: str
    outcome: Outcome | None
    where: str


async def arrival_at(context: SyncContext, name: str, namespace: str, sha: str) -> Arrival:
    """How the Application `name` (NAME or NAMESPACE/NAME) stands to the commit that begins with `sha`.

    `namespace` is where its inventory is ("" = anywhere). Raises ConfigError when there are several of that name.
    """
    inventory = await find_application(context.cluster, name, namespace, context.store)
    identity = inventory.application if inventory else await known_as(context.store, name, namespace)
    status = await _told(context.cluster, identity)
    record = await stored_record(context.store, identity)
    if (inventory and _is(inventory.healthy, sha)) or _is_ready_at(status, sha) or _is_reached(record, sha):
        return Arrival(identity, Outcome.SYNCED, "healthy")
    last = status.get("lastSync") or {}
    if _starts(last.get("revision"), sha) and last.get("outcome") in _ENDS and not _holds(status, "Reconciling"):
        return Arrival(identity, _ENDS[last["outcome"]], str(last.get("message", "")))
    if inventory and inventory.quarantine and not inventory.rollback_target and _is(inventory.quarantine, sha):
        back = (await standing_of(context.cluster, inventory)).health.is_settled
        return Arrival(identity, Outcome.ROLLED_BACK if back else Outcome.FAILED, inventory.quarantine.reason)
    event = _last_of(await context.store.events(identity, context.cluster.name), sha)
    if event and event.fact in ("sync.failed", "sync.overtaken", "sync.terminated", "rollback.failed"):
        return Arrival(identity, Outcome.FAILED, reason_in(event))
    return Arrival(identity, None, await _where(context.cluster, inventory, status, record))


async def _told(cluster: Cluster, identity: str) -> dict[str, Any]:
    """The status of the custom resource, {} where there is none, or none that we may read."""
    namespace, _, name = identity.rpartition("/")
    if not namespace:
        return {}
    try:
        body = await cluster.get(ResourceKey("gitops.dev", "Application", namespace, name))
    except ApiError as exc:
        if exc.code == 403:
            return {}
        raise
    return (body or {}).get("status") or {}


def _is(record: Any, sha: str) -> bool:
    return record is not None and _starts(record.revision, sha)


def _starts(revision: Any, sha: str) -> bool:
    return isinstance(revision, str) and is_called(revision, sha)


def _is_ready_at(status: dict[str, Any], sha: str) -> bool:
    """A commit that touched nothing of the Application is reached without a sync: only the controller tells that."""
    return _starts((status.get("sync") or {}).get("revision"), sha) and _holds(status, "Ready")


def _is_reached(record: Record | None, sha: str) -> bool:
    """Likewise, as the controller wrote it into the store: for an Application from a file."""
    return record is not None and _starts(record.head, sha) and (record.sync, record.health) == ("Synced", "Healthy")


def _holds(status: dict[str, Any], condition: str) -> bool:
    return any(item["type"] == condition and item["status"] == "True" for item in status.get("conditions") or [])


def _last_of(events: list[AuditEvent], sha: str) -> AuditEvent | None:
    """The last fact about the revision; the start of the way back from it is one."""
    about = (event for event in reversed(events) if _starts(event.detail.get("failed") or event.revision, sha))
    return next(about, None)


async def _where(cluster: Cluster, inventory: Inventory | None, status: dict[str, Any], record: Record | None) -> str:
    """What is there instead, what the matter is, and what is not healthy."""
    if inventory is None and not status and not record:
        return "it has not been synced to this cluster"
    parts = []
    if record and not status:
        head = f" at {short(record.head)}" if record.head else ""
        parts.append(f"the controller sees it {record.sync}{head} {record.problem or record.reason}")
    if status:
        said = [str(item.get("message", "")) for item in status.get("conditions") or [] if item["type"] == "Ready"]
        parts.append(
            " ".join(["the controller sees it", str((status.get("sync") or {}).get("status", "Unknown")), *said])
        )
    if inventory is not None:
        standing = await standing_of(cluster, inventory)
        parts.append(f"the last healthy revision is {standing.revision}")
        unwell = [f"{one.key} is {one.health.word.value}" for one in standing.objects if not one.health.is_settled]
        parts += unwell[:_MOST_OBJECTS]
    return "; ".join(part.strip() for part in parts)
