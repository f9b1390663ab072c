"""A plan as data: what a sync would change, in which order, and what stands in its way.

Every form of a change is a class of its own; `Change` is their sum, to be matched with `assert_never`.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Final

from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Origin
from gitops.model.revision import Revision


class Absent:
    """Stands where a field is not there at all, which is not the same as null."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Manager:
    """Who owns a field: an entry of managedFields; Kubernetes keeps one time per entry, not per field."""

    name: str
    operation: str
    time: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody owns the field: it was defaulted, or its owner is gone."""


Owner = Manager | Unknown


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's live and desired value (ABSENT where there is none); Secret values are masked already."""

    path: str
    live: Any
    desired: Any
    owner: Owner


class Phase(IntEnum):
    """The parts of a sync, a rollback and a deletion; SYNC_FAIL comes after a failure alone, TEST when asked."""

    PRE_SYNC = 0
    SYNC = 1
    PRUNE = 2
    POST_SYNC = 3
    SYNC_FAIL = 4
    PRE_ROLLBACK = 5
    POST_ROLLBACK = 6
    PRE_DELETE = 7
    POST_DELETE = 8
    TEST = 9

    @property
    def place(self) -> int:
        """Where the phase comes in the order of those that are carried out together."""
        return -1 if self is Phase.PRE_ROLLBACK else int(self)


OF_ROLLBACK = frozenset({Phase.PRE_ROLLBACK, Phase.POST_ROLLBACK})
OF_DELETION = frozenset({Phase.PRE_DELETE, Phase.POST_DELETE})
OF_TESTS = frozenset({Phase.TEST})


class HookDelete(StrEnum):
    """When a hook's object is removed."""

    BEFORE_CREATION = "before-hook-creation"
    SUCCEEDED = "hook-succeeded"
    FAILED = "hook-failed"


@dataclass(frozen=True, slots=True)
class Create:
    """Not in the cluster; `body` carries our marks. `tried` when the server has said that it would take it."""

    key: ResourceKey
    body: Body
    origin: Origin
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """In the cluster, and different in `fields`; `force` takes fields over from hand edits or by the user's word.

    `owners` are the managedFields to be written before it, where others' fields become ours; they were made for the
    object as it was in `before`. `after` is what the API server said that it would store.
    """

    key: ResourceKey
    body: Body
    origin: Origin
    fields: tuple[FieldChange, ...]
    force: bool = False
    owners: tuple[Body, ...] = ()
    before: Body = field(default_factory=dict)
    after: Body = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recreate:
    """An immutable field changes, as `reason` says, and the object says that it may be deleted and created again.

    `fields` are all that change with it. With `orphan` what depends on it stays, for the new one to take over.
    """

    key: ResourceKey
    body: Body
    origin: Origin
    uid: str
    fields: tuple[FieldChange, ...]
    reason: str
    orphan: bool = False


@dataclass(frozen=True, slots=True)
class Prune:
    """Owned by us, live, and no longer desired; deleted only while it is still the object with this `uid`.

    `wave` is the one that it was made in.
    """

    key: ResourceKey
    uid: str
    wave: int = 0


@dataclass(frozen=True, slots=True)
class RunHook:
    """An object that is made once per sync, in this phase of it, and waited for."""

    key: ResourceKey
    body: Body
    origin: Origin
    delete: frozenset[HookDelete]
    phase: Phase


Change = Create | Update | Recreate | Prune | RunHook


@dataclass(frozen=True, slots=True)
class Step:
    """Changes that may run at the same time; steps run one after the other."""

    phase: Phase
    wave: int
    rank: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """Ours, live and no longer desired, but not to be deleted, and why."""

    key: ResourceKey
    reason: str


class ObstacleKind(StrEnum):
    CONFLICT = "conflict"  # another manager owns a field that we set
    FOREIGN = "foreign"  # the object belongs to another Application or tool
    RELOCATION = "relocation"  # what it had somewhere else before is there yet
    REFUSED = "refused"  # the API server would not accept it
    GUARD = "guard"  # it would delete more than was agreed to
    POLICY = "policy"  # an enforced rule is broken
    WINDOW = "window"  # not now
    PROJECT_WINDOW = "project-window"  # not now, and the project says so
    DEPENDENCY = "dependency"  # another Application has to be healthy first


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that keeps the plan from being carried out as it is; `reason` says what a person can do.

    `is_passing` when nobody has to do anything here: what the API server needed for its answer did not answer it.
    """

    kind: ObstacleKind
    key: ResourceKey | None
    reason: str
    is_passing: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`digest` names what is desired (RenderedSet.digest); `predicted` is set where a server would not confirm it.

    `id` names the changes (`gitops.engine.describe.plan_id`): what a person approves.
    `makes` is the namespace that is made first because the objects go there; it is not owned, so it is no change.
    """

    application: str
    revision: Revision
    digest: str
    steps: tuple[Step, ...]
    kept: tuple[Kept, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    predicted: str = ""
    makes: ResourceKey | None = None
    id: str = ""

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(change for step in self.steps if step.phase is not Phase.SYNC_FAIL for change in step.changes)

    @property
    def prunes(self) -> tuple[Prune, ...]:
        return tuple(change for change in self.changes if isinstance(change, Prune))
