"""Clusters and credentials that Secrets of the home cluster hold: ours, and Argo CD's format of the same.

A cluster Secret has `name`, `server` and `config` (JSON: bearerToken, username and password, or tlsClientConfig). What
would run a program for credentials is refused.
"""

import base64
import json
from pathlib import Path
from typing import Any

from gitops.adapters.kubernetes.connection import Connection
from gitops.adapters.kubernetes.plain_kubeconfig import NotPlainError, tls_of
from gitops.bounds import parsed
from gitops.manifests.key import Body
from gitops.model.errors import ConfigError

SELECTORS = ("gitops.dev/secret-type=cluster", "argocd.argoproj.io/secret-type=cluster")
_RUNS_PROGRAMS = ("execProviderConfig", "awsAuthConfig")
# The names that others give to what we call by the names of `gitops.adapters.credentials.Secret`.
_FIELDS = {
    "username": "username",
    "password": "password",
    "token": "token",
    "bearerToken": "bearerToken",
    "address": "address",
    "sshPrivateKey": "sshPrivateKey",
    "identity": "sshPrivateKey",
    "ssh-privatekey": "sshPrivateKey",
    "knownHosts": "knownHosts",
    "known_hosts": "knownHosts",
    "ca.crt": "ca",
    "caFile": "ca",
    "tls.crt": "certificate",
    "certFile": "certificate",
    "tls.key": "key",
    "keyFile": "key",
    ".dockerconfigjson": "dockerConfig",
    "accesskey": "accessKey",
    "secretkey": "secretKey",
    "githubAppID": "githubAppID",
    "githubAppInstallationID": "githubAppInstallationID",
    "githubAppInstallationOwner": "githubAppInstallationOwner",
    "githubAppPrivateKey": "githubAppPrivateKey",
    "githubAppBaseURL": "githubAppBaseURL",
}


def cluster_name(secret: Body) -> str:
    """The name that Applications call the cluster by: the Secret's `name`, else that of the Secret itself."""
    return _text(secret, "name") or str(secret["metadata"]["name"])


def connection_of(secret: Body) -> Connection:
    """How the cluster is reached. Raises ConfigError, which holds nothing of the Secret's values."""
    where = f"Secret {secret['metadata'].get('namespace')}/{secret['metadata']['name']}"
    server = server_of(secret)
    if not server.startswith(("https://", "http://")):
        raise ConfigError(f"{where}: server: expected the address of an API server (https://...)")
    try:
        config: Any = parsed(_text(secret, "config") or "{}")
    except ValueError:
        config = None
    if not isinstance(config, dict) or not isinstance(config.get("tlsClientConfig") or {}, dict):
        raise ConfigError(f"{where}: config: expected a JSON object")
    for name in _RUNS_PROGRAMS:
        if config.get(name):
            raise ConfigError(f"{where}: config.{name} would run a program for credentials; give a bearerToken instead")
    tls = config.get("tlsClientConfig") or {}
    cluster = {"certificate-authority-data": tls.get("caData"), "insecure-skip-tls-verify": tls.get("insecure")}
    user = {"client-certificate-data": tls.get("certData"), "client-key-data": tls.get("keyData")}
    try:
        context = tls_of(Path(), cluster, user) if server.startswith("https:") else None
    except NotPlainError as exc:
        raise ConfigError(f"{where}: config.tlsClientConfig: its certificates cannot be read") from exc
    authorization = _authorization(config)
    return Connection(server, context, str(tls.get("serverName") or ""), "", lambda: authorization)


def server_of(secret: Body) -> str:
    """The address of the cluster that a Secret registers, as it says it; "" where it says none."""
    return _text(secret, "server").rstrip("/")


def credentials_text(secret: Body) -> str:
    """A Secret with credentials of a repository as the YAML that a secretRef stands for; "" when it has none."""
    found = {ours: text for theirs, ours in _FIELDS.items() if (text := _text(secret, theirs))}
    data = secret.get("data")
    keys = [_text(secret, name) for name in sorted(data) if name.endswith(".pub")] if isinstance(data, dict) else []
    if keys:
        found["publicKeys"] = "\n".join(keys)
    return json.dumps(found) if found else ""


def _authorization(config: dict[str, Any]) -> str:
    if config.get("bearerToken"):
        return f"Bearer {config['bearerToken']}"
    if config.get("username"):
        pair = f"{config['username']}:{config.get('password') or ''}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return ""


def _text(secret: Body, name: str) -> str:
    data = secret.get("data")
    text = data.get(name) if isinstance(data, dict) else None
    if not isinstance(text, str):
        return ""
    try:
        return base64.b64decode(text).decode()
    except ValueError:
        return ""
