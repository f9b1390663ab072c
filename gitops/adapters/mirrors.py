"""The folder of bare mirrors: where each is, who may write to it, how large it may be, and when it goes.

    FOLDER/HASH.git     a mirror; HASH is of the repository's URL
    FOLDER/HASH.lock    its lock, whose time tells when the mirror was used last
    FOLDER/HASH.new     a mirror that is fetched anew beside a broken one

A disk is shared by all: a mirror that grows beyond its limit ends its own fetch, and where all together are too large
those that nobody has used for a while go first. Losing a mirror loses nothing but the time to fetch it again.
"""

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gitops.bounds import MIB, MirrorLimits
from gitops.model.errors import SourceError

# Whoever polls a repository uses its mirror every few minutes: what is not used for so long may make place.
_IN_USE_SECONDS: Final = 3600.0
# ... and what is not used for so long goes whether place is needed or not.
_UNUSED_SECONDS: Final = 24 * 3600.0
# Adding sizes up takes no more than this share of the time.
_SHARE: Final = 0.05
_OURS: Final = re.compile(r"[0-9a-f]{32}\.(?:git|new|lock)")


class TooLargeError(SourceError):
    """A mirror is beyond its limit."""


class Mirrors:
    """The mirrors in `folder`; those of folders beside it count for the total as well."""

    def __init__(self, folder: Path, limits: MirrorLimits, timeout: float) -> None:
        self.folder = folder
        self._limits = limits
        self._timeout = timeout

    def path(self, url: str) -> Path:
        """Where the mirror of the repository `url` is, or will be."""
        return self.folder / (hashlib.sha256(url.encode()).hexdigest()[:32] + ".git")

    def make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def used(self, mirror: Path) -> None:
        """Somebody wants it still."""
        with suppress(FileNotFoundError):
            os.utime(mirror.with_suffix(".lock"))

    @contextmanager
    def locked(self, mirror: Path) -> Iterator[None]:
        """Hold the mirror's lock; the system lets go of it when a process dies."""
        self.make_folder()
        deadline = time.monotonic() + self._timeout
        lock = mirror.with_suffix(".lock")
        descriptor = _opened(lock)
        try:
            while not (_took(descriptor) and _is_same(descriptor, lock)):
                if time.monotonic() > deadline:
                    raise SourceError(f"another fetch of this repository took over {self._timeout:.0f} s")
                if not _is_same(descriptor, lock):  # it was removed with its mirror, and made anew by somebody else
                    os.close(descriptor)
                    descriptor = _opened(lock)
                    continue
                time.sleep(0.05)
            os.utime(descriptor)
            yield
        finally:
            os.close(descriptor)

    def check(self, mirror: Path) -> Callable[[], None]:
        """What is to be called while `mirror` grows, and after: raises TooLargeError when it is too large."""
        others = sum(_size(other) for other in self._all() if other != mirror)
        not_before = 0.0

        def checked() -> None:
            nonlocal others, not_before
            began = time.monotonic()
            if began < not_before:
                return
            size = _size(mirror)
            if size > self._limits.each:
                raise TooLargeError(
                    f"takes more than the {_shown(self._limits.each)} of disk that a repository may have here "
                    "(--repository-size of `gitops run`)"
                )
            if size + others > self._limits.total:
                others = self._make_place(mirror, self._limits.total - size)
            now = time.monotonic()
            not_before = now + (now - began) / _SHARE

        return checked

    def is_too_large(self, mirror: Path) -> bool:
        return _size(mirror) > self._limits.each

    def remove(self, mirror: Path) -> None:
        """Nobody needs it any more; who does all the same fetches it again."""
        if not mirror.exists():
            return
        with self.locked(mirror):
            _remove(mirror)

    def tidy(self) -> None:
        """Remove what has not been used for long."""
        for mirror in self._all():
            if time.time() - _used_at(mirror) > _UNUSED_SECONDS:
                self._remove_idle(mirror)

    def _make_place(self, mirror: Path, most: int) -> int:
        """Have the others take no more than `most`; how much they do. Raises TooLargeError."""
        others = {other: _size(other) for other in self._all() if other != mirror}
        for other in sorted(others, key=_used_at):
            if sum(others.values()) <= most or time.time() - _used_at(other) < _IN_USE_SECONDS:
                break
            if self._remove_idle(other):
                del others[other]
        if sum(others.values()) > most:
            raise TooLargeError(
                f"takes, with those of the other repositories, more than the {_shown(self._limits.total)} of disk that "
                "all may have here (--repositories-size of `gitops run`)"
            )
        return sum(others.values())

    def _remove_idle(self, mirror: Path) -> bool:
        """Remove a mirror unless somebody is at it."""
        descriptor = _opened(mirror.with_suffix(".lock"))
        try:
            if not _took(descriptor):
                return False
            _remove(mirror)
            return True
        finally:
            os.close(descriptor)

    def _all(self) -> list[Path]:
        """Every mirror in this folder, in those beside it, and where earlier versions kept some."""
        above = self.folder.parent
        found = [*above.glob("*/*.git"), *above.glob("*.git")]
        return [path for path in found if _OURS.fullmatch(path.name) and (path / "HEAD").exists()]


def _opened(lock: Path) -> int:
    return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _took(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _remove(mirror: Path) -> None:
    """The caller holds the lock, which goes as well."""
    shutil.rmtree(mirror, ignore_errors=True)
    shutil.rmtree(mirror.with_suffix(".new"), ignore_errors=True)
    mirror.with_suffix(".lock").unlink(missing_ok=True)


def _used_at(mirror: Path) -> float:
    try:
        return mirror.with_suffix(".lock").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(path: Path) -> int:
    """Bytes of disk below a folder that others may be changing."""
    size = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    size += _size(Path(entry.path))
                else:
                    with suppress(FileNotFoundError):
                        size += entry.stat(follow_symlinks=False).st_size
    except (FileNotFoundError, NotADirectoryError):
        return size
    return size


def _shown(size: int) -> str:
    return f"{size / (1024 * MIB):g} GiB" if size >= 1024 * MIB else f"{size / MIB:g} MiB"
