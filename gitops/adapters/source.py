"""`gitops.ports.Source`: a folder on this machine, repositories through their mirrors, charts of their repositories."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.adapters.credentials import Secret, read_credentials
from gitops.adapters.folder import folder_revision, folder_tree
from gitops.adapters.git import GitCredentials, GitSource
from gitops.adapters.several import one_by_one, parts_of, placed, revision_of, tree_of
from gitops.adapters.work_tree import WorkTree
from gitops.adapters.work_tree_place import owned_work_tree_of, work_tree_of
from gitops.bounds import PLAIN_LIMITS, MirrorLimits
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import SourceError
from gitops.model.revision import Revision, Tree
from gitops.model.source_access import Credentials
from gitops.model.source_name import source_name, without_userinfo
from gitops.ports import Checkout

if TYPE_CHECKING:
    from gitops.adapters.charts import Charts
    from gitops.adapters.github_app import GithubTokens
    from gitops.adapters.http_get import Reach


class Sources:
    """Work trees and repositories; Git and file work runs in threads.

    `secrets` gives the text that a secretRef stands for (`gitops.adapters.credentials`), "" where there is none. A
    file:// repository is read, since it takes a person with a shell on this machine to name one here.
    """

    def __init__(
        self,
        cache: Path,
        secrets: Callable[[str], str],
        here: Path | None = None,
        *,
        as_account: bool = False,
        limits: MirrorLimits = PLAIN_LIMITS,
        tokens: "GithubTokens | None" = None,
    ) -> None:
        """`here` is where we were called: a commit that the repository's own work tree there has needs no remote.

        With `as_account` ssh may use the keys of the account that we run as. `tokens` are those of GitHub Apps that
        are known already.
        """
        self._tokens = tokens
        self._here = here
        self._as_account = as_account
        self._cache = cache
        self._limits = limits
        self._secrets = secrets

    async def checkout(self, app: Application, sha: str = "") -> Checkout:
        return await asyncio.to_thread(self._checkout, app, sha)

    def _checkout(self, app: Application, sha: str) -> Checkout:
        if not app.source.repoURL:
            return self._folder(app.source, sha)
        alone = one_by_one(app)
        shas = [part.sha for part in parts_of(app, Revision(sha, ""))] if sha else [""] * len(alone)
        found = [self._repository(one.source, part) for one, part in zip(alone, shas, strict=True)]
        revision = revision_of([revision for revision, _ in found])
        return Checkout(revision, tree_of(app, [tree for _, tree in found]), app.source_name, placed(app))

    def _repository(self, spec: SourceSpec, sha: str) -> tuple[Revision, Tree]:
        if not spec.is_git:
            charts = self.charts(spec)
            revision = Revision(sha, "") if sha else charts.resolve(spec, spec.targetRevision)
            return revision, charts.tree(spec, revision)
        near = _work_tree_with(sha, spec.repoURL, self._here) if self._here and sha else None
        if near is not None:
            return Revision(sha, ""), near.tree(Revision(sha, ""))
        git = self.git(spec.credentials)
        revision = git.resolve(spec.repoURL, sha or spec.targetRevision)
        return revision, git.tree(spec.repoURL, revision)

    def _folder(self, spec: SourceSpec, sha: str) -> Checkout:
        tree, inside = folder_tree(spec.path)
        top = work_tree_of(Path(spec.path).resolve())
        name = folder_name(Path(spec.path).resolve(), top, inside)
        here_placed = (replace(spec, path=inside or "."),)
        target = sha or spec.targetRevision
        if not target:
            revision, changed, ignored = folder_revision(spec.path)
            return Checkout(revision, tree, name, here_placed, changed, ignored)
        if top is None:
            raise SourceError(f"{spec.path}: is not in a Git work tree, so there is no revision {target} of it")
        here = WorkTree(top)
        revision = here.resolve(target)
        return Checkout(revision, here.tree(revision), name, here_placed)

    async def in_history(self, app: Application, sha: str) -> bool:
        return await asyncio.to_thread(self._in_history, app, sha)

    def _in_history(self, app: Application, sha: str) -> bool:
        if not app.source.repoURL:
            top = work_tree_of(Path(app.source.path).resolve())
            return top is not None and WorkTree(top).in_history(sha)
        parts = zip(app.all_sources, parts_of(app, Revision(sha, "")), strict=True)
        return all(self._one_in_history(source, part.sha) for source, part in parts)

    def _one_in_history(self, spec: SourceSpec, sha: str) -> bool:
        if not spec.is_git:
            return self.charts(spec).has(spec, sha)
        near = _work_tree_with(sha, spec.repoURL, self._here) if self._here else None
        if near is not None and near.in_history(sha):
            return True
        git = self.git(spec.credentials)
        return git.in_history(spec.repoURL, git.resolve(spec.repoURL, spec.targetRevision), sha)

    def git(self, spec: Credentials) -> GitSource:
        """The mirrors, read with these credentials. Raises ConfigError for a secretRef that is not known."""
        secret = self._secret(spec)
        if secret.github_app:
            secret = self._with_token(spec, secret)
        credentials = GitCredentials(
            username=secret.username,
            password=secret.password,
            token=secret.token,
            ssh_private_key=secret.sshPrivateKey,
            known_hosts=secret.knownHosts,
            bearer_token=secret.bearerToken,
            ca_file=spec.caFile,
            ca=secret.ca,
            certificate="\n".join(filter(None, (secret.certificate, secret.key))),
            proxy=secret.address,
            as_account=self._as_account,
        )
        return GitSource(self._cache / "mirrors", lambda _: credentials, allow_file=True, limits=self._limits)

    def _with_token(self, spec: Credentials, secret: Secret) -> Secret:
        """The secret of a GitHub App, with the token that it gets to read with."""
        from gitops.adapters.github_app import USERNAME, GithubApp, GithubTokens
        from gitops.adapters.http_get import Way

        self._tokens = self._tokens or GithubTokens()
        way = Way(spec.caFile, secret.ca, "", secret.address)
        token = self._tokens.token(GithubApp.of_fields(secret.github_app), self._reach, way)
        return replace(secret, username=USERNAME, password=token)

    def charts(self, spec: SourceSpec) -> "Charts":
        """The repositories of charts, read with a source's credentials and keys. Raises ConfigError as `git` does."""
        from gitops.adapters.charts import Charts, keys_of

        return Charts(self._cache / "charts", self._reach, self._secret(spec.credentials), keys_of(spec, self._secrets))

    @property
    def _reach(self) -> "Reach":
        return "anywhere" if self._as_account else "network"

    def _secret(self, spec: Credentials) -> Secret:
        return read_credentials(spec, self._secrets)


def _work_tree_with(sha: str, repository: str, folder: Path) -> WorkTree | None:
    """The work tree around `folder`, if it is one of `repository`, ours, and has the commit."""
    top = owned_work_tree_of(folder.resolve())
    if top is None or without_userinfo(repository) != folder_name(top, top, ""):
        return None
    found = WorkTree(top)
    return found if found.has(sha) else None


def folder_name(folder: Path, top: Path | None, inside: str) -> str:
    """What names a folder as a source: the remote of its work tree `top`, and the path in it.

    So every clone is the same source; a work tree without a remote, and a folder without Git, go by their own address.
    """
    if top is None:
        return folder.as_uri()
    return source_name(WorkTree(top).origin or top.as_uri(), inside)
