"""Who may do what to which Application: Argo CD's policy lines, and what they come to. Pure.

    p, SUBJECT, applications, ACTION, NAMESPACE/NAME, allow|deny
    p, SUBJECT, applications, ACTION, PROJECT/NAMESPACE/NAME, allow|deny
    g, PERSON-OR-GROUP-OR-ROLE, ROLE

A project's roles are called proj:PROJECT:ROLE, and say PROJECT/NAME, or PROJECT/NAMESPACE/NAME of an Application that
lives elsewhere than the controller.

A subject is a person, a group or a role, by its exact name; action and Application are globs. What no line allows is
not allowed, and a line that denies wins over each that allows. Lines of Argo CD for what we do not have (clusters,
repositories) are taken and allow nothing here. A line that cannot be meant is an error: were it left out, a denial
would be lost with it.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from gitops.model.globs import glob, is_glob
from gitops.model.project import Project, ProjectRole

VIEWER, OPERATOR, ADMIN = "role:viewer", "role:operator", "role:admin"
ROLE: Final = "role:"
PROJECT: Final = "proj:"  # begins the name of a project's role
GET, SYNC, OVERRIDE, UPDATE = "get", "sync", "override", "update"
ACTION, DELETE = "action", "delete"  # also of one kind or object: `action/GROUP/KIND/restart`
ACTIONS: Final = (GET, SYNC, OVERRIDE, ACTION, DELETE, UPDATE, "create")
# What an Application is called in its project; None of one that nobody knows any more.
InProject = tuple[str, ...] | None
_OURS: Final = "applications"
_OF_ARGO: Final = (
    *("accounts", "applicationsets", "certificates", "clusters", "exec", "extensions", "gpgkeys", "logs", "projects"),
    *("repositories", "write-repositories"),
)
_MOST_LINES: Final = 10_000
BUILT_IN: Final = f"""\
p, {VIEWER}, applications, get, *, allow
p, role:readonly, applications, get, *, allow
p, {OPERATOR}, applications, {GET}, *, allow
p, {OPERATOR}, applications, {SYNC}, *, allow
p, {OPERATOR}, applications, {OVERRIDE}, *, allow
p, {OPERATOR}, applications, action, *, allow
p, {OPERATOR}, applications, {UPDATE}, *, allow
p, {ADMIN}, applications, *, *, allow
"""


class Verdict(Enum):
    """What the lines come to: a line denies, or none allows."""

    ALLOWED, DENIED, NOT_ALLOWED = range(3)


@dataclass(frozen=True, slots=True)
class Rule:
    """One `p` line of ours; the globs are compiled. `kind` is its action without what that is done to.

    With `is_by_project` it is about what the Application is called in its project.
    """

    action: Any
    application: Any
    allows: bool
    is_for_all: bool
    kind: str = ""
    is_by_project: bool = False

    def fits(self, action: str, application: str, in_project: "InProject") -> bool:
        """Whether it says something of the action on the Application; where nobody knows its project, it may deny."""
        if self.is_by_project and in_project is None:
            return not self.allows and self.is_about(action)
        names = in_project if self.is_by_project and in_project is not None else (application,)
        return self.is_about(action) and any(self.application.fullmatch(name) for name in names)

    def is_about(self, action: str) -> bool:
        """Whether it says something of the action; what is said of `delete` is said of `delete/apps/Deployment/…`."""
        return bool(self.action.fullmatch(action) or self.action.fullmatch(action.partition("/")[0]))


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of each subject, and what each subject also is."""

    rules: Mapping[str, tuple[Rule, ...]]
    parents: Mapping[str, tuple[str, ...]]

    def subjects(self, names: Iterable[str]) -> frozenset[str]:
        """These names, and each role that they have by `g` lines, however far."""
        found = set(names)
        open_names = list(found)
        while open_names:
            new = set(self.parents.get(open_names.pop(), ())) - found
            found |= new
            open_names += new
        return frozenset(found)

    def decide(
        self,
        names: frozenset[str],
        action: str,
        application: str,
        granted: frozenset[str] | None = None,
        in_project: InProject = (),
    ) -> Verdict:
        """What `names` may do. Only what `granted` is allowed counts, if that is given; every denial does."""
        rules = self._of(names)
        if any(not rule.allows and rule.fits(action, application, in_project) for rule in rules):
            return Verdict.DENIED
        allowing = rules if granted is None else self._of(granted)
        is_allowed = any(rule.allows and rule.fits(action, application, in_project) for rule in allowing)
        return Verdict.ALLOWED if is_allowed else Verdict.NOT_ALLOWED

    def allows_all(self, names: frozenset[str], action: str, granted: frozenset[str]) -> bool:
        """Whether the action is allowed on every Application that there can be."""
        if any(not rule.allows and rule.is_about(action) for rule in self._of(names)):
            return False
        return any(rule.allows and rule.is_for_all and rule.is_about(action) for rule in self._of(granted))

    def allows_any(self, granted: frozenset[str], action: str) -> bool:
        """Whether there may be an Application that the action is allowed on, or an object of one."""
        return any(rule.allows and (rule.is_about(action) or rule.kind == action) for rule in self._of(granted))

    def with_projects(self, projects: Iterable[Project]) -> "Policy":
        """The same with the roles of projects. Raises ValueError for one that cannot be meant."""
        rules = {name: list(found) for name, found in self.rules.items()}
        parents = {name: list(found) for name, found in self.parents.items()}
        for project in projects:
            for role in project.roles:
                _take_role(project.name, role, rules, parents)
        return _policy_of(rules, parents)

    def _of(self, names: Iterable[str]) -> list[Rule]:
        return [rule for name in self.subjects(names) for rule in self.rules.get(name, ())]


