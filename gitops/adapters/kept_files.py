"""A folder of files that may be lost: each under a name, with its digest, so many bytes in all; the oldest go first."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from gitops.bounds import MIB

_HEAD = 64
_MOST_FILES = 10_000


class KeptFiles:
    """Files in `folder`; several processes may share it."""

    def __init__(self, folder: Path, most: int = 1024 * MIB) -> None:
        self._folder = folder
        self._most = most

    def get(self, name: str) -> bytes | None:
        """What was kept under `name`; None where that is lost or damaged."""
        place = self._place(name)
        with suppress(OSError):
            data = place.read_bytes()
            os.utime(place)
            if _digest(data[_HEAD:]).encode() == data[:_HEAD]:
                return data[_HEAD:]
        return None

    def put(self, name: str, data: bytes) -> None:
        """Keep `data`, in place of what was kept under that name; where the disk takes nothing, nothing is kept."""
        place = self._place(name)
        fresh = place.with_name(f"{place.name}.{os.getpid()}.{id(data)}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.write_bytes(_digest(data).encode() + data)
            fresh.replace(place)
            self._make_place()
        except OSError:
            with suppress(OSError):
                fresh.unlink()

    def _make_place(self) -> None:
        found = []
        for place in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another process may tidy too
                facts = place.stat()
                found.append((facts.st_mtime, facts.st_size, place))
        size = 0
        for number, (_, each, place) in enumerate(sorted(found, reverse=True), 1):
            size += each
            if size > self._most or number > _MOST_FILES:
                place.unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        return self._folder / _digest(name.encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
