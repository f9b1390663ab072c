"""Schemas over HTTP that charts of strangers name, for one render: several at a time, bounded together.

One more than a render may have is never begun: neither a chart that names hundreds of large files, nor a server that
takes its time for each, nor one whose schemas name others for ever, holds the memory or the place of anybody for long.
"""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from gitops.adapters.http_get import shown_url
from gitops.adapters.remote_files import RemoteFiles
from gitops.bounds import MIB
from gitops.model.errors import SourceError
from gitops.model.revision import Tree
from renderers.result import REMOTE_FILE

_AT_ONCE = 8
_MOST_EACH = 4 * MIB
_MOST_BYTES = 32 * MIB
_MOST_SECONDS = 60.0
_ADVICE = "a chart's values.schema.json names it; skipSchemaValidation renders without that check"


class Schemas:
    """Those of one render, read by `files`."""

    def __init__(self, files: RemoteFiles) -> None:
        self._files = files
        self._bytes = 0
        self._until = time.monotonic() + _MOST_SECONDS

    def trees(self, urls: Iterable[str]) -> list[Tree]:
        """Each as the only file of a tree. Raises SourceError, which names the URL, and what to do."""
        places = ThreadPoolExecutor(_AT_ONCE)
        try:
            return [Tree.of_files({REMOTE_FILE: data}) for data in places.map(self._read, urls)]
        finally:
            places.shutdown(cancel_futures=True)  # of what fails, the rest is not begun

    def _read(self, url: str) -> bytes:
        try:
            if time.monotonic() > self._until:
                raise SourceError(f"{shown_url(url)}: all schemas together took more than {_MOST_SECONDS:.0f} s")
            self._check(url)  # those that wait while one is read slowly need not be asked for
            data = self._files.read(url, _MOST_EACH)
            self._bytes += len(data)
            self._check(url)
        except SourceError as exc:
            raise type(exc)(f"{exc} ({_ADVICE})") from exc
        return data

    def _check(self, url: str) -> None:
        if self._bytes > _MOST_BYTES:
            raise SourceError(f"{shown_url(url)}: all schemas together take more than {_MOST_BYTES // MIB} MiB")
