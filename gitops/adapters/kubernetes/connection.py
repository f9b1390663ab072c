"""Where the API server is and who we are there: kubeconfig or in-cluster.

Plain kubeconfigs are read here; for every other source of credentials (exec plug-ins, OIDC, several files, in-cluster
tokens) the official client library is asked. It has no part in the requests: `gitops.adapters.kubernetes.http` has.
"""

import asyncio
import contextlib
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from gitops.adapters.kubernetes.plain_kubeconfig import (
    NotPlainError,
    namespace_in,
    read_plain,
    show_certificate,
    tls_of,
)
from gitops.bounds import MIB, MOST_FILE
from gitops.model.errors import ConfigError

# The library gives a credential plug-in no time limit of its own.
PLUGIN_SECONDS = 30.0
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Connection:
    """`authorization` gives the header's present value ("" for none) and may take long: a plug-in can be asked.

    It is called for the first request, and again after each refusal: credentials are renewed where they were read.
    Raises ConfigError.
    """

    server: str
    tls: ssl.SSLContext | None
    tls_server_name: str
    proxy: str = field(repr=False)
    authorization: Callable[[], str]


def connect(kubeconfig: str = "", context: str = "") -> Connection:
    """Read `kubeconfig` ("" = $KUBECONFIG, else ~/.kube/config, else in-cluster) for `context` ("" = the current).

    Raises ConfigError that names the file and what is wrong with it.
    """
    path = kubeconfig or os.environ.get("KUBECONFIG", "")
    default = os.path.expanduser("~/.kube/config")
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    if not path and not os.path.exists(default):
        if in_cluster and not context:
            return _limited(_load_in_cluster, "the service account's token")
        raise ConfigError(
            f"no kubeconfig: {default} does not exist and KUBECONFIG is not set "
            "(give --kubeconfig FILE, or start an embedded cluster: `gitops sandbox up --detach` says how to use it)"
        )
    path = path or default
    if not any(os.path.isfile(part) for part in path.split(os.pathsep) if part):
        raise ConfigError(f"kubeconfig {path}: no such file")
    large = next((part for part in path.split(os.pathsep) if os.path.isfile(part) and _is_large(part)), "")
    if large:
        raise ConfigError(f"kubeconfig {large}: it holds more than the {MOST_FILE // MIB} MiB that are read")
    try:
        return _load_plain(Path(path), context)
    except NotPlainError:
        name = f"kubeconfig {path}"
        load = partial(_limited, lambda: _load_file(path, context), name)
        found = load()
        return replace(found, authorization=_renewed(found.authorization, lambda: load().authorization()))


def _is_large(path: str) -> bool:
    return os.path.getsize(path) > MOST_FILE


def home_namespace(kubeconfig: str = "", context: str = "") -> str:
    """Where kubectl would work without a namespace: that of the context, in a Pod its own; "" where neither says."""
    path = kubeconfig or os.environ.get("KUBECONFIG", "")
    default = os.path.expanduser("~/.kube/config")
    if path or os.path.exists(default):
        return namespace_in([Path(part) for part in (path or default).split(os.pathsep) if part], context)
    with contextlib.suppress(OSError):
        return _OWN_NAMESPACE.read_text().strip()
    return ""


