"""Joins ports and adapters: the only module that knows both. What a caller does not use is not imported."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitops.manifests.manifest import Manifest
from gitops.model.errors import ConfigError
from gitops.model.revision import Tree

if TYPE_CHECKING:
    from gitops.controller import news
    from gitops.controller.request import Outside
    from gitops.controller.run import Connect, Controller
    from gitops.manifests.key import Body
    from gitops.model.application import Application
    from gitops.ports import Cluster, Source, Store
    from renderers.result import Needs, Remote, Rendered


def render(
    tree: Tree, app: "Application", *, load_restrictor: Literal["root", "none"] = "root", enable_helm: bool = False
) -> tuple[Manifest, ...]:
    """What the source holds, by the renderer that it asks for or that is detected.

    `load_restrictor` and `enable_helm` mean what they mean to `kubectl kustomize`.
    """
    from renderers.registry import Context
    from renderers.registry import render as by_registry

    context = Context(app.name, app.destination.namespace, load_restrictor=load_restrictor, enable_helm=enable_helm)
    return _complete(lambda remotes: by_registry(tree, app.source, context._replace(remotes=remotes)))


def render_path(
    tree: Tree, path: str, *, load_restrictor: Literal["root", "none"] = "root", enable_helm: bool = False
) -> tuple[Manifest, ...]:
    """The same for a path alone, with nothing imported that only an Application needs."""
    from renderers.registry import Context
    from renderers.registry import render_path as by_registry

    context = Context(load_restrictor=load_restrictor, enable_helm=enable_helm)
    return _complete(lambda remotes: by_registry(tree, path, context._replace(remotes=remotes)))


def _complete(attempt: "Callable[[dict[Remote, Tree]], Rendered | Needs]") -> tuple[Manifest, ...]:
    """Render, fetch the repositories that are asked for, and render again, until nothing is asked for."""
    from renderers.result import Rendered

    remotes: dict[Remote, Tree] = {}
    while True:
        answer = attempt(remotes)
        if isinstance(answer, Rendered):
            return answer.manifests
        for remote in answer.remotes:
            remotes[remote] = _fetch(remote)


def _fetch(remote: "Remote") -> Tree:
    """The files of another repository that a kustomization names; it is read without credentials."""
    from gitops.adapters.git import GitSource
    from gitops.config import cache_folder

    source = GitSource(cache_folder(), timeout=60.0)
    return source.tree(remote.url, source.resolve(remote.url, remote.ref))


def open_source(cache: Path, secrets: Callable[[str], str]) -> "Source":
    """Folders and repositories; `secrets` gives the text that a secretRef stands for, or ""."""
    from gitops.adapters.source import Sources

    return Sources(cache, secrets)


def open_cluster(kubeconfig: str, context: str) -> "Cluster":
    """The API server that the kubeconfig's context names. Raises ConfigError."""
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.kubernetes.connection import connect

    return KubernetesCluster(connect(kubeconfig, context))


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


@contextlib.asynccontextmanager
async def open_outside(
    *,
    kubeconfig: str,
    context: str,
    state: Path,
    cache: Path,
    key: str,
    store_url: str,
    secrets: Callable[[str], str],
    version: str,
    tell: "Callable[[news.News], None]",
) -> AsyncIterator["Outside"]:
    """Everything that a pass reaches out to, closed at the end."""
    from gitops.adapters.clock import SystemClock
    from gitops.controller.request import Outside

    cluster = open_cluster(kubeconfig, context)
    try:
        async with open_store(state, key, store_url) as store:
            yield Outside(
                source=open_source(cache, secrets),
                render=render,
                cluster=cluster,
                store=store,
                clock=SystemClock(),
                version=version,
                tell=tell,
            )
    finally:
        await cluster.close()


def connector(kubeconfig: str, context: str) -> "Connect":
    """How a controller gets at clusters: "" is the one of `context`, any other name is a context of the kubeconfig."""
    from gitops.adapters.kubernetes.cache import CachedCluster
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.kubernetes.connection import connect
    from gitops.adapters.kubernetes.shelf import Seen
    from gitops.controller.run import Connected, OnObject

    def connected(name: str, on_object: OnObject, may_write: Callable[[], bool]) -> Connected:
        def seen(change: Seen) -> None:
            on_object(change.set_id, change.key, change.body, change.suspect)

        cluster = CachedCluster(KubernetesCluster(connect(kubeconfig, name or context)), seen, may_write)
        return Connected(cluster, cluster.counts)

    return connected


@contextlib.asynccontextmanager
async def open_controller(
    *,
    kubeconfig: str,
    context: str,
    state: Path,
    cache: Path,
    key: str,
    store_url: str,
    secrets: Callable[[str], str],
    version: str,
) -> AsyncIterator["Controller"]:
    """A controller that knows no Application yet; its store is closed at the end."""
    from gitops.adapters.clock import SystemClock
    from gitops.adapters.repositories import GitRepositories
    from gitops.controller.renders import RenderCache
    from gitops.controller.run import Controller

    async with open_store(state, key, store_url) as store:
        yield Controller(
            connect=connector(kubeconfig, context),
            repositories=GitRepositories(cache, secrets),
            renders=RenderCache(render),
            store=store,
            clock=SystemClock(),
            version=version,
        )


def take_part(
    controller: "Controller",
    home: "Cluster",
    parts: "list[tuple[str, Awaitable[None]]]",
    *,
    files: list[Path],
    read_files: "Callable[[Path], list[Application]]",
    read_resource: "Callable[[Body], Application] | None",
    namespace: str,
    watch_namespace: str,
    leases: bool,
    shared: bool,
    listen: str,
) -> None:
    """Add to `parts` what runs beside the controller's own: sources of Applications, Leases, the HTTP server.

    Raises ConfigError for a file that cannot be read.
    """
    from gitops.adapters.clock import SystemClock
    from gitops.controller.replica import Replica
    from gitops.controller.roster import CustomResources, Files
    from gitops.controller.status import StatusWriter

    clock = SystemClock()
    if leases:
        controller.replica = Replica(
            home, clock, namespace, single=not shared, losing=controller.let_go, gained=controller.wake_all
        )
        parts.append(("leases", controller.replica.run()))
    for file in files:
        source = Files(file, read_files, controller.roster, clock)
        source.read()
        parts.append((f"files {file}", source.run()))
    if read_resource is not None:
        writer = StatusWriter(home, controller, clock)
        controller.on_status = writer.changed
        resources = CustomResources(home, clock, watch_namespace, read_resource, controller.roster, writer.wrong)
        controller.let_finish = resources.let_finish
        parts += [("applications", resources.run()), ("statuses", writer.run())]
    if listen:
        from gitops.server.app import serve

        parts.append(("http", serve(controller, listen)))
