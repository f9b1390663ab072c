"""A write that waits to be tried again does not go out when the Lease is another's by then."""

import asyncio

import pytest
from aiohttp import web

from gitops.adapters.kubernetes.cache import CachedCluster
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import Connection
from gitops.adapters.kubernetes.http import Http
from gitops.model.errors import UnreachableError


def test_no_attempt_of_a_write_is_sent_after_the_lease_is_lost():
    holds, attempts = [True], []

    async def refused(request: web.Request) -> web.Response:
        attempts.append(request.method)
        holds[0] = False
        return web.json_response({}, status=503)

    async def story() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", refused)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = Http(Connection(f"http://127.0.0.1:{runner.addresses[0][1]}", None, "", "", lambda: ""))
        http.ask_before_writes(lambda: holds[0])
        try:
            with pytest.raises(UnreachableError, match="no longer holds its Lease"):
                await http.request("PATCH", "/api/v1/namespaces/n/configmaps/a", body={"a": 1})
        finally:
            await http.close()
            await runner.cleanup()

    asyncio.run(story())
    assert attempts == ["PATCH"]


def test_a_controllers_cluster_writes_nothing_without_the_lease():
    async def story() -> None:
        cluster = KubernetesCluster(Connection("http://127.0.0.1:9", None, "", "", lambda: ""))
        cache = CachedCluster(cluster, lambda seen: None, lambda: False)
        try:
            with pytest.raises(UnreachableError, match="no longer holds its Lease"):
                await cluster.http.request("PATCH", "/api/v1/namespaces/n/configmaps/a", body={"a": 1})
        finally:
            await cache.close()

    asyncio.run(story())
