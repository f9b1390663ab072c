"""Joins ports and adapters: the only module that knows both. What a caller does not use is not imported."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitops.manifests.manifest import Manifest
from gitops.model.application import Application
from gitops.model.errors import RenderError
from gitops.model.revision import Tree

if TYPE_CHECKING:
    from gitops.controller import news
    from gitops.controller.request import Outside
    from gitops.ports import Cluster, Source, Store


def render(
    tree: Tree, app: Application, *, load_restrictor: Literal["root", "none"] = "root", enable_helm: bool = False
) -> tuple[Manifest, ...]:
    """What the source holds, by the renderer that it asks for or that is detected.

    `load_restrictor` and `enable_helm` mean what they mean to `kubectl kustomize`.
    """
    from renderers.registry import Context, Needs
    from renderers.registry import render as by_registry

    context = Context(app.name, app.destination.namespace, load_restrictor=load_restrictor, enable_helm=enable_helm)
    answer = by_registry(tree, app.source, context)
    if isinstance(answer, Needs):
        needed = ", ".join(map(str, answer.remotes))
        raise RenderError(f"{app.source.path}: needs what is not in this repository: {needed}")
    return answer.manifests


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
async def open_store(state: Path, key: str) -> AsyncIterator["Store"]:
    """The store in the state folder, closed at the end. Raises StoreError."""
    from gitops.adapters.store import SqliteStore

    store = await SqliteStore.open(state, key)
    try:
        yield store
    finally:
        await store.close()


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
