"""A list of Applications, one row each: searched, filtered, sorted, counted and cut into pages. Pure, and in memory.

A row is made once when something changed, and read by every list until the next change: ten thousand Applications are
looked through for each request.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gitops.model.health import HealthWord
from gitops.model.record import Record

SYNC_WORDS: Final = ("Synced", "OutOfSync", "Unknown")
_HEALTH_ORDER: Final = {word.value: place for place, word in enumerate(HealthWord)}
_WELL: Final = (HealthWord.HEALTHY.value, HealthWord.SUSPENDED.value)


@dataclass(frozen=True, slots=True)
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

    @property
    def waits(self) -> bool:
        """Whether a plan of it waits for a person's approval."""
        return bool(self.record.plan)

    @property
    def is_problem(self) -> bool:
        """Whether a person has to look: it is not well, and nothing that is under way makes it so."""
        record = self.record
        is_unwell = record.health in ("Degraded", "Missing")
        is_held = record.sync != "Synced" and bool(record.reason) and not self.drift
        is_known = record.suspended or self.waits or bool(self.progress)
        return bool(record.problem) or ((is_unwell or is_held) and not is_known)

    @property
    def urgency(self) -> tuple[int, int, str]:
        """Problems first, the worst of them on top; then what waits for a person, what moves, and the rest."""
        rank = 0 if self.is_problem else 1 if self.waits or self.drift else 2 if self.moves else 3
        return rank, _HEALTH_ORDER.get(self.record.health, 0) if rank == 0 else 9, self.application

    @property
    def moves(self) -> bool:
        return bool(self.progress) or self.record.health == HealthWord.PROGRESSING.value


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
    only: tuple[str, ...] = ()  # of ONLY, each narrows further
    sort: str = "urgency"  # of SORTS, "-" before it turns it round
    offset: int = 0
    limit: int = 50

    @property
    def filters(self) -> bool:
        """Whether anything is left out by it."""
        return bool(self.text or self.health or self.sync or self.cluster or self.namespace or self.only)


ONLY: Final[Mapping[str, Callable[[Row], bool]]] = {
    "problems": lambda row: row.is_problem,
    "waiting": lambda row: row.waits,
    "drifted": lambda row: bool(row.drift),
    "suspended": lambda row: row.record.suspended,
    "syncing": lambda row: row.moves,
}
SORTS: Final[Mapping[str, Callable[[Row], Any]]] = {
    "urgency": lambda row: row.urgency,
    "name": lambda row: row.application,
    "health": lambda row: (_HEALTH_ORDER.get(row.record.health, 0), row.application),
    "sync": lambda row: (row.record.sync, row.application),
    "cluster": lambda row: (row.record.cluster, row.application),
    "changed": lambda row: (row.record.at, row.application),
    "synced": lambda row: (row.synced_at, row.application),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list. `total` fit all filters; `counts` are of those that fit the search and the place.

    `known` is how many Applications there are at all, `clusters` the names of theirs.
    """

    rows: tuple[Row, ...]
    total: int
    known: int
    counts: Mapping[str, Mapping[str, int]]
    clusters: tuple[str, ...]


def listed(rows: Sequence[Row], query: Query) -> Listed:
    """The page of `rows` that the query asks for."""
    words = query.text.casefold().split()
    found = [row for row in rows if all(word in row.text for word in words)] if words else rows
    if query.cluster:
        found = [row for row in found if row.record.cluster == query.cluster]
    if query.namespace:
        found = [row for row in found if _is_in(row, query.namespace)]
    counts = _counts(found)
    if query.health:
        found = [row for row in found if row.record.health in query.health]
    if query.sync:
        found = [row for row in found if row.record.sync in query.sync]
    for name in query.only:
        found = list(filter(ONLY[name], found))
    ordered = sorted(found, key=SORTS[query.sort.lstrip("-")], reverse=query.sort.startswith("-"))
    page = tuple(ordered[query.offset : query.offset + query.limit])
    return Listed(page, len(ordered), len(rows), counts, tuple(sorted({row.record.cluster for row in rows})))


def _is_in(row: Row, namespace: str) -> bool:
    """Whether it lives in the namespace, or its objects go there."""
    return namespace in (row.record.namespace, row.application.partition("/")[0])


def _counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    healths, syncs = Counter(row.record.health for row in rows), Counter(row.record.sync for row in rows)
    return {
        "health": {word.value: healths[word.value] for word in HealthWord},
        "sync": {word: syncs[word] for word in SYNC_WORDS},
        "only": {name: sum(map(fits, rows)) for name, fits in ONLY.items()},
    }


def row_data(row: Row) -> dict[str, Any]:
    """A row as JSON values, for programs."""
    record = row.record
    return {
        "application": row.application,
        "namespace": record.namespace,
        "cluster": record.cluster or "in-cluster",
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
