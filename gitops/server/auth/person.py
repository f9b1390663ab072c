"""Who asks, and which Applications somebody may see."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gitops.model.globs import glob
from gitops.server.auth.policy import GET, PROJECT, ROLE, VIEWER, InProject, Policy, Verdict

_MOST_KEPT: Final = 20_000
# What the cluster's own people are called; nobody from elsewhere may be called so.
_RESERVED: Final = (ROLE, PROJECT, "system:")


class Way(StrEnum):
    """How somebody has shown who they are."""

    NOBODY = "nobody"
    TOKEN = "token"
    KUBERNETES = "kubernetes"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks; `name` is "" for nobody in particular.

    `roles` are what a token's scope gives, and nothing else is then allowed than what they are. Whom somebody else
    names (a cluster, an identity provider) has the default role, if there is one, and what lines allow the name and
    the `groups`. `only` are globs of the Applications that a
    token is good for. `by_cookie` when a browser may have sent it by itself.
    """

    name: str
    way: Way = Way.NOBODY
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    by_cookie: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The subjects of policy lines that this person is."""
        return frozenset((*([self.name] if self.name else []), *self.groups, *self.roles))

    @property
    def granted(self) -> frozenset[str]:
        """The subjects whose allowing lines count: a token's scope is all that the token can do."""
        return frozenset(self.roles) if self.way in (Way.TOKEN, Way.NOBODY) else self.names

    @property
    def title(self) -> str:
        """What they are, in a word or two for a page."""
        return ", ".join(role.removeprefix(ROLE) for role in self.roles) or self.way.value


NOBODY: Final = Person("", roles=(VIEWER,))


def is_reserved(name: str) -> bool:
    """Whether nobody whom another machine names may be called so: it would be a role, or one of the cluster's own."""
    return name.startswith(_RESERVED)


class Sight:
    """The Applications that somebody may see; each is decided once, as long as it is in one project.

    `in_project` is what an Application is called in its project.
    """

    def __init__(self, person: Person, policy: Policy, in_project: Callable[[str], InProject] = lambda _: ()) -> None:
        self._in_project = in_project
        self._person = person
        self._policy = policy
        self._fits: Callable[[str], bool] = _fitting(person.only)
        self._known: dict[tuple[str, InProject], bool] = {}
        self.is_everything = not person.only and policy.allows_all(person.names, GET, person.granted)

    def __call__(self, application: str) -> bool:
        """Whether the Application NAMESPACE/NAME may be seen, which need not be there."""
        if self.is_everything:
            return True
        key = application, self._in_project(application)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            found = self._known[key] = self.verdict(GET, application) is Verdict.ALLOWED
        return found

    def verdict(self, action: str, application: str) -> Verdict:
        """What the token's globs and the policy say to the action."""
        if not self._fits(application):
            return Verdict.NOT_ALLOWED
        person, in_project = self._person, self._in_project(application)
        return self._policy.decide(person.names, action, application, person.granted, in_project)

    def may_ever(self, actions: tuple[str, ...]) -> bool:
        """Whether there may be an Application that one of the actions is allowed on."""
        return any(self._policy.allows_any(self._person.granted, action) for action in actions)


def _fitting(globs: tuple[str, ...]) -> Callable[[str], bool]:
    patterns: list[Any] = [glob(text) for text in globs]
    return lambda application: not patterns or any(pattern.fullmatch(application) for pattern in patterns)
