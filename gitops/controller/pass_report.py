"""What the last pass over an Application found and did, told fact by fact: one that is cut off has told the rest."""

from dataclasses import dataclass, replace

from gitops.engine.states import Response
from gitops.model.plan import ObstacleKind
from gitops.model.release import Quarantine
from gitops.model.result import Hold, Outcome

# Over once another object is gone or given away: an owner's, or what was left where the Application was before.
_OF_OTHERS = frozenset({ObstacleKind.FOREIGN, ObstacleKind.RELOCATION})


@dataclass(frozen=True, slots=True)
class PassResult:
    """What a pass found and did.

    `digest` is that of the desired state, `plan_id` of the newest plan, `pending` how many changes it has. `held` is
    why it is held, each reason as it was told; `obstacles` are the kinds of those reasons.
    """

    response: Response | None = None
    digest: str = ""
    plan_id: str = ""
    pending: int = 0
    held: frozenset[str] = frozenset()
    obstacles: frozenset[ObstacleKind] = frozenset()
    drift: tuple[str, ...] = ()
    quarantine: Quarantine | None = None
    error: str = ""
    is_away: bool = False  # it could not reach its cluster
    outcome: Outcome | None = None
    message: str = ""

    @property
    def waits_for_others(self) -> bool:
        """Whether it is held for what another owns, or for what was left somewhere else."""
        return bool(self.obstacles & _OF_OTHERS)


class PassReport:
    """`result` is what is known so far. Only a pass tells, and whoever kept it from beginning."""

    __slots__ = ("result",)

    def __init__(self, result: PassResult = PassResult()) -> None:
        self.result = result

    def forgotten(self) -> None:
        """What was to be done is to be found anew."""
        self.result = replace(self.result, response=None)

    def missed(self, error: str, *, is_away: bool = False) -> None:
        """It came to no decision."""
        self.result = replace(self.result, error=error, is_away=is_away)

    def well_again(self) -> None:
        """It came to a decision, or the error was of another commit."""
        self.result = replace(self.result, error="")

    def reached(self) -> None:
        """Its cluster answers."""
        self.result = replace(self.result, is_away=False)

    def planned(self, plan_id: str, digest: str, quarantine: Quarantine | None) -> None:
        """There is a plan for the set of this digest."""
        self.result = replace(self.result, plan_id=plan_id, digest=digest, quarantine=quarantine)

    def answered(self, response: Response, pending: int) -> None:
        """So it is with a plan of so many changes."""
        self.result = replace(self.result, response=response, pending=pending, obstacles=frozenset())

    def held(self, hold: Hold) -> None:
        """Why the plan is held."""
        reasons = frozenset(item.reason for item in hold.obstacles)
        kinds = frozenset(item.kind for item in hold.obstacles)
        self.result = replace(self.result, message=hold.reason, held=reasons, obstacles=kinds)

    def stopped(self, reason: str = "") -> None:
        """It is not gone on with; for this reason, or for the one that was told."""
        self.result = replace(self.result, response=Response.HELD, message=reason or self.result.message)

    def said(self, message: str) -> None:
        """What is to be read of it now."""
        self.result = replace(self.result, message=message)

    def drifted(self, drift: tuple[str, ...]) -> None:
        """What was changed by others since; nothing any more where this is empty."""
        self.result = replace(self.result, drift=drift)

    def ended(self, outcome: Outcome, message: str) -> None:
        """A sync, or a rollback, ended so."""
        self.result = replace(self.result, outcome=outcome, message=message)

    def settled(self, quarantine: Quarantine | None) -> None:
        """What is to be, is."""
        self.result = replace(self.result, drift=(), response=Response.SETTLED, quarantine=quarantine)
