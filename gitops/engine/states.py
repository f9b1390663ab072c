"""The states that an Application of a controller can be in after a pass, and what puts it there.

`TRANSITIONS` is read from top to bottom; the first row whose facts hold names the state. A pass is begun by a commit,
by what a watch tells, by an operator's command, or by time; between passes the state stays. `docs/states.md` draws it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from gitops.model.application import Application
from gitops.model.plan import Plan
from gitops.model.result import Decision, Hold, InSync


class Response(StrEnum):
    """What a controller does after planning; until the next pass that is the state of the Application."""

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


class Facts(NamedTuple):
    """What a pass knows when it has planned.

    `is_new`: the desired state is not the one that was synced last. `is_equal`: the plan changes nothing. `is_done`:
    what was synced last was finished, and is recorded so.
    """

    is_held: bool
    is_new: bool
    is_equal: bool
    is_done: bool
    is_asked: bool
    is_suspended: bool
    is_automated: bool
    is_approved: bool
    drift: Literal["ignore", "report", "correct"]


class Transition(NamedTuple):
    """When `holds`, the Application goes to `to`; `when` says the same in words."""

    when: str
    holds: Callable[[Facts], bool]
    to: Response


TRANSITIONS: Final = (
    Transition(
        "a guard, a policy, a window, a conflict or another owner stands in the way",
        lambda at: at.is_held,
        Response.HELD,
    ),
    Transition(
        "the cluster is as it was synced, and that was finished",
        lambda at: at.is_equal and at.is_done and not at.is_new,
        Response.SETTLED,
    ),
    Transition("a person asked for a sync", lambda at: at.is_asked, Response.SYNC),
    Transition("a person suspended it", lambda at: at.is_suspended, Response.SUSPENDED),
    Transition(
        "there is another desired state, and it is synced by itself or this plan was approved",
        lambda at: at.is_new and (at.is_automated or at.is_approved),
        Response.SYNC,
    ),
    Transition("there is another desired state", lambda at: at.is_new, Response.APPROVAL),
    Transition(
        "what was synced was not seen to the end, and it is synced by itself",
        lambda at: at.is_equal and at.is_automated,
        Response.SYNC,
    ),
    Transition("what was synced was not seen to the end", lambda at: at.is_equal, Response.SETTLED),
    Transition("it drifted, and drift is corrected", lambda at: at.drift == "correct", Response.SYNC),
    Transition("it drifted, and drift is reported", lambda at: at.drift == "report", Response.REPORT),
    Transition("it drifted, and drift is ignored", lambda at: True, Response.SETTLED),
)


def respond(
    app: Application, plan: Plan, decision: Decision, override: Override, *, synced: str, settled: bool
) -> Response:
    """`synced` is the digest of the set that was last carried out; `settled` when that was finished and is recorded."""
    facts = Facts(
        is_held=isinstance(decision, Hold),
        is_new=synced != plan.digest,
        is_equal=isinstance(decision, InSync),
        is_done=settled,
        is_asked=override.asked,
        is_suspended=override.suspended,
        is_automated=app.sync.automated,
        is_approved=override.approves(plan.id),
        drift=app.sync.drift,
    )
    return next(row.to for row in TRANSITIONS if row.holds(facts))
