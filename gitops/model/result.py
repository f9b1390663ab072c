"""What was decided about a plan, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from gitops.manifests.key import ResourceKey
from gitops.model.health import Health
from gitops.model.plan import Obstacle, Plan


@dataclass(frozen=True, slots=True)
class Go:
    """Carry the plan out."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Do nothing, for these reasons, until a person confirms or the reasons are gone."""

    obstacles: tuple[Obstacle, ...]

    @property
    def reason(self) -> str:
        return "; ".join(obstacle.reason for obstacle in self.obstacles)


@dataclass(frozen=True, slots=True)
class InSync:
    """There is nothing to change."""


Decision = Go | Hold | InSync


class Outcome(StrEnum):
    """How a sync ended."""

    SYNCED = "synced"
    IN_SYNC = "in-sync"
    HELD = "held"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    PLANNED = "planned"  # stopped before the first write, as asked


@dataclass(frozen=True, slots=True)
class Changed:
    """One object that was written or deleted: "created", "updated", "recreated", "pruned", "hook"."""

    key: ResourceKey
    verb: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that could not be changed or did not become healthy, and why."""

    key: ResourceKey | None
    reason: str


@dataclass(frozen=True, slots=True)
class SyncResult:
    """Everything that a caller needs to tell how a sync ended."""

    outcome: Outcome
    plan: Plan
    changed: tuple[Changed, ...] = ()
    failures: tuple[Failure, ...] = ()
    health: tuple[tuple[ResourceKey, Health], ...] = ()
    message: str = ""
    rollback: "SyncResult | None" = None
