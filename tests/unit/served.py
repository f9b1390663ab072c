"""What a controller in memory serves: operations of the API as they are carried out, without HTTP."""

import asyncio
from datetime import UTC, datetime

from gitops.server.api.operations import Call, Served
from gitops.server.api.parameters import read_body, read_query
from gitops.server.api.routes import OPERATIONS
from gitops.server.auth.access import Access
from gitops.server.auth.decisions import Decisions
from gitops.server.auth.person import Person, Way
from gitops.server.auth.policy_file import PolicyFile
from gitops.server.overview import Overview
from gitops.server.proofs import Proofs
from tests.unit.controlled import Controlled

BY_ID = {operation.id: operation for operation in OPERATIONS}
ADA = Person("ada", Way.TOKEN, ("role:admin",))


class Overseen(Controlled):
    """A controller that somebody looks at from the beginning."""

    def parts(self):
        self.overview = Overview(self.controller)
        access = Access(None, lambda: datetime.now(UTC), anyone_reads=True, decisions=Decisions(PolicyFile(None)))
        self.served = Served(self.overview, access, Proofs(self.overview), asyncio.Semaphore(4))
        return []

    def call(self, operation, *, person=ADA, application="gitops/app", **given):
        """What an operation answers to a person who gives these values; a query has text only."""
        found = BY_ID[operation]
        if found.body is None:
            values = read_query(found.query, {name: str(value) for name, value in given.items()})
        else:
            values = read_body(found.body, given)
        return self.wait(found.carry_out(Call(self.served, person, application, values)))
