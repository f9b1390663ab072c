"""Requests to one API server: kept-alive pooled connections, raw JSON, retries with backoff.

429, 5xx and broken connections are tried again, honouring Retry-After; every request of ours is safe to repeat
(server-side apply, reads, deletes guarded by uid) but a create with a generated name, which asks for one attempt.
"""

import asyncio
import contextlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from gitops.adapters.kubernetes import answers
from gitops.adapters.kubernetes.client import aiohttp
from gitops.adapters.kubernetes.connection import Connection
from gitops.bounds import MIB
from gitops.engine.refusal import is_misfit
from gitops.logs import Log
from gitops.manifests.key import Body
from gitops.model.errors import ApiError, ConfigError, LostLeaseError, UnreachableError

_ATTEMPTS = 6
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
# A watch that says nothing for so long, not even a bookmark, may be a connection that is gone without a word.
_SILENT_SECONDS = 90.0
# How long a request may take as a whole.
_ANSWER_SECONDS = 60.0
# How long a cluster that let a request run out of time is left alone.
_SILENCE_SECONDS = 15.0
_PARALLEL = 64
_AGAIN = {429, 500, 502, 503, 504}
# Answers that say that nothing was done.
_NOT_DONE = {429}
_NO_SERVER = {429, 502, 503}
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}

log = Log()


