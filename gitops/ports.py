"""What the doing needs from outside, as Protocols; `gitops.adapters` fulfils them, `gitops.bootstrap` joins the two."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application, SourceSpec
from gitops.model.audit import Anchor, AuditEvent, EntryFilter
from gitops.model.kinds import Kinds
from gitops.model.log_part import LogPart
from gitops.model.operator_command import OperatorRequest
from gitops.model.release import Release
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision, Tree

if TYPE_CHECKING:
    from gitops.model.notification import Notification, Place


class Clock(Protocol):
    """The time; tests bring their own."""

    def now(self) -> datetime:
        """The present, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Checkout:
    """One revision's files, and the name of where they came from, free of credentials.

    `sources` are the specs of what is to be rendered, their paths as they are in the tree. `changed` are the paths
    whose files are not as the revision has them: a work tree's. `ignored` are those that it has not and never will (a
    folder ends in a slash): they count where they are read.
    """

    revision: Revision
    tree: Tree
    source: str
    sources: tuple[SourceSpec, ...]
    changed: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()

    @property
    def read_revision(self) -> Revision:
        """The revision of what has been read of the tree, marked as changed if a file of that is, or one below the
        source's path.

        A changed file that nobody reads does not count: what was made of the others is what the commit makes.
        """
        path = self.sources[0].path
        below = "" if path in ("", ".") else f"{path}/"
        reads = self.tree.reads
        is_dirty = any(path.startswith(below) or path in reads for path in self.changed)
        if not is_dirty and self.ignored:
            folders = tuple(path for path in self.ignored if path.endswith("/"))
            found = (path for path, digest in reads.items() if digest not in (None, "directory") and path[-1:] != "/")
            is_dirty = any(path in self.ignored or (path.startswith(folders) and path != "/") for path in found)
        return self.revision.changed() if is_dirty else self.revision


class Source(Protocol):
    """Where desired state is kept. Both calls raise SourceError."""

    async def checkout(self, app: Application, sha: str = "") -> Checkout:
        """The revision that the target revision of each source means now, or exactly that which `sha` names."""
        ...

    async def in_history(self, app: Application, sha: str) -> bool:
        """Whether `sha` is of the past of what the sources hold now: a commit that the target revision descends from,
        or that a tag names; a version of a chart that the repository offers.
        """
        ...


class Refs(Protocol):
    """What the branches, tags or versions of a repository stood for when it was looked at."""

    def revision(self, app: Application) -> Revision | None:
        """The revision that the target revision of `app` means; None where nothing does."""
        ...

    def missing(self, app: Application) -> str:
        """In words: nothing is called so; which repository is named too."""
        ...

    def hint(self, app: Application) -> str:
        """What `missing` goes on with: " (what may have been meant)", or ""."""
        ...


