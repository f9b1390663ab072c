"""Somebody who looks at a cluster all the while: a look costs one request, and no connection, login and discovery."""

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import GitopsError

T = TypeVar("T")

_MOST = 3


class Onlooker:
    """Keeps connections to the clusters that were asked last, on an event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._clusters: dict[str, KubernetesCluster] = {}
        threading.Thread(target=self._loop.run_forever, name="onlooker", daemon=True).start()
        atexit.register(self.close)

    def see(self, kubeconfig: Path, look: Callable[[KubernetesCluster], Awaitable[T]]) -> T:
        """What `look`, which must change nothing, finds. What goes wrong does so on a connection made for it."""
        return asyncio.run_coroutine_threadsafe(self._see(kubeconfig, look), self._loop).result()

    def get(self, kubeconfig: Path, key: ResourceKey) -> Body | None:
        """The object, or None."""

        async def look(cluster: KubernetesCluster) -> Body | None:
            # Kinds that somebody defines come and go, and change.
            is_custom = "." in key.group and not key.group.endswith(".k8s.io")
            if is_custom or (await cluster.kinds()).find(key.group, key.kind) is None:
                await cluster.kinds(refresh=True)
            return await cluster.get(key)

        return self.see(kubeconfig, look)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    async def _see(self, kubeconfig: Path, look: Callable[[KubernetesCluster], Awaitable[T]]) -> T:
        text = kubeconfig.read_text()
        cluster = self._clusters.pop(text, None)
        if cluster is not None:
            try:
                found = await look(cluster)
            except GitopsError:
                await cluster.close()
            else:
                self._clusters[text] = cluster
                return found
        cluster = KubernetesCluster(connect(str(kubeconfig)))
        try:
            found = await look(cluster)
        except BaseException:
            await cluster.close()
            raise
        self._clusters[text] = cluster
        if len(self._clusters) > _MOST:
            await self._clusters.pop(next(iter(self._clusters))).close()
        return found

    async def _close(self) -> None:
        while self._clusters:
            await self._clusters.popitem()[1].close()
