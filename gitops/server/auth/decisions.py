"""The one place that says yes or no: (person, action, Application) → allowed, or a problem that names what is missing.

Of an Application that somebody may not see, nothing is said but what is said of one that there is not.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from gitops.model.project import Project
from gitops.server.auth.person import Person, Sight, Way
from gitops.server.auth.policy import ACTIONS, GET, InProject, Policy, Verdict
from gitops.server.auth.policy_file import PolicyFile
from gitops.server.problems import Problem

_MOST_SIGHTS: Final = 64
_ACTS: Final = tuple(action for action in ACTIONS if action != GET)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Projects:
    """The projects whose roles count, with the `number` of their version, and what an Application is called in its."""

    number: Callable[[], int] = lambda: 0
    all: Callable[[], Iterable[Project]] = tuple
    in_project: Callable[[str], InProject] = lambda _: ()


class Decisions:
    """Decides by the policy of a file as it is now, with the roles of `projects`.

    `default_role` is of everyone whom no token's scope gives one.
    """

    def __init__(self, policies: PolicyFile, default_role: str = "", projects: Projects | None = None) -> None:
        self._policies = policies
        self._default = default_role
        self._projects = projects or Projects()
        self._sights: dict[Person, Sight] = {}
        self._number = (-1, -1)
        self._policy: Policy = policies.policy

    @property
    def version(self) -> tuple[int, int]:
        """Another one for each policy that was decided by."""
        return self._number

    def with_default(self, person: Person) -> Person:
        """Somebody whom a cluster or an identity provider names, with the default role."""
        return replace(person, roles=(self._default,)) if self._default else person

    def sight(self, person: Person) -> Sight:
        """Which Applications the person may see; one object for one person, until the policy is another."""
        policy, projects = self._policies.policy, self._projects
        number = (self._policies.number, projects.number())
        if self._number != number:
            self._policy, self._number, self._sights = policy.with_projects(projects.all()), number, {}
        elif len(self._sights) >= _MOST_SIGHTS:
            self._sights = {}
        found = self._sights.get(person)
        if found is None:
            found = self._sights[person] = Sight(person, self._policy, projects.in_project)
        return found

    def may(self, person: Person, action: str, application: str) -> bool:
        """Whether the person may do that to the Application, and see it."""
        sight = self.sight(person)
        return sight(application) and sight.verdict(action, application) is Verdict.ALLOWED

    def may_act(self, person: Person) -> bool:
        """Whether there may be an Application that the person may do something to."""
        return bool(person.name) and self.sight(person).may_ever(_ACTS)

    def check(self, person: Person, action: str, application: str) -> None:
        """Raise Problem where the person may not do that to the Application: 404 where it may not be seen, else 403."""
        sight = self.sight(person)
        if not sight(application):
            raise unknown(application)
        verdict = sight.verdict(action, application)
        if verdict is Verdict.ALLOWED:
            return
        log.warning("access.refused", person=person.name, way=person.way.value, action=action, application=application)
        raise Problem(403, "Not allowed", _missing(person, action, application, verdict))


def unknown(application: str) -> Problem:
    """What is said of an Application that there is not, or that may not be seen."""
    return Problem(404, "No such Application", f"this controller knows no Application {application}")


def _missing(person: Person, action: str, application: str, verdict: Verdict) -> str:
    needed = f"that needs {action} on {application}"
    if verdict is Verdict.DENIED:
        return f"{person.name} may not: {needed}, which a line of the policy denies"
    if person.way is Way.TOKEN:
        return f"{person.name} may not: {needed}, and this token's scope is {person.title}"
    return f"{person.name} may not: {needed}, which no line of the policy allows (--policy-file)"