class _Call(NamedTuple):
    """One request, as it is sent at each attempt."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    once: bool = False

    @property
    def is_write(self) -> bool:
        """Whether it may change anything."""
        return self.method in _WRITES and not self.is_dry_run

    @property
    def is_dry_run(self) -> bool:
        return "dryRun" in (self.query or {})


class _Pool:
    """What all who talk to one cluster share: connections, the credential, counts, and whether it answers at all."""

    def __init__(self) -> None:
        self.session: aiohttp.ClientSession | None = None
        self.authorization: str | None = None
        self.places = asyncio.Semaphore(_PARALLEL)
        self.counts: Counter[tuple[str, int]] = Counter()
        self.reads = 0
        self.writes = 0
        self.silent_until = 0.0
        self.answered_at = 0.0
        self.may_write: Callable[[], bool] = lambda: True


class Http:
    """Requests to one cluster as ourselves, or as the user that `acting_as` names."""

    def __init__(self, connection: Connection, *, user: str = "", pool: _Pool | None = None) -> None:
        self._connection = connection
        self._user = user
        self._pool = pool or _Pool()

    def acting_as(self, user: str) -> "Http":
        """The same connections, with each request made in the name of `user` (which takes the right to impersonate)."""
        return Http(self._connection, user=user, pool=self._pool)

    @property
    def user(self) -> str:
        """In whose name requests are made; "" for our own."""
        return self._user

    @property
    def server(self) -> str:
        return self._connection.server

    def ask_before_writes(self, may_write: Callable[[], bool]) -> None:
        """Have every write, by whoever shares these connections, go only while `may_write` says so."""
        self._pool.may_write = may_write

    @property
    def reads(self) -> int:
        """How many requests could not have changed anything, dry-runs among them."""
        return self._pool.reads

    @property
    def writes(self) -> int:
        return self._pool.writes

    @property
    def counts(self) -> Counter[tuple[str, int]]:
        """(method, or "PATCH dry-run", HTTP status) → how many answers."""
        return self._pool.counts

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | list[Body] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        once: bool = False,
    ) -> Body:
        """The decoded answer. Raises ApiError for a Status, UnreachableError when nothing answers or for a 401.

        So it does for an answer that is no JSON object, and where a server (or a proxy) says that it cannot answer.
        `once` for what may not be done twice: it is tried again only where an answer says that nothing was done.
        """
        data = None if body is None else _encoded(body)
        headers = {"Accept": accept, "Content-Type": content_type} if data else {"Accept": accept}
        raw = await self._raw(_Call(method, path, query, data, headers, once))
        try:
            return answers.decoded(raw)
        except answers.NotAsAskedError as exc:
            raise self.not_as_asked(exc) from exc

    def not_as_asked(self, why: object) -> UnreachableError:
        """What an answer that is not what it should be means."""
        return UnreachableError(f"{self.server} does not answer as a Kubernetes API: {why} (is a proxy in between?)")

    async def text(self, path: str, query: Mapping[str, str]) -> str:
        """An answer that is no JSON, a log: the first MiB of it. Raises like `request`."""
        raw = await self._raw(_Call("GET", path, query, headers={"Accept": "*/*"}))
        return raw.decode(errors="replace")

    async def _raw(self, call: _Call) -> bytes:
        left = self._pool.silent_until - time.monotonic()
        if left > 0:
            raise UnreachableError(f"{self.server}: no answer in time; it is asked again in {left:.0f} s")
        is_write = call.is_write
        started = time.monotonic()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._pool.places:
                    # Asked before every attempt: while one waited, another replica may have taken over.
                    if is_write and not self._pool.may_write():
                        raise LostLeaseError("this replica no longer holds its Lease: nothing more is written")
                    started = time.monotonic()
                    code, raw, retry_after = await self._once(call)
            except answers.TooLargeError as exc:
                raise answers.TooLargeError(f"{self.server}{call.path}: {exc}") from exc
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as exc:
                if call.once or attempt == _ATTEMPTS or _is_hopeless(exc):
                    if isinstance(exc, TimeoutError) and self._pool.answered_at < started:
                        # Whoever else waits for a server that says nothing is told at once, instead of after minutes.
                        self._pool.silent_until = time.monotonic() + _SILENCE_SECONDS
                    raise UnreachableError(f"{self.server}: {_words(exc)}") from exc
                await asyncio.sleep(_delay(attempt, 0.0))
                continue
            self._pool.answered_at, self._pool.silent_until = time.monotonic(), 0.0
            self._count(call, code, time.monotonic() - started)
            if code < 300:
                return raw
            if code in (_NOT_DONE if call.once else _AGAIN) and attempt < _ATTEMPTS and _may_repeat(code, raw):
                await asyncio.sleep(_delay(attempt, retry_after))
                continue
            if code == 401 and attempt == 1:
                continue
            raise self._error(call.path, code, raw)
        raise UnreachableError(f"{self.server}: no answer after {_ATTEMPTS} attempts")

    @contextlib.asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[Body]]:
        """A watch's events as they come. Raises like `request`; a broken or silent connection ends the events."""
        session = await self._open()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_SILENT_SECONDS)
        try:
            for is_last in (False, True):
                headers = {"Accept": "application/json", **await self._authorized()}
                async with session.get(
                    self.server + path, params=dict(query), headers=headers, timeout=timeout, **self._extra()
                ) as response:
                    self._count(_Call("GET", path, query), response.status, 0.0)
                    if response.status == 401 and not is_last:
                        self._refused(response)
                        continue
                    if response.status >= 400:
                        raw = await answers.read(response.content, answers.MOST_LOG)
                        raise self._error(path, response.status, raw)
                    yield self._events(response.content)
                    return
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as exc:
            raise UnreachableError(f"{self.server}: {_words(exc)}") from exc

    async def close(self) -> None:
        if self._pool.session is not None:
            await self._pool.session.close()
            self._pool.session = None

    async def _once(self, call: _Call) -> tuple[int, bytes, float]:
        session = await self._open()
        async with session.request(
            call.method,
            self.server + call.path,
            params=dict(call.query) if call.query else None,
            data=call.data,
            headers={**call.headers, **await self._authorized()},
            **self._extra(),
        ) as response:
            is_text = call.headers["Accept"] == "*/*"
            most = answers.MOST_LOG if is_text else answers.MOST_ANSWER
            raw = await answers.read(response.content, most, cut=is_text)
            if response.status == 401:
                self._refused(response)
            return response.status, raw, _seconds(response.headers.get("Retry-After", ""))

    def _refused(self, response: aiohttp.ClientResponse) -> None:
        """Our credentials are asked for anew before the next request; a certificate is shown on a new connection."""
        self._pool.authorization = None
        response.close()

    async def _open(self) -> aiohttp.ClientSession:
        if self._pool.session is None:
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=0, ssl=self._connection.tls or True)
            timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=10)
            # Bodies are sent and read whole; cookies and redirects to elsewhere have no place here.
            self._pool.session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "gitops"},
                auto_decompress=True,
            )
        return self._pool.session

    async def _authorized(self) -> dict[str, str]:
        """The present credential; asked for in a thread, since a plug-in or a token file may be slow."""
        if self._pool.authorization is None:
            try:
                self._pool.authorization = await asyncio.to_thread(self._connection.authorization)
            except ConfigError as exc:
                raise UnreachableError(f"{self.server}: {exc}") from exc
        headers = {"Authorization": self._pool.authorization} if self._pool.authorization else {}
        return {**headers, "Impersonate-User": self._user} if self._user else headers

    def _extra(self) -> dict[str, Any]:
        extra: dict[str, Any] = {"allow_redirects": False}
        if self._connection.proxy:
            extra["proxy"] = self._connection.proxy
        if self._connection.tls_server_name:
            extra["server_hostname"] = self._connection.tls_server_name
        return extra

    def _count(self, call: _Call, code: int, seconds: float) -> None:
        if call.is_write:
            self._pool.writes += 1
        else:
            self._pool.reads += 1
        self._pool.counts[f"{call.method} dry-run" if call.is_dry_run else call.method, code] += 1
        log.debug(
            "kubernetes.request",
            method=call.method,
            path=call.path,
            code=code,
            ms=round(seconds * 1000, 1),
            **({"dry_run": True} if call.is_dry_run else {}),
        )

    async def _events(self, content: aiohttp.StreamReader) -> AsyncIterator[Body]:
        """Split a stream into its JSON lines; objects may be far larger than a reader's line limit."""
        pending = bytearray()
        try:
            async for chunk in content.iter_any():
                pending += chunk
                if b"\n" in chunk:
                    *lines, rest = bytes(pending).split(b"\n")
                    pending = bytearray(rest)
                    for line in lines:
                        if line:
                            yield answers.decoded(line)
                if len(pending) > answers.MOST_EVENT:
                    raise answers.NotAsAskedError(f"an event of more than {answers.MOST_EVENT // MIB} MiB")
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return
        except answers.NotAsAskedError as exc:
            raise self.not_as_asked(f"{exc} in a watch") from exc

    def _error(self, path: str, code: int, raw: bytes) -> ApiError | UnreachableError:
        status = answers.status_in(raw)
        message = status.get("message") or " ".join(raw[:200].decode(errors="replace").split()) or f"HTTP {code}"
        if code < 400:
            return UnreachableError(f"{self.server} sends us elsewhere (HTTP {code}): is it a Kubernetes API?")
        if code == 401:
            return UnreachableError(f"{self.server} refused our credentials: {message}")
        if answers.is_away(path, code, raw):
            return UnreachableError(f"{self.server} does not work now (HTTP {code}): {message}")
        if code in _NO_SERVER:  # of a group with a server of its own, that is
            message = f"{answers.group_at(path)} does not answer now (HTTP {code}): {message}"
        return ApiError(code, status.get("reason") or "", message, status)


