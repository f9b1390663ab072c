"""What to do about a plan nobody asked for: pure rules for a controller's passes, and for fights over a field.

A plan that is not empty is either a new revision to be synced, or drift from the one that is synced. Drift is
ignored, reported or corrected, as the Application says; what another manager writes again and again is left to it,
and said, since correcting it for ever would only load the cluster.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from gitops.engine.diff import steady_path
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application, IgnoreRule
from gitops.model.plan import Create, Manager, Plan, Prune, Recreate, RunHook, Update
from gitops.model.result import Decision, Hold, InSync

# So many corrections of one field, against one manager, within so many seconds are a fight.
FIGHT_COUNT = 5
FIGHT_SECONDS = 600.0


class Response(StrEnum):
    """What a controller does after planning."""

    SETTLED = "settled"  # nothing to do
    SYNC = "sync"  # carry the plan out
    HELD = "held"  # something stands in the way that a person has to see
    APPROVAL = "approval"  # a new revision, and the Application is not synced by itself
    SUSPENDED = "suspended"  # it would be synced, but a person stopped that
    REPORT = "report"  # drift that is told and left


@dataclass(frozen=True, slots=True)
class Override:
    """What people said about an Application: `asked` for a sync now, `approved` is the plan that may go on."""

    asked: bool = False
    suspended: bool = False
    approved: str = ""

    def approves(self, plan: str) -> bool:
        """Whether the plan of this id was approved, by all of its digits or the first of them."""
        return bool(self.approved) and plan.startswith(self.approved)


def respond(
    app: Application, plan: Plan, decision: Decision, word: Override, *, synced: str, settled: bool
) -> Response:
    """`synced` is the digest of the set that was last carried out; `settled` when that was finished and is recorded."""
    if isinstance(decision, Hold):
        return Response.HELD
    is_new = synced != plan.digest
    if isinstance(decision, InSync) and settled and not is_new:
        return Response.SETTLED
    if word.asked:
        return Response.SYNC
    if word.suspended:
        return Response.SUSPENDED
    if is_new:
        return Response.SYNC if app.sync.automated or word.approves(plan.id) else Response.APPROVAL
    if isinstance(decision, InSync):  # carried out, but not known to have become healthy
        return Response.SYNC if app.sync.automated else Response.SETTLED
    return {"ignore": Response.SETTLED, "report": Response.REPORT, "correct": Response.SYNC}[app.sync.drift]


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


def fights_in(history: Iterable[Correction], now: float) -> tuple[DriftLoop, ...]:
    """The fields that one manager has changed again FIGHT_COUNT times within FIGHT_SECONDS."""
    counts: dict[DriftLoop, int] = {}
    for correction in history:
        if (correction.manager or not correction.path) and now - correction.at <= FIGHT_SECONDS:
            fight = DriftLoop(correction.key, correction.manager, correction.path)
            counts[fight] = counts.get(fight, 0) + 1
    return tuple(sorted(fight for fight, count in counts.items() if count >= FIGHT_COUNT))


def without_fights(app: Application, fights: Sequence[DriftLoop]) -> Application:
    """The Application with what is fought over left to the other side: that object's fields which it owns."""
    rules = tuple(
        IgnoreRule(fight.key.group, fight.key.kind, fight.key.name, fight.key.namespace, managers=(fight.manager,))
        for fight in fights
        if fight.manager
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
