"""A file of the operator's that says one thing, read again when it changes; one that is wrong changes nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from gitops.model.errors import ConfigError
from gitops.ports import Clock

_EVERY_SECONDS = 2.0
T = TypeVar("T")


class FollowedFile(Generic[T]):
    """`value` is what the file said when it could be read last.

    `told` hears of each read: the file, and what is wrong with it.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], told: Callable[[str, str], None]) -> None:
        """Raises ConfigError for a file that cannot be read."""
        self._path = path
        self._read = read
        self._told = told
        self._seen = self._stamp()
        self.value = read(path)

    async def run(self, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        """Follow the file until cancelled; `changed` hears of each value that is another."""
        while True:
            await clock.sleep(_EVERY_SECONDS)
            seen = await asyncio.to_thread(self._stamp)
            if seen == self._seen:
                continue
            before, error = self.value, ""
            try:
                self.value = await asyncio.to_thread(self._read, self._path)
            except ConfigError as exc:
                error = str(exc)
            self._seen = seen
            self._told(str(self._path), error)
            if self.value != before:
                changed()

    def _stamp(self) -> tuple[int, int, int]:
        """What changes when the file does; zeros where there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_ino, found.st_mtime_ns, found.st_size
