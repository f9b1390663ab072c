"""What waits, of all Applications: for whom or what, why, and the command that goes on. Pure, and in memory."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gitops.model.plan import ObstacleKind
from gitops.views.listing import Row

# What each waits for, those that wait for a person first.
WAITS: Final = ("approval", "confirmation", "held", "suspended", "dependency", "window", "project-window")
_MOST_TEXT: Final = 2000
_CONFIRMED: Final = frozenset({ObstacleKind.GUARD, ObstacleKind.RELOCATION, ObstacleKind.WINDOW})
_BY_ITSELF: Final = {
    frozenset({ObstacleKind.WINDOW}): "window",
    frozenset({ObstacleKind.PROJECT_WINDOW}): "project-window",
    frozenset({ObstacleKind.PROJECT_WINDOW, ObstacleKind.WINDOW}): "project-window",
    frozenset({ObstacleKind.DEPENDENCY}): "dependency",
}
# The act of the API that goes on, where there is one, and the command that does the same.
_ACTS: Final = {
    "approval": ("approve", "gitops approve {name} --plan {plan}"),
    "confirmation": ("sync", "gitops refresh {name} --sync --confirm"),
    "window": ("sync", "gitops refresh {name} --sync --confirm"),
    "project-window": ("", "gitops diff {name}"),
    "suspended": ("resume", "gitops resume {name}"),
    "dependency": ("", "gitops status {name}"),
    "held": ("", "gitops diff {name}"),
}


def wait_of(kinds: frozenset[ObstacleKind], *, plan: str, suspended: bool, held: bool) -> str:
    """What an Application waits for (of WAITS), "" for nothing.

    `plan` is the plan that waits for an approval, `kinds` are what stands in the way of one that is `held`.
    """
    if suspended:
        return "suspended"
    if plan:
        return "approval"
    if not held:
        return ""
    is_confirmed = bool(kinds) and kinds <= _CONFIRMED
    return _BY_ITSELF.get(kinds, "confirmation" if is_confirmed else "held")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One page of what waits; `total` fit the filter, `counts` are of all that wait."""

    rows: tuple[Row, ...]
    total: int
    counts: dict[str, int]


def waiting_in(rows: Iterable[Row], kinds: Sequence[str], offset: int, limit: int) -> Waiting:
    """The Applications that wait for one of `kinds` (() = for any), what has waited longest first in each."""
    found = [row for row in rows if row.wait]
    counts = Counter(row.wait for row in found)
    chosen = [row for row in found if not kinds or row.wait in kinds]
    chosen.sort(key=lambda row: (WAITS.index(row.wait), row.record.at or "9", row.application))
    return Waiting(tuple(chosen[offset : offset + limit]), len(chosen), {kind: counts[kind] for kind in WAITS})


def waiting_data(row: Row) -> dict[str, Any]:
    """One of them as JSON values."""
    act, command = _ACTS[row.wait]
    record = row.record
    return {
        "application": row.application,
        "waitsFor": row.wait,
        "why": (record.reason or record.problem)[:_MOST_TEXT],
        "since": record.at,
        "revision": record.head,
        "ref": record.ref,
        "pending": row.pending,
        "plan": record.plan,
        "act": act,
        "command": command.format(name=row.application, plan=record.plan[:12]),
    }
