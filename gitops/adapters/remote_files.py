"""Files over HTTP that a kustomization names: one at a time, bounded, kept by their content.

A stranger's repository names them, so a controller reads over HTTPS alone and from public addresses alone
(`gitops.adapters.http_get`). A file that is kept is asked for again with its ETag, and given as it was where the server
says that it is the same.

Not here: whether files may be read at all (`gitops.config`), and repositories (`git`).
"""

import json
from pathlib import Path

from gitops.adapters.http_get import HttpReader, shown_url
from gitops.adapters.kept_files import KeptFiles
from gitops.model.errors import SourceError
from gitops.model.revision import MAX_FILE_BYTES, Tree
from renderers.result import REMOTE_FILE


class RemoteFiles:
    """Reads files by `reader`; what was read is kept in the folder `cache`, for those who trust the same answers."""

    def __init__(self, cache: Path, reader: HttpReader) -> None:
        self._kept = KeptFiles(cache)
        self._reader = reader

    def tree(self, url: str) -> Tree:
        """The file at `url` as the only one of a tree; raises SourceError, which names the URL without its query."""
        return Tree.of_files({REMOTE_FILE: self.read(url, MAX_FILE_BYTES)})

    def read(self, url: str, most: int, authorization: str = "") -> bytes:
        """The file at `url`, of at most so many bytes."""
        etag, kept = self._known(url)
        headers = {"If-None-Match": etag} if etag else {}
        answer = self._reader.get(url, headers, authorization=authorization, most=most)
        if answer.status == 304 and kept is not None:
            return kept
        if answer.status != 200:
            raise SourceError(f"{shown_url(answer.url)}: the server answered {answer.status}")
        etag = answer.headers.get("ETag") or ""
        if etag:
            self._kept.put(self._name(url), json.dumps(etag).encode() + b"\n" + answer.data)
        return answer.data

    def _name(self, url: str) -> str:
        return f"{url} {self._reader.trust}".rstrip()

    def _known(self, url: str) -> tuple[str, bytes | None]:
        """The ETag and the content of what came from a URL last, where that is still here."""
        kept = self._kept.get(self._name(url))
        if kept is None:
            return "", None
        etag, _, data = kept.partition(b"\n")
        return str(json.loads(etag)), data
