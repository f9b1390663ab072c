"""What an operator says about an Application: recorded in its audit log first, then told to its controller.

The command line and the API say it in the same way; who may is theirs to know.
"""

from dataclasses import dataclass
from typing import Any

from gitops.engine.inventory import Inventory
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from gitops.model.operator_command import APPROVED, REFRESH, SUSPENDED
from gitops.sync.audit import AuditTrail
from gitops.sync.context import Request, SyncContext
from gitops.sync.inventory_store import keep_anchor

_SHORTEST_DIGEST = 12


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts (`name`), and on what: the inventory is what the cluster remembers of the Application.

    Everything that is done raises StoreError.
    """

    name: str
    context: SyncContext
    inventory: Inventory

    @property
    def application(self) -> str:
        return self.inventory.application

    async def suspend(self, reason: str = "") -> None:
        """Nothing is changed by the controller until it is resumed."""
        await self.record("application.suspended", **told_reason(reason))
        by = f"by {self.name}" + (f" because {reason}" if reason else "")
        await self.context.store.set_setting(self.application, SUSPENDED, by)

    async def resume(self, reason: str = "") -> None:
        await self.record("application.resumed", **told_reason(reason))
        await self.context.store.set_setting(self.application, SUSPENDED, None)

    async def approve(self, digest: str, reason: str = "") -> None:
        """Let the controller carry out the plan whose id begins with `digest`, and no other."""
        await self.record("application.approved", plan=digest, **told_reason(reason))
        await self.context.store.set_setting(self.application, APPROVED, digest)

    async def ask(self, verb: str, reason: str = "", **detail: Any) -> int:
        """Ask the controller for an act; the number to ask its outcome by. A look without a reason is not recorded."""
        if verb != REFRESH or reason:
            told = {"confirmed" if name == "confirm" else name: value for name, value in detail.items()}
            await self.record(f"{verb}.requested", **told, **told_reason(reason))
        at = self.context.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return await self.context.store.request(
            self.application, verb, {**detail, **told_reason(reason)}, self.name, at
        )

    async def record(self, fact: str, **detail: Any) -> None:
        """Commit an entry of what the person says or has done."""
        space, _, name = self.application.rpartition("/")
        journal = AuditTrail(Request(Application(name, space or "gitops"), self.name), self.context, self.inventory)
        await journal.note(fact, "", **detail)
        await keep_anchor(self.context, self.inventory.parent, self.application, journal.head)


def check_waits(identity: str, waits: str, digest: str) -> None:
    """Raise ConfigError unless the plan that the digest begins is the one that `waits`."""
    if not waits:
        raise ConfigError(f"{identity}: no plan of it waits for an approval (gitops status {identity})")
    if len(digest) < _SHORTEST_DIGEST or not waits.startswith(digest):
        raise ConfigError(f"--plan {digest}: the plan of {identity} that waits is {waits[:_SHORTEST_DIGEST]}")


def told_reason(reason: str) -> dict[str, str]:
    """What an entry says of why, nothing where nobody said."""
    return {"reason": reason} if reason else {}
