"""`gitops.ports.Store` in the SQL that SQLite and PostgreSQL share: releases, rendered sets, the audit log, requests.

What a transaction does is written once, as a Script: it yields statements, is sent their rows, and returns its
result; each database carries scripts out in its own way, and knows how to serialise those that name one lock.
"""

import asyncio
import gzip
import json
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import astuple, fields, replace
from typing import Any, TypeVar

from gitops.adapters.sealing import Sealer
from gitops.bounds import MIB, parsed, parsed_map, unzipped
from gitops.logs import Log
from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.audit import GENESIS, Anchor, AuditEvent, EntryFilter, digest_of
from gitops.model.errors import StoreError
from gitops.model.operator_command import OperatorRequest
from gitops.model.reading import read_row
from gitops.model.release import Release
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision
from gitops.ports import Fact

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS rendered (digest TEXT PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS equals (digest TEXT PRIMARY KEY, at INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS releases (
    number INTEGER NOT NULL, application TEXT NOT NULL, cluster TEXT NOT NULL, revision TEXT NOT NULL,
    ref TEXT NOT NULL, digest TEXT NOT NULL, health TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL,
    namespace TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (application, cluster, number))""",
    """CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL, application TEXT NOT NULL, cluster TEXT NOT NULL,
    fact TEXT NOT NULL, revision TEXT NOT NULL, detail TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (application, cluster, seq))""",
    "CREATE INDEX IF NOT EXISTS audit_by_time ON audit (at, application, cluster, seq)",
    """CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY AUTOINCREMENT, application TEXT NOT NULL, verb TEXT NOT NULL, detail TEXT NOT NULL,
    actor TEXT NOT NULL, at TEXT NOT NULL, outcome TEXT)""",
    """CREATE TABLE IF NOT EXISTS settings (
    application TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (application, name))""",
)
# Remembered answers beyond this are forgotten; each costs one dry-run to learn again.
_MOST_EQUAL = 200_000
_AT_ONCE = 500
# A render gives 32 MiB at most.
_MOST_RENDERED = 128 * MIB
_AUDIT_FIELDS = tuple(field.name for field in fields(AuditEvent))
_AUDIT_COLUMNS = ", ".join(_AUDIT_FIELDS)
_RELEASE_COLUMNS = ", ".join(field.name for field in fields(Release))
_ASKED_COLUMNS = ", ".join(field.name for field in fields(OperatorRequest))

log = Log()
T = TypeVar("T")
Rows = list[tuple[Any, ...]]
Script = Generator[tuple[str, Sequence[object]], Rows, T]


class SqlStore(ABC):
    """A Store; values are bound at `?`."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._id = ""
        self._damaged: set[tuple[str, str]] = set()

    @abstractmethod
    async def _rows(self, sql: str, *values: object) -> Rows:
        """Carry out one statement that may be repeated without harm, as a transaction of its own."""

    @abstractmethod
    async def _transact(self, lock: str, script: Callable[[], Script[T]]) -> T:
        """Carry out a script exactly once, with a durable commit; never two at a time that name the same `lock`."""

    @property
    def id(self) -> str:
        return self._id

    async def append(self, fact: Fact, after: Anchor | None) -> AuditEvent:
        return await self._transact(f"audit {fact.application} {fact.cluster}", lambda: _append(fact, after))

    async def chains(self, application: str = "") -> list[tuple[str, str]]:
        where = "WHERE application = ?" if application else ""
        rows = await self._rows(
            f"SELECT DISTINCT application, cluster FROM audit {where}", *filter(None, [application])
        )
        return sorted((str(row[0]), str(row[1])) for row in rows)

    async def events(self, application: str, cluster: str) -> list[AuditEvent]:
        sql = f"SELECT {_AUDIT_COLUMNS} FROM audit WHERE application = ? AND cluster = ? ORDER BY seq"
        return [_event(row) for row in await self._rows(sql, application, cluster)]

    async def events_after(self, application: str, cluster: str, seq: int, limit: int) -> list[AuditEvent]:
        where = "application = ? AND cluster = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = await self._rows(f"SELECT {_AUDIT_COLUMNS} FROM audit WHERE {where}", application, cluster, seq, limit)
        return [_event(row) for row in rows]

    async def entries(self, wanted: EntryFilter) -> list[AuditEvent]:
        where, values = _conditions(wanted)
        order = "at DESC, application DESC, cluster DESC, seq DESC"
        sql = f"SELECT {_AUDIT_COLUMNS} FROM audit WHERE {where} ORDER BY {order} LIMIT ?"
        return [_event(row) for row in await self._rows(sql, *values, wanted.limit)]

    async def known_equal(self, digests: frozenset[str], since: int) -> frozenset[str]:
        known: set[str] = set()
        for some in _chunks(sorted(digests)):
            sql = f"SELECT digest FROM equals WHERE at >= ? AND digest IN ({_marks(some)})"
            rows = await self._rows(sql, since, *some)
            known.update(row[0] for row in rows)
        return frozenset(known)

    async def remember_equal(self, digests: frozenset[str], at: int) -> None:
        await self._transact("equal", lambda: _remember(sorted(digests), at))

    def seal(self, digest: str) -> str:
        return self._sealer.mac(digest)

    async def save_rendered(self, rendered: RenderedSet) -> None:
        data = await asyncio.to_thread(_packed, rendered, self._sealer)
        await self._transact(f"rendered {rendered.digest}", lambda: _save_rendered(rendered.digest, data))

    async def rendered(self, digest: str) -> RenderedSet | None:
        sql = "SELECT CASE WHEN length(data) <= ? THEN data END FROM rendered WHERE digest = ?"
        rows = await self._rows(sql, _MOST_RENDERED, digest)
        if not rows:
            return None
        try:
            return await asyncio.to_thread(_unpacked, rows[0][0], digest, self._sealer)
        except (ValueError, TypeError) as exc:
            raise StoreError(f"the stored rendered set {digest[:12]} is damaged: {exc}") from exc

    async def add_release(self, release: Release) -> Release:
        return await self._transact(f"releases {release.application}", lambda: _add_release(release))

    async def applications(self) -> list[str]:
        return sorted(str(row[0]) for row in await self._rows("SELECT DISTINCT application FROM releases"))

    async def releases(self, application: str, cluster: str = "") -> list[Release]:
        columns, order = _RELEASE_COLUMNS, "at DESC, number DESC"
        sql = f"SELECT {columns} FROM releases WHERE application = ? AND ? IN ('', cluster) ORDER BY {order}"
        return list(self._readable(Release, "releases", await self._rows(sql, application, cluster)))

    async def request(self, application: str, verb: str, detail: dict[str, Any], actor: str, at: str) -> int:
        # One at a time, so that numbers become visible in order and `after` skips none.
        return await self._transact("requests", lambda: _request(application, verb, _canonical(detail), actor, at))

    async def requests(self, after: int = 0) -> list[OperatorRequest]:
        sql = f"SELECT {_ASKED_COLUMNS} FROM requests WHERE number > ? AND outcome IS NULL ORDER BY number"
        rows = [(*row[:3], _detail(row[3]), *row[4:]) for row in await self._rows(sql, after)]
        return list(self._readable(OperatorRequest, "requests", rows))

    async def answer(self, number: int, outcome: str) -> None:
        sql = "UPDATE requests SET outcome = ? WHERE number = ? AND outcome IS NULL"
        await self._rows(sql, outcome, number)

    async def requested_for(self, number: int) -> tuple[str, str] | None:
        rows = await self._rows("SELECT application, actor FROM requests WHERE number = ?", number)
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    async def outcome(self, number: int) -> str | None:
        rows = await self._rows("SELECT outcome FROM requests WHERE number = ?", number)
        return _text(rows[0][0]) if rows else None

    async def setting(self, application: str, name: str) -> str | None:
        rows = await self._rows("SELECT value FROM settings WHERE application = ? AND name = ?", application, name)
        return _text(rows[0][0]) if rows else None

    async def set_setting(self, application: str, name: str, value: str | None) -> None:
        await self.set_settings(name, {application: value})

    async def set_settings(self, name: str, values: Mapping[str, str | None]) -> None:
        await self._transact("settings", lambda: _set_settings(name, values))

    async def settings(self, name: str) -> dict[str, str]:
        rows = await self._rows("SELECT application, value FROM settings WHERE name = ?", name)
        return dict(sorted((str(row[0]), _text(row[1]) or "") for row in rows))

    def _readable(self, kind: type[T], table: str, rows: Rows) -> Iterator[T]:
        """The rows that are as we write them; of each other one it is told once, and it is left out."""
        for row in rows:
            try:
                yield read_row(kind, row)
            except ValueError as exc:
                name = " ".join(str(part)[:60] for part in row[:2])
                if (table, name) not in self._damaged:
                    self._damaged.add((table, name))
                    log.at(logging.CRITICAL, "store.row-damaged", table=table, row=name, error=str(exc))


