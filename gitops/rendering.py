"""Joins renderers with whoever fetches what a render needs besides its source. What is not used is not imported."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from gitops.model.errors import SourceError
from gitops.model.revision import Tree

if TYPE_CHECKING:
    from gitops.adapters.remote_files import RemoteFiles
    from gitops.adapters.schemas import Schemas
    from gitops.bounds import MirrorLimits
    from gitops.model.application import Application, SourceSpec
    from gitops.model.helm_options import HelmOptions
    from renderers.helm.template import Output
    from renderers.registry import Renderer as Renders
    from renderers.result import Context, Decrypt, Live, Needs, Remote, Rendered

    # What opens what is encrypted in one source of an Application.
    Decryptors = Callable[[Application, SourceSpec], Decrypt]

Done = TypeVar("Done")


class Access(NamedTuple):
    """What a render may use of the outside.

    With `as_account`, which is for a person's own commands, remote bases may be read with the ssh keys of the account
    that we run as; `limits` are those of their mirrors. `decryptors` open what is encrypted, for sources that ask for
    it.
    """

    as_account: bool = False
    limits: "MirrorLimits | None" = None
    decryptors: "Decryptors | None" = None


_ALONE = Access()


def render(
    tree: Tree,
    app: "Application",
    context: "Context | None" = None,
    *,
    live: "Live | None" = None,
    by: "Renders | None" = None,
    access: Access = _ALONE,
) -> "Rendered | Needs":
    """What the sources hold, each by the renderer that it asks for or that is detected; `by` renders somewhere else.

    Or what has to be known of the cluster first, where `live` is what is known of it so far.
    Of `context` count `load_restrictor` and `enable_helm`.
    """
    from renderers.registry import render as here
    from renderers.result import Context, Needs, Rendered

    renders = by or here
    context = (context or Context())._replace(
        name=app.name, namespace=app.destination.namespace, home=app.namespace, live=live
    )
    attempts = [
        partial(_attempt, renders, tree, source, context._replace(decrypt=_decrypt_of(app, source, access.decryptors)))
        for source in app.all_sources
    ]
    answers = [_complete(tree, attempt, access.as_account, access.limits) for attempt in attempts]
    needs = [answer for answer in answers if isinstance(answer, Needs)]
    if needs:
        looks = tuple(dict.fromkeys(look for need in needs for look in need.looks))
        return Needs((), looks, any(need.seed for need in needs), any(need.time for need in needs))
    found = [answer for answer in answers if isinstance(answer, Rendered)]
    manifests = tuple(manifest for answer in found for manifest in answer.manifests)
    chance = tuple(dict.fromkeys(name for answer in found for name in answer.chance))
    return Rendered(found[0].renderer, manifests, chance)


def render_alone(
    tree: Tree, app: "Application", context: "Context | None" = None, decryptors: "Decryptors | None" = None
) -> "Rendered":
    """The same for a person's own command, without a cluster."""
    return _without_cluster(render(tree, app, context, access=Access(as_account=True, decryptors=decryptors)))


def _decrypt_of(app: "Application", source: "SourceSpec", decryptors: "Decryptors | None") -> "Decrypt | None":
    return decryptors(app, source) if decryptors is not None and source.decryption.is_wanted else None


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
) -> "Rendered":
    """The same for a path alone, with nothing imported that only an Application needs."""
    from renderers.registry import Context
    from renderers.registry import render_path as by_registry

    context = Context(load_restrictor=load_restrictor, enable_helm=enable_helm, kustomize_version=kustomize_version)
    found = _complete(tree, lambda remotes: by_registry(tree, path, context._replace(remotes=remotes)), True)
    return _without_cluster(found)


def render_chart(tree: Tree, path: str, options: "HelmOptions", namespace: str, given: dict[str, Any]) -> "Output":
    """What `helm template` prints of the chart at `path`, for a person's own command; `given` are the last values."""
    from renderers.helm.render import render_output
    from renderers.result import Context

    context = Context(namespace=namespace)
    found = _complete(
        tree, lambda remotes: render_output(tree, path, options, context._replace(remotes=remotes), given), True
    )
    return _without_cluster(found)


