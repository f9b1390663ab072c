"""GET over HTTP from a server that anybody may have named: bounded in size and time, redirects followed with care.

How far a read may go is told by `Reach`: what a stranger's file names is read over HTTPS from public addresses alone; a
source that an Application names may be in the same network, but not on this machine or its metadata service; a person's
own command reads from anywhere. A name is resolved once, and the address that was looked at is the one that is called,
after each redirect anew. Credentials go to the server that they are for, and to no other that it redirects to.
"""

import base64
import hashlib
import http.client
import ipaddress
import os
import socket
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from gitops.adapters.addresses import refused
from gitops.adapters.timed_socket import TimedSocket
from gitops.bounds import shown_size
from gitops.model.errors import HostUnreachableError, SourceError
from gitops.model.source_name import why_no_url, without_userinfo

Reach = Literal["public", "network", "anywhere"]

_SECONDS: Final = 30.0
_MOST_SECONDS: Final = 60.0
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
# What a store of objects signs, with a token of its own in the query, is long.
_MOST_URL: Final = 8192
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Way:
    """How a server is reached: `ca` and `certificate` are PEM texts (the latter with its key), `ca_file` a path.

    The certificate is shown to the server of the URL `home` alone.
    """

    ca_file: str = ""
    ca: str = ""
    certificate: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    home: str = ""

    @property
    def trust(self) -> str:
        """A name for whose word an answer by this way is; "" where that is the server's own, as everybody sees it.

        Whoever brings a proxy and an authority may answer for any server: what came so is nobody else's.
        """
        if not (self.ca_file or self.ca or self.proxy):
            return ""
        return hashlib.sha256(repr((self.ca_file, self.ca, self.proxy)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said in the end, and the URL that said it."""

    url: str
    status: int
    headers: Message
    data: bytes


class HttpReader:
    """Reads over HTTP within `reach`."""

    def __init__(
        self,
        reach: Reach,
        way: Way | None = None,
        context: ssl.SSLContext | None = None,
        *,
        seconds: float = _SECONDS,
        most_seconds: float = 0.0,
    ) -> None:
        """`context` stands in for what `way` says of TLS; no step of a request takes more than `seconds`.

        All of them together take no more than twice that and a minute, or than `most_seconds` where that is given.
        """
        self._reach = reach
        self._seconds = seconds
        self._in_all = most_seconds or min(_MOST_SECONDS, 2 * seconds)
        self._way = way or Way()
        self._contexts = {} if context is None else {True: context, False: context}  # with the certificate or without

    @property
    def trust(self) -> str:
        """As its way has it."""
        return self._way.trust

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        authorization: str = "",
        most: int,
        method: str = "GET",
    ) -> Answer:
        """The answer after all redirects, whatever its status is but 429 and 5xx.

        Raises SourceError, which names the URL without its query; HostUnreachableError where the server cannot be had.
        """
        if not (authorization.isascii() and authorization.isprintable()):  # which http.client would show
            raise SourceError(f"{shown_url(url)}: the credentials hold a line break, or a letter for no header")
        sent, place = dict(headers or {}), url
        for _ in range(_MOST_REDIRECTS + 1):
            own = {"Authorization": authorization} if authorization and origin(place) == origin(url) else {}
            answer = self._once(place, {**sent, **own}, most, method)
            if answer.status not in _REDIRECTS or not answer.headers.get("Location"):
                return _checked(answer)
            place = _joined(place, answer.headers["Location"])
        raise SourceError(f"{shown_url(url)}: more than {_MOST_REDIRECTS} redirects")

    def send(self, method: str, url: str, headers: Mapping[str, str], data: bytes, *, most: int) -> Answer:
        """The answer to a request with a body, whatever its status is, cut after `most` bytes; no redirect is followed.

        Raises SourceError, and HostUnreachableError where the server cannot be had.
        """
        return self._once(url, dict(headers), most, method, data)

    def stream(self, url: str, headers: Mapping[str, str]) -> "Stream":
        """An answer that is read part by part; no redirect is followed.

        Raises SourceError, and HostUnreachableError where the server cannot be had.
        """
        parts, target = self._target(url)
        connection = None
        try:
            connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
            connection.request("GET", target, None, {"Accept": "*/*", "User-Agent": "gitops", **headers})
            return Stream(url, connection, connection.getresponse())
        except (OSError, ValueError, http.client.HTTPException) as error:
            if connection is not None:
                connection.close()
            reason = str(error)[:200] or type(error).__name__
            raise HostUnreachableError(f"{shown_url(url)}: cannot be read ({reason})") from error

    def _once(self, url: str, headers: dict[str, str], most: int, method: str, body: bytes | None = None) -> Answer:
        parts, target = self._target(url)
        try:
            connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
            try:
                if self._way.proxy and parts.scheme == "http":
                    target, headers = url, {**headers, **_proxy_authorization(urlsplit(self._way.proxy))}
                connection.request(method, target, body, {"Accept": "*/*", "User-Agent": "gitops", **headers})
                answer = connection.getresponse()
                if int(answer.headers.get("Content-Length") or 0) > most and method != "HEAD" and body is None:
                    raise _too_large(url, most)
                data = _read(answer, most)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            reason = str(error)[:200] or type(error).__name__
            raise HostUnreachableError(f"{shown_url(url)}: cannot be read ({reason})") from error
        except ValueError as error:
            raise SourceError(f"{shown_url(url)}: cannot be read ({str(error)[:200]})") from error
        if len(data) > most and body is None:
            raise _too_large(url, most)
        return Answer(url, answer.status, answer.headers, data[:most])

    def _target(self, url: str) -> tuple[SplitResult, str]:
        """The parts of a URL, and what is asked of its host; SourceError for one that is not followed."""
        try:
            parts = urlsplit(url)
            host, user, _ = parts.hostname or "", parts.username, parts.port
        except ValueError as error:
            raise SourceError(f"{shown_url(url)}: is no URL ({why_no_url(error)})") from error
        if len(url) > _MOST_URL or not host or any(letter <= " " or letter >= "\x7f" for letter in url):
            raise SourceError(f"{shown_url(url)}: is no URL that is read")
        if user is not None:
            raise SourceError(f"{shown_url(url)}: a user in a URL is not sent (make the file public, or commit a copy)")
        if parts.scheme not in (("https",) if self._reach == "public" else ("https", "http")):
            raise SourceError(f"{shown_url(url)}: files are read over https only")
        return parts, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        """A connection to the address that was looked at, whatever the name leads to a moment later."""
        port = port or _PORTS[scheme]
        proxy = urlsplit(self._way.proxy) if self._way.proxy else None
        if proxy is None:
            connected: socket.socket = self._connected(host, port)
        else:
            connected = self._connected(proxy.hostname or "", proxy.port or 8080)
            if scheme == "https":
                _tunnel(connected, host, port, _proxy_authorization(proxy))
        if scheme == "https":
            is_home = (scheme, host, port) == origin(self._way.home)
            connected = self._tls(is_home).wrap_socket(connected, server_hostname=host)
        connection = http.client.HTTPConnection(host, port, timeout=self._seconds)
        connection.default_port = _PORTS[scheme]  # so that Host is written as others do
        connection.sock = TimedSocket(connected, self._seconds, self._in_all)
        return connection

    def _connected(self, host: str, port: int) -> socket.socket:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for entry in found:
            why = refused(ipaddress.ip_address(entry[4][0]), self._reach)
            if why:
                raise ValueError(f"{host} {why}")
        return socket.create_connection((str(found[0][4][0]), int(found[0][4][1])), timeout=self._seconds)

    def _tls(self, is_home: bool) -> ssl.SSLContext:
        if is_home not in self._contexts:
            found = _trusting(self._way)
            if self._way.certificate and is_home:
                _load_certificate(found, self._way.certificate)
            self._contexts[is_home] = found
        return self._contexts[is_home]


class Stream:
    """An answer under way: its parts in order, and nothing of one that does not come to its end as if it were whole."""

    def __init__(self, url: str, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers = answer.status, answer.headers
        self._url = url
        self._connection = connection
        self._answer = answer

    def part(self) -> bytes:
        """The next part, b"" at the end. Raises HostUnreachableError where the connection ends before the answer."""
        try:
            # Without a length or chunks, the end of the connection would look like the end of the answer.
            if not self._answer.chunked and self._answer.length is None:
                raise http.client.HTTPException("nothing says where the answer ends")
            found = self._answer.read1(65536)
            if not found and self._answer.length:
                raise http.client.IncompleteRead(b"", self._answer.length)
            return found
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = str(error)[:200] or type(error).__name__
            raise HostUnreachableError(f"{shown_url(self._url)}: the answer is cut off ({reason})") from error

    def close(self) -> None:
        self._connection.close()


def origin(url: str) -> tuple[str, str, int]:
    """The server that a URL leads to: scheme, host and port; none where it leads nowhere."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0


def basic(username: str, password: str) -> str:
    """What authenticates a user, as the value of a header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def shown_url(url: str) -> str:
    """A URL for people: without a user, and without a query, which may hold a token."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return without_userinfo(url.partition("?")[0])[:200]
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"[:200]


def _joined(url: str, location: str) -> str:
    """Where a redirect leads. Raises SourceError for one that leads nowhere."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise SourceError(f"{shown_url(url)}: redirects to what is no URL ({why_no_url(error)})") from error


def _checked(answer: Answer) -> Answer:
    if answer.status == 429 or answer.status >= 500:
        raise HostUnreachableError(f"{shown_url(answer.url)}: the server answered {answer.status}")
    return answer


def _read(answer: http.client.HTTPResponse, most: int) -> bytes:
    """What the server sends, up to one byte too many."""
    found, size = [], 0
    while size <= most:
        part = answer.read1(65536)
        if not part:
            break
        found.append(part)
        size += len(part)
    if size <= most and answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    return b"".join(found)


def _tunnel(connected: socket.socket, host: str, port: int, headers: Mapping[str, str]) -> None:
    """Have a proxy connect us to a host. Raises OSError where it does not."""
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}", *(f"{k}: {v}" for k, v in headers.items())]
    connected.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = http.client.HTTPResponse(TimedSocket(connected, _SECONDS, _SECONDS), method="CONNECT")  # type: ignore[arg-type]
    answer.begin()
    if answer.status != 200:
        raise OSError(f"the proxy answered {answer.status}")


def _proxy_authorization(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    return {"Proxy-Authorization": basic(unquote(proxy.username), unquote(proxy.password or ""))}


def _trusting(way: Way) -> ssl.SSLContext:
    """TLS that believes in the way's own authorities, where it has some. Raises SourceError."""
    try:
        return ssl.create_default_context(cafile=way.ca_file or None, cadata=way.ca or None)
    except (OSError, TypeError, ValueError) as error:
        named = f"the file {way.ca_file}" if way.ca_file else "the ca of the credentials"
        raise SourceError(f"{named} cannot be used (expected certificates in PEM)") from error


def _load_certificate(context: ssl.SSLContext, pem: str) -> None:
    """A client's certificate with its key; OpenSSL reads files only. Raises SourceError."""
    descriptor, name = tempfile.mkstemp()  # readable by us alone
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(pem)
        context.load_cert_chain(name)
    except (ssl.SSLError, OSError) as error:
        raise SourceError(
            "the client certificate of the credentials cannot be used (expected PEM, with its key)"
        ) from error
    finally:
        os.unlink(name)


def _too_large(url: str, most: int) -> SourceError:
    return SourceError(f"{shown_url(url)}: is larger than {shown_size(most)}")
