"""Joins ports and adapters: the only module that knows both. What a caller does not use is not imported."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.model.errors import ConfigError

if TYPE_CHECKING:
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.notifiers.sender import HttpNotifier
    from gitops.ports import Source, Store
    from gitops.sync import events
    from gitops.sync.context import SyncContext

Entries = Callable[[str, str], dict[str, bytes] | None]  # what the entries of a Secret (namespace, name) hold


def open_source(cache: Path, secrets: Callable[[str], str]) -> "Source":
    """Folders and repositories for a person's own command; `secrets` gives the text of a secretRef, or ""."""
    from gitops.adapters.source import Sources
    from gitops.config import mirror_limits

    return Sources(cache, secrets, here=Path.cwd(), as_account=True, limits=mirror_limits())


def source_here() -> str:
    """The name of the repository whose work tree we are called in, "" outside of any."""
    from gitops.adapters.source import folder_name
    from gitops.adapters.work_tree_place import owned_work_tree_of

    top = owned_work_tree_of(Path.cwd())
    return "" if top is None else folder_name(top, top, "")


def open_cluster(kubeconfig: str, context: str) -> "KubernetesCluster":
    """The API server that the kubeconfig's context names. Raises ConfigError."""
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.kubernetes.connection import connect

    return KubernetesCluster(connect(kubeconfig, context))


def home_namespace(kubeconfig: str, context: str) -> str:
    """The namespace that the kubeconfig's context names, or of the Pod that we run in; "" where neither says."""
    from gitops.adapters.kubernetes.connection import home_namespace as named

    return named(kubeconfig, context)


@contextlib.asynccontextmanager
async def open_store(state: Path, key: str, url: str = "") -> AsyncIterator["Store"]:
    """The PostgreSQL database `url`, or without one the store in the state folder; closed at the end.

    Raises StoreError, and ConfigError for a URL of another kind.
    """
    store: Store
    if not url:
        from gitops.adapters.store import SqliteStore

        store = await SqliteStore.open(state, key)
    elif url.startswith(("postgresql://", "postgres://")):
        store = await _open_postgresql(url, key)
    else:
        raise ConfigError("--store: expected postgresql://USER@HOST/DATABASE, or nothing for the state folder")
    try:
        yield store
    finally:
        await store.close()


async def _open_postgresql(url: str, key: str) -> "Store":
    try:
        from gitops.adapters.store_postgresql import PostgresqlStore
    except ImportError as exc:
        raise ConfigError("--store: PostgreSQL needs psycopg: pip install 'gitops-controller[postgresql]'") from exc
    return await PostgresqlStore.open(url, key)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the cluster, our records and our cache are, the key of our records, and as which version we write.

    `variables` are the environment's own: keys that decrypt are among them. `notifications` is the file that says who
    is told of what, `projects` the one that says what Applications may.
    """

    kubeconfig: str = ""
    context: str = ""
    state: Path = Path()
    cache: Path = Path()
    key: str = ""
    store_url: str = ""
    version: str = ""
    notifications: Path | None = None
    projects: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@contextlib.asynccontextmanager
async def home_of(environment: Environment) -> AsyncIterator["KubernetesCluster"]:
    """The environment's own cluster, closed at the end."""
    cluster = open_cluster(environment.kubeconfig, environment.context)
    try:
        yield cluster
    finally:
        await cluster.close()


@contextlib.asynccontextmanager
async def open_outside(
    environment: Environment, *, secrets: Callable[[str], str], emit: "Callable[[events.Event], None]"
) -> AsyncIterator["SyncContext"]:
    """Everything that a pass reaches out to, closed at the end."""
    from gitops.adapters.clock import SystemClock
    from gitops.adapters.kubernetes.secret_reader import SecretReader
    from gitops.rendering import Access, own_decryptors, render
    from gitops.sync.context import SyncContext

    async with (
        home_of(environment) as cluster,
        open_store(environment.state, environment.key, environment.store_url) as store,
    ):
        yield SyncContext(
            source=open_source(environment.cache, secrets),
            render=partial(
                render,
                access=Access(
                    as_account=True,
                    decryptors=own_decryptors(environment.variables, secrets, SecretReader(cluster).entries),
                ),
            ),
            cluster=cluster,
            store=store,
            clock=SystemClock(),
            version=environment.version,
            emit=emit,
        )


def open_notifier(
    secrets: Callable[[str], str], entries: "Entries" = lambda _, __: None, home: str = ""
) -> "HttpNotifier":
    """Who tells destinations. Credentials are the environment's, else those of a Secret of the namespace `home`."""
    from gitops.adapters.notifiers.finding import LoginFinder
    from gitops.adapters.notifiers.sender import HttpNotifier

    return HttpNotifier(LoginFinder(secrets, entries, home))