def _encoded(body: Body | list[Body]) -> bytes:
    """`body` as JSON; an integer beyond 64 bits, which the fast encoder refuses, is written out in full."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()


def _may_repeat(code: int, raw: bytes) -> bool:
    """A 500 that says what is wrong with the request stays wrong; one that says the server is in trouble may pass."""
    if code != 500:
        return True
    message = str(answers.status_in(raw).get("message", ""))
    return not (is_misfit(message) or message.startswith(("failed to create manager", "unable to convert")))


def _is_hopeless(exc: Exception) -> bool:
    """Refused connections and wrong certificates do not get better within seconds, nor does a minute's silence."""
    hopeless = (aiohttp.ClientConnectorError, aiohttp.ClientSSLError, aiohttp.InvalidURL)
    return isinstance(exc, hopeless) or (
        isinstance(exc, TimeoutError) and not isinstance(exc, aiohttp.ServerTimeoutError)
    )


def _delay(attempt: int, retry_after: float) -> float:
    backoff = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (attempt - 1))
    return max(retry_after, float(backoff) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret


def _seconds(text: str) -> float:
    return min(float(text), 60.0) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else 0.0


def _words(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if isinstance(exc, aiohttp.ClientPayloadError):
        return "the answer broke off"
    return str(exc) or type(exc).__name__