def make_tables(schema: Sequence[str]) -> Script[str]:
    """Make what is not there yet; the store's id."""
    for sql in schema:
        yield sql, ()
    yield "INSERT INTO meta (name, value) VALUES ('id', ?) ON CONFLICT DO NOTHING", (secrets.token_hex(8),)
    rows = yield "SELECT value FROM meta WHERE name = 'id'", ()
    return str(rows[0][0])


def _append(fact: Fact, after: Anchor | None) -> Script[AuditEvent]:
    rows = yield (
        "SELECT seq, hash FROM audit WHERE application = ? AND cluster = ? ORDER BY seq DESC LIMIT 1",
        (fact.application, fact.cluster),
    )
    seq, previous = rows[0] if rows else (after.seq, after.hash) if after else (0, GENESIS)
    unsigned = AuditEvent(
        seq=seq + 1,
        at=fact.at,
        actor=fact.actor,
        application=fact.application,
        cluster=fact.cluster,
        fact=fact.name,
        revision=fact.revision,
        detail=fact.detail,
        previous_hash=previous,
        hash="",
    )
    event = replace(unsigned, hash=digest_of(unsigned))
    values = [getattr(event, name) for name in _AUDIT_FIELDS]
    row = [_canonical(value) if isinstance(value, dict) else value for value in values]
    yield f"INSERT INTO audit ({_AUDIT_COLUMNS}) VALUES ({_marks(row)})", row
    return event


