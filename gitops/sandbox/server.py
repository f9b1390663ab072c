"""The embedded cluster as a running HTTPS server: `Sandbox` on an event loop, `SandboxThread` for everybody else."""

import asyncio
import contextlib
import re
import secrets
import ssl
import tempfile
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from gitops.manifests.errors import GitopsError
from gitops.sandbox import access, api, persistence
from gitops.sandbox.api import Answer, Api
from gitops.sandbox.bodies import Request
from gitops.sandbox.bootstrap import bootstrap
from gitops.sandbox.certificates import Certificates, make_certificates
from gitops.sandbox.clock import Clock
from gitops.sandbox.cluster import Cluster, User
from gitops.sandbox.definitions import Definitions
from gitops.sandbox.faults import Faults, parse_faults
from gitops.sandbox.kubeconfig import kubeconfig
from gitops.sandbox.statuses import failure, too_many_requests
from gitops.sandbox.workloads.controllers import Controllers

# How long a watch lasts whose client sets no end, in seconds.
_WATCH_SECONDS = 1800.0
_LARGEST_BODY = 3 * 1024 * 1024


class SandboxError(GitopsError):
    """The embedded cluster cannot start; the text says why."""


class Sandbox:
    """A running embedded cluster. Made by `start`; `url`, `ca_pem` and `token` are what a client needs."""

    def __init__(self, cluster: Cluster, certificates: Certificates, tokens: dict[str, User], faults: Faults) -> None:
        self.cluster = cluster
        self.ca_pem = certificates.ca
        self.faults = faults
        self.url = ""
        self._certificates = certificates
        self._tokens = tokens
        self.token = next(
            (token for token, user in tokens.items() if "system:masters" in user.groups), next(iter(tokens))
        )
        cluster.tokens = tokens
        self._api = Api(cluster, tokens, "")
        self._runner: web.ServerRunner | None = None
        self._controllers: Controllers | None = None
        self._store: persistence.Saver | None = None
        self._compaction: asyncio.Task[None] | None = None
        self._streams: set[asyncio.Task[object]] = set()

    @classmethod
    async def start(
        cls,
        port: int = 0,
        tokens: Mapping[str, User] | None = None,
        controllers: str = "all",
        speed: float = 1.0,
        nodes: int = 1,
        data_dir: Path | None = None,
        faults: Faults | str = "",
    ) -> "Sandbox":
        """Starts a cluster on 127.0.0.1; `port` 0 takes a free one. SandboxError when the port is taken."""
        cluster = Cluster(Clock(speed))
        chosen = parse_faults(faults) if isinstance(faults, str) else faults
        saver = persistence.Saver(data_dir) if data_dir is not None else None
        token = saver.token() if saver is not None else secrets.token_urlsafe(24)
        known = dict(tokens or {token: User("admin", ("system:masters",))})
        certificates = saver.certificates() if saver is not None else make_certificates()
        sandbox = cls(cluster, certificates, known, chosen)
        definitions = Definitions(cluster)
        if saver is not None:
            saver.load(cluster)
            definitions.serve_stored()
            saver.follow(cluster)
            sandbox._store = saver
        bootstrap(cluster, nodes=nodes if controllers == "all" else 0)
        if controllers == "all":
            sandbox._controllers = Controllers(cluster, sandbox.ca_pem)
        await sandbox._listen(port)
        sandbox.set_faults(chosen)
        return sandbox

    async def _listen(self, port: int) -> None:
        server = web.Server(self._serve, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=_ssl_context(self._certificates))
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise SandboxError(f"port {port} on 127.0.0.1 cannot be used: {error.strerror or error}") from error
        bound = self._runner.addresses[0][1]
        self.url = f"https://127.0.0.1:{bound}"
        self._api.address = f"127.0.0.1:{bound}"

    async def stop(self) -> None:
        """Ends every stream and stops serving; with a data folder everything is written first."""
        if self._compaction is not None:
            self._compaction.cancel()
        if self._controllers is not None:
            self._controllers.close()
        self.cluster.clock.close()
        for stream in tuple(self._streams):
            stream.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._store is not None:
            self._store.close()

    def set_faults(self, faults: Faults | str) -> None:
        """Changes what goes wrong, from now on."""
        self.faults = parse_faults(faults) if isinstance(faults, str) else faults
        if self._compaction is not None:
            self._compaction.cancel()
            self._compaction = None
        if self.faults.compact:
            self._compaction = asyncio.get_running_loop().create_task(self._compact_regularly(self.faults.compact))

    async def _compact_regularly(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self.cluster.storage.compact()

    def step(self, seconds: float) -> None:
        """Moves the cluster's time ahead."""
        self.cluster.clock.step(seconds)

    def kubeconfig(self) -> str:
        """A kubeconfig for this cluster, the CA and the token inside."""
        return kubeconfig(self.url, self.ca_pem, self.token)

    # --- requests -------------------------------------------------------------------------------------------------

    async def _serve(self, received: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._handle(received)
        except ConnectionError:  # the client went away, or a fault sent it away: nobody gets this answer
            return web.Response()

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        raw = await received.content.read() if received.body_exists else b""
        headers = access.header_values(received.headers.items())
        request = Request(received.method, received.rel_url.path, dict(received.query), headers, raw)
        if len(raw) > _LARGEST_BODY:
            answer = api.failed(failure(413, "Request entity too large: limit is 3145728", "RequestEntityTooLarge", {}))
        elif request.path.startswith("/sandbox/"):
            answer = self._own(request)
        else:
            failed = await self._fault(received)
            answer = failed or self._api.answer(request)
        if answer.watch is not None:
            return await self._stream(received, request, answer)
        return _response(answer)

    async def _fault(self, received: web.BaseRequest) -> Answer | None:
        """What the faults in force make of a request, None to carry it out."""
        if delay := self.faults.chosen_delay():
            await asyncio.sleep(delay)
        match self.faults.chosen_failure():
            case 0:
                return None
            case -1:
                if received.transport is not None:
                    received.transport.abort()
                raise ConnectionResetError("a fault reset the connection")
            case 429:
                return api.failed(too_many_requests("too many requests, please try again later"))
            case code:
                return api.failed(failure(code, f"a fault was asked for: {code}", "InternalError", {}))

    def _own(self, request: Request) -> Answer:
        """The sandbox's own switches, for administrators: faults, time, history."""
        user = self._tokens.get(request.header("authorization").partition(" ")[2])
        if user is None or "system:masters" not in user.groups:
            return api.failed(
                failure(403, "only a member of system:masters may turn the sandbox's switches", "Forbidden", {})
            )
        text = request.body.decode()
        match (request.method, request.path):
            case ("PUT", "/sandbox/faults"):
                try:
                    self.set_faults(text)
                except GitopsError as error:
                    return api.failed(failure(400, str(error), "BadRequest"))
            case ("POST", "/sandbox/step"):
                if (seconds := _seconds(text)) is None:
                    return api.failed(failure(400, f"expected a number of seconds, not {text!r}", "BadRequest"))
                self.step(seconds)
            case ("POST", "/sandbox/compact"):
                self.cluster.storage.compact()
            case _:
                return api.failed(failure(404, "no such switch: faults, step or compact", "NotFound", {}))
        return Answer(200, orjson.dumps({"status": "Success"}))

    async def _stream(self, received: web.BaseRequest, request: Request, answer: Answer) -> web.StreamResponse:
        assert answer.watch is not None
        seconds = request.query.get("timeoutSeconds", "")
        length = float(seconds) if seconds.isdigit() and int(seconds) else _WATCH_SECONDS
        if self.faults.watch_close:
            length = min(length, self.faults.watch_close)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(received)
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            async with contextlib.aclosing(answer.watch.stream(length)) as lines:
                async for chunk in lines:
                    await response.write(chunk)
        finally:
            self._streams.discard(task)
        await response.write_eof()
        return response


def _seconds(text: str) -> float | None:
    """A time to move ahead by; None for anything else, infinity and steps back among it."""
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d+)?", text.strip()) else None


def _response(answer: Answer) -> web.Response:
    response = web.Response(status=answer.code, body=answer.body)
    response.headers["Content-Type"] = answer.content_type
    response.headers.update(answer.headers)
    for text in answer.warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def _ssl_context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # the ssl module reads keys from files only
        path = Path(folder, "server.pem")
        path.touch(mode=0o600)
        path.write_text(certificates.certificate + certificates.key)
        context.load_cert_chain(path)
    return context


class SandboxThread:
    """An embedded cluster with a thread and event loop of its own: a context manager for synchronous code."""

    def __init__(
        self,
        *,
        port: int = 0,
        tokens: Mapping[str, User] | None = None,
        controllers: str = "all",
        speed: float = 1.0,
        nodes: int = 1,
        data_dir: Path | None = None,
        faults: Faults | str = "",
    ) -> None:
        self._starting: Callable[[], Coroutine[Any, Any, Sandbox]] = lambda: Sandbox.start(
            port, tokens, controllers, speed, nodes, data_dir, faults
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._running = False
        self.sandbox: Sandbox

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.sandbox = asyncio.run_coroutine_threadsafe(self._starting(), self._loop).result(30)
        except BaseException:
            self._end()
            raise
        self._running = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops the cluster; once it is stopped nothing happens."""
        if self._running:
            self._running = False
            asyncio.run_coroutine_threadsafe(self.sandbox.stop(), self._loop).result(30)
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return self.sandbox.url

    @property
    def ca_pem(self) -> str:
        return self.sandbox.ca_pem

    @property
    def token(self) -> str:
        return self.sandbox.token

    def kubeconfig(self) -> str:
        return self.sandbox.kubeconfig()

    def step(self, seconds: float) -> None:
        """Moves the cluster's time ahead; what falls due has happened when this returns."""
        self._on_loop(lambda: self.sandbox.step(seconds))

    def set_faults(self, faults: Faults | str) -> None:
        """Changes what goes wrong, from now on."""
        self._on_loop(lambda: self.sandbox.set_faults(faults))

    def compact(self) -> None:
        """Forgets the history: watches from the past get 410."""
        self._on_loop(self.sandbox.cluster.storage.compact)

    def _on_loop(self, action: Callable[[], None]) -> None:
        async def run() -> None:
            action()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)
