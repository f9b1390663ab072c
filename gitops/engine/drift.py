"""Drift: what differs from the synced revision, what was put back, and when a field is left to who keeps writing it.

What another manager writes again and again is left to it, and said: correcting it for ever would only load the cluster.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from gitops.engine.diff import steady_path
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application, IgnoreRule
from gitops.model.plan import Create, Manager, Plan, Prune, Recreate, RunHook, Update

# So many corrections of one field, against one manager, within so many seconds are a drift loop.
LOOP_COUNT = 5
LOOP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Correction:
    """One field (or, with no path, one whole object) that was put back; `at` is a monotonic time in seconds."""

    key: ResourceKey
    path: str
    manager: str
    at: float


def corrections_in(plan: Plan, at: float) -> list[Correction]:
    """What carrying out a plan of drift puts back, and against whom; a list without keys counts once as a whole."""
    found: dict[Correction, None] = {}
    for change in plan.changes:
        match change:
            case Update() | Recreate():
                for field in change.fields:
                    manager = field.owner.name if isinstance(field.owner, Manager) else ""
                    found[Correction(change.key, steady_path(field.path), manager, at)] = None
            case Create():  # who deleted it is not known
                found[Correction(change.key, "", "", at)] = None
            case Prune() | RunHook():  # neither puts anything back
                pass
            case _:
                assert_never(change)
    return list(found)


@dataclass(frozen=True, slots=True, order=True)
class DriftLoop:
    """A manager that keeps writing what we put back."""

    key: ResourceKey
    manager: str
    path: str

    def __str__(self) -> str:
        if not self.manager:
            return f"somebody keeps deleting {self.key}, so it is made again only once a minute"
        return f"{self.manager} keeps changing {self.path} of {self.key}, so it is no longer corrected"


def drift_loops_in(history: Iterable[Correction], now: float) -> tuple[DriftLoop, ...]:
    """The fields that one manager has changed again LOOP_COUNT times within LOOP_SECONDS."""
    counts: dict[DriftLoop, int] = {}
    for correction in history:
        if (correction.manager or not correction.path) and now - correction.at <= LOOP_SECONDS:
            loop = DriftLoop(correction.key, correction.manager, correction.path)
            counts[loop] = counts.get(loop, 0) + 1
    return tuple(sorted(loop for loop, count in counts.items() if count >= LOOP_COUNT))


def without_drift_loops(app: Application, loops: Sequence[DriftLoop]) -> Application:
    """The Application, which leaves the fields of a drift loop to the manager that owns them."""
    rules = tuple(
        IgnoreRule(loop.key.group, loop.key.kind, loop.key.name, loop.key.namespace, managers=(loop.manager,))
        for loop in loops
        if loop.manager
    )
    return replace(app, ignoreDifferences=(*app.ignoreDifferences, *rules)) if rules else app


def drift_in(plan: Plan) -> Iterable[str]:
    """Each drifted field, or object, in words: for people, and to tell one drift from the next."""
    for change in plan.changes:
        fields = getattr(change, "fields", ())
        if not fields:
            yield f"{change.key} ({type(change).__name__.lower()})"
        for item in fields:
            owner = getattr(item.owner, "name", "")
            yield f"{change.key} {item.path}" + (f" (set by {owner})" if owner else "")