def read_policy(text: str) -> tuple[Policy, list[str]]:
    """The policy of a file's lines with the built-in roles, and what is wrong with each line that is none."""
    rules: dict[str, list[Rule]] = {}
    parents: dict[str, list[str]] = {}
    wrong = []
    lines = text.splitlines()
    if len(lines) > _MOST_LINES:
        return read_policy("")[0], [f"more than {_MOST_LINES} lines"]
    for number, line in enumerate([*BUILT_IN.splitlines(), *lines], 1 - BUILT_IN.count("\n")):
        try:
            words = _words(line)
            if words[:1] == ["p"]:
                _take_rule(words, rules)
            elif words[:1] == ["g"]:
                _take_parent(words, parents)
            elif words:
                raise ValueError("expected a line that begins with p or g")
        except (ValueError, csv.Error) as exc:
            wrong.append(f"line {number}: {exc}")
    return _policy_of(rules, parents), wrong


def why_no_roles(project: Project) -> str:
    """What is wrong with the lines of a project's roles, or ""."""
    try:
        read_policy("")[0].with_projects([project])
    except (ValueError, csv.Error) as exc:
        return str(exc)
    return ""


def _policy_of(rules: Mapping[str, list[Rule]], parents: Mapping[str, list[str]]) -> Policy:
    return Policy(
        {name: tuple(found) for name, found in rules.items()}, {name: tuple(of) for name, of in parents.items()}
    )


def _take_role(project: str, role: ProjectRole, rules: dict[str, list[Rule]], parents: dict[str, list[str]]) -> None:
    """Raises ValueError for a line that is about anything else than the project, in the name of the role."""
    name = f"{PROJECT}{project}:{role.name}"
    for line in role.policies:
        words = _words(line)
        if words[:2] != ["p", name] or len(words) != 6 or not words[4].startswith(f"{project}/"):
            expected = f"p, {name}, applications, ACTION, {project}/APPLICATION, allow or deny"
            raise ValueError(f"role {role.name}: expected {expected}, got {line[:200]!r}")
        _take_rule(words, rules, is_of_role=True)
    for group in role.groups:
        if not group.strip() or group.startswith((ROLE, PROJECT)):
            raise ValueError(f"role {role.name}: groups: {group[:60]!r} is no group")
        parents.setdefault(group, []).append(name)


def _words(line: str) -> list[str]:
    if not line.strip() or line.lstrip().startswith("#"):
        return []
    return [word.strip() for word in next(csv.reader([line.strip()], skipinitialspace=True, strict=True))]


def _take_rule(words: list[str], rules: dict[str, list[Rule]], *, is_of_role: bool = False) -> None:
    if len(words) != 6:
        raise ValueError("expected p, SUBJECT, applications, ACTION, NAMESPACE/NAME, allow or deny")
    _, subject, resource, action, application, effect = words
    if not subject:
        raise ValueError("the subject is missing")
    if effect not in ("allow", "deny"):
        raise ValueError(f"expected allow or deny, got {effect[:40]!r}")
    if not glob(resource).fullmatch(_OURS):
        if resource not in _OF_ARGO and not is_glob(resource):
            raise ValueError(f"{resource[:40]}: there is no such resource (there is: {_OURS})")
        return
    if action.partition("/")[0] not in ACTIONS and not is_glob(action):
        raise ValueError(f"{action[:40]}: there is no such action (there are: {', '.join(ACTIONS)}, *)")
    _check_object(application)
    is_by_project = is_of_role or application.count("/") == 2
    is_for_all = not is_by_project and application in ("*", "*/*", "**", "**/**")
    kind = action.partition("/")[0]
    rule = Rule(glob(action), glob(application), effect == "allow", is_for_all, kind, is_by_project)
    rules.setdefault(subject, []).append(rule)


def _check_object(text: str) -> None:
    """Raise ValueError for what can be no Application's name."""
    if text.count("/") > 2 or ("/" not in text and "*" not in text):
        raise ValueError(f"{text[:60]!r}: expected NAMESPACE/NAME, such as shop/* or */*, or PROJECT/NAMESPACE/NAME")


def _take_parent(words: list[str], parents: dict[str, list[str]]) -> None:
    if len(words) != 3 or not all(words[1:]):
        raise ValueError("expected g, PERSON-OR-GROUP, ROLE")
    parents.setdefault(words[1], []).append(words[2])
