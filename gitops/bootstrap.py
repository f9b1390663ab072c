"""Joins ports and adapters: the only module that knows both. What a caller does not use is not imported."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitops.manifests.manifest import Manifest
from gitops.model.errors import ConfigError
from gitops.model.revision import Tree

if TYPE_CHECKING:
    from gitops.controller import news
    from gitops.controller.request import Outside
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
    secrets: Callable[[str], str],
    version: str,
    tell: "Callable[[news.News], None]",
) -> AsyncIterator["Outside"]:
    """Everything that a pass reaches out to, closed at the end."""
    from gitops.adapters.clock import SystemClock
    from gitops.controller.request import Outside

    cluster = open_cluster(kubeconfig, context)
    try:
        async with open_store(state, key) as store:
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
