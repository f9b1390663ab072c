"""A list of Applications, one row each: searched, filtered, sorted, counted and cut into pages. Pure, and in memory.

A row is made once when something changed, and read by every list until the next change: ten thousand Applications are
looked through for each request.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from gitops.model.application import DEFAULT_PROJECT, HOME
from gitops.model.health import HealthWord
from gitops.model.record import Record

SYNC_WORDS: Final = ("Synced", "OutOfSync", "Unknown")
_HEALTH_ORDER: Final = {word.value: place for place, word in enumerate(HealthWord)}
_PROGRESSING: Final = HealthWord.PROGRESSING.value
_WELL: Final = (HealthWord.HEALTHY.value, HealthWord.SUSPENDED.value)


@dataclass(frozen=True)  # without slots: what follows from a row is worked out once, and read by every list
class Row:
    """One Application in a list.

    `record` is what its controller knows of it, `message` why it is not healthy, `pending` how many changes wait,
    `drift` what drifted, in words. `progress` is how far a sync is that is under way, "" without one. `synced_at` is
    when this controller synced it last.
    """

    application: str
    source: str
    target: str
    record: Record
    message: str = ""
    pending: int = 0
    drift: tuple[str, ...] = ()
    progress: str = ""
    synced_at: str = ""
    automated: bool = False
    wait: str = ""  # what it waits for, of gitops.views.waiting.WAITS
    text: str = field(default="", repr=False)  # what a search looks through, in small letters

    @property
    def note(self) -> str:
        """What a person should know first, in a line."""
        record = self.record
        return self.progress or record.problem or record.reason or ("" if self.is_healthy else self.message)

    @property
    def is_healthy(self) -> bool:
        return self.record.health in _WELL

    @cached_property
    def project(self) -> str:
        """The name of the project that it is in."""
        return self.record.project or DEFAULT_PROJECT

    @cached_property
    def cluster(self) -> str:
        """The name of the cluster that it goes to."""
        return self.record.cluster or HOME

    @cached_property
    def waits(self) -> bool:
        """Whether a plan of it waits for a person's approval."""
        return bool(self.record.plan)

    @cached_property
    def is_problem(self) -> bool:
        """Whether a person has to look: it is not well, and nothing that is under way makes it so."""
        record = self.record
        is_unwell = record.health in ("Degraded", "Missing")
        is_held = record.sync != "Synced" and bool(record.reason) and not self.drift
        is_known = record.suspended or self.waits or bool(self.progress)
        return bool(record.problem) or ((is_unwell or is_held) and not is_known)

    @cached_property
    def urgency(self) -> tuple[int, int, str]:
        """Problems first, the worst of them on top; then what waits for a person, what moves, and the rest."""
        decides = self.waits or self.drift or (self.record.suspended and self.record.sync == "OutOfSync")
        rank = 0 if self.is_problem else 1 if decides else 2 if self.moves else 3
        return rank, _HEALTH_ORDER.get(self.record.health, 0) if rank == 0 else 9, self.application

    @property
    def moves(self) -> bool:
        return bool(self.progress) or self.record.health == _PROGRESSING

    @cached_property
    def fits(self) -> tuple[str, ...]:
        """The words of ONLY that fit it; of most it is none."""
        return tuple(name for name, fits in ONLY.items() if fits(self))


