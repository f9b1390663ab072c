"""`gitops render`: the desired state on stdout; imports no more than that needs."""

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops.cli.escape import chance_warning
from gitops.cli.render_chart import chart_manifests, chart_options, chart_request
from gitops.cli.settings import Settings, fail
from gitops.model.errors import ConfigError, GitopsError

if TYPE_CHECKING:
    from renderers.helm.template import Output


@click.command()
@click.argument("path", required=False, default="")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="A file that holds an Application; beside the PATH of a Helm chart, a file of values, as --values.",
)
@click.option("--revision", default="", metavar="REV", help="A branch, tag or commit instead of what is there now.")
@click.option(
    "--release",
    type=click.IntRange(min=1),
    metavar="N",
    help="What release N rendered to, of -f APP or the one called PATH.",
)
@click.option(
    "-n",
    "--namespace",
    default="",
    metavar="NS",
    help="The namespace that APP lives in, or that its objects go to; of a chart, that of the release.",
)
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@click.option(
    "--load-restrictor",
    type=click.Choice(["LoadRestrictionsRootOnly", "LoadRestrictionsNone"]),
    default="LoadRestrictionsRootOnly",
    show_default=True,
    help="Whether a kustomization may read files outside of its folder.",
)
@click.option("--enable-helm", is_flag=True, help="Let a kustomization inflate Helm charts.")
@click.option(
    "--kustomize-version",
    type=click.Choice(["5.5", "5.8"]),
    default="5.8",
    show_default=True,
    help="Whose rules hold for PATH (an Application says it in spec.source.kustomize.version).",
)
@chart_options
@click.pass_obj
def render(settings: Settings, /, path: str, files: tuple[str, ...], revision: str, output: str, **given: Any) -> None:
    """Print the desired state of PATH, or of the Application in -f FILE, as the source holds it.

    With --release, what that release of an Application rendered to.
    """
    # One short run: nothing that it makes could be let go before its end. A tenth of the time is saved.
    gc.disable()
    try:
        chart = chart_request(path, files, revision, given)
        if chart is not None:
            _print_chart(chart.output(), output)
            return
        file = files[0] if files else ""
        delivery = _delivery(path, file, revision, given)
        if delivery is not None:
            from gitops.cli.flux_commands import render_tree

            bodies, code = render_tree(delivery)
            _print(bodies, output)
            sys.exit(code)
        if len(files) > 1:
            raise ConfigError("-f: name one file that holds an Application")
        if file and click.get_current_context().get_parameter_source("kustomize_version") is not _DEFAULT:
            raise ConfigError("--kustomize-version is for a PATH; write spec.source.kustomize.version")
        if given["release"]:
            named = (path, file, "", given["namespace"], revision)
            _print([manifest.body for manifest in _of_release(settings, named, given["release"])], output)
            return
        unrestricted = given["load_restrictor"] == "LoadRestrictionsNone"
        found = _rendered(path, file, revision, unrestricted, given["enable_helm"], given["kustomize_version"])
        _print([manifest.body for manifest in found.manifests], output)
        _warn(found.chance)
    except GitopsError as exc:
        fail(exc)
    finally:
        gc.enable()


def _print_chart(made: "Output", output: str) -> None:
    if output == "yaml":
        sys.stdout.buffer.write(made.text.encode("utf-8", "surrogateescape"))
    else:
        _print([manifest.body for manifest in chart_manifests(made)], output)
    _warn(made.chance)


def _delivery(path: str, file: str, revision: str, given: dict[str, Any]) -> Any:
    """What -f names, where that is objects of Flux."""
    if not file or path:
        return None
    from gitops.cli.flux_commands import tree_of

    return tree_of(file, {"revision": revision, "release": given["release"]})


_DEFAULT = click.core.ParameterSource.DEFAULT


def _warn(chance: tuple[str, ...]) -> None:
    if chance:
        click.echo(chance_warning(chance), err=True)


def _of_release(settings: Settings, named: tuple[str, str, str, str, str], number: int) -> Any:
    import asyncio

    from gitops.cli.application import application_of, named_application
    from gitops.cli.opening import outside_of
    from gitops.model.revision import Revision
    from gitops.sync.context import Request, as_account
    from gitops.sync.releases import release_of, release_set

    async def look() -> Any:
        app = application_of(settings, *named)
        async with outside_of(settings, app=app) as opened:
            app = app or await named_application(opened, named)
            context, request = as_account(opened, app), Request(app, "gitops render")
            _, release = await release_of(request, context, number)
            revision = Revision(release.revision, release.ref)
            return (await release_set(request, context, release.digest, revision)).manifests

    return asyncio.run(look())


def _rendered(path: str, file: str, revision: str, unrestricted: bool, enable_helm: bool, version: Any) -> Any:
    from gitops.rendering import render_alone, render_path

    if bool(path) == bool(file):
        raise ConfigError("name what to render: either a PATH, or an Application with -f FILE")
    load_restrictor: Any = "none" if unrestricted else "root"
    if not file and not revision:
        from gitops.adapters.folder import folder_tree

        tree, inside = folder_tree(path)
        return render_path(
            tree,
            inside or ".",
            load_restrictor=load_restrictor,
            enable_helm=enable_helm,
            kustomize_version=version,
        )
    from gitops.cli.application import at_revision
    from gitops.cli.opening import secret_of
    from gitops.rendering import own_decryptors
    from renderers.result import Context

    app = _application(file, path, version)
    checkout = _checkout(at_revision(app, revision) if revision else app)
    app = app.with_sources(checkout.sources)
    context = Context(load_restrictor=load_restrictor, enable_helm=enable_helm)
    return render_alone(checkout.tree, app, context, own_decryptors(dict(os.environ), secret_of))


def _application(file: str, path: str, version: Any) -> Any:
    from gitops.config import read_application
    from gitops.model.application import Application, KustomizeOptions, SourceSpec

    if file:
        return read_application(Path(file))
    return Application("", source=SourceSpec(path=path, kustomize=KustomizeOptions(version=version)))


def _checkout(app: Any) -> Any:
    import asyncio

    from gitops.bootstrap import open_source
    from gitops.cli.opening import secret_of
    from gitops.config import cache_folder

    return asyncio.run(open_source(cache_folder(), secret_of).checkout(app))


def _print(bodies: list[dict[str, Any]], output: str) -> None:
    if output == "json":
        import orjson

        sys.stdout.buffer.write(orjson.dumps(bodies, option=orjson.OPT_INDENT_2) + b"\n")
        return
    from gitops.manifests.yaml_write import write_manifests

    sys.stdout.write(write_manifests(bodies))
