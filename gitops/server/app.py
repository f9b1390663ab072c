"""The controller's HTTP: whether it lives, whether it is ready, and its numbers for Prometheus."""

import asyncio
import time

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gitops.controller.app import Controller
from gitops.model.errors import ConfigError
from gitops.server.doors import BACKLOG, Doors, most_connections, watched
from gitops.server.metrics import Numbers
from gitops.server.webhooks.routes import Webhooks

log = structlog.get_logger()
_METRICS_SHARE = 0.1


async def serve(controller: Controller, listen: str, hooks: Webhooks) -> None:
    """Serve until cancelled on `listen` (HOST:PORT, ":8080" for every address). Raises ConfigError."""
    host, _, port = listen.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--listen: expected HOST:PORT, got {listen!r}")
    runner = web.AppRunner(application(controller, hooks))
    await runner.setup()
    assert runner.server is not None
    doors = Doors(runner.server, most_connections())
    server = None
    try:
        try:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(doors.make, host.strip("[]") or None, int(port), backlog=BACKLOG)
        except OSError as exc:
            raise ConfigError(f"--listen {listen}: {exc.strerror}") from exc
        log.info("http.listening", address=listen)
        await asyncio.Event().wait()
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()


def application(controller: Controller, hooks: Webhooks) -> web.Application:
    """The routes."""
    registry = CollectorRegistry()
    registry.register(Numbers(controller))

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if controller.is_ready else web.Response(status=503, text="starting\n")

    last, good_until = b"", 0.0

    async def metrics(_: web.Request) -> web.Response:
        nonlocal last, good_until
        began = time.monotonic()
        if began >= good_until:
            last = generate_latest(registry)
            # Who asks all the time gets no more than a share of the loop that everything runs on.
            good_until = time.monotonic() + (time.monotonic() - began) / _METRICS_SHARE
        return web.Response(body=last, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(middlewares=[watched])
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    app.add_routes(hooks.routes())
    return app
