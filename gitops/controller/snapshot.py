"""How an Application stands at one moment. Whatever is told outside of the controller is a format of this.

Records in the store, statuses of custom resources, metrics, notifications and the page: all are made of the same words.
"""

from dataclasses import dataclass

from gitops.controller.pass_report import PassResult
from gitops.controller.state import ApplicationState, SourceState, attempt_name
from gitops.engine.drift import DriftLoop
from gitops.engine.states import Response
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application
from gitops.model.health import Health
from gitops.model.revision import Revision


@dataclass(frozen=True, slots=True)
class ApplicationSnapshot:
    """`sync` is Synced, OutOfSync or Unknown; `problem` what keeps it from being known, or "".

    `is_busy` while a pass is under way; `synced_at` is when a sync ended last (RFC 3339), `failures` how many in a row
    failed, `drift_loops` what is not corrected any more.
    """

    app: Application
    source: SourceState
    last: PassResult
    sync: str
    health: Health
    unhealthy: tuple[ResourceKey, ...]
    problem: str
    is_busy: bool
    is_suspended: bool
    synced_at: str
    failures: int
    drift_loops: tuple[DriftLoop, ...]

    @property
    def revision(self) -> Revision | None:
        """The newest that was seen at its source."""
        return self.source.observed_revision

    @property
    def waiting_plan(self) -> str:
        """The id of the plan that waits for an approval, or ""."""
        return self.last.plan_id if self.last.response is Response.APPROVAL else ""

    @property
    def attempt(self) -> str:
        """A name for what has failed, or ""."""
        return attempt_name(self.app, self.source) if self.failures else ""


def snapshot_of(state: ApplicationState, *, is_suspended: bool) -> ApplicationSnapshot:
    """How it stands now; whether operators suspended it, the state does not know."""
    return ApplicationSnapshot(
        app=state.app,
        source=state.source,
        last=state.last,
        sync=state.sync,
        health=state.health,
        unhealthy=tuple(state.live.unhealthy),
        problem=state.problem,
        is_busy=state.schedule.task is not None,
        is_suspended=is_suspended,
        synced_at=state.times.synced_at,
        failures=state.schedule.failures,
        drift_loops=state.drift.loops,
    )