def _conditions(wanted: EntryFilter) -> tuple[str, list[object]]:
    """What follows WHERE, and the values for it."""
    conditions: list[tuple[str, list[object]]] = [("1 = 1", [])]
    if wanted.application:
        conditions.append(("application = ?", [wanted.application]))
    if wanted.applications is not None:
        names = sorted(wanted.applications)
        conditions.append((f"application IN ({_marks(names)})" if names else "1 = 0", [*names]))
    if wanted.actor:
        conditions.append(("lower(actor) LIKE ? ESCAPE '!'", [f"%{_literally(wanted.actor.lower())}%"]))
    if wanted.fact:
        begins = wanted.fact.removesuffix("*")
        conditions.append(("fact LIKE ? ESCAPE '!'", [_literally(begins) + "%" * (begins != wanted.fact)]))
    if wanted.since:
        conditions.append(("at >= ?", [wanted.since]))
    if wanted.before:
        conditions.append(("(at, application, cluster, seq) < (?, ?, ?, ?)", list(wanted.before)))
    return " AND ".join(text for text, _ in conditions), [value for _, values in conditions for value in values]


def _literally(text: str) -> str:
    """Text in a pattern of LIKE, standing for itself."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _save_rendered(digest: str, data: bytes) -> Script[None]:
    yield "INSERT INTO rendered (digest, data) VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, data)


def _add_release(release: Release) -> Script[Release]:
    rows = yield (
        "SELECT coalesce(max(number), 0) FROM releases WHERE application = ? AND cluster = ?",
        (release.application, release.cluster),
    )
    numbered = replace(release, number=max(rows[0][0] + 1, release.number))
    row = astuple(numbered)
    yield f"INSERT INTO releases ({_RELEASE_COLUMNS}) VALUES ({_marks(row)})", row
    return numbered


def _request(*row: str) -> Script[int]:
    columns = "application, verb, detail, actor, at"
    rows = yield f"INSERT INTO requests ({columns}) VALUES ({_marks(row)}) RETURNING number", row
    return int(rows[0][0])


def _set_settings(name: str, values: Mapping[str, str | None]) -> Script[None]:
    for application in sorted(values.keys()):
        if values[application] is None:
            yield "DELETE FROM settings WHERE application = ? AND name = ?", (application, name)
    for some in _chunks(sorted(application for application, value in values.items() if value is not None)):
        rows = ", ".join(["(?, ?, ?)"] * len(some))
        yield (
            f"INSERT INTO settings (application, name, value) VALUES {rows} "
            "ON CONFLICT (application, name) DO UPDATE SET value = excluded.value",
            [part for application in some for part in (application, name, values[application] or "")],
        )


def _remember(digests: Sequence[str], at: int) -> Script[None]:
    for some in _chunks(digests):
        values = ", ".join([f"(?, {at:d})"] * len(some))
        yield (
            f"INSERT INTO equals (digest, at) VALUES {values} ON CONFLICT (digest) DO UPDATE SET at = excluded.at",
            some,
        )
    rows = yield "SELECT count(*) FROM equals", ()
    if rows[0][0] > _MOST_EQUAL:
        sql = "DELETE FROM equals WHERE digest IN (SELECT digest FROM equals ORDER BY at LIMIT ?)"
        yield sql, (rows[0][0] - _MOST_EQUAL,)


def _packed(rendered: RenderedSet, sealer: Sealer) -> bytes:
    keys = [[key.group, key.kind, key.namespace, key.name] for key in (row.key for row in rendered.manifests)]
    rows = [
        [manifest.origin.path, manifest.origin.line, sealer.sealed(manifest.body)] for manifest in rendered.manifests
    ]
    revision = [rendered.revision.sha, rendered.revision.ref]
    return gzip.compress(json.dumps([revision, keys, rows, rendered.children]).encode(), compresslevel=6, mtime=0)


def _unpacked(data: bytes, digest: str, sealer: Sealer) -> RenderedSet:
    """Raises ValueError or TypeError for what `_packed` has not made."""
    if not isinstance(data, bytes):
        raise ValueError(f"expected at most {_MOST_RENDERED // MIB} MiB of bytes")
    revision, keys, rows, *children = map(_list, _list(parsed(unzipped(data, _MOST_RENDERED))))
    manifests = tuple(
        Manifest(read_row(ResourceKey, tuple(key)), _opened(sealer, body), read_row(Origin, (path, line)))
        for key, (path, line, body) in zip(keys, rows, strict=True)
    )
    found = read_row(Revision, tuple(revision))
    held = children[0] if children else ()  # older versions have no children
    return RenderedSet(found, manifests, digest, children=tuple(_map(one) for one in held))


def _opened(sealer: Sealer, body: Any) -> Body:
    return sealer.opened(_map(body))


def _map(value: Any) -> Body:
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("expected a list")
    return value


def _detail(text: Any) -> Any:
    """A request's detail, None where it is not to be read."""
    try:
        return parsed_map(text)
    except (ValueError, TypeError):
        return None


def _text(value: Any) -> str | None:
    """A text as the database gives it: SQLite holds whatever it was given."""
    return value if value is None or isinstance(value, str) else str(value)


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _canonical(detail: dict[str, Any]) -> str:
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _event(row: tuple[Any, ...]) -> AuditEvent:
    """An entry as it was written; a detail that is not to the byte what we write is kept so that its hash shows it."""
    values: list[Any] = [str(value) for value in row]
    values[0] = row[0] if isinstance(row[0], int) else -1
    text = values[7]
    detail = _detail(text)
    values[7] = detail if detail is not None and _canonical(detail) == text else {"altered": text}
    return AuditEvent(*values)
