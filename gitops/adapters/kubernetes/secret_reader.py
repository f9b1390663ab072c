"""Reads Secrets of a cluster for whoever works in a thread."""

import asyncio
import base64
import binascii

from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import SourceError
from gitops.ports import Cluster

_SECONDS = 20.0


class SecretReader:
    """Made on the loop that `cluster` is used on; its methods are called in threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._loop = asyncio.get_running_loop()

    def read(self, namespace: str, name: str) -> Body | None:
        """The Secret; None where there is none. Raises SourceError where the cluster does not answer."""
        asked = asyncio.run_coroutine_threadsafe(
            self._cluster.get(ResourceKey("", "Secret", namespace, name)), self._loop
        )
        try:
            return asked.result(_SECONDS)
        except TimeoutError as exc:
            asked.cancel()
            raise SourceError(f"Secret {namespace}/{name}: the cluster does not answer") from exc

    def entries(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """What its entries hold; None where there is no such Secret."""
        return entries_in(self.read(namespace, name))


def entries_in(secret: Body | None) -> dict[str, bytes] | None:
    """What the entries of a Secret hold, without those that are damaged; None where there is no such Secret."""
    if secret is None:
        return None
    data = secret.get("data")
    found: dict[str, bytes] = {}
    for entry, text in data.items() if isinstance(data, dict) else ():
        try:
            found[entry] = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError, TypeError):
            continue
    return found
