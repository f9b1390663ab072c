"""Kubeconfigs that hold everything themselves: a server, a CA, and a token or a client certificate.

The official library reads every other kind (exec plug-ins, OIDC, several files, proxies); importing it costs 0.2 s of
each command, which the common case need not pay.
"""

import base64
import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gitops.bounds import read_file
from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import load_all

_CLUSTER = {
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "extensions",
}
_USER = {"token", "client-certificate", "client-certificate-data", "client-key", "client-key-data", "extensions"}


class NotPlainError(Exception):
    """This kubeconfig needs the library, or is wrong in a way that the library tells."""


def read_plain(path: Path, context: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cluster and user entries of `context` ("" = the current one). Raises NotPlainError."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
        raise NotPlainError
    return entries_of(_read(path), context)


def entries_of(config: dict[str, Any], context: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cluster and user entries of `context` ("" = the current one). Raises NotPlainError."""
    chosen = _named(config, "contexts", "context", context or config.get("current-context"))
    cluster = _named(config, "clusters", "cluster", chosen.get("cluster"))
    user = _named(config, "users", "user", chosen.get("user"))
    if set(cluster) - _CLUSTER or set(user) - _USER or not isinstance(cluster.get("server"), str):
        raise NotPlainError
    return cluster, user


def namespace_in(paths: Iterable[Path], context: str) -> str:
    """The namespace that `context` ("" = the current one) names in the first file that knows it, or ""."""
    for path in paths:
        with contextlib.suppress(NotPlainError):
            config = _read(path)
            context = context or str(config.get("current-context") or "")
            return str(_named(config, "contexts", "context", context).get("namespace") or "")
    return ""


def _read(path: Path) -> dict[str, Any]:
    try:
        documents = load_all(read_file(path), str(path))
    except (OSError, ValueError, ManifestError) as exc:
        raise NotPlainError from exc
    config = documents[0].value if len(documents) == 1 else None
    if not isinstance(config, dict):
        raise NotPlainError
    return config


def tls_of(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    """A context that trusts the cluster's CA alone and shows the user's certificate. Raises NotPlainError."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if cluster.get("insecure-skip-tls-verify"):
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        else:
            authority = _bytes(path, cluster, "certificate-authority")
            if authority:
                tls.load_verify_locations(cadata=authority.decode())
            else:
                tls.load_default_certs()
    except (OSError, ValueError, TypeError) as exc:
        raise NotPlainError from exc
    show_certificate(tls, path, user)
    return tls


def show_certificate(tls: ssl.SSLContext, path: Path, user: dict[str, Any]) -> None:
    """Have connections that are made from now on show the user's certificate, if there is one. Raises NotPlainError."""
    try:
        certificate, key = _bytes(path, user, "client-certificate"), _bytes(path, user, "client-key")
        if certificate and key:
            _load_pair(tls, certificate, key)
    except (OSError, ValueError, TypeError) as exc:
        raise NotPlainError from exc


def _named(config: dict[str, Any], listed: str, entry: str, name: Any) -> dict[str, Any]:
    entries = config.get(listed)
    if not isinstance(entries, list):
        raise NotPlainError
    found = [one for one in entries if isinstance(one, dict) and one.get("name") == name]
    if len(found) != 1 or not isinstance(found[0].get(entry), dict):
        raise NotPlainError
    return dict(found[0][entry])


def _bytes(path: Path, entry: dict[str, Any], name: str) -> bytes:
    """The PEM given in place (`name`-data, which wins) or in a file beside the kubeconfig; b"" for neither."""
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"], validate=True)
    return read_file(path.parent / entry[name]) if entry.get(name) else b""


def _load_pair(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The ssl module takes files only: ours are readable by us alone, and gone at once."""
    descriptor, name = tempfile.mkstemp(prefix="gitops-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        tls.load_cert_chain(name)
    finally:
        os.unlink(name)
