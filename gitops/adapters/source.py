"""`gitops.ports.Source`: a folder on this machine, or a repository through its mirror."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gitops.adapters.folder import folder_revision, folder_tree
from gitops.adapters.git import GitCredentials, GitSource
from gitops.adapters.work_tree import WorkTree
from gitops.adapters.work_tree_place import owned_work_tree_of, work_tree_of
from gitops.bounds import PLAIN_LIMITS, MirrorLimits
from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import load_all
from gitops.model.application import Credentials, SourceSpec
from gitops.model.errors import ConfigError, SourceError
from gitops.model.revision import Revision
from gitops.model.source_name import source_name, without_userinfo
from gitops.ports import Checkout

_FIELDS = ("username", "password", "token", "sshPrivateKey", "knownHosts")


class Sources:
    """Work trees and repositories; Git and file work runs in threads.

    `secrets` gives the text that a secretRef stands for: a token, or YAML with username, password, token,
    sshPrivateKey, knownHosts ("" where there is none). A file:// repository is read, since it takes a person with a
    shell on this machine to name one here.
    """

    def __init__(
        self,
        cache: Path,
        secrets: Callable[[str], str],
        here: Path | None = None,
        *,
        as_account: bool = False,
        limits: MirrorLimits = PLAIN_LIMITS,
    ) -> None:
        """`here` is where we were called: a commit that the repository's own work tree there has needs no remote.

        With `as_account` ssh may use the keys of the account that we run as.
        """
        self._here = here
        self._as_account = as_account
        self._cache = cache / "mirrors"
        self._limits = limits
        self._secrets = secrets

    async def checkout(self, spec: SourceSpec, sha: str = "") -> Checkout:
        work = self._repository if spec.repoURL else self._folder
        return await asyncio.to_thread(work, spec, sha)

    def _repository(self, spec: SourceSpec, sha: str) -> Checkout:
        name = source_name(spec.repoURL, spec.path)
        near = _work_tree_with(sha, spec.repoURL, self._here) if self._here and sha else None
        if near is not None:
            return Checkout(Revision(sha, ""), near.tree(Revision(sha, "")), name, spec.path)
        git = self.git(spec.credentials)
        revision = git.resolve(spec.repoURL, sha or spec.targetRevision)
        return Checkout(revision, git.tree(spec.repoURL, revision), name, spec.path)

    def _folder(self, spec: SourceSpec, sha: str) -> Checkout:
        tree, inside = folder_tree(spec.path)
        top = work_tree_of(Path(spec.path).resolve())
        name = folder_name(Path(spec.path).resolve(), top, inside)
        target = sha or spec.targetRevision
        if not target:
            revision, changed, ignored = folder_revision(spec.path)
            return Checkout(revision, tree, name, inside or ".", changed, ignored)
        if top is None:
            raise SourceError(f"{spec.path}: is not in a Git work tree, so there is no revision {target} of it")
        here = WorkTree(top)
        revision = here.resolve(target)
        return Checkout(revision, here.tree(revision), name, inside or ".")

    async def in_history(self, spec: SourceSpec, sha: str) -> bool:
        return await asyncio.to_thread(self._in_history, spec, sha)

    def _in_history(self, spec: SourceSpec, sha: str) -> bool:
        if not spec.repoURL:
            top = work_tree_of(Path(spec.path).resolve())
            return top is not None and WorkTree(top).in_history(sha)
        near = _work_tree_with(sha, spec.repoURL, self._here) if self._here else None
        if near is not None and near.in_history(sha):
            return True
        git = self.git(spec.credentials)
        return git.in_history(spec.repoURL, git.resolve(spec.repoURL, spec.targetRevision), sha)

    def git(self, spec: Credentials) -> GitSource:
        """The mirrors, read with these credentials. Raises ConfigError for a secretRef that is not known."""
        credentials = self._credentials(spec)
        return GitSource(self._cache, lambda _: credentials, allow_file=True, limits=self._limits)

    def _credentials(self, spec: Credentials) -> GitCredentials:
        found = GitCredentials(ca_file=spec.caFile, proxy=spec.proxy, as_account=self._as_account)
        if not spec.secretRef:
            return found
        text = self._secrets(spec.secretRef)
        if not text:
            variable = "GITOPS_SECRET_" + re.sub(r"[-.]", "_", spec.secretRef).upper()
            raise ConfigError(
                f"source.credentials.secretRef: {spec.secretRef} is not known here: set {variable}; where a controller "
                "takes the Application from a cluster or a repository, make that Secret in the Application's namespace"
            )
        try:
            value = load_all(text.encode(), spec.secretRef)[0].value
        except (ManifestError, IndexError):
            value = text
        if not isinstance(value, dict):
            return replace(found, token=text.strip())
        unknown = sorted(set(value) - set(_FIELDS))
        if unknown or not all(isinstance(item, str) for item in value.values()):
            raise ConfigError(f"credentials {spec.secretRef}: expected text under {', '.join(_FIELDS)} only")
        return replace(
            found,
            username=value.get("username", ""),
            password=value.get("password", ""),
            token=value.get("token", ""),
            ssh_private_key=value.get("sshPrivateKey", ""),
            known_hosts=value.get("knownHosts", ""),
        )


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
