"""`--data DIR`: objects, certificates and the admin's token on disk, so that a cluster survives a restart.

SQLite holds one row per object, written shortly after each change, many changes at a time.
"""

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import orjson

from gitops.sandbox.certificates import Certificates, make_certificates
from gitops.sandbox.cluster import Cluster
from gitops.sandbox.storage import Event

_FLUSH_SECONDS = 0.05

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    grp TEXT NOT NULL, plural TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (grp, plural, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Saver:
    """Keeps a cluster's objects in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        path = folder / "cluster.db"
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(_TABLES)
        self._pending: dict[tuple[str, str, str], bytes | None] = {}
        self._scheduled = False
        self._cluster: Cluster | None = None

    def certificates(self) -> Certificates:
        """The certificates made at the first start, so that clients keep trusting the cluster."""
        return Certificates(
            **json.loads(self._kept("certificates.json", lambda: json.dumps(asdict(make_certificates()))))
        )

    def token(self) -> str:
        """The admin's token made at the first start, so that kubeconfigs stay valid."""
        return self._kept("token", lambda: secrets.token_urlsafe(24))

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        """What the file holds, made when it is not there; a start that was killed leaves none that is half written."""
        path = self._folder / name
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(make())
            fresh.replace(path)
        return path.read_text()

    def load(self, cluster: Cluster) -> None:
        """Puts every saved object into an empty cluster."""
        for group, plural, body in self._database.execute("SELECT grp, plural, body FROM objects"):
            cluster.storage.restore((group, plural), orjson.loads(body))
        row = self._database.execute("SELECT value FROM facts WHERE name = 'revision'").fetchone()
        if row:
            cluster.storage.revision = max(cluster.storage.revision, int(row[0]))
        cluster.storage.compacted = cluster.storage.revision

    def follow(self, cluster: Cluster) -> None:
        """Saves every change from now on."""
        self._cluster = cluster
        cluster.storage.listen_to_everything(self._changed)

    def _changed(self, event: Event) -> None:
        group, plural = event.resource
        self._pending[group, plural, event.key] = None if event.type == "DELETED" else event.stored.json
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        pending, self._pending = self._pending, {}
        with self._database:
            for (group, plural, name), body in pending.items():
                if body is None:
                    self._database.execute(
                        "DELETE FROM objects WHERE grp = ? AND plural = ? AND name = ?", (group, plural, name)
                    )
                else:
                    self._database.execute("REPLACE INTO objects VALUES (?, ?, ?, ?)", (group, plural, name, body))
            if self._cluster is not None:
                self._database.execute(
                    "REPLACE INTO facts VALUES ('revision', ?)", (str(self._cluster.storage.revision),)
                )

    def close(self) -> None:
        """Writes what is pending and closes the file."""
        self._flush()
        self._database.close()
