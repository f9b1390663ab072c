"""The Store of one machine: SQLite in the state folder.

One connection, used by one thread of its own, so that a slow disk never stops the loop. Every audit entry is synced to
the disk before its writer goes on: what it announces may happen right after. Writers that wait at the same time share
one transaction, and all who wait share one way to the thread and back.
"""

import asyncio
import contextlib
import fcntl
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, TypeVar

from gitops.adapters.sealing import Sealer
from gitops.adapters.store_sql import SCHEMA, Rows, Script, SqlStore, make_tables
from gitops.model.errors import LostStoreError, StoreError

_BUSY_SECONDS = 10.0
_BUSY_STEP_SECONDS = 0.02
T = TypeVar("T")


class SqliteStore(SqlStore):
    """The store in the file `path`; made when it is not there. Open it with `await SqliteStore.open(folder)`."""

    def __init__(self, path: Path, sealer: Sealer) -> None:
        super().__init__(sealer)
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._claimed: IO[str] | None = None
        self._place: tuple[int, int] | None = None
        self._waiting: deque[tuple[Callable[[], Script[Any]], Future[Any]]] = deque()
        self._work: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._at_work_for: asyncio.AbstractEventLoop | None = None  # changed by that loop alone

    @classmethod
    async def open(cls, folder: Path, key: str = "") -> "SqliteStore":
        """The store of the state folder `folder`. Raises StoreError when it cannot be had."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise StoreError(f"{folder}: cannot make the state folder: {exc.strerror}") from exc
        store = cls(folder / "gitops.db", Sealer(key, folder / "key"))
        await store._run(store._connect)
        store._id = await store._transact("schema", lambda: make_tables(SCHEMA))
        return store

    async def check(self) -> None:
        """Raise StoreError when the database file itself is damaged."""
        rows = await self._rows("PRAGMA integrity_check(1)")
        if rows[0][0] != "ok":
            raise StoreError(f"{self._path}: the database is damaged: {rows[0][0]}")

    async def check_place(self) -> None:
        if await self._run(self._found) != self._place:
            why = "was deleted or replaced while it was open, so that nobody would read what is written to it"
            way_out = "start again: what is owned and the last releases are in the cluster"
            raise LostStoreError(f"{self._path}: {why} ({way_out})")

    async def claim_single(self) -> bool:
        return await self._run(self._claim)

    async def close(self) -> None:
        await self._run(self._db.close)
        self._thread.shutdown()
        if self._claimed is not None:
            self._claimed.close()
            self._claimed = None

    async def _rows(self, sql: str, *values: object) -> Rows:
        return await self._run(lambda: self._db.execute(sql, values).fetchall())

    async def _transact(self, lock: str, script: Callable[[], Script[T]]) -> T:
        """Carry a script out; those that wait at the same time share one commit, and so one sync of the disk."""
        answer: Future[T] = Future()
        self._waiting.append((script, answer))
        await self._run(self._commit_waiting)
        try:
            return answer.result(timeout=0)
        except (sqlite3.Error, OSError, EOFError, ValueError) as exc:
            raise StoreError(f"{self._path}: {exc}") from exc

    async def _run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._work.append((work, answer))
        if self._at_work_for is not loop:
            self._thread.submit(self._do_work, loop)
            self._at_work_for = loop
        try:
            return await answer
        except sqlite3.DatabaseError as exc:
            if getattr(exc, "sqlite_errorcode", None) not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise StoreError(f"{self._path}: {exc}") from exc
            way_out = "move it away: a new one is made, and what is owned and the last releases are in the cluster"
            raise StoreError(f"{self._path}: is damaged ({exc}); {way_out}") from exc
        except (sqlite3.Error, OSError, EOFError, ValueError) as exc:
            raise StoreError(f"{self._path}: {exc}") from exc

    def _do_work(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the store's thread: whatever is asked for by now; the loop is woken once for all of it."""
        done: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        for work, answer in [self._work.popleft() for _ in range(len(self._work))]:
            try:
                done.append((answer, work(), None))
            except BaseException as exc:  # noqa: BLE001 - whoever asked is told
                done.append((answer, None, exc))
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            loop.call_soon_threadsafe(self._answer, loop, done)

    def _answer(
        self, loop: asyncio.AbstractEventLoop, done: list[tuple[asyncio.Future[Any], Any, BaseException | None]]
    ) -> None:
        self._at_work_for = None
        if self._work:
            self._thread.submit(self._do_work, loop)
            self._at_work_for = loop
        for answer, result, error in done:
            if answer.done():  # whoever asked was cancelled
                continue
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

    def _connect(self) -> None:
        self._db = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        # A text that is not UTF-8 is one damaged row, and no reason to give none.
        self._db.text_factory = lambda data: data.decode(errors="replace")
        self._path.chmod(0o600)
        self._keep_a_log()
        self._db.execute("PRAGMA synchronous = FULL")
        self._place = self._found()

    def _found(self) -> tuple[int, int] | None:
        """What names the file that is at our path now; None where there is none."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _keep_a_log(self) -> None:
        """Turn a fresh file over to WAL; SQLite does not wait by itself for another process that is writing to it."""
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(_BUSY_STEP_SECONDS)
            else:
                return

    def _commit_waiting(self) -> None:
        """Whatever waits now; each has its answer when this returns, if an earlier call has not given it one."""
        if not self._waiting:
            return
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        ended: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            # IMMEDIATE takes the one write lock before anything is read, whatever the scripts' own locks are.
            self._db.execute("BEGIN IMMEDIATE")
            for script, answer in batch:
                ended.append((answer, *self._carry_out(script())))
            self._db.execute("COMMIT")
        except BaseException as exc:  # noqa: BLE001 - each of those who wait is told
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("ROLLBACK")
            for _, answer in batch:
                answer.set_exception(exc)
            return
        for answer, result, error in ended:
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

    def _carry_out(self, script: Script[T]) -> tuple[T | None, BaseException | None]:
        """One script of a batch: (result, None), or (None, what went wrong) with nothing of it left."""
        self._db.execute("SAVEPOINT one")
        try:
            sql, values = next(script)
            while True:
                sql, values = script.send(self._db.execute(sql, values).fetchall())
        except StopIteration as end:
            self._db.execute("RELEASE one")
            return end.value, None
        except Exception as exc:
            if not self._db.in_transaction:
                raise
            self._db.execute("ROLLBACK TO one")
            self._db.execute("RELEASE one")
            return None, exc

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
