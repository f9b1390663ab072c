"""Statuses of commits: what became of one, beside it, at the host of its repository."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from gitops.adapters.http_get import basic
from gitops.adapters.notifiers.message import Message, Post, bearer, posted
from gitops.model.application import BETWEEN_NAMES
from gitops.model.notification import FACTS
from gitops.model.source_name import host_and_path, source_parts

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_STATES: Final[dict[str, dict[str, str]]] = {
    "github": {"pending": "pending", "success": "success", "failure": "failure"},
    "gitlab": {"pending": "running", "success": "success", "failure": "failed"},
    "bitbucket": {"pending": "INPROGRESS", "success": "SUCCESSFUL", "failure": "FAILED"},
    "azure": {"pending": "pending", "success": "succeeded", "failure": "failed"},
}


@dataclass(frozen=True, slots=True)
class _Status:
    """What is said of a commit; `base` is scheme and host of the API, `path` that of the repository without `.git`."""

    message: Message
    base: str
    path: str
    sha: str

    @property
    def state(self) -> str:
        return FACTS[self.message.note.fact].commit

    @property
    def context(self) -> str:
        """What the host tells it by from the statuses of others; an object of Flux keeps the one that Flux gave it."""
        if not self.message.is_of_flux:
            return f"gitops/{self.message.note.application}"
        kind, _, name = self.message.object
        return f"{kind.lower()}/{name}/{self.message.place.uid.partition('-')[0]}"

    @property
    def key(self) -> str:
        """A name of 40 characters: more is refused at Bitbucket."""
        return hashlib.sha256(self.context.encode()).hexdigest()[:40]

    def text(self, most: int) -> str:
        text = self.message.text
        return text if len(text) <= most else f"{text[: most - 3]}..."

    def link(self, name: str) -> dict[str, str]:
        return {name: self.message.note.url} if self.message.note.url else {}


def statuses(make: Callable[[_Status], Post]) -> Callable[[Message], tuple[Post, ...]]:
    """The statuses that a notification is to a host: one for each source whose repository the destination is for."""

    def format_(message: Message) -> tuple[Post, ...]:
        note = message.note
        if note.fact not in FACTS or not FACTS[note.fact].commit:
            return ()
        opened = _repository(message.place.spec.url)
        sources, shas = note.source.split(BETWEEN_NAMES), note.revision.split("+")
        if message.is_of_flux:  # whatever the source is called there, the address names the repository
            sources = [message.place.spec.url] * len(shas)
        if opened is None or len(sources) != len(shas):
            return ()
        base = _base(message.place.spec.url, opened[0])
        found = zip(map(_repository, sources), shas, strict=True)
        return tuple(
            make(_Status(message, base, repository[1], sha))
            for repository, sha in found
            if repository is not None and _is_below(repository, opened) and _COMMIT.fullmatch(sha)
        )

    return format_


def _base(address: str, host: str) -> str:
    """Scheme, host and port of a host's API: what is read by ssh has it over https."""
    parts = urlsplit(address)
    plain = parts.scheme in ("https", "http")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if plain else f"https://{host}"


def _repository(address: str) -> tuple[str, str] | None:
    """Host and path of a repository's address, in any of Git's forms; the path of a whole host is ""."""
    address = source_parts(address)[0]
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    found = (parts.hostname or "", parts.path) if parts.scheme and parts.netloc else host_and_path(address)
    if found is None:
        return None
    host, path = found[0], unquote(found[1]).strip("/").removesuffix(".git")
    if any(part in ("", ".", "..") for part in path.split("/")) and path:  # which a host would read as another path
        return None
    if host == "ssh.dev.azure.com" and path.count("/") == 3:  # v3/ORG/PROJECT/REPO
        _, organisation, project, name = path.split("/")
        return "dev.azure.com", f"{organisation}/{project}/_git/{name}"
    return host, path


def _is_below(repository: tuple[str, str], opened: tuple[str, str]) -> bool:
    """Whether a repository is at the host, and at or below the path, that the operator opened."""
    path, above = repository[1].removeprefix("scm/"), opened[1].removeprefix("scm/")
    return repository[0] == opened[0] and (not above or path == above or path.startswith(f"{above}/"))


def _github(status: _Status) -> Post:
    host = urlsplit(status.base).hostname
    api = "https://api.github.com" if host == "github.com" else f"{status.base}/api/v3"
    value = {"state": _STATES["github"][status.state], "context": status.context, "description": status.text(140)}
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    url = f"{api}/repos/{quote(status.path)}/statuses/{status.sha}"
    return posted(url, {**value, **status.link("target_url")}, {**headers, **bearer(status.message.login)})


def _gitlab(status: _Status) -> Post:
    """A status that is told again is refused, in words that say so."""
    value = {"state": _STATES["gitlab"][status.state], "name": status.context, "description": status.text(255)}
    url = f"{status.base}/api/v4/projects/{quote(status.path, safe='')}/statuses/{status.sha}"
    headers = {"PRIVATE-TOKEN": status.message.login.token}
    return posted(url, {**value, **status.link("target_url")}, headers, done=b"Cannot transition status")


def _gitea(status: _Status) -> Post:
    value = {"state": _STATES["github"][status.state], "context": status.context, "description": status.text(255)}
    url = f"{status.base}/api/v1/repos/{quote(status.path)}/statuses/{status.sha}"
    headers = {"Authorization": f"token {status.message.login.token}"}
    return posted(url, {**value, **status.link("target_url")}, headers)


def _bitbucket(status: _Status) -> Post:
    """Flux writes a user and an app password as one token."""
    api = "https://api.bitbucket.org" if urlsplit(status.base).hostname == "bitbucket.org" else status.base
    url = f"{api}/2.0/repositories/{quote(status.path)}/commit/{status.sha}/statuses/build"
    username, colon, password = status.message.login.token.partition(":")
    headers = {"Authorization": basic(username, password)} if colon else bearer(status.message.login)
    return posted(url, _build(status), headers)


def _bitbucket_server(status: _Status) -> Post:
    project, _, name = status.path.removeprefix("scm/").rpartition("/")
    api = f"{status.base}/rest/api/latest/projects/{quote(project)}/repos/{quote(name)}"
    return posted(f"{api}/commits/{status.sha}/builds", _build(status), bearer(status.message.login))


def _build(status: _Status) -> dict[str, Any]:
    """A build as Bitbucket has it, which needs a link."""
    value = {"state": _STATES["bitbucket"][status.state], "key": status.key, "name": status.context[:255]}
    return {**value, "description": status.text(255), "url": status.message.note.url or f"{status.base}/{status.path}"}


def _azure_devops(status: _Status) -> Post:
    organisation, _, rest = status.path.partition("/")
    project, _, name = rest.partition("/_git/")
    api = f"{status.base}/{quote(organisation)}/{quote(project)}/_apis/git/repositories/{quote(name)}"
    genre, slash, context = status.context.partition("/")
    named = {"genre": genre, "name": context} if slash else {"name": genre}
    value = {"state": _STATES["azure"][status.state], "description": status.text(255), "context": named}
    headers = {"Authorization": basic("", status.message.login.token)}
    url = f"{api}/commits/{status.sha}/statuses?api-version=7.1"
    return posted(url, {**value, **status.link("targetUrl")}, headers)


github = statuses(_github)
gitlab = statuses(_gitlab)
gitea = statuses(_gitea)
bitbucket = statuses(_bitbucket)
bitbucket_server = statuses(_bitbucket_server)
azure_devops = statuses(_azure_devops)
