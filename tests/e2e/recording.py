"""A way to the API server that remembers what was asked on it, in RBAC's words."""

import asyncio
import json
import ssl
import threading
from dataclasses import dataclass

import aiohttp
from aiohttp import web

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Asked:
    """One request; `user` is whom it was made as, "" for the token's own. `resource` may be RESOURCE/SUBRESOURCE."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    code: int


class Recorder:
    """`with Recorder(sandbox) as recorder:` serves `recorder.kubeconfig(TOKEN)`; `recorder.asked` is what came."""

    def __init__(self, sandbox):
        self._url = sandbox.url
        self._tls = ssl.create_default_context(cadata=sandbox.ca_pem)
        self.asked: list[Asked] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def kubeconfig(self, token):
        context = {"cluster": "c", "user": "u"}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}],
                "users": [{"name": "u", "user": {"token": token}}],
                "contexts": [{"name": "c", "context": context}],
                "current-context": "c",
            }
        )

    async def _start(self):
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._tls, limit=0))
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]

    async def _end(self):
        await self._session.close()
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _pass_on(self, request):
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        body = await request.read()
        async with self._session.request(
            request.method, self._url + request.raw_path, data=body or None, headers=headers, timeout=None
        ) as answer:
            self._remember(request, answer.status)
            kind = answer.headers.get("Content-Type", "application/json")
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": kind})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    def _remember(self, request, code):
        parts = request.path.strip("/").split("/")
        group, rest = (parts[1], parts[3:]) if parts[0] == "apis" and len(parts) > 3 else ("", parts[2:])
        if parts[0] not in ("api", "apis") or not rest or (parts[0] == "apis" and not group):
            return  # discovery, which everybody may read
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        name = rest[1] if len(rest) > 1 else ""
        verb = _VERBS.get(request.method) or ("get" if name else "list")
        if request.query.get("watch") in ("1", "true"):
            verb = "watch"
        resource = "/".join([rest[0], *rest[2:3]])
        self.asked.append(Asked(request.headers.get("Impersonate-User", ""), verb, group, resource, namespace, code))