def searchable(row_text: Iterable[str]) -> str:
    """The text that a search looks through, made once for a row."""
    return "\n".join(row_text).casefold()


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is asked for; an empty field asks for nothing. `offset` and `limit` choose the page."""

    text: str = ""
    health: tuple[str, ...] = ()
    sync: tuple[str, ...] = ()
    cluster: str = ""
    namespace: str = ""
    project: str = ""
    only: tuple[str, ...] = ()  # of ONLY, each narrows further
    sort: str = "urgency"  # of SORTS, "-" before it turns it round
    group: str = ""  # of GROUPS: what the order is by first
    offset: int = 0
    limit: int = 50

    @property
    def filters(self) -> bool:
        """Whether anything is left out by it."""
        places = self.cluster or self.namespace or self.project
        return bool(self.text or self.health or self.sync or places or self.only)


ONLY: Final[Mapping[str, Callable[[Row], bool]]] = {
    "problems": lambda row: row.is_problem,
    "waiting": lambda row: row.waits,
    "drifted": lambda row: bool(row.drift),
    "suspended": lambda row: row.record.suspended,
    "syncing": lambda row: row.moves,
}
SORTS: Final[Mapping[str, Callable[[Row], Any]]] = {
    "urgency": attrgetter("urgency"),
    "name": attrgetter("application"),
    "health": lambda row: (_HEALTH_ORDER.get(row.record.health, 0), row.application),
    "sync": lambda row: (row.record.sync, row.application),
    "cluster": lambda row: (row.cluster, row.application),
    "project": lambda row: (row.project, row.application),
    "changed": lambda row: (row.record.at, row.application),
    "synced": lambda row: (row.synced_at, row.application),
}


GROUPS: Final[Mapping[str, Callable[[Row], str]]] = {
    "project": attrgetter("project"),
    "cluster": attrgetter("cluster"),
    "namespace": attrgetter("record.namespace"),
    "health": attrgetter("record.health"),
}
MOST_GROUPS: Final = 500


@dataclass(frozen=True, slots=True)
class Group:
    """Those of the Applications that fit which have one thing in common: how many, and how many are a problem."""

    name: str
    total: int
    problems: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list. `total` fit all filters; `counts` are of those that fit the search and the place.

    `known` is how many Applications there are at all, `clusters` and `projects` the names of theirs. `groups` are of
    all that fit, in the order of the list, so many of them; `group_count` is how many there are.
    """

    rows: tuple[Row, ...]
    total: int
    known: int
    counts: Mapping[str, Mapping[str, int]]
    clusters: tuple[str, ...]
    projects: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    group_count: int = 0


def listed(rows: Sequence[Row], query: Query) -> Listed:
    """The page of `rows` that the query asks for."""
    words = query.text.casefold().split()
    found = [row for row in rows if all(word in row.text for word in words)] if words else rows
    if query.cluster:
        found = [row for row in found if row.cluster == query.cluster]
    if query.project:
        found = [row for row in found if row.project == query.project]
    if query.namespace:
        found = [row for row in found if _is_in(row, query.namespace)]
    counts = _counts(found)
    if query.health:
        found = [row for row in found if row.record.health in query.health]
    if query.sync:
        found = [row for row in found if row.record.sync in query.sync]
    for name in query.only:
        found = [row for row in found if name in row.fits]
    ordered = sorted(found, key=SORTS[query.sort.lstrip("-")], reverse=query.sort.startswith("-"))
    groups: list[Group] = []
    if query.group:
        ordered = sorted(ordered, key=lambda row: _group_order(query.group, row))  # each in the order before
        groups = _groups(ordered, query.group)
    page = tuple(ordered[query.offset : query.offset + query.limit])
    clusters, projects = set(map(GROUPS["cluster"], rows)), set(map(GROUPS["project"], rows))
    return Listed(
        page,
        len(ordered),
        len(rows),
        counts,
        tuple(sorted(clusters)),
        tuple(sorted(projects)),
        tuple(groups[:MOST_GROUPS]),
        len(groups),
    )


def _group_order(group: str, row: Row) -> tuple[int, str]:
    """By name; by health, the worst first."""
    name = GROUPS[group](row)
    return (_HEALTH_ORDER.get(name, 0) if group == "health" else 0), name


def _groups(rows: Iterable[Row], group: str) -> list[Group]:
    name_of = GROUPS[group]
    totals, problems = Counter[str](), Counter[str]()
    for row in rows:
        name = name_of(row)
        totals[name] += 1
        problems[name] += row.is_problem
    return [Group(name, total, problems[name]) for name, total in totals.items()]


def _is_in(row: Row, namespace: str) -> bool:
    """Whether it lives in the namespace, or its objects go there."""
    return namespace in (row.record.namespace, row.application.partition("/")[0])


def _counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    healths, syncs = Counter(map(GROUPS["health"], rows)), Counter(map(attrgetter("record.sync"), rows))
    only = Counter(chain.from_iterable(map(attrgetter("fits"), rows)))
    return {
        "health": {word.value: healths[word.value] for word in HealthWord},
        "sync": {word: syncs[word] for word in SYNC_WORDS},
        "only": {name: only[name] for name in ONLY},
    }


def row_data(row: Row) -> dict[str, Any]:
    """A row as JSON values, for programs."""
    record = row.record
    return {
        "application": row.application,
        "project": row.project,
        "namespace": record.namespace,
        "cluster": row.cluster,
        "source": row.source,
        "targetRevision": row.target,
        "revision": record.head,
        "sync": record.sync,
        "health": record.health,
        "message": row.message,
        "note": row.note,
        "problem": row.is_problem,
        "pending": row.pending,
        "plan": record.plan,
        "drift": list(row.drift),
        "progress": row.progress,
        "suspended": record.suspended,
        "automated": row.automated,
        "syncedAt": row.synced_at,
    }
