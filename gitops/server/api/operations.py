"""What an operation of the API is: its way, its parameters, what it answers, and who may call it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gitops.server.api.parameters import Parameter
from gitops.server.auth.access import Access
from gitops.server.auth.person import Person, Sight
from gitops.server.auth.policy import GET, OVERRIDE
from gitops.server.overview import Overview
from gitops.server.proofs import Proofs
from gitops.server.recent import RecentAnswers

_LOOKS: Final = 8


@dataclass(frozen=True, slots=True)
class Served:
    """What every request is answered from; of `plans` so many are made at once, whoever asks, and of `looks`."""

    overview: Overview
    access: Access
    proofs: Proofs
    plans: asyncio.Semaphore
    recent: RecentAnswers = field(default_factory=RecentAnswers)
    joined: RecentAnswers = field(default_factory=lambda: RecentAnswers(0.0))  # made for all who ask at once
    looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LOOKS))


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood: who asks, and the values of the parameters; `application` is "" where none is named."""

    served: Served
    person: Person
    application: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def sees(self) -> Sight:
        """Which Applications whoever asks may see."""
        return self.served.access.decisions.sight(self.person)

    def may(self, action: str) -> bool:
        """Whether whoever asks may do that to the Application."""
        return bool(self.person.name) and self.served.access.decisions.may(self.person, action, self.application)


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` is below /api/v1, with {namespace}, {name} and {number}; `answer` names a schema of `schemas`.

    `body` are the members that a POST takes; whoever calls it is somebody then. `action` is what the policy has to
    allow on the Application; `needs` says it by the values, where it depends on these.
    """

    id: str
    path: str
    about: str
    answer: str
    carry_out: Callable[[Call], Awaitable[Any]]
    query: tuple[Parameter, ...] = ()
    body: tuple[Parameter, ...] | None = None
    status: int = 200
    action: str = GET
    needs: Callable[[Mapping[str, Any]], str] | None = None

    def actions(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """All that the policy has to allow: to carry out what a guard holds is an action of its own."""
        action = self.needs(values) if self.needs else self.action
        return (action, OVERRIDE) if values.get("confirm") else (action,)

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"

    @property
    def is_of_application(self) -> bool:
        return "{name}" in self.path
