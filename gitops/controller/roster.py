"""Where a controller's Applications come from: files and folders of files; `resources` reads those of the cluster.

A source is read again when it changes. One that cannot be read keeps what was read of it before, and is told: a typo
must not look like the deletion of everything.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from gitops.ports import Clock

log = structlog.get_logger()
_FILES_SECONDS = 2.0
_FILES_SHARE = 0.002


@dataclass(frozen=True, slots=True)
class Entry:
    """One Application as a source gives it; `key` is its custom resource, None for one from a file.

    `leaving` when the custom resource is deleted and waits for us to prune what it owns. `trusted` when
    the controller's operator wrote it, whose environment holds credentials for it. `wrong` is why the
    spec that stands there now cannot be read: `app` is the one before, and is held. `parent` is the Application whose
    repository brought it.
    """

    app: Application
    key: ResourceKey | None = None
    generation: int = 0
    leaving: bool = False
    trusted: bool = False
    wrong: str = ""
    parent: str = ""
    uid: str = ""  # of the custom resource


class Roster:
    """Tells `changed` of each Application that is new or other, `gone` of each that is no more, by identity.

    Of the sources that name one Application the first keeps it; when it lets go, the next has it.
    """

    def __init__(self, changed: Callable[[Entry], None], gone: Callable[[str], None]) -> None:
        self._changed = changed
        self._gone = gone
        self._offers: dict[str, dict[str, Entry]] = {}  # identity → source → what it says; the first has it
        self._given: dict[str, set[str]] = {}  # source → the identities that it gives

    def put(self, source: str, entry: Entry) -> str:
        """An Application from `source`; the source that keeps it: another one, if that was first."""
        identity = entry.app.identity
        offers = self._offers.setdefault(identity, {})
        known, offers[source] = offers.get(source), entry
        self._given.setdefault(source, set()).add(identity)
        holder = next(iter(offers))
        if known != entry and holder == source:
            self._take(entry)
        elif known is None:
            log.error("application.twice", application=identity, kept=holder, ignored=source)
        return holder

    def spoil(self, source: str, identity: str, wrong: str) -> None:
        """What `source` says of an Application now cannot be read."""
        known = self._offers.get(identity, {}).get(source)
        if known is not None and known.wrong != wrong:
            log.warning("application.wrong", application=identity, error=wrong)
            self.put(source, replace(known, wrong=wrong))

    def drop(self, source: str, identity: str) -> None:
        offers = self._offers.get(identity, {})
        holder = next(iter(offers), "")
        if offers.pop(source, None) is None:
            return
        self._given[source].discard(identity)
        if not offers:
            del self._offers[identity]
            self._gone(identity)
        elif holder == source:
            holder, entry = next(iter(offers.items()))
            log.info("application.moved", application=identity, before=source, now=holder)
            self._take(entry)

    def keep_only(self, source: str, identities: set[str]) -> None:
        """Whatever else `source` gave before is gone."""
        for identity in sorted(self._given.get(source, set()) - identities):
            self.drop(source, identity)

    def given_by(self, source: str) -> frozenset[str]:
        """The identities that a source names."""
        return frozenset(self._given.get(source, ()))

    def entry(self, identity: str) -> Entry | None:
        return next(iter(self._offers.get(identity, {}).values()), None)

    def _take(self, entry: Entry) -> None:
        try:
            self._changed(entry)
        except Exception:
            # One Application that we did not expect must not end all the others.
            log.exception("application.not-taken", application=entry.app.identity)


class Files:
    """Applications in a file, or in all *.yaml of a folder; read again when a file's time or size changes.

    A file that is wrong keeps what was read of it before, and the others are followed all the same. `wrong` is told of
    each file that was read what is wrong with it, "" when nothing is.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], list[Application]],
        roster: Roster,
        clock: Clock,
        wrong: Callable[[str, str], None],
    ) -> None:
        self._path = path
        self._is_folder = path.is_dir()
        self._read = read
        self._roster = roster
        self._clock = clock
        self._wrong = wrong
        self._stamp: object = None
        self._good: dict[Path, list[Application]] = {}

    def begin(self) -> None:
        """Read for the first time. Raises ConfigError when that which was named is not there, or is one wrong file."""
        if not self._is_folder:
            self._read(self._path)
        self._read_all()

    async def run(self) -> None:
        pause = _FILES_SECONDS
        while True:
            await self._clock.sleep(pause)
            began = self._clock.monotonic()
            stamp = self._stamp_now()
            # Looking at very many files is no work that is to be felt.
            pause = max(_FILES_SECONDS, (self._clock.monotonic() - began) / _FILES_SHARE)
            if stamp != self._stamp:
                self._read_all()
                log.info("configuration.read", path=str(self._path))

    def _read_all(self) -> None:
        self._stamp = self._stamp_now()
        try:
            files = self._files()
        except OSError as exc:
            self._wrong(str(self._path), f"{self._path}: {exc.strerror}")
            return
        self._wrong(str(self._path), "")
        given: dict[str, Path] = {}
        for path in sorted(self._good.keys() - set(files)):
            del self._good[path]
            self._wrong(str(path), "")
        for path in files:
            try:
                apps = self._read(path)
                twice = next((app.identity for app in apps if app.identity in given), "")
                if twice or len({app.identity for app in apps}) < len(apps):
                    raise ConfigError(
                        f"{path}: {twice or 'an Application'} is there twice: in {given.get(twice, path)}"
                    )
                self._good[path] = apps
                error = ""
            except ConfigError as exc:
                error = str(exc)
            self._wrong(str(path), error)
            for app in self._good.setdefault(path, []):
                if given.setdefault(app.identity, path) == path:
                    self._roster.put(str(self._path), Entry(app, trusted=True))
        self._roster.keep_only(str(self._path), set(given))

    def _files(self) -> list[Path]:
        if self._is_folder:
            return sorted(path for path in self._path.iterdir() if _is_read(path.name))
        return [self._path]

    def _stamp_now(self) -> object:
        """What tells of a change: each file's name, time and size."""
        try:
            if not self._is_folder:
                stat = self._path.stat()
                return (stat.st_mtime_ns, stat.st_size)
            with os.scandir(self._path) as entries:
                return {_stamp_of(entry) for entry in entries if _is_read(entry.name)}
        except OSError as exc:
            return exc.errno


