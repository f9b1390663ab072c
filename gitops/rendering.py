"""Joins renderers with whoever fetches what a render needs besides its source. What is not used is not imported."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gitops.bounds import MirrorLimits
from gitops.manifests.manifest import Manifest
from gitops.model.errors import SourceError
from gitops.model.revision import Tree

if TYPE_CHECKING:
    from gitops.model.application import Application, HelmOptions, SourceSpec
    from renderers.helm.template import Output
    from renderers.registry import Renderer as Renders
    from renderers.result import Context, Needs, Remote, Rendered

Done = TypeVar("Done")


def render(
    tree: Tree,
    app: "Application",
    *,
    load_restrictor: Literal["root", "none"] = "root",
    enable_helm: bool = False,
    as_account: bool = False,
    by: "Renders | None" = None,
    limits: MirrorLimits | None = None,
) -> tuple[Manifest, ...]:
    """What the source holds, by the renderer that it asks for or that is detected; `by` renders somewhere else.

    `load_restrictor` and `enable_helm` mean what they mean to `kubectl kustomize`. With `as_account`, which is for a
    person's own commands, remote bases may be read with the ssh keys of the account that we run as.
    """
    from renderers.registry import render as here
    from renderers.result import Context

    renders = by or here
    context = Context(app.name, app.destination.namespace, load_restrictor=load_restrictor, enable_helm=enable_helm)
    found: list[Manifest] = []
    for source in app.all_sources:
        attempt = partial(_attempt, renders, tree, source, context)
        found += _complete(tree, attempt, as_account, limits).manifests
    return tuple(found)


def _attempt(
    renders: "Renders", tree: Tree, source: "SourceSpec", context: "Context", remotes: "dict[Remote, Tree]"
) -> "Rendered | Needs":
    return renders(tree, source, context._replace(remotes=remotes))


def render_path(
    tree: Tree,
    path: str,
    *,
    load_restrictor: Literal["root", "none"] = "root",
    enable_helm: bool = False,
    kustomize_version: Literal["5.5", "5.8"] = "5.8",
) -> tuple[Manifest, ...]:
    """The same for a path alone and a person's own command, with nothing imported that only an Application needs."""
    from renderers.registry import Context
    from renderers.registry import render_path as by_registry

    context = Context(load_restrictor=load_restrictor, enable_helm=enable_helm, kustomize_version=kustomize_version)
    return _complete(tree, lambda remotes: by_registry(tree, path, context._replace(remotes=remotes)), True).manifests


def render_chart(tree: Tree, path: str, options: "HelmOptions", namespace: str, given: dict[str, Any]) -> "Output":
    """What `helm template` prints of the chart at `path`, for a person's own command; `given` are the last values."""
    from renderers.helm.render import render_output
    from renderers.result import Context

    context = Context(namespace=namespace)
    return _complete(
        tree, lambda remotes: render_output(tree, path, options, context._replace(remotes=remotes), given), True
    )


def _complete(
    tree: Tree,
    attempt: "Callable[[dict[Remote, Tree]], Done | Needs]",
    as_account: bool,
    limits: MirrorLimits | None = None,
) -> "Done":
    """Render, fetch what is asked for, and render again, until nothing is asked for."""
    from renderers.result import Needs

    remotes: dict[Remote, Tree] = {}
    while True:
        answer = attempt(remotes)
        if not isinstance(answer, Needs):
            return answer
        tree.names_others = True
        for remote in answer.remotes:
            remotes[remote] = _fetch(remote, as_account, limits)


def _fetch(remote: "Remote", as_account: bool, limits: MirrorLimits | None) -> Tree:
    """The files of another repository that a kustomization names; it is read without credentials of its own.

    What was read with an account's keys is kept apart: a commit that a mirror has is given without asking the remote.
    """
    if remote.kind == "file":
        return _fetch_file(remote.url, as_account)
    if remote.kind == "chart":
        return _fetch_chart(remote, as_account)
    from gitops.adapters.git import GitCredentials, GitSource
    from gitops.config import cache_folder, mirror_limits

    folder = cache_folder() / ("bases" if as_account else "public")
    source = GitSource(
        folder, lambda _: GitCredentials(as_account=as_account), timeout=60.0, limits=limits or mirror_limits()
    )
    return source.tree(remote.url, source.resolve(remote.url, remote.ref))


def _fetch_file(url: str, as_account: bool) -> Tree:
    """A file over HTTP; a person's own command may read it from anywhere."""
    from gitops.adapters.http_get import HttpReader
    from gitops.adapters.remote_files import RemoteFiles
    from gitops.config import cache_folder, reads_remote_files

    if not reads_remote_files():
        raise SourceError(f"{url[:200]}: files over HTTP are switched off here (GITOPS_REMOTE_FILES); commit a copy")
    return RemoteFiles(cache_folder() / "http", HttpReader("anywhere" if as_account else "public")).tree(url)


def _fetch_chart(remote: "Remote", as_account: bool) -> Tree:
    """A chart that another one depends on, read without credentials; a person's own command reads it from anywhere."""
    from gitops.adapters.charts import Charts
    from gitops.config import cache_folder, reads_remote_files
    from gitops.model.application import SourceSpec

    spec = SourceSpec(remote.url, remote.ref, chart=remote.chart)
    if not reads_remote_files():
        raise SourceError(
            f"{spec.name}: charts of other repositories are switched off here (GITOPS_REMOTE_FILES); commit charts/"
        )
    charts = Charts(
        cache_folder() / ("charts" if as_account else "public-charts"), "anywhere" if as_account else "public"
    )
    return charts.tree(spec, charts.resolve(spec, remote.ref))
