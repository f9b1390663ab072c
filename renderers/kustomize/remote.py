"""Which paths of a kustomization are Git repositories: `https://host/org/repo//path?ref=v1`, `git@host:org/repo`."""

import re
from typing import Final, NamedTuple

_SCHEMES: Final = ("ssh://", "https://", "http://", "file://")
_USER = re.compile(r"([a-zA-Z][a-zA-Z0-9-]*)@")


class RepositoryPath(NamedTuple):
    """A repository's URL, a branch, tag or commit in it ("" = its default), and a path inside."""

    url: str
    ref: str
    path: str


def parse_remote(text: str) -> RepositoryPath | None:
    """None when a path is a local one."""
    if text.startswith("/"):
        return None
    rest, _, query = text.partition("?")
    found = _host(rest)
    if found is None:
        return None
    host, rest = found
    split = _split(rest, whole=host.startswith("file://"))
    if split is None:
        return None
    repository, path = split
    path = path.removeprefix("/")
    if not repository or _leaves(path):
        return None
    from urllib.parse import parse_qs

    values = parse_qs(query)
    ref = (values.get("ref") or values.get("version") or [""])[0]
    return RepositoryPath(host + repository, ref, path)


def is_http(path: str) -> bool:
    """Whether a path would be read over HTTP."""
    return path.lower().startswith(("http://", "https://"))


def is_http_file(path: str) -> bool:
    """Whether a path names a file over HTTP, by its ending; Kustomize asks the server for whatever it is."""
    plain = path.partition("?")[0].partition("#")[0]
    return is_http(path) and plain.lower().endswith((".yaml", ".yml", ".json"))


def _host(text: str) -> tuple[str, str] | None:
    """The host with its scheme and user, as git takes it, and what follows."""
    if text.lower().startswith("git::"):
        text = text[5:]
    scheme = next((each for each in _SCHEMES if text.lower().startswith(each)), "")
    text = text[len(scheme) :]
    match = _USER.match(text)
    user = match[0] if match else ""
    text = text[len(user) :]
    github = text.lower().startswith(("github.com/", "github.com:"))
    as_scp = not scheme and (bool(user) or github)
    if not scheme and not as_scp:
        return None
    if scheme == "file://":
        return scheme, user + text
    end = _end_of_host(text, as_scp)
    host, rest = (text[: end + 1], text[end + 1 :]) if end >= 0 else (text, "")
    if github:
        over_ssh = scheme == "ssh://" or user
        scheme, user, host = ("", user, "github.com:") if over_ssh else ("https://", "", "github.com/")
    return (scheme + user + host, rest) if host else None


def _end_of_host(text: str, as_scp: bool) -> int:
    slash = text.find("/")
    if as_scp:
        colon = text.find(":")
        if slash == -1 or 0 < colon < slash:
            return colon
    return slash


def _split(text: str, whole: bool) -> tuple[str, str] | None:
    """The repository, and the path inside it: after `_git/NAME`, after `//`, after `.git`, or after two parts."""
    at = text.find("_git/")
    if at >= 0:
        name, _, path = text[at + 5 :].partition("/")
        return text[: at + 5] + name, path
    if "//" in text:
        repository, _, path = text.partition("//")
        return repository, path
    at = text.find(".git")
    if at >= 0:
        return text[: at + 4], text[at + 4 :]
    if whole:
        return text, ""
    parts = text.split("/")
    return ("/".join(parts[:2]), "/".join(parts[2:])) if len(parts) >= 2 else None


def _leaves(path: str) -> bool:
    """Whether a path inside a repository leads out of it."""
    depth = 0
    for part in path.split("/"):
        depth += {"..": -1, "": 0, ".": 0}.get(part, 1)
        if depth < 0:
            return True
    return False
