"""The Store that replicas share: PostgreSQL 13 or newer.

Connections break, servers crash, and then the answer to a COMMIT may be lost. So every transaction leaves a ticket,
and another attempt with the same ticket waits for the end of the first and sees whether it took place. (The server's
own answer, pg_xact_status, cannot be trusted here: after a crash transaction numbers are used again.) Nobody but us
sees the URL's password: messages name the host and the database only.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gitops.adapters.sealing import Sealer
from gitops.adapters.store_sql import SCHEMA, Rows, Script, SqlStore, make_tables
from gitops.model.errors import ConfigError, StoreError

_MOST_CONNECTIONS = 4
# How long a broken connection is replaced and tried again before the caller is told.
_PATIENCE = 30.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
# So that a server or a network that went silent is noticed; a URL may say otherwise.
_DEFAULTS = {
    "application_name": "gitops",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    # Of several hosts the one that may be written to; a standby is none.
    "target_session_attrs": "read-write",
}
_SESSION = """
SELECT set_config('statement_timeout', '20s', false), set_config('lock_timeout', '20s', false),
    set_config('idle_in_transaction_session_timeout', '10s', false),
    set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), false)
"""
# 0 when a transaction with this ticket was committed; else the lock is ours.
_TAKE = """
WITH mine AS (INSERT INTO tickets (ticket) VALUES (?) ON CONFLICT DO NOTHING RETURNING ticket)
SELECT (SELECT count(*) FROM mine), pg_advisory_xact_lock(hashtextextended(?, 0))
"""
_TICKETS_KEPT = 10_000
_FORGET = "DELETE FROM tickets WHERE made < now() - interval '1 hour'"
# What the server answers when it goes away, starts, or breaks off one of two that wait for each other.
_PASSING = ("08", "57P", "40")
_NO_KEY = (
    "GITOPS_KEY is not set, and replicas that share a store must seal with one key: "
    "make it once (openssl rand -base64 32) and give it to each"
)

T = TypeVar("T")
_Connection = psycopg.AsyncConnection[tuple[object, ...]]


class PostgresqlStore(SqlStore):
    """Open it with `await PostgresqlStore.open(url, key)`."""

    def __init__(self, conninfo: str, name: str, sealer: Sealer) -> None:
        super().__init__(sealer)
        self._conninfo = conninfo
        self._name = name
        self._slots = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._idle: list[_Connection] = []
        self._tickets = 0

    @classmethod
    async def open(cls, url: str, key: str) -> "PostgresqlStore":
        """The store in the database `url`. StoreError when it cannot be had, ConfigError for a wrong URL or key."""
        conninfo, name = _checked(url)
        if not key:
            raise ConfigError(f"{name}: {_NO_KEY}")
        sealer = Sealer(key, None)
        fingerprint = sealer.fingerprint()
        store = cls(conninfo, name, sealer)
        try:
            await store._prepare(fingerprint)
        except BaseException:
            await store.close()
            raise
        return store

    async def _prepare(self, fingerprint: str) -> None:
        """Connect (at the first try: a wrong URL must not look like a slow server), and make what is not there yet."""
        try:
            connection = await self._connect()
        except psycopg.Error as exc:
            raise StoreError(f"{self._name}: {exc}") from exc
        self._idle.append(connection)
        self._id = await self._patiently(self._make_tables)
        await self._rows(_FORGET)
        await self._rows("INSERT INTO meta (name, value) VALUES ('key', ?) ON CONFLICT DO NOTHING", fingerprint)
        rows = await self._rows("SELECT value FROM meta WHERE name = 'key'")
        if rows[0][0] != fingerprint:
            raise ConfigError(f"{self._name}: GITOPS_KEY is not the key that this store's Secrets are sealed with")

    async def _make_tables(self) -> str:
        async with self._connection() as connection, connection.transaction():
            await _execute(connection, "SELECT pg_advisory_xact_lock(hashtextextended('gitops schema', 0))", ())
            return await _carry_out(connection, make_tables(_DIALECT))

    async def check(self) -> None:
        """PostgreSQL looks after its own files; that it answers is all there is to see."""
        await self._rows("SELECT 1")

    async def check_place(self) -> None:
        """Nothing: a server's database does not go away under those who have it open."""

    async def claim_single(self) -> bool:
        return True

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _rows(self, sql: str, *values: object) -> Rows:
        async def attempt() -> Rows:
            async with self._connection() as connection:
                return await _execute(connection, sql, values)

        return await self._patiently(attempt)

    async def _transact(self, lock: str, script: Callable[[], Script[T]]) -> T:
        ticket = secrets.token_hex(16)
        results: list[T] = []  # the last is that of the only attempt that can have been committed

        async def attempt() -> T:
            async with self._connection() as connection, connection.transaction():
                if not (await _execute(connection, _TAKE, (ticket, f"gitops {lock}")))[0][0]:
                    return results[-1]
                results.append(await _carry_out(connection, script()))
            return results[-1]

        result = await self._patiently(attempt)
        self._tickets += 1
        if self._tickets % _TICKETS_KEPT == 0:
            await self._rows(_FORGET)
        return result

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try again, on another connection, what failed only because a connection did."""
        trouble: psycopg.Error | None = None
        pause = _FIRST_PAUSE
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    try:
                        return await attempt()
                    except psycopg.OperationalError as exc:
                        if not (exc.sqlstate or "08").startswith(_PASSING):
                            raise
                        trouble = exc
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
        except TimeoutError as exc:
            raise StoreError(f"{self._name}: {trouble or f'no answer within {_PATIENCE:.0f} s'}") from exc
        except (psycopg.Error, ValueError) as exc:
            raise StoreError(f"{self._name}: {exc}") from exc

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        """A connection for one piece of work; one on which anything failed is not used again."""
        async with self._slots:
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                yield connection
            except BaseException:
                await connection.close()
                raise
            self._idle.append(connection)

    async def _connect(self) -> _Connection:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        await connection.execute(_SESSION)
        return connection


async def _execute(connection: _Connection, sql: str, values: object) -> Rows:
    # All SQL is a constant of store_sql and this module.
    cursor = await connection.execute(cast("psycopg.sql.SQL", sql.replace("?", "%s")), cast("tuple[object]", values))
    return await cursor.fetchall() if cursor.description else []


async def _carry_out(connection: _Connection, script: Script[T]) -> T:
    try:
        sql, values = next(script)
        while True:
            sql, values = script.send(await _execute(connection, sql, values))
    except StopIteration as end:
        result: T = end.value
        return result


def _checked(url: str) -> tuple[str, str]:
    """How to connect, and a name without credentials. What cannot be read is not repeated: it may be a password."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        given = {}
    host, database, port = (given.get(name, "") for name in ("host", "dbname", "port"))
    if not given or "@" in host + database or port.strip("0123456789,"):
        raise ConfigError(
            "the store's URL cannot be read: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for an @ "
            "and %2F for a / in the password"
        )
    return make_conninfo("", **(_DEFAULTS | given)), f"postgresql://{host}/{database}"


_TICKETS = "CREATE TABLE IF NOT EXISTS tickets (ticket TEXT PRIMARY KEY, made TIMESTAMPTZ NOT NULL DEFAULT now())"
# Text is compared byte by byte, as SQLite does.
_DIALECT = tuple(
    sql.replace("TEXT", 'TEXT COLLATE "C"')
    .replace("BLOB", "BYTEA")
    .replace("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    .replace("INTEGER", "BIGINT")
    for sql in (*SCHEMA, _TICKETS)
)
