"""The words for how well an object, or a whole Application, is doing; the rules are in `gitops.engine.health`."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class HealthWord(StrEnum):
    """Argo CD's six words, from worst to best."""

    UNKNOWN = "Unknown"
    DEGRADED = "Degraded"
    MISSING = "Missing"
    PROGRESSING = "Progressing"
    SUSPENDED = "Suspended"
    HEALTHY = "Healthy"


_WORST_FIRST = list(HealthWord)


@dataclass(frozen=True, slots=True)
class Health:
    """A word and the reason for it; `final` says that waiting cannot change it (a failed Job, say)."""

    word: HealthWord
    message: str = ""
    final: bool = False

    @property
    def is_settled(self) -> bool:
        """Nothing left to wait for: Healthy, or suspended on purpose."""
        return self.word in (HealthWord.HEALTHY, HealthWord.SUSPENDED)

    @property
    def has_failed(self) -> bool:
        """Nothing left to wait for either, and it did not end well."""
        return self.final and not self.is_settled


HEALTHY = Health(HealthWord.HEALTHY)
ENDED = Health(HealthWord.HEALTHY, "it has run, and removed itself")
MISSING = Health(HealthWord.MISSING, "not in the cluster")


def worst(healths: Iterable[Health]) -> Health:
    """The health of a whole: that of its worst part; nothing at all is Healthy."""
    return min(healths, key=lambda health: _WORST_FIRST.index(health.word), default=HEALTHY)
