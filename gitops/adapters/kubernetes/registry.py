"""Watches Secrets that register clusters; looks up those with kubeconfigs, and with credentials of repositories."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable

import structlog

from gitops.adapters.kubernetes.connection import Connection
from gitops.adapters.kubernetes.registered import (
    SELECTORS,
    cluster_name,
    connection_of,
    credentials_text,
    server_of,
)
from gitops.adapters.kubernetes.secret_kubeconfig import connection_in, kubeconfig_at
from gitops.adapters.kubernetes.secret_reader import SecretReader
from gitops.logs import Trouble
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import OF_SECRET
from gitops.model.errors import ApiError, ClusterError, ConfigError
from gitops.ports import Cluster

log = structlog.get_logger()
_AGAIN_SECONDS, _LONGEST_SECONDS = 5.0, 30.0
_REFUSED_SECONDS = 300.0
_LOOK_SECONDS = 15.0


class Registry:
    """Secrets of the home cluster; `changed` hears the name of a cluster that is new, reached otherwise, or gone."""

    def __init__(self, home: Cluster, namespace: str, changed: Callable[[str], None]) -> None:
        self._home = home
        self._namespace = namespace
        self._changed = changed
        self._secrets: dict[ResourceKey, Body] = {}
        self._kubeconfigs: dict[str, str] = {}  # name of a cluster → digest of the kubeconfig that it is reached by
        self._trouble = Trouble(log, "clusters.unreachable", "clusters.reachable")
        self._pause = _AGAIN_SECONDS
        self.reader = SecretReader(home)

    async def connection(self, name: str) -> Connection | None:
        """How the cluster `name` is reached that is registered, or whose kubeconfig is in a Secret; None for no such.

        Raises ConfigError.
        """
        if name.startswith(OF_SECRET):
            return await self._in_secret(name.removeprefix(OF_SECRET))
        found = [secret for secret in self._secrets.values() if cluster_name(secret) == name]
        return connection_of(found[0]) if found else None

    def forget(self, name: str) -> None:
        """Nobody goes to the cluster any more."""
        self._kubeconfigs.pop(name.removeprefix(OF_SECRET), None)

    async def _in_secret(self, place: str) -> Connection:
        text = await kubeconfig_at(self._home, *place.split("/", 2))
        self._kubeconfigs[place] = hashlib.sha256(text).hexdigest()
        return connection_in(text, f"Secret {place.rpartition('/')[0]}")

    async def _look_again(self) -> None:
        """See what became of the kubeconfigs in use."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for place, known in list(self._kubeconfigs.items()):
                try:
                    text = await kubeconfig_at(self._home, *place.split("/", 2))
                    digest = hashlib.sha256(text).hexdigest()
                except ConfigError as exc:
                    if isinstance(exc.__cause__, ClusterError):
                        continue
                    digest = ""
                if digest != known and place in self._kubeconfigs:
                    self._kubeconfigs[place] = digest
                    self._changed(f"{OF_SECRET}{place}")

    def knows(self, name: str) -> bool:
        """Whether there is a registered cluster of this name, however it is described."""
        return any(cluster_name(secret) == name for secret in self._secrets.values())

    def server_of(self, name: str) -> str:
        """The address of the registered cluster of this name; "" where none is, or its Secret says none."""
        found = (server_of(secret) for secret in self._secrets.values() if cluster_name(secret) == name)
        return next(found, "")

    def credentials(self, namespace: str, reference: str) -> str:
        """What a secretRef in `namespace` stands for; "" where there is no such Secret. Call it in a thread."""
        secret = self.reader.read(namespace, reference)
        return credentials_text(secret) if secret is not None else ""

    async def run(self) -> None:
        """Watch until cancelled; without the right to, only contexts of the kubeconfig are known."""
        await asyncio.gather(self._look_again(), *(self._follow(selector) for selector in SELECTORS))

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
