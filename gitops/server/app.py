"""The controller's HTTP: whether it lives, whether it is ready, and its numbers for Prometheus."""

import asyncio

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gitops.controller.run import Controller
from gitops.model.errors import ConfigError
from gitops.server.metrics import Numbers

log = structlog.get_logger()


async def serve(controller: Controller, listen: str) -> None:
    """Serve until cancelled on `listen` (HOST:PORT, ":8080" for every address). Raises ConfigError."""
    host, _, port = listen.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--listen: expected HOST:PORT, got {listen!r}")
    runner = web.AppRunner(application(controller), access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        except OSError as exc:
            raise ConfigError(f"--listen {listen}: {exc.strerror}") from exc
        log.info("http.listening", address=listen)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def application(controller: Controller) -> web.Application:
    """The routes."""
    registry = CollectorRegistry()
    registry.register(Numbers(controller))

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if controller.is_ready else web.Response(status=503, text="starting\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app