async def connect_apart(kubeconfig: str = "", context: str = "") -> Connection:
    """`connect` in a thread that nobody waits for at the end: a credential plug-in takes its time, or hangs."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Connection] = loop.create_future()

    def tell(found: Connection | BaseException) -> None:
        if answer.done():
            return
        if isinstance(found, Connection):
            answer.set_result(found)
        else:
            answer.set_exception(found)

    def run() -> None:
        found: Connection | BaseException
        try:
            found = connect(kubeconfig, context)
        except BaseException as exc:  # noqa: BLE001 - handed to the caller
            found = exc
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=run, daemon=True, name="connect").start()
    return await answer


def _load_plain(path: Path, context: str) -> Connection:
    cluster, user = read_plain(path, context)
    server = str(cluster["server"]).rstrip("/")
    tls = tls_of(path, cluster, user) if server.startswith("https:") else None

    def again() -> str:
        with contextlib.suppress(NotPlainError):  # it is being written, say: then as it was
            _, present = read_plain(path, context)
            if tls is not None:
                show_certificate(tls, path, present)
            return _bearer(present)
        return _bearer(user)

    return Connection(
        server=server,
        tls=tls,
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        proxy="",
        authorization=_renewed(lambda: _bearer(user), again),
    )


def _bearer(user: dict[str, Any]) -> str:
    return f"Bearer {user['token']}" if user.get("token") else ""


def _renewed(first: Callable[[], str], again: Callable[[], str]) -> Callable[[], str]:
    """What `first` gives at the first call, and what `again` does at all others."""
    ways = [first]

    def authorization() -> str:
        way = ways.pop() if ways else again
        return way()

    return authorization


def _limited(load: Callable[[], Connection], name: str) -> Connection:
    """Run `load` in a thread that cannot outlive us, so that a hanging credential plug-in is an error, not a hang."""
    answer: list[Connection | BaseException] = []

    def run() -> None:
        try:
            answer.append(load())
        except BaseException as exc:  # noqa: BLE001 - handed to the caller below
            answer.append(exc)

    thread = threading.Thread(target=run, daemon=True, name="kubeconfig")
    thread.start()
    thread.join(PLUGIN_SECONDS)
    if not answer:
        raise ConfigError(f"{name}: its credential plug-in did not answer within {PLUGIN_SECONDS:.0f} s")
    found = answer[0]
    if isinstance(found, Connection):
        return found
    if isinstance(found, ConfigError):
        raise found
    raise ConfigError(f"{name}: {_reason(found)}") from found


def _reason(exc: BaseException) -> str:
    text = str(exc).strip().splitlines()
    return text[0] if text else type(exc).__name__


def _load_file(path: str, context: str) -> Connection:
    from kubernetes.client import Configuration
    from kubernetes.config import kube_config

    from gitops.adapters.kubernetes.plug_in import PlugIn

    kube_config.ExecProvider = PlugIn  # type: ignore[attr-defined]
    configuration = Configuration()
    configuration.host = ""
    kube_config.load_kube_config(
        config_file=path, context=context or None, client_configuration=configuration, persist_config=False
    )
    if not configuration.host:
        raise ConfigError(f"kubeconfig {path}: its cluster has no server address (clusters[].cluster.server)")
    if not configuration.api_key and not configuration.cert_file:
        _check_plug_in(path, context)
    return _connection(configuration)


def _check_plug_in(path: str, context: str) -> None:
    """The library goes on without credentials when a plug-in fails; that would be told as a lack of rights."""
    from kubernetes.config.kube_config import KubeConfigMerger

    config = KubeConfigMerger(path).config
    name = config["contexts"].get_with_name(context or config["current-context"])["context"].safe_get("user")
    user = config["users"].get_with_name(name, safe=True) if name else None
    plug_in = user["user"].safe_get("exec") if user else None
    if plug_in:
        raise ConfigError(f"kubeconfig {path}: the credential plug-in {plug_in['command']} of user {name} failed")


def _load_in_cluster() -> Connection:
    from kubernetes.client import Configuration
    from kubernetes.config import load_incluster_config

    configuration = Configuration()
    load_incluster_config(client_configuration=configuration)
    return _connection(configuration)


def _connection(configuration: Any) -> Connection:
    def authorization() -> str:
        hook = configuration.refresh_api_key_hook
        if hook is not None:
            hook(configuration)
        return str(configuration.api_key.get("BearerToken") or configuration.api_key.get("authorization") or "")

    server = configuration.host.rstrip("/")
    return Connection(
        server=server,
        tls=_tls(configuration) if server.startswith("https:") else None,
        tls_server_name=configuration.tls_server_name or "",
        proxy=configuration.proxy or "",
        authorization=authorization,
    )


def _tls(configuration: Any) -> ssl.SSLContext:
    """A bare context that trusts the cluster's CA alone: a default one costs megabytes for each cluster."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    elif configuration.ssl_ca_cert:
        tls.load_verify_locations(cafile=configuration.ssl_ca_cert)
    else:
        tls.load_default_certs()
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    return tls
