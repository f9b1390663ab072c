"""Kubeconfigs that Secrets hold, of clusters that Applications name by `destination.kubeConfig`.

Whoever may write such a Secret is not believed: the kubeconfig has to hold everything itself (a token or a client
certificate; no program to run, no file to read), and its server has to prove who it is, so that no address inside of
our network answers for it.
"""

from pathlib import Path
from typing import Any, Final

from gitops.adapters.kubernetes.connection import Connection
from gitops.adapters.kubernetes.plain_kubeconfig import NotPlainError, entries_of, tls_of
from gitops.adapters.kubernetes.secret_reader import entries_in
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import ResourceKey
from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import ClusterError, ConfigError
from gitops.ports import Cluster

KEYS: Final = ("value", "value.yaml")
_FILES: Final = ("certificate-authority", "client-certificate", "client-key")


async def kubeconfig_at(home: Cluster, namespace: str, name: str, key: str) -> bytes:
    """The kubeconfig in a Secret's entry `key` ("" = one of KEYS). Raises ConfigError, of a ClusterError if need be."""
    where = f"Secret {namespace}/{name}"
    try:
        entries = entries_in(await home.get(ResourceKey("", "Secret", namespace, name)))
    except ClusterError as exc:
        raise ConfigError(f"destination.kubeConfig: {where} cannot be read: {exc}") from exc
    if entries is None:
        raise ConfigError(f"destination.kubeConfig: there is no {where}")
    for entry in (key,) if key else KEYS:
        if entries.get(entry):
            return entries[entry]
    raise ConfigError(f"destination.kubeConfig: {where} has no entry {key or ' or '.join(KEYS)}")


def connection_in(text: bytes, where: str) -> Connection:
    """How the cluster of the kubeconfig's current context is reached. Raises ConfigError, without anything of it."""
    try:
        documents = load_all(text, where)
        config: Any = documents[0].value if len(documents) == 1 else None
        if not isinstance(config, dict):
            raise NotPlainError
        cluster, user = entries_of(config, "")
    except (ManifestError, NotPlainError) as exc:
        raise ConfigError(
            f"{where}: expected a kubeconfig whose current context names a server, and a user with a token or a client "
            "certificate (no program and no file for them)"
        ) from exc
    server = cluster["server"].rstrip("/")
    if not server.startswith("https://") or cluster.get("insecure-skip-tls-verify"):
        raise ConfigError(f"{where}: server: expected https:// with a certificate that is checked")
    for name in _FILES:
        if cluster.get(name) or user.get(name):
            raise ConfigError(f"{where}: {name}: names a file; give {name}-data")
    try:
        tls = tls_of(Path(), cluster, user)
    except NotPlainError as exc:
        raise ConfigError(f"{where}: its certificates cannot be read") from exc
    authorization = f"Bearer {user['token']}" if user.get("token") else ""
    return Connection(server, tls, str(cluster.get("tls-server-name") or ""), "", lambda: authorization)