class Repositories(Protocol):
    """Repositories as a controller wants them: looked at once for all who share them. Raises SourceError."""

    def name_of(self, app: Application) -> str:
        """Applications with one name share one look: the repository, and the credentials that it is read with."""
        ...

    async def look(self, app: Application) -> Refs:
        """Ask the remote for its refs: one request, nothing is fetched."""
        ...

    async def tree(self, app: Application, revision: Revision) -> Tree:
        """The files of a revision, fetched if they are not here yet; nothing of the tree is read so far."""
        ...

    def placed(self, app: Application) -> tuple[SourceSpec, ...]:
        """The sources that are rendered, with their paths as they are in a `tree`."""
        ...

    async def in_history(self, app: Application, revision: Revision, sha: str) -> bool:
        """Whether `revision` descends from the commit `sha`, or a tag names that."""
        ...

    async def changed(self, app: Application, old: str, new: str) -> frozenset[str] | None:
        """The paths that differ between two commits which are both here; None when that cannot be told."""
        ...

    async def forget(self, app: Application) -> None:
        """Nobody reads the repository of `app` any more: what is kept of it goes."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """Some objects and the version of the collection they were read at."""

    items: tuple[Body, ...]
    version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`body` is the object as of this event; BOOKMARK carries only a newer version."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    body: Body


class Cluster(Protocol):
    """One Kubernetes API server. Everything raises ApiError for an answer, UnreachableError for none."""

    @property
    def name(self) -> str:
        """What names this cluster in releases and audit entries: its address, without the scheme."""
        ...

    def acting_as(self, user: str, sees: Callable[[ResourceKey, Body], bool]) -> "Cluster":
        """The same cluster, asked in the name of `user`; it is closed with this one.

        Of what this one has seen with rights of its own, that one is told only what it `sees`; for the rest it asks.
        """
        ...

    @property
    def requests(self) -> tuple[int, int]:
        """How many reads (dry-runs among them) and how many writes were sent so far."""
        ...

    async def kinds(self, *, refresh: bool = False) -> Kinds: ...

    async def get(self, key: ResourceKey, version: str = "", *, fresh: bool = False) -> Body | None:
        """The live object in `version` ("" = the preferred one), or None. Also None while its kind is not served.

        `fresh` for what the server says now, whatever has been seen before.
        """
        ...

    async def is_absent(self, key: ResourceKey) -> bool:
        """Whether what was seen in the last second tells that there is no such object; False says nothing.

        It may cost a request that many share.
        """
        ...

    async def list(
        self, group: str, kind: str, namespace: str, labels: str = "", version: str = "", fields: str = ""
    ) -> Listing:
        """All objects of a kind ("" = every namespace) that the selectors fit; empty where the kind is not served."""
        ...

    async def identity(self) -> str:
        """What tells this cluster from another one at the same address; "" where we may not see it."""
        ...

    async def has_gone_back(self, group: str, kind: str, namespace: str, version: str, identity: str) -> bool:
        """Whether the cluster's history is another one now: it was restored from a backup, or made anew at its address.

        `version` is one that a list or an event of this collection gave, `identity` the cluster's at that list. The API
        server says nothing at all to a watch from a version that is still to come, so who watches again asks first.
        """
        ...

    async def logs(self, pod: ResourceKey, container: str, *, lines: int) -> str:
        """The last lines of a container's present or, if that has none, previous run; "" when there are none."""
        ...

    async def log(self, pod: ResourceKey, container: str, part: LogPart) -> str:
        """A part of one run's log, each line with its time before it, as far as it is read."""
        ...

    async def apply(self, key: ResourceKey, body: Body, *, force: bool = False, dry_run: bool = False) -> Body:
        """Server-side apply as field manager `gitops`; the stored object (or what it would be)."""
        ...

    async def dry_run_replace(self, key: ResourceKey, live: Body, body: Body) -> Body:
        """What would be stored if `live` became `body` as a whole, whoever owns which field; status is left alone."""
        ...

    async def apply_status(self, key: ResourceKey, status: Body) -> None:
        """Server-side apply of the status alone, as field manager `gitops`."""
        ...

    async def remove_marks(self, key: ResourceKey, labels: Sequence[str], annotations: Sequence[str]) -> None:
        """Take labels and annotations of these names off, whoever owns them."""
        ...

    async def merge(self, key: ResourceKey, change: Body) -> None:
        """A JSON merge patch, as a manager of its own: an apply does not take it back."""
        ...

    async def patch_by_hand(self, key: ResourceKey, change: Body, *, subresource: str = "") -> None:
        """A JSON merge patch on a person's word: as after one of `kubectl`, a sync takes back what Git sets."""
        ...

    async def merge_strategic(self, key: ResourceKey, change: Body) -> Body:
        """A strategic merge patch of a built-in kind, onto the version that `change` names; the stored object."""
        ...

    async def replace_owners(self, key: ResourceKey, owners: tuple[Body, ...], version: str) -> None:
        """Write managedFields, if the object is still at `version`; ApiError 409 if not."""
        ...

    async def replace_finalizers(self, key: ResourceKey, finalizers: Sequence[str], version: str) -> None:
        """Write them, if the object is still at `version`; ApiError 409 if not."""
        ...

    async def create(self, key: ResourceKey, body: Body, *, dry_run: bool = False) -> Body:
        """Create an object whose name the server generates."""
        ...

    async def delete(self, key: ResourceKey, *, uid: str = "", orphan: bool = False, dry_run: bool = False) -> None:
        """Delete in the background, only if the uid still fits; an object that is gone already is no error."""
        ...

    def watch(
        self, group: str, kind: str, namespace: str, version: str, labels: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Events after `version`; ends when the server ends it; ApiError 410 when `version` is too old."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fact:
    """What is to be recorded in the audit log; `at` is RFC 3339 in UTC."""

    application: str
    cluster: str
    actor: str
    at: str
    name: str
    revision: str
    detail: dict[str, Any]


class Notifier(Protocol):
    """Whoever tells the outside."""

    async def send(self, place: "Place", note: "Notification", text: str) -> bool:
        """Tell a place; False where it has no use for such a notification. Raises NotificationError."""
        ...


class Store(Protocol):
    """Our own records. Everything raises StoreError."""

    @property
    def id(self) -> str:
        """Names this store, so that an anchor can tell whose entry it points to."""
        ...

    def seal(self, digest: str) -> str:
        """A keyed digest of a digest: equal wherever the same key is, and made by nobody without it."""
        ...

    async def append(self, fact: Fact, after: Anchor | None) -> AuditEvent:
        """Commit one audit entry; a chain that is new here continues `after`, which another store wrote."""
        ...

    async def check(self) -> None:
        """Raise StoreError when what is stored is damaged below the level of entries."""
        ...

    async def check_place(self) -> None:
        """Raise LostStoreError when its file was deleted or replaced since it was opened."""
        ...

    async def chains(self, application: str = "") -> list[tuple[str, str]]:
        """(application, cluster) of every audit chain, or of those of one Application."""
        ...

    async def events(self, application: str, cluster: str) -> list[AuditEvent]:
        """One chain in order."""
        ...

    async def events_after(self, application: str, cluster: str, seq: int, limit: int) -> list[AuditEvent]:
        """The entries of one chain that come after number `seq`, in order, so many at most."""
        ...

    async def entries(self, wanted: EntryFilter) -> list[AuditEvent]:
        """Entries of all chains, the newest first, so many at most."""
        ...

    async def known_equal(self, digests: frozenset[str], since: int) -> frozenset[str]:
        """Which of these (desired, live) pairs a server has said to be equal, at `since` (Unix seconds) or later.

        Each pair is named by a digest of both.
        """
        ...

    async def remember_equal(self, digests: frozenset[str], at: int) -> None: ...

    async def save_rendered(self, rendered: RenderedSet) -> None:
        """Keep a rendered set by its digest; Secret values are encrypted."""
        ...

    async def rendered(self, digest: str) -> RenderedSet | None: ...

    async def add_release(self, release: Release) -> Release:
        """Record a healthy release; the one given back has its number: the next one here, or a higher one given."""
        ...

    async def applications(self) -> list[str]:
        """The identity of every Application that has a release here."""
        ...

    async def releases(self, application: str, cluster: str = "") -> list[Release]:
        """Newest first."""
        ...

    async def request(self, application: str, verb: str, detail: dict[str, Any], actor: str, at: str) -> int:
        """Ask the controller for an act; the number to ask its outcome by. `at` is RFC 3339 in UTC."""
        ...

    async def requests(self, after: int = 0) -> list[OperatorRequest]:
        """What was asked after number `after` and is not answered yet, in order."""
        ...

    async def answer(self, number: int, outcome: str) -> None:
        """Close a request; the first answer stands."""
        ...

    async def outcome(self, number: int) -> str | None:
        """How a request was answered, or None while it is open (or is not known)."""
        ...

    async def requested_for(self, number: int) -> tuple[str, str] | None:
        """The Application that a request is about and whoever asked, or None where it is not known."""
        ...

    async def setting(self, application: str, name: str) -> str | None:
        """What is set for one Application and outlives a restart, such as that it is suspended."""
        ...

    async def set_setting(self, application: str, name: str, value: str | None) -> None:
        """None removes it."""
        ...

    async def set_settings(self, name: str, values: Mapping[str, str | None]) -> None:
        """The same for several Applications at once: application → value."""
        ...

    async def settings(self, name: str) -> dict[str, str]:
        """application → value, of all that have `name` set."""
        ...

    async def claim_single(self) -> bool:
        """Whether this process may run the Applications: False while a store that only one may use is another's.

        Once True, it stays so until the store is closed or the process ends. A store that replicas share is always
        free.
        """
        ...

    async def close(self) -> None: ...
