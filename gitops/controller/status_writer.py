"""Tells each Application's custom resource how it is doing: its status, and an Event for what was done.

Only what changed is written, at most every half second for one Application, and never what is the same but for time.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import structlog

from gitops.controller.app import Controller
from gitops.controller.registry import Registration
from gitops.controller.snapshot import ApplicationSnapshot
from gitops.controller.state import ApplicationState
from gitops.engine.states import Response
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import GROUP
from gitops.model.errors import ApiError, ClusterError
from gitops.model.health import HealthWord
from gitops.model.revision import short
from gitops.ports import Clock, Cluster

log = structlog.get_logger()
Format = Callable[[ApplicationSnapshot, int], Body]
_EVERY_SECONDS = 0.5
_MOST_TEXT = 1024
_OUTCOMES = {
    "synced": ("Normal", "Synced"),
    "rolled-back": ("Warning", "RolledBack"),
    "overtaken": ("Warning", "SyncOvertaken"),
    "failed": ("Warning", "SyncFailed"),
    "held": ("Warning", "Held"),
}


class StatusWriter:
    """Collects what changed and writes it in the background; a failed write is tried again."""

    def __init__(self, cluster: Cluster, controller: Controller, clock: Clock) -> None:
        self._cluster = cluster
        self._controller = controller
        self._clock = clock
        self._due: set[str] = set()
        self._wrong: dict[ResourceKey, Body] = {}
        self.formats: dict[str, Format] = {}  # by kind; else that of our own kind
        self._written: dict[ResourceKey, Body] = {}
        self._writing: ResourceKey | None = None  # None again when it is deleted meanwhile
        self._keys: dict[str, ResourceKey] = {}
        self._told: dict[str, tuple[str, str]] = {}

    def changed(self, state: ApplicationState) -> None:
        self._due.add(state.identity)

    def wrong(self, key: ResourceKey, generation: int, reason: str) -> None:
        """A custom resource whose spec cannot be read."""
        self.told_of(key, _unreadable(generation, reason))

    def told_of(self, key: ResourceKey, status: Body) -> None:
        """What a custom resource is told that no Application stands for."""
        self._wrong[key] = status

    def gone(self, key: ResourceKey) -> None:
        """A custom resource that is deleted: the next one of its name is told even the same."""
        self._wrong.pop(key, None)
        self._written.pop(key, None)
        if self._writing == key:
            self._writing = None

    async def run(self) -> None:
        while True:
            await self._clock.sleep(_EVERY_SECONDS)
            wrong, self._wrong = self._wrong, {}
            for key, status in wrong.items():
                if not await self._write(key, status):
                    self._wrong.setdefault(key, status)
            due, self._due = self._due, set()
            for identity in sorted(due):
                state, entry = self._controller.index.get(identity), self._controller.registry.entry(identity)
                is_ours = self._controller.runs(identity)
                if state is None or entry is None or entry.key is None or entry.wrong or not is_ours:
                    self._forget(identity)
                    continue
                self._keys[identity] = entry.key
                seen = self._controller.snapshot(state)
                if await self._write(entry.key, self._status(seen, entry)):
                    await self._tell(seen, entry.key, entry.uid)
                else:
                    self._due.add(identity)

    def _forget(self, identity: str) -> None:
        key = self._keys.pop(identity, None)
        if key is not None:
            self._written.pop(key, None)
        self._told.pop(identity, None)

    def _status(self, seen: ApplicationSnapshot, entry: Registration) -> Body:
        own = self.formats.get(entry.key.kind) if entry.key is not None else None
        return (own or status_of)(seen, entry.generation)

    async def _write(self, key: ResourceKey, status: Body) -> bool:
        before = self._written.get(key, {})
        if _timeless(before) == _timeless(status):
            return True
        _keep_times(before, status, self._clock.now().isoformat(timespec="seconds").replace("+00:00", "Z"))
        self._writing = key
        try:
            await self._cluster.apply_status(key, status)
        except ApiError as exc:
            if exc.code == 404:  # it is gone; its deletion will be seen
                return True
            log.warning("status.refused", application=f"{key.namespace}/{key.name}", kind=key.kind, error=str(exc))
            return exc.code in (403, 422)
        except ClusterError:
            return False
        if self._writing == key:
            self._written[key] = status
        return True

    async def _tell(self, seen: ApplicationSnapshot, key: ResourceKey, uid: str) -> None:
        """One Event for each new outcome."""
        identity, last, at = seen.app.identity, seen.last, seen.synced_at
        outcome = (last.outcome.value if last.outcome else "", at)
        type_, reason = _OUTCOMES.get(outcome[0], ("", ""))
        if not type_ or self._told.get(identity) == outcome:
            return
        self._told[identity] = outcome
        head = short(seen.revision.sha) if seen.revision else ""
        event: Body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{key.name}-", "namespace": key.namespace},
            "involvedObject": {
                "apiVersion": "gitops.dev/v1alpha1" if key.group == GROUP else f"{key.group}/v1",
                "kind": key.kind,
                "namespace": key.namespace,
                "name": key.name,
                **({"uid": uid} if uid else {}),  # kubectl describe asks for it
            },
            "type": type_,
            "reason": reason,
            "message": f"{head}: {last.message or outcome[0]}"[:_MOST_TEXT],
            "source": {"component": "gitops"},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        with contextlib.suppress(ClusterError):  # an Event that is lost loses nothing: the audit log has it
            await self._cluster.create(ResourceKey("", "Event", key.namespace, ""), event)


def status_of(seen: ApplicationSnapshot, generation: int) -> Body:
    """The status of a custom resource; times of conditions are filled in when it is written."""
    health, last, revision = seen.health, seen.last, seen.revision
    status: Body = {
        "observedGeneration": generation,
        "sync": {"status": seen.sync},
        "health": {"status": health.word.value, "message": health.message[:_MOST_TEXT]},
        "drift": len(last.drift),
        "suspended": seen.is_suspended,
        "plan": seen.waiting_plan,
        "conditions": _conditions(seen, generation),
    }
    if revision is not None:
        status["sync"] |= {"revision": revision.sha, "ref": revision.ref}
    if last.outcome is not None:
        status["lastSync"] = {
            "outcome": last.outcome.value,
            "revision": seen.source.rendered,
            "at": seen.synced_at,
            "message": last.message[:_MOST_TEXT],
        }
    if last.quarantine is not None:
        status["quarantine"] = {
            "revision": last.quarantine.revision,
            "reason": last.quarantine.reason[:_MOST_TEXT],
        }
    return status


def _conditions(seen: ApplicationSnapshot, generation: int) -> list[Body]:
    """Ready, Reconciling and Stalled, as kstatus reads them."""
    stalled = bool(seen.problem) or seen.last.response is Response.HELD
    busy = seen.is_busy or seen.last.response is None
    ready = seen.sync == "Synced" and seen.health.word in (HealthWord.HEALTHY, HealthWord.SUSPENDED)
    reason = "Failed" if seen.problem else (seen.last.response.value.capitalize() if seen.last.response else "New")
    message = (seen.problem or seen.last.message or seen.health.message)[:_MOST_TEXT]
    facts = [("Ready", ready and not busy), ("Reconciling", busy and not stalled), ("Stalled", stalled)]
    return [
        {
            "type": name,
            "status": "True" if holds else "False",
            "reason": reason,
            "message": message,
            "observedGeneration": generation,
        }
        for name, holds in facts
    ]


def _unreadable(generation: int, reason: str) -> Body:
    condition = {"status": "False", "reason": "Invalid", "message": reason, "observedGeneration": generation}
    return {
        "observedGeneration": generation,
        "sync": {"status": "Unknown"},
        "conditions": [{"type": "Ready", **condition}, {"type": "Stalled", **condition, "status": "True"}],
    }


def _timeless(status: Body) -> Any:
    conditions = [
        {name: value for name, value in item.items() if name != "lastTransitionTime"}
        for item in status.get("conditions", [])
    ]
    return {**status, "conditions": conditions}


def _keep_times(before: Body, status: Body, now: str) -> None:
    """A condition keeps its time for as long as it stays what it is."""
    known = {item["type"]: item for item in before.get("conditions", [])}
    for item in status["conditions"]:
        old = known.get(item["type"])
        same = old is not None and old["status"] == item["status"]
        item["lastTransitionTime"] = old["lastTransitionTime"] if same and old is not None else now
