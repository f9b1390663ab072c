"""`gitops preview`: what a branch changes in what would be applied, without a cluster; for a pull request."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from gitops.cli import settings as exits
from gitops.cli.escape import printable, printable_lines
from gitops.cli.settings import fail
from gitops.model.errors import ConfigError, GitopsError, ManifestError, RenderError, SourceError

if TYPE_CHECKING:
    from gitops.manifests.key import ResourceKey
    from gitops.manifests.manifest import Manifest
    from gitops.model.application import Application
    from gitops.model.finding import Finding

_OF_CONTENT = (ManifestError, RenderError, SourceError)


class Rendering(NamedTuple):
    """What one Application's source renders to, before and after; `error` says why it does not any more."""

    title: str
    before: "dict[ResourceKey, Manifest]"
    after: "dict[ResourceKey, Manifest]"
    error: str = ""
    findings: "tuple[Finding, ...]" = ()

    @property
    def changed(self) -> "list[ResourceKey]":
        """What differs: in the order of the new set, then what is gone."""
        keys = dict.fromkeys((*self.after, *self.before))
        return [key for key in keys if _body(self.before, key) != _body(self.after, key)]


def _body(of: "Mapping[ResourceKey, Manifest]", key: "ResourceKey") -> object:
    return of[key].body if key in of else None


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "-f", "--file", "files", multiple=True, metavar="APP", help="A file that holds an Application; repeatable."
)
@click.option(
    "--base",
    default="",
    metavar="REV",
    help="What to compare with (default: the target branch that CI tells of, else HEAD).",
)
@click.option("--comment", is_flag=True, help="Keep it as one comment on the pull request of this CI run.")
@click.option("--ca-file", default="", metavar="FILE", help="Trust these certificates too, with --comment.")
@click.option("-o", "--output", type=click.Choice(["markdown", "unified"]), default="markdown", show_default=True)
def preview(
    paths: tuple[str, ...], files: tuple[str, ...], base: str, comment: bool, ca_file: str, output: str
) -> None:
    """Show what the work tree changes in what PATHs, or Applications, render to; no cluster is asked.

    Of an Application the work tree stands in for its repository. With --comment the pull request of a GitHub, GitLab,
    Gitea, Forgejo, Bitbucket or Azure DevOps pipeline gets it as a comment, which later runs write anew (GITHUB_TOKEN,
    GITLAB_TOKEN, GITEA_TOKEN, BITBUCKET_TOKEN or SYSTEM_ACCESSTOKEN).

    Exit codes: 0 no difference, 1 differences, 2 wrong input, or it does not render.
    """
    try:
        found = _renderings(paths, files, base or base_of(os.environ))
        from gitops.cli import reviews

        shown = reviews.of_renderings(found, output)
        sys.stdout.write(shown)
        if comment:
            _keep(found, ca_file)
    except GitopsError as exc:
        fail(exc)
    errors = [f"Error: {one.title}: {one.error}" for one in found if one.error]
    if errors:
        click.echo(printable_lines("\n".join(errors)), err=True)
        sys.exit(exits.WRONG_INPUT)
    sys.exit(exits.DIFFERENT if any(one.changed for one in found) else exits.DONE)


def base_of(environment: Mapping[str, str]) -> str:
    """The revision that a pull request is compared with: what CI tells of, else HEAD."""
    from gitops.adapters.review_hosts import target_branch

    commit, branch = environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA"), target_branch(environment)
    return commit or (f"origin/{branch}" if branch else "HEAD")


def _keep(found: "Sequence[Rendering]", ca_file: str) -> None:
    from gitops.adapters.review_comments import ReviewComments
    from gitops.adapters.review_hosts import review_host
    from gitops.cli import reviews

    host = review_host(os.environ)
    text = reviews.of_renderings(found, "markdown", host.most)
    names = printable(" ".join(one.title for one in found)).replace("--", "- -")  # which would end a comment of HTML
    was_there = ReviewComments(host, ca_file).keep(
        f"gitops preview {names}", text if host.folds else reviews.unfolded(text)
    )
    click.echo(printable(f"{host.name}: the comment is {'written anew' if was_there else 'written'}"), err=True)


def _renderings(paths: tuple[str, ...], files: tuple[str, ...], base: str) -> list[Rendering]:
    from gitops.model.application import Application, SourceSpec

    if not paths and not files:
        raise ConfigError("name what to preview: a PATH, or an Application with -f FILE")
    apps = [(path, Application("", source=SourceSpec(path=path))) for path in paths]
    return [_rendering(title, app, base) for title, app in (*apps, *map(_local, files))]


def _local(file: str) -> "tuple[str, Application]":
    """The Application in a file, its path in the work tree that the file is in. Raises ConfigError."""
    from dataclasses import replace

    from gitops.config import read_application

    app = read_application(Path(file))
    if app.sources or app.source.chart:
        raise ConfigError(
            f"{file}: has several sources, or a chart of a repository; preview is for one of this work tree"
        )
    root = next((folder for folder in Path(file).resolve().parents if (folder / ".git").exists()), None)
    if root is None:
        raise ConfigError(f"{file}: is in no work tree of Git, which stands in for the Application's repository")
    place = (root / app.source.path.strip("/")).resolve()
    if not place.is_relative_to(root):  # what a branch writes here is shown to all who read its pull request
        raise ConfigError(f"{file}: spec.source.path: {app.source.path} leads out of the work tree")
    source = replace(app.source, repoURL="", targetRevision="", path=os.path.relpath(place))
    return app.identity, app.with_sources((source,))


def _rendering(title: str, app: "Application", base: str) -> Rendering:
    from gitops.cli.application import at_revision

    error, after = "", {}
    try:
        after = _manifests(app)
    except _OF_CONTENT as exc:
        error = str(exc)
    try:
        before = _manifests(at_revision(app, base))
    except _OF_CONTENT as exc:
        if error or not _is_absent(exc):
            raise
        before = {}
    return Rendering(title, before, after, error, _findings(app, after, before))


def _is_absent(error: GitopsError) -> bool:
    """Whether the base lacks what is new in the work tree, or did not render: all of it is new then."""
    return isinstance(error, ManifestError | RenderError) or "no such path" in str(error)


def _manifests(app: "Application") -> "dict[ResourceKey, Manifest]":
    import asyncio

    from gitops.bootstrap import open_source
    from gitops.cli.opening import secret_of
    from gitops.config import cache_folder
    from gitops.rendering import own_decryptors, render_alone

    checkout = asyncio.run(open_source(cache_folder(), secret_of).checkout(app))
    app = app.with_sources(checkout.sources)
    rendered = render_alone(checkout.tree, app, None, own_decryptors(dict(os.environ), secret_of))
    return {manifest.key: manifest for manifest in rendered.manifests}


def _findings(
    app: "Application", after: "dict[ResourceKey, Manifest]", before: "dict[ResourceKey, Manifest]"
) -> "tuple[Finding, ...]":
    """Policies that what is new or changed breaks; the Application says which hold, else they all do as warnings."""
    from datetime import UTC, datetime

    from gitops.model.application import PolicyOptions
    from policies.registry import all_rules, check
    from policies.rule import Target

    options = app.policies if app.policies.enforce or app.policies.warn else PolicyOptions(warn=tuple(all_rules()))
    changed = [manifest for key, manifest in after.items() if _body(before, key) != manifest.body]
    return check(changed, options, Target(""), datetime.now(UTC).date())
