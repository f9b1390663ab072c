"""Files over HTTP that a kustomization names: one at a time, bounded, kept by their content.

A stranger's repository names them, so a controller reads over HTTPS alone and from public addresses alone: the name is
resolved once, and the address that was looked at is the one that is called, after each redirect anew. A file that is
kept is asked for again with its ETag, and given as it was where the server says that it is the same.

Not here: whether files may be read at all (`gitops.config`), and repositories (`git`).
"""

import hashlib
import http.client
import ipaddress
import json
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from gitops.model.errors import SourceError
from gitops.model.revision import MAX_FILE_BYTES, Tree
from renderers.result import REMOTE_FILE

_SECONDS: Final = 30.0
_MOST_SECONDS: Final = 60.0
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_MOST_URL: Final = 2048


class RemoteFiles:
    """Reads files; `anywhere` is for a person's own command: over plain HTTP and from private addresses too."""

    def __init__(self, cache: Path, *, anywhere: bool = False, context: ssl.SSLContext | None = None) -> None:
        self._cache = cache
        self._anywhere = anywhere
        self._context = context

    def tree(self, url: str) -> Tree:
        """The file at `url` as the only one of a tree; raises SourceError, which names the URL without its query."""
        known = self._known(url)
        status, headers, data = self._follow(url, known.get("etag", ""))
        if status == 304:
            data = self._kept(known["digest"])
        else:
            self._keep(url, headers.get("ETag") or "", data)
        return Tree.of_files({REMOTE_FILE: data})

    def _follow(self, url: str, etag: str) -> tuple[int, Any, bytes]:
        place = url
        for _ in range(_MOST_REDIRECTS + 1):
            status, headers, data = self._get(place, etag)
            if status in _REDIRECTS and headers.get("Location"):
                place = urljoin(place, headers["Location"])
                continue
            if status == 304 and etag:
                return status, headers, b""
            if status != 200:
                raise SourceError(f"{_shown(url)}: the server answered {status}")
            return status, headers, data
        raise SourceError(f"{_shown(url)}: more than {_MOST_REDIRECTS} redirects")

    def _get(self, url: str, etag: str) -> tuple[int, Any, bytes]:
        parts = urlsplit(url)
        host, target = self._checked(url)
        headers = {"Accept": "*/*", "User-Agent": "gitops", **({"If-None-Match": etag} if etag else {})}
        try:
            connection = self._connection(parts.scheme, host, parts.port)
            try:
                connection.request("GET", target, headers=headers)
                answer = connection.getresponse()
                if int(answer.headers.get("Content-Length") or 0) > MAX_FILE_BYTES:
                    raise _too_large(url)
                data = _read(answer)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SourceError(f"{_shown(url)}: cannot be read ({str(error)[:200] or type(error).__name__})") from error
        if len(data) > MAX_FILE_BYTES:
            raise _too_large(url)
        return answer.status, answer.headers, data

    def _checked(self, url: str) -> tuple[str, str]:
        """The host, and what is asked of it; SourceError for a URL that is not followed."""
        try:
            parts = urlsplit(url)
            host, user, _ = parts.hostname or "", parts.username, parts.port
        except ValueError as error:
            raise SourceError(f"{url[:200]}: is no URL ({error})") from error
        if len(url) > _MOST_URL or not host or any(letter <= " " or letter >= "\x7f" for letter in url):
            raise SourceError(f"{url[:200]}: is no URL that is read")
        if user is not None:
            raise SourceError(f"{_shown(url)}: a user in a URL is not sent (make the file public, or commit a copy)")
        if parts.scheme != "https" and not (self._anywhere and parts.scheme == "http"):
            raise SourceError(f"{_shown(url)}: files are read over https only")
        return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        """A connection to the address that was looked at, whatever the name leads to a moment later."""
        found = socket.getaddrinfo(host, port or (443 if scheme == "https" else 80), type=socket.SOCK_STREAM)
        addresses = [entry[4] for entry in found]
        if not self._anywhere and not all(ipaddress.ip_address(address[0]).is_global for address in addresses):
            raise ValueError(f"{host} is not a public address")
        connected = socket.create_connection((str(addresses[0][0]), int(addresses[0][1])), timeout=_SECONDS)
        if scheme == "https":
            context = self._context or ssl.create_default_context()
            connected = context.wrap_socket(connected, server_hostname=host)
        connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
        connection.sock = connected
        return connection

    # --- what is kept ---------------------------------------------------------------------------------------------

    def _known(self, url: str) -> dict[str, str]:
        """The ETag and the digest of what came from a URL last, where that is still here."""
        try:
            facts = json.loads((self._cache / "urls" / _digest(url.encode())).read_text())
            known = {name: facts[name] for name in ("etag", "digest") if isinstance(facts[name], str)}
            self._kept(known["digest"])
        except (OSError, ValueError, KeyError, TypeError, SourceError):
            return {}
        return known

    def _kept(self, digest: str) -> bytes:
        data = (self._cache / "files" / _digest(digest.encode())).read_bytes()
        if _digest(data) != digest:
            raise SourceError("what is kept of a file is damaged")
        return data

    def _keep(self, url: str, etag: str, data: bytes) -> None:
        digest = _digest(data)
        facts = json.dumps({"etag": etag, "digest": digest}).encode()
        for folder, name, content in (
            ("files", _digest(digest.encode()), data),
            ("urls", _digest(url.encode()), facts),
        ):
            place = self._cache / folder / name
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = place.with_name(f"{name}.{os.getpid()}.{id(content)}")
            fresh.write_bytes(content)
            fresh.replace(place)


def _read(answer: http.client.HTTPResponse) -> bytes:
    """What the server sends, up to one byte too many, and for no longer than a minute in all."""
    deadline, data = time.monotonic() + _MOST_SECONDS, b""
    while len(data) <= MAX_FILE_BYTES:
        part = answer.read1(65536)
        if not part:
            return data
        data += part
        if time.monotonic() > deadline:
            raise TimeoutError(f"it takes more than {_MOST_SECONDS:.0f} s")
    return data


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _shown(url: str) -> str:
    """A URL for people: without a user, and without a query, which may hold a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:200]


def _too_large(url: str) -> SourceError:
    return SourceError(f"{_shown(url)}: is larger than {MAX_FILE_BYTES // 2**20} MiB")
