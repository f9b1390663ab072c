"""Watches the Secrets that register clusters, and looks up the Secrets that hold credentials of repositories."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from gitops.adapters.kubernetes.connection import Connection
from gitops.adapters.kubernetes.registered import SELECTORS, cluster_name, connection_of, credentials_text
from gitops.adapters.kubernetes.secret_reader import SecretReader
from gitops.logs import Trouble
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import ApiError, ClusterError
from gitops.ports import Cluster

log = structlog.get_logger()
_AGAIN_SECONDS, _LONGEST_SECONDS = 5.0, 30.0
_REFUSED_SECONDS = 300.0


class Registry:
    """Secrets of the home cluster; `changed` hears the name of a cluster that is new, reached otherwise, or gone."""

    def __init__(self, home: Cluster, namespace: str, changed: Callable[[str], None]) -> None:
        self._home = home
        self._namespace = namespace
        self._changed = changed
        self._secrets: dict[ResourceKey, Body] = {}
        self._trouble = Trouble(log, "clusters.unreachable", "clusters.reachable")
        self._pause = _AGAIN_SECONDS
        self.reader = SecretReader(home)

    def connection(self, name: str) -> Connection | None:
        """How the registered cluster `name` is reached; None when there is none. Raises ConfigError."""
        found = [secret for secret in self._secrets.values() if cluster_name(secret) == name]
        return connection_of(found[0]) if found else None

    def knows(self, name: str) -> bool:
        """Whether there is a registered cluster of this name, however it is described."""
        return any(cluster_name(secret) == name for secret in self._secrets.values())

    def credentials(self, namespace: str, reference: str) -> str:
        """What a secretRef in `namespace` stands for; "" where there is no such Secret. Call it in a thread."""
        secret = self.reader.read(namespace, reference)
        return credentials_text(secret) if secret is not None else ""

    async def run(self) -> None:
        """Watch until cancelled; without the right to, only contexts of the kubeconfig are known."""
        await asyncio.gather(*(self._follow(selector) for selector in SELECTORS))

    async def _follow(self, selector: str) -> None:
        while True:
            pause = _AGAIN_SECONDS
            try:
                await self._follow_once(selector)
            except ApiError as exc:
                if exc.code == 403:
                    log.info("clusters.not-watched", reason=str(exc))
                    pause = _REFUSED_SECONDS
            except ClusterError as exc:
                self._trouble.is_there(exc)
                self._pause = pause = min(self._pause * 1.5, _LONGEST_SECONDS)
            await asyncio.sleep(pause)

    async def _follow_once(self, selector: str) -> None:
        identity = await self._home.identity()
        listing = await self._home.list("", "Secret", self._namespace, selector)
        self._trouble.is_over()
        self._pause = _AGAIN_SECONDS
        label = selector.partition("=")[0]
        gone = {key for key, body in self._secrets.items() if label in (body["metadata"].get("labels") or {})}
        for body in listing.items:
            gone.discard(self._took(body))
        for key in gone:
            self._lost(key)
        version = listing.version
        while True:
            async with self._home.watch("", "Secret", self._namespace, version, selector) as events:
                async for event in events:
                    version = event.body["metadata"]["resourceVersion"]
                    if event.type == "DELETED":
                        self._lost(_key(event.body))
                    elif event.type != "BOOKMARK":
                        self._took(event.body)
            await asyncio.sleep(1.0)
            if await self._home.has_gone_back("", "Secret", self._namespace, version, identity):
                return  # and list again

    def _took(self, body: Body) -> ResourceKey:
        key = _key(body)
        before, self._secrets[key] = self._secrets.get(key), body
        if before is None or before.get("data") != body.get("data"):
            if before is not None and cluster_name(before) != cluster_name(body):
                self._changed(cluster_name(before))
            self._changed(cluster_name(body))
        return key

    def _lost(self, key: ResourceKey) -> None:
        with contextlib.suppress(KeyError):
            self._changed(cluster_name(self._secrets.pop(key)))


def _key(body: Body) -> ResourceKey:
    return ResourceKey("", "Secret", body["metadata"]["namespace"], body["metadata"]["name"])
