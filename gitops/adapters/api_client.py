"""A client of a controller's API: each answer is bounded, checked and a JSON map, or one error that says what to do.

Certificates are checked, redirects are not followed (the token goes to the server that it is for), and HTTP without TLS
is for this machine, or where that was said.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from gitops.adapters.http_get import Answer, HttpReader, Way
from gitops.bounds import MIB, parsed_map
from gitops.model.errors import AwayError, ConfigError, HeldError, SourceError, UnreachableError

PREFIX: Final = "/api/v1"
_MOST: Final = 64 * MIB
_SECONDS: Final = 60.0
_MOST_TEXT: Final = 2000
_LONGEST_TOKEN: Final = 8000
_LONGEST_LINE: Final = 64 * MIB
_STREAM_SECONDS: Final = 3600.0  # as long as the API sends
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def server_url(text: str, *, plain_http: bool = False) -> str:
    """The address of a server in one form. Raises ConfigError for none, and for HTTP that leaves this machine."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise ConfigError(f"{text[:200]}: is no address of a server ({exc})") from exc
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in ("https", "http") or not host or not is_plain or not text.isprintable() or " " in text:
        raise ConfigError(f"{_shown(parts)}: expected an address such as https://gitops.example.com")
    if parts.scheme == "http" and not (plain_http or host in _LOOPBACK):
        why = "a token is sent over https only (gitops login --plain-http URL, if the way there is safe)"
        raise ConfigError(f"{_shown(parts)}: {why}")
    named = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{named}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def checked_token(text: str) -> str:
    """A token as it is sent. Raises ConfigError, which does not show it."""
    token = text.strip()
    if not token or len(token) > _LONGEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError("that is no token: expected one line of letters and digits (gitops token makes one)")
    return token


class ApiClient:
    """One server's API, asked in the name of whom the token is of; without a token, as nobody."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self._authorization = f"Bearer {token}" if token else ""
        self._http = HttpReader("anywhere", Way(), seconds=_SECONDS)

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """What the API gives. Raises ConfigError, HeldError, UnreachableError."""
        given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        asked = urlencode({name: value for name, value in given.items() if value not in (None, "")}, quote_via=quote)
        return await self._map("GET", path + (f"?{asked}" if asked else ""))

    async def lines(self, path: str, **query: Any) -> AsyncIterator[bytes]:
        """The lines of a stream, each with its end. Raises as `get`; UnreachableError for a stream that is cut off."""
        asked = urlencode({name: value for name, value in query.items() if value}, quote_via=quote)
        url = f"{self.url}{PREFIX}{path}" + (f"?{asked}" if asked else "")
        headers = {"Authorization": self._authorization} if self._authorization else {}
        reader = HttpReader("anywhere", Way(), seconds=_SECONDS, most_seconds=_STREAM_SECONDS)
        try:
            stream = await asyncio.to_thread(reader.stream, url, headers)
            try:
                if stream.status != 200 or stream.headers.get_content_type() != "application/jsonl":
                    raise self._refused(
                        Answer(url, stream.status, stream.headers, await asyncio.to_thread(stream.part))
                    )
                left = b""
                while part := await asyncio.to_thread(stream.part):
                    *whole, left = (left + part).split(b"\n")
                    for line in whole:
                        yield line + b"\n"
                    if len(left) > _LONGEST_LINE:
                        raise UnreachableError(f"{self.url}: a line is longer than any that a controller sends")
            finally:
                stream.close()
        except SourceError as exc:
            raise UnreachableError(str(exc)) from exc
        if left:
            raise UnreachableError(f"{self.url}: the last line is cut off, so there may have been more")

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """What an act answers; members that are None are left out."""
        return await self._map("POST", path, {name: value for name, value in body.items() if value not in (None, "")})

    async def _map(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = await self._answer(method, path, body)
        kind = answer.headers.get_content_type()
        if answer.status in (200, 202) and kind == "application/json":
            return self._decoded(answer)
        raise self._refused(answer)

    def _refused(self, answer: Answer) -> Exception:
        """What an answer is that is not the one that was asked for."""
        kind = answer.headers.get_content_type()
        if kind == "application/problem+json":
            return self._problem(answer)
        if 300 <= answer.status < 400:
            return UnreachableError(
                f"{self.url}: it leads elsewhere ({answer.status}), where no token is sent: log in there"
            )
        return UnreachableError(f"{self.url}: what answers is no controller of gitops ({answer.status}, {kind})")

    async def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        import json

        headers = {"Accept": "application/json"}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": self._authorization} if self._authorization else {}
        data = b"" if body is None else json.dumps(body).encode()
        try:
            url = f"{self.url}{PREFIX}{path}"
            answer = await asyncio.to_thread(self._http.send, method, url, headers, data, most=_MOST + 1)
        except SourceError as exc:
            raise UnreachableError(str(exc)) from exc
        if len(answer.data) > _MOST:
            raise UnreachableError(f"{self.url}: its answer is larger than any that a controller gives")
        return answer

    def _decoded(self, answer: Answer) -> dict[str, Any]:
        try:
            return parsed_map(answer.data)
        except ValueError as exc:
            raise UnreachableError(f"{self.url}: its answer cannot be read: {exc}") from exc

    def _problem(self, answer: Answer) -> Exception:
        """What a problem of the API is to whoever types a command."""
        found = self._decoded(answer)
        title, detail = str(found.get("title", ""))[:_MOST_TEXT], str(found.get("detail", ""))[:_MOST_TEXT]
        text = detail or title or str(answer.status)
        if answer.status == 401:
            return ConfigError(f"{self.url}: {text} (gitops login {self.url})")
        if answer.status >= 500 or answer.status == 429:
            return AwayError(f"{self.url}: {title}: {detail}")
        return HeldError(text) if title == "Held" else ConfigError(text)


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:200]
