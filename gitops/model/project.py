"""A project: what its Applications may use, when they are synced, and who may do what to them, as Argo CD's AppProject.

Frozen data; `gitops.project_file` reads it, `policies.projects` says what it permits.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from gitops.manifests.names import SUBDOMAIN_NAME
from gitops.model.application import DEFAULT_PROJECT, Window
from gitops.model.patterns import SCHEDULE, TIME_ZONE

# The fields of a project that list kinds.
KIND_LISTS: Final = (
    *("clusterResourceWhitelist", "clusterResourceBlacklist"),
    *("namespaceResourceWhitelist", "namespaceResourceBlacklist"),
)


@dataclass(frozen=True, slots=True)
class ProjectDestination:
    """A cluster by its address or its name, and a namespace: globs; one that begins with `!` denies what it fits."""

    server: str = ""
    name: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class ProjectKind:
    """A kind of objects, by globs; "" is the group that has no name. `name` limits it to objects that are called so."""

    group: str
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ProjectRole:
    """Who is in one of the `groups`, or has the role `proj:PROJECT:NAME` by a policy line, may do what these lines say.

    p, proj:PROJECT:NAME, applications, ACTION, PROJECT/APPLICATION, allow|deny
    """

    name: Annotated[str, SUBDOMAIN_NAME]
    description: str = ""
    policies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectWindow:
    """When syncs of some Applications are allowed, or denied; with `manualSync` a person may sync all the same.

    It is for Applications that one of the globs fits: by their name, the namespace or the cluster that they go to; with
    `andOperator` for those that each list which is given fits.
    """

    kind: Literal["allow", "deny"]
    schedule: Annotated[str, SCHEDULE]
    duration: float
    applications: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    manualSync: bool = False
    timeZone: Annotated[str, TIME_ZONE] = "UTC"
    andOperator: bool = False
    description: str = ""

    @property
    def window(self) -> Window:
        """When it is open."""
        return Window(self.kind, self.schedule, self.duration, self.timeZone)


@dataclass(frozen=True, slots=True)
class Project:
    """What is in no list of what is permitted is not; of namespaced kinds all are, where there is no list of them.

    `sourceNamespaces` are those that its Applications may live in, beside the controller's own. `unheeded` are fields
    that limit nothing, and that nothing is done about here.
    """

    name: str
    description: str = ""
    sourceRepos: tuple[str, ...] = ()
    sourceNamespaces: tuple[str, ...] = ()
    destinations: tuple[ProjectDestination, ...] = ()
    clusterResourceWhitelist: tuple[ProjectKind, ...] = ()
    clusterResourceBlacklist: tuple[ProjectKind, ...] = ()
    namespaceResourceWhitelist: tuple[ProjectKind, ...] = (ProjectKind("*", "*"),)
    namespaceResourceBlacklist: tuple[ProjectKind, ...] = ()
    roles: tuple[ProjectRole, ...] = ()
    syncWindows: tuple[ProjectWindow, ...] = ()
    unheeded: tuple[str, ...] = ()


# What Argo CD has of itself, unless somebody makes it narrower.
OPEN: Final = Project(
    DEFAULT_PROJECT,
    sourceRepos=("*",),
    destinations=(ProjectDestination("*", "", "*"),),
    clusterResourceWhitelist=(ProjectKind("*", "*"),),
)


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """What the cluster is called that an Application goes to; nothing of one that only its own Secret leads to."""

    names: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectLimits:
    """A project, and where an Application of it goes."""

    project: Project
    cluster: ClusterNames
