"""Applications that a controller reads from files and folders of files, again whenever one of these changes.

A file that cannot be read keeps what was read of it before, and is told: a typo must not look like the deletion of
everything.
"""

import os
from collections.abc import Callable
from pathlib import Path

import structlog

from gitops.controller.registry import ApplicationRegistry, Registration
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from gitops.ports import Clock

log = structlog.get_logger()
_FILES_SECONDS = 2.0
_FILES_SHARE = 0.002


class Files:
    """Applications in a file, or in all *.yaml of a folder; read again when a file's time or size changes.

    A file that is wrong keeps what was read of it before, and the others are followed all the same. `wrong` is told of
    each file that was read what is wrong with it, "" when nothing is.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], list[Application]],
        registry: ApplicationRegistry,
        clock: Clock,
        wrong: Callable[[str, str], None],
    ) -> None:
        self._path = path
        self._is_folder = path.is_dir()
        self._read = read
        self._registry = registry
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
                    self._registry.put(str(self._path), Registration(app, trusted=True))
        self._registry.keep_only(str(self._path), set(given))

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
