"""What a pass tells while it runs, for whoever displays it; nothing here is needed to decide anything."""

from dataclasses import dataclass

from gitops.manifests.key import ResourceKey
from gitops.model.health import Health
from gitops.model.plan import Plan, Step
from gitops.model.result import Changed, Failure, Hold, SyncResult


@dataclass(frozen=True, slots=True)
class PlanMade:
    plan: Plan


@dataclass(frozen=True, slots=True)
class Held:
    hold: Hold


@dataclass(frozen=True, slots=True)
class StepStarted:
    step: Step


@dataclass(frozen=True, slots=True)
class Wrote:
    changed: Changed


@dataclass(frozen=True, slots=True)
class Refused:
    failure: Failure


@dataclass(frozen=True, slots=True)
class HealthChanged:
    key: ResourceKey
    health: Health


@dataclass(frozen=True, slots=True)
class RollingBack:
    reason: str
    revision: str


@dataclass(frozen=True, slots=True)
class Finished:
    result: SyncResult


Event = PlanMade | Held | StepStarted | Wrote | Refused | HealthChanged | RollingBack | Finished
