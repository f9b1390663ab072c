"""The audit entries of one pass: who, which Application, which cluster and revision are filled in once."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar

from gitops.engine.inventory import Inventory
from gitops.logs import Log, shortened
from gitops.model.audit import Anchor
from gitops.model.result import told_failures
from gitops.model.revision import short
from gitops.ports import Fact
from gitops.sync.context import Request, SyncContext

log = Log()
T = TypeVar("T")
_ENDS = {"sync.finished", "sync.failed", "sync.overtaken", "sync.interrupted", "sync.terminated"}
_LEVELS = {
    "sync.failed": logging.WARNING,
    "sync.overtaken": logging.WARNING,
    "sync.interrupted": logging.WARNING,
    "sync.terminated": logging.WARNING,
    "rollback.started": logging.WARNING,
    "rollback.failed": logging.ERROR,
    "delete.failed": logging.WARNING,
}


class AuditTrail:
    """Notes facts in order; `anchored` gives the inventory with the head of the chain as it is now."""

    def __init__(self, request: Request, context: SyncContext, inventory: Inventory) -> None:
        """The chain is that of the name which the cluster remembers, and goes on after the head that it remembers."""
        self._store = context.store
        self._noted = context.callbacks.noted
        self._clock = context.clock
        self._application = inventory.application
        self._cluster = context.cluster.name
        self._actor = request.actor
        self._after = inventory.anchor
        self._head: Anchor | None = inventory.anchor
        self._last = ""

    async def note(self, fact: str, revision: str, **detail: Any) -> None:
        """Commit an entry before anything that depends on it. Raises StoreError."""
        entry = Fact(self._application, self._cluster, self._actor, self.now(), fact, revision, detail)
        event, cancelled = await _to_its_end(self._store.append(entry, self._after))
        self._head = Anchor(self._store.id, event.seq, event.hash)
        self._last = fact
        self._noted()
        line = {"application": self._application, "revision": short(revision), "seq": event.seq, **_told(detail)}
        log.at(_LEVELS.get(fact, logging.INFO), fact, **line)
        if cancelled is not None:
            raise cancelled

    def now(self) -> str:
        """RFC 3339 in UTC, to the millisecond."""
        return self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def says_how_it_ended(self) -> bool:
        """Whether the newest entry says how a sync ended: what happens after it is no longer that sync's story."""
        return self._last in _ENDS

    @property
    def head(self) -> Anchor | None:
        """The newest entry of the chain, as far as this knows."""
        return self._head

    def anchored(self, inventory: Inventory) -> Inventory:
        return replace(inventory, anchor=self._head)


async def _to_its_end(writing: Awaitable[T]) -> tuple[T, asyncio.CancelledError | None]:
    """What `writing` gives, though who waits for it is cancelled meanwhile: an entry is written or it is not.

    The cancellation, if there was one, is given too; whoever called raises it once the entry is accounted for.
    """
    task, cancelled = asyncio.ensure_future(writing), None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as exc:
            cancelled = exc
        except Exception:  # noqa: BLE001 - raised by `result` below
            break
    return task.result(), cancelled


async def shown_reasons(context: SyncContext, application: str) -> frozenset[str] | None:
    """Why the last sync from this store was held, as its person was told; None where none was held just before."""
    events = await context.store.events(application, context.cluster.name)
    last = next((event for event in reversed(events) if event.fact.startswith("sync.")), None)
    if last is None or last.fact != "sync.held" or not isinstance(last.detail.get("held"), list):
        return None
    return frozenset(map(str, last.detail["held"]))


def _told(detail: dict[str, Any]) -> dict[str, str]:
    """What a log line says of an entry, which has it whole: objects with their verbs, failures, the reason."""
    changes = [f"{change['change']} {change['object']}" for change in detail.get("changes") or []]
    told = {
        "objects": "; ".join(detail.get("changed") or changes),
        "failures": told_failures((item["object"], item["reason"]) for item in detail.get("failures") or []),
        "reason": detail.get("reason") or "",
        "health": detail.get("health") or "",
        "destination": "/".join(str(detail[name]) for name in ("cluster", "namespace") if "namespace" in detail),
    }
    return {name: shortened(text) for name, text in told.items() if text}