def _without_cluster(answer: "Done | Needs") -> "Done":
    """What a render without a cluster gives, which asks nothing of one."""
    from renderers.result import Needs

    assert not isinstance(answer, Needs)
    return answer


def _complete(
    tree: Tree,
    attempt: "Callable[[dict[Remote, Tree]], Done | Needs]",
    as_account: bool,
    limits: "MirrorLimits | None" = None,
) -> "Done | Needs":
    """Render, fetch what is asked for, and render again, until only what a cluster can tell is asked for."""
    from renderers.result import Needs

    remotes: dict[Remote, Tree] = {}
    schemas: Schemas | None = None
    while True:
        answer = attempt(remotes)
        if not isinstance(answer, Needs) or not answer.remotes:
            return answer
        tree.names_others = True
        for remote in answer.remotes:
            if remote.kind != "schema":
                remotes[remote] = _fetch(remote, as_account, limits)
        named = [remote for remote in answer.remotes if remote.kind == "schema"]
        if named:
            schemas = schemas or _schemas(named[0].url, as_account)
            remotes.update(zip(named, schemas.trees(remote.url for remote in named), strict=True))


def _schemas(url: str, as_account: bool) -> "Schemas":
    from gitops.adapters.schemas import Schemas

    return Schemas(_files(url, as_account))


def _fetch(remote: "Remote", as_account: bool, limits: "MirrorLimits | None") -> Tree:
    """The files of another repository that a kustomization names; it is read without credentials of its own.

    What was read with an account's keys is kept apart: a commit that a mirror has is given without asking the remote.
    """
    if remote.kind == "file":
        return _files(remote.url, as_account).tree(remote.url)
    if remote.kind == "chart":
        return _fetch_chart(remote, as_account)
    from gitops.adapters.git import GitCredentials, GitSource
    from gitops.config import cache_folder, mirror_limits

    folder = cache_folder() / ("bases" if as_account else "public")
    source = GitSource(
        folder, lambda _: GitCredentials(as_account=as_account), timeout=60.0, limits=limits or mirror_limits()
    )
    return source.tree(remote.url, source.resolve(remote.url, remote.ref))


def _files(url: str, as_account: bool) -> "RemoteFiles":
    """What reads files over HTTP, such as `url`; a person's own command may read them from anywhere."""
    from gitops.adapters.http_get import HttpReader, shown_url
    from gitops.adapters.remote_files import RemoteFiles
    from gitops.config import cache_folder, reads_remote_files

    if not reads_remote_files():
        raise SourceError(
            f"{shown_url(url)}: files over HTTP are switched off here (GITOPS_REMOTE_FILES); commit a copy"
        )
    return RemoteFiles(cache_folder() / "http", HttpReader("anywhere" if as_account else "public"))


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


def own_decryptors(
    variables: Mapping[str, str],
    secrets: Callable[[str], str],
    entries: "Callable[[str, str], Mapping[str, bytes] | None]" = lambda _, __: None,
) -> "Decryptors":
    """What decrypts for a person's own command; `entries` reads a Secret of the cluster, where one is at hand."""
    return decryptors_of(variables, secrets, entries, lambda _: True)


def decryptors_of(
    variables: Mapping[str, str],
    secrets: Callable[[str], str],
    entries: "Callable[[str, str], Mapping[str, bytes] | None]",
    is_trusted: "Callable[[Application], bool]",
) -> "Decryptors":
    """What decrypts for an Application that `is_trusted` to use keys of the environment."""

    def decryptor(app: "Application", source: "SourceSpec") -> "Decrypt":
        from gitops.adapters.sops.decryptor import SopsDecryptor
        from gitops.adapters.sops.keys import KeyFinder

        finder = KeyFinder(variables, secrets, entries, is_trusted)
        return SopsDecryptor(lambda: finder.keys(app, source))

    return decryptor
