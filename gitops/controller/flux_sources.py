"""What each source of Flux is told: that it is read, at which revision, and who asked to have it looked at last.

So `flux get sources`, `flux reconcile source` and dashboards go on working. Nothing is served at an artifact's address:
each Application reads its source itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gitops.compat.flux.objects import GROUP_OF, Ref, ref_of
from gitops.controller.flux_status import source_revision, source_status
from gitops.controller.snapshot import ApplicationSnapshot
from gitops.manifests.key import Body, ResourceKey
from gitops.ports import Clock


@dataclass(frozen=True, slots=True)
class _Source:
    """`reason` is why it cannot be used, `artifact` what was read of it last."""

    generation: int
    reason: str
    requested_at: str
    artifact: dict[str, Any] = field(default_factory=dict)


class FluxSources:
    """Keeps what is known of each, and tells it when that changes."""

    def __init__(self, tell: Callable[[ResourceKey, Body], None], clock: Clock) -> None:
        self._tell = tell
        self._clock = clock
        self._known: dict[Ref, _Source] = {}

    def read(self, body: Body, reason: str, requested_at: str) -> None:
        """It came or changed. What was read of it last is in its status: before a restart, or by another replica."""
        ref = ref_of(body)
        known, status = self._known.get(ref), body.get("status")
        told = status.get("artifact") if isinstance(status, dict) else None
        artifact = known.artifact if known is not None else {}
        if isinstance(told, dict) and _time_of(told) >= _time_of(artifact):
            artifact = told
        self._put(ref, _Source(int(body["metadata"].get("generation") or 0), reason, requested_at, artifact))

    def gone(self, ref: Ref) -> None:
        self._known.pop(ref, None)

    def seen(self, refs: tuple[Ref, ...], snapshot: ApplicationSnapshot) -> None:
        """An Application that is made from them has seen a revision."""
        for ref in refs:
            known = self._known.get(ref)
            revision, digest = source_revision(ref.kind, snapshot)
            if known is None or not revision or known.artifact.get("revision") == revision:
                continue
            at = self._clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
            artifact = {"revision": revision, "digest": digest, "lastUpdateTime": at, "path": "", "url": ""}
            self._put(ref, replace(known, artifact=artifact))

    def _put(self, ref: Ref, found: _Source) -> None:
        self._known[ref] = found
        status = source_status(found.generation, found.reason, str(found.artifact.get("revision") or ""))
        if found.artifact:
            status["artifact"] = found.artifact
        if found.requested_at:
            status["lastHandledReconcileAt"] = found.requested_at
        self._tell(ResourceKey(GROUP_OF[ref.kind], ref.kind, ref.namespace, ref.name), status)


def _time_of(artifact: dict[str, Any]) -> str:
    return str(artifact.get("lastUpdateTime") or "")
