"""The proof of the audit log, worked out once for all who ask within a while: each chain is read and hashed whole."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gitops.model.audit import Anchor
from gitops.model.errors import GitopsError
from gitops.server.overview import Overview
from gitops.sync.inventories import read_inventories
from gitops.views.proof import ChainProof, proofs_of

_GOOD_SECONDS: Final = 30.0
_MOST_TOLD: Final = 50


@dataclass(frozen=True, slots=True)
class LogProof:
    """The state of the proof; `notes` say of which clusters the anchors could not be read."""

    at: str
    chains: tuple[ChainProof, ...]
    notes: tuple[str, ...]

    def data(self, sees: Callable[[str], bool]) -> dict[str, Any]:
        """As JSON values, of what `sees` lets be seen; the chains that are wrong first, and so many at most."""
        chains = [one for one in self.chains if sees(one.application)]
        ordered = sorted(chains, key=lambda one: (not one.wrong, one.application, one.cluster))
        wrong = sum(bool(one.wrong) for one in chains)
        return {
            "at": self.at,
            "whole": not wrong,
            "chains": len(chains),
            "entries": sum(one.entries for one in chains),
            "anchored": sum(one.anchored is not None for one in chains),
            "wrong": wrong,
            "notes": list(self.notes),
            "items": [one.data() for one in ordered[:_MOST_TOLD]],
        }


class Proofs:
    """Works out one proof at a time; whoever asks meanwhile waits for that."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._known: dict[str, tuple[float, LogProof]] = {}
        self._lock = asyncio.Lock()

    def last(self, application: str = "") -> LogProof | None:
        """The newest proof that is known, however old."""
        found = self._known.get(application)
        return found[1] if found else None

    async def proof(self, application: str = "") -> LogProof:
        """The proof of all chains, or of those of one Application. Raises StoreError."""
        async with self._lock:
            known = self._known.get(application)
            if known is not None and time.monotonic() - known[0] < _GOOD_SECONDS:
                return known[1]
            found = await self._worked_out(application)
            if len(self._known) > _MOST_TOLD:
                self._known.clear()
            self._known[application] = (time.monotonic(), found)
            return found

    async def _worked_out(self, application: str) -> LogProof:
        controller = self._overview.controller
        anchors: dict[tuple[str, str], list[Anchor]] = {}
        notes = []
        for worker in controller.workers:
            cluster = worker.deps.cluster
            try:
                found, _ = await read_inventories(cluster, application)
            except GitopsError as exc:
                notes.append(f"what cluster {cluster.name} remembers cannot be read: {exc}")
                continue
            for one in found:
                if one.anchor is not None:
                    anchors.setdefault((one.application, cluster.name), []).append(one.anchor)
        chains = await proofs_of(controller.store, anchors, application)
        at = controller.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        return LogProof(at, tuple(chains), tuple(notes))
