"""A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, as a user without rights."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

PASSWORD = "p@ss/w%rd"
QUOTED = "p%40ss%2Fw%25rd"


@dataclass(frozen=True)
class Server:
    """`programs` and `data` as pg_ctl wants them; the socket is in `folder`."""

    folder: Path
    programs: Path
    user: str | None

    def url(self, database: str, password: str = QUOTED, folder: Path | None = None) -> str:
        return f"postgresql://gitops:{password}@/{database}?host={folder or self.folder}"

    def new_database(self) -> str:
        """A fresh, empty database's name."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def start(self) -> None:
        # Nothing here outlives the test, so that the disk need not be waited for.
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=200"
        self._run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "stop", "-w", "-D", "data", "-m", mode)

    def make(self) -> None:
        (self.folder / "password").write_text(PASSWORD)
        arguments = ("--auth=scram-sha-256", "--pwfile=password", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8")
        self._run("initdb", "-D", "data", "-U", "gitops", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            user=self.user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A started server; the test is skipped where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    user = "nobody" if os.geteuid() == 0 else None  # initdb refuses to be root
    if user:
        shutil.chown(folder, user)
    server = Server(folder, programs, user)
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """Where initdb is: Debian keeps it out of the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None
