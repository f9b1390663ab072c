"""The operator's projects, and what each Application may by them; without a file of them there is but the default one.

An Application that its project does not permit is not run: its repository is not read, and nothing is asked of its
cluster. What it has deployed stays; where it is being deleted, that goes, as ever.
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from gitops.controller.followed_file import FollowedFile
from gitops.controller.registry import Registration
from gitops.model.application import DEFAULT_PROJECT, HOME, Application
from gitops.model.project import OPEN, ClusterNames, Project, ProjectLimits
from gitops.ports import Clock
from policies.projects import reason_refused

# The address that Argo CD has for the cluster that it runs in.
_HOME_SERVER = "https://kubernetes.default.svc"


def project_of(app: Application) -> str:
    """The name of the project that an Application is in."""
    return app.project or DEFAULT_PROJECT


class Projects:
    """`home` is the controller's namespace, `server_of` the address of a registered cluster ("" of another one).

    `entry` tells who gave an Application.
    """

    def __init__(
        self,
        file: FollowedFile[dict[str, Project]] | None = None,
        *,
        home: str = "",
        server_of: Callable[[str], str] = lambda _: "",
        entry: Callable[[str], Registration | None] = lambda _: None,
    ) -> None:
        self._file = file
        self._home = home
        self._server_of = server_of
        self._entry = entry
        self.number = 0  # of the versions of the file

    @property
    def are_set(self) -> bool:
        """Whether the operator named a file of projects."""
        return self._file is not None

    @property
    def all(self) -> Mapping[str, Project]:
        """Those of the file, and the default one, by name."""
        return {DEFAULT_PROJECT: OPEN, **(self._file.value if self._file is not None else {})}

    def names_in(self, app: Application) -> tuple[str, ...]:
        """What lines of Argo CD call the Application: PROJECT/NAMESPACE/NAME; PROJECT/NAME where we live, too."""
        project = project_of(app)
        plain = (f"{project}/{app.name}",) if app.namespace == self._home else ()
        return (f"{project}/{app.identity}", *plain)

    def limits(self, app: Application) -> ProjectLimits | None:
        """What a plan of the Application is held against; None where there is no file of projects."""
        project = self.all.get(project_of(app)) if self._file is not None else None
        return None if project is None else ProjectLimits(project, self._cluster(app))

    def refused(self, app: Application) -> str:
        """Why the Application may not be run at all, or ""; what is being deleted may."""
        entry, name = self._entry(app.identity), project_of(app)
        if (entry is not None and entry.leaving) or (self._file is None and name == DEFAULT_PROJECT):
            return ""
        if self._file is None:
            return f"project {name}: this controller has no projects (gitops run --projects FILE names them)"
        limits = self.limits(app)
        if limits is None:
            near = difflib.get_close_matches(name, self.all, 1)
            return f"there is no project {name}" + (f" (did you mean {near[0]}?)" if near else "")
        return reason_refused(limits, app, self._home)

    async def run(self, clock: Clock, changed: Callable[[Collection[str]], None]) -> None:
        """Follow the file until cancelled; `changed` hears which projects permit something else by it."""
        before = self.all

        def other() -> None:
            nonlocal before
            self.number += 1
            was, before = before, self.all
            names = {name for name in was.keys() | before.keys() if _limits(was, name) != _limits(before, name)}
            changed(names)

        assert self._file is not None  # nobody follows none
        await self._file.run(clock, other)

    def _cluster(self, app: Application) -> ClusterNames:
        name = app.cluster
        if not name:
            return ClusterNames((HOME,), (_HOME_SERVER,))
        if app.destination.kubeConfig.secretRef:
            return ClusterNames()
        server = self._server_of(name)
        return ClusterNames((name,), (server,) if server else ())


def _limits(projects: Mapping[str, Project], name: str) -> Project | None:
    """What a project limits its Applications to, without what it says to and of people."""
    found = projects.get(name)
    return replace(found, description="", roles=(), unheeded=()) if found is not None else None
