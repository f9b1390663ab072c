"""What was decided about a plan, and what became of it."""

from collections.abc import Iterable
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
    OVERTAKEN = "overtaken"  # somebody else changed what it had applied, before that was healthy
    PLANNED = "planned"  # stopped before the first write, as asked
    DONE = "done"  # an act that was asked for and is no sync


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
    overtaken: bool = False  # somebody else has changed what the sync wants of it
    forbidden: bool = False  # a right is missing, or was taken away
    unanswered: bool = False  # a webhook that the API server has to ask did not answer it


_MOST_NAMED = 3


def told_failures(failures: Iterable[tuple[str, str]]) -> str:
    """All failures, (object, reason) each, in one line: an equal reason once, behind those it does not name itself."""
    objects: dict[str, list[str]] = {}
    for name, reason in failures:
        objects.setdefault(reason, []).extend([] if not name or _names(reason, name) else [name])
    return "; ".join(f"{_listed(names)}: {reason}" if names else reason for reason, names in objects.items())


def _names(reason: str, name: str) -> bool:
    """Whether a reason says of which object it is: as we write it, or by its name in quotes, as the API server does."""
    return name in reason or f'"{name.rpartition(" ")[2].rpartition("/")[2]}"' in reason


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


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
