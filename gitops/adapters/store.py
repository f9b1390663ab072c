"""`gitops.ports.Store` on SQLite: releases, rendered sets by content, and the audit log.

One connection, used by one thread of its own, so that a slow disk never stops the loop. Every audit entry is a
transaction of its own with a full sync: what it announces may happen right after.
"""

import asyncio
import fcntl
import gzip
import json
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import IO, Any, TypeVar

from gitops.adapters.sealing import Sealer
from gitops.manifests.key import ResourceKey
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.audit import GENESIS, Anchor, AuditEvent, digest_of
from gitops.model.errors import StoreError
from gitops.model.release import Release
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision
from gitops.ports import Asked, Fact

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rendered (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS equal (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS releases (
    number INTEGER NOT NULL, application TEXT NOT NULL, cluster TEXT NOT NULL, revision TEXT NOT NULL,
    ref TEXT NOT NULL, digest TEXT NOT NULL, health TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL,
    namespace TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (application, cluster, number)
);
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL, application TEXT NOT NULL, cluster TEXT NOT NULL,
    fact TEXT NOT NULL, revision TEXT NOT NULL, detail TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (application, cluster, seq)
);
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY AUTOINCREMENT, application TEXT NOT NULL, verb TEXT NOT NULL, detail TEXT NOT NULL,
    actor TEXT NOT NULL, at TEXT NOT NULL, outcome TEXT
);
CREATE TABLE IF NOT EXISTS settings (
    application TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (application, name)
);
"""
_BUSY_SECONDS = 10.0
# Remembered answers beyond this are forgotten; each costs one dry-run to learn again.
_MOST_EQUAL = 200_000
_TOO_MANY_EQUAL = f"""
DELETE FROM equal WHERE digest IN
(SELECT digest FROM equal LIMIT max(0, (SELECT count(*) FROM equal) - {_MOST_EQUAL}))
"""
T = TypeVar("T")


class SqliteStore:
    """The store in the file `path`; made when it is not there. Open it with `await SqliteStore.open(path)`."""

    def __init__(self, path: Path, sealer: Sealer) -> None:
        self._path = path
        self._sealer = sealer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._id = ""
        self._claimed: IO[str] | None = None

    @classmethod
    async def open(cls, folder: Path, key: str = "") -> "SqliteStore":
        """The store of the state folder `folder`. Raises StoreError when it cannot be had."""
        path = folder / "gitops.db"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise StoreError(f"{folder}: cannot make the state folder: {exc.strerror}") from exc
        store = cls(path, Sealer(folder / "key", key))
        await store._run(store._connect)
        return store

    @property
    def id(self) -> str:
        return self._id

    async def append(self, fact: Fact, after: Anchor | None) -> AuditEvent:
        return await self._run(lambda: self._append(fact, after))

    async def check(self) -> None:
        """Raise StoreError when the database file itself is damaged."""
        row = await self._run(lambda: self._db.execute("PRAGMA integrity_check(1)").fetchone())
        if row[0] != "ok":
            raise StoreError(f"{self._path}: the database is damaged: {row[0]}")

    async def chains(self) -> list[tuple[str, str]]:
        sql = "SELECT DISTINCT application, cluster FROM audit ORDER BY 1, 2"
        return await self._run(lambda: [(row[0], row[1]) for row in self._db.execute(sql)])

    async def events(self, application: str, cluster: str) -> list[AuditEvent]:
        sql = f"SELECT {_AUDIT_COLUMNS} FROM audit WHERE application = ? AND cluster = ? ORDER BY seq"
        return await self._run(lambda: [_event(row) for row in self._db.execute(sql, (application, cluster))])

    async def known_equal(self, digests: frozenset[str]) -> frozenset[str]:
        return await self._run(lambda: frozenset(digest for digest in digests if self._is_equal(digest)))

    async def remember_equal(self, digests: frozenset[str]) -> None:
        rows = [(digest,) for digest in sorted(digests)]
        await self._run(lambda: self._commit_many("INSERT OR IGNORE INTO equal VALUES (?)", rows))

    async def save_rendered(self, rendered: RenderedSet) -> None:
        rows = [
            [manifest.origin.path, manifest.origin.line, self._sealer.sealed(manifest.body)]
            for manifest in rendered.manifests
        ]
        revision = [rendered.revision.sha, rendered.revision.ref]
        keys = [[key.group, key.kind, key.namespace, key.name] for key in (row.key for row in rendered.manifests)]
        data = gzip.compress(json.dumps([revision, keys, rows]).encode(), compresslevel=6, mtime=0)
        sql = "INSERT OR IGNORE INTO rendered (digest, data) VALUES (?, ?)"
        await self._run(lambda: self._commit(sql, (rendered.digest, data)))

    async def rendered(self, digest: str) -> RenderedSet | None:
        sql = "SELECT data FROM rendered WHERE digest = ?"
        row = await self._run(lambda: self._db.execute(sql, (digest,)).fetchone())
        if row is None:
            return None
        revision, keys, rows = json.loads(gzip.decompress(row[0]))
        manifests = tuple(
            Manifest(ResourceKey(*key), self._sealer.opened(body), Origin(path, line))
            for key, (path, line, body) in zip(keys, rows, strict=True)
        )
        return RenderedSet(Revision(*revision), manifests, digest)

    async def add_release(self, release: Release) -> Release:
        return await self._run(lambda: self._add_release(release))

    async def applications(self) -> list[str]:
        sql = "SELECT DISTINCT application FROM releases ORDER BY 1"
        return await self._run(lambda: [row[0] for row in self._db.execute(sql)])

    async def releases(self, application: str, cluster: str = "") -> list[Release]:
        columns, order = _RELEASE_COLUMNS, "at DESC, number DESC"
        sql = f"SELECT {columns} FROM releases WHERE application = ? AND ? IN ('', cluster) ORDER BY {order}"
        return await self._run(lambda: [Release(*row) for row in self._db.execute(sql, (application, cluster))])

    async def request(self, application: str, verb: str, detail: dict[str, Any], actor: str, at: str) -> int:
        sql = "INSERT INTO requests (application, verb, detail, actor, at) VALUES (?, ?, ?, ?, ?) RETURNING number"
        row = (application, verb, _canonical(detail), actor, at)
        return int(await self._run(lambda: self._db.execute(sql, row).fetchall()[0][0]))

    async def requests(self, after: int = 0) -> list[Asked]:
        sql = f"SELECT {_ASKED_COLUMNS} FROM requests WHERE number > ? AND outcome IS NULL ORDER BY number"
        return await self._run(lambda: [_asked(row) for row in self._db.execute(sql, (after,))])

    async def answer(self, number: int, outcome: str) -> None:
        sql = "UPDATE requests SET outcome = ? WHERE number = ? AND outcome IS NULL"
        await self._run(lambda: self._commit(sql, (outcome, number)))

    async def outcome(self, number: int) -> str | None:
        return await self._one("SELECT outcome FROM requests WHERE number = ?", (number,))

    async def setting(self, application: str, name: str) -> str | None:
        return await self._one("SELECT value FROM settings WHERE application = ? AND name = ?", (application, name))

    async def set_setting(self, application: str, name: str, value: str | None) -> None:
        if value is None:
            sql = "DELETE FROM settings WHERE application = ? AND name = ?"
            await self._run(lambda: self._commit(sql, (application, name)))
        else:
            sql = "INSERT OR REPLACE INTO settings (application, name, value) VALUES (?, ?, ?)"
            await self._run(lambda: self._commit(sql, (application, name, value)))

    async def settings(self, name: str) -> dict[str, str]:
        sql = "SELECT application, value FROM settings WHERE name = ? ORDER BY application"
        return await self._run(lambda: dict(self._db.execute(sql, (name,)).fetchall()))

    async def claim_single(self) -> bool:
        return await self._run(self._claim)

    async def close(self) -> None:
        await self._run(self._db.close)
        self._thread.shutdown()
        if self._claimed is not None:
            self._claimed.close()
            self._claimed = None

    def _claim(self) -> bool:
        """Lock a file beside the database; the system frees it when this process ends, however it ends."""
        if self._claimed is None:
            file = (self._path.parent / "controller.lock").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                self._claimed = file
        return self._claimed is not None

    async def _one(self, sql: str, values: tuple[object, ...]) -> str | None:
        row = await self._run(lambda: self._db.execute(sql, values).fetchone())
        return None if row is None else row[0]

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError, EOFError, ValueError) as exc:
            raise StoreError(f"{self._path}: {exc}") from exc

    def _connect(self) -> None:
        self._db = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        self._path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", (secrets.token_hex(8),))
        self._id = self._db.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()[0]

    def _append(self, fact: Fact, after: Anchor | None) -> AuditEvent:
        """Read the chain's head and add to it in one transaction, so that two processes cannot fork it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            sql = "SELECT seq, hash FROM audit WHERE application = ? AND cluster = ? ORDER BY seq DESC LIMIT 1"
            head = self._db.execute(sql, (fact.application, fact.cluster)).fetchone()
            if head is None:
                head = (after.seq, after.hash) if after else (0, GENESIS)
            unsigned = AuditEvent(
                seq=head[0] + 1,
                at=fact.at,
                actor=fact.actor,
                application=fact.application,
                cluster=fact.cluster,
                fact=fact.name,
                revision=fact.revision,
                detail=fact.detail,
                previous_hash=head[1],
                hash="",
            )
            event = replace(unsigned, hash=digest_of(unsigned))
            row = [_canonical(value) if isinstance(value, dict) else value for value in astuple(event)]
            marks = ", ".join("?" * len(row))
            self._db.execute(f"INSERT INTO audit ({_AUDIT_COLUMNS}) VALUES ({marks})", row)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return event

    def _add_release(self, release: Release) -> Release:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            sql = "SELECT coalesce(max(number), 0) FROM releases WHERE application = ? AND cluster = ?"
            last = self._db.execute(sql, (release.application, release.cluster)).fetchone()[0]
            numbered = replace(release, number=last + 1)
            row = astuple(numbered)
            marks = ", ".join("?" * len(row))
            self._db.execute(f"INSERT INTO releases ({_RELEASE_COLUMNS}) VALUES ({marks})", row)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return numbered

    def _is_equal(self, digest: str) -> bool:
        return self._db.execute("SELECT 1 FROM equal WHERE digest = ?", (digest,)).fetchone() is not None

    def _commit_many(self, sql: str, rows: list[tuple[str]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(sql, rows)
            self._db.execute(_TOO_MANY_EQUAL)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _commit(self, sql: str, values: tuple[object, ...]) -> None:
        self._db.execute(sql, values)


_AUDIT_COLUMNS = ", ".join(field.name for field in fields(AuditEvent))
_RELEASE_COLUMNS = ", ".join(field.name for field in fields(Release))
_ASKED_COLUMNS = ", ".join(field.name for field in fields(Asked))


def _canonical(detail: dict[str, Any]) -> str:
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _asked(row: tuple[Any, ...]) -> Asked:
    number, application, verb, detail, actor, at = row
    return Asked(number, application, verb, json.loads(detail), actor, at)


def _event(row: tuple[object, ...]) -> AuditEvent:
    """An entry as it was written; a detail that is not to the byte what we write is kept so that its hash shows it."""
    values = list(row)
    text = str(values[7])
    try:
        detail = json.loads(text)
    except ValueError:
        detail = None
    values[7] = detail if isinstance(detail, dict) and _canonical(detail) == text else {"altered": text}
    return AuditEvent(*values)  # type: ignore[arg-type]