def _is_read(name: str) -> bool:
    """Names with a dot first are editors' own: locks, copies, what is not saved yet."""
    return name.endswith((".yaml", ".yml")) and not name.startswith(".")


def _stamp_of(entry: "os.DirEntry[str]") -> tuple[str, int, int]:
    try:
        stat = entry.stat()
    except OSError as exc:  # a link to nowhere: it is one wrong file, and the others change all the same
        return (entry.name, 0, exc.errno or 0)
    return (entry.name, stat.st_mtime_ns, stat.st_size)


def local_refused(read: Callable[[Body], Application]) -> Callable[[Body], Application]:
    """`read`, for Applications of people who may not read this machine's files."""

    def checked(body: Body) -> Application:
        app = read(body)
        address = app.source.address
        if not _REMOTE.match(app.source.repoURL):
            raise ConfigError(
                f"spec.source.repoURL: {address} is on the controller's machine; name a repository by https or ssh"
            )
        if app.source.credentials.caFile:
            raise ConfigError("spec.source.credentials.caFile: is a file of the controller's machine; leave it out")
        return app

    return checked


def account_required(read: Callable[[Body], Application]) -> Callable[[Body], Application]:
    """`read`, for Applications of people who may not act with the controller's own rights."""

    def checked(body: Body) -> Application:
        app = read(body)
        if not app.sync.serviceAccount:
            raise ConfigError(
                "spec.sync.serviceAccount: this controller syncs in the name of an account only; name one"
            )
        return app

    return checked


# https, ssh, and git's short form of ssh (user@host:path).
_REMOTE = re.compile(r"https://|ssh://|[\w.-]+@[\w.-]+:(?!/)", re.ASCII)
