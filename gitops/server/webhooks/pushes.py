"""What a webhook says was pushed: the addresses of a repository, as its host has them, and the branches or tags.

Everything is a stranger's until the signature says otherwise, and even then only text is taken, in bounds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

_MOST: Final = 64
_LONGEST: Final = 2048
_HUB: Final = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class Push:
    """`addresses` of one repository; `refs` are names of branches and tags, () for any."""

    addresses: tuple[str, ...]
    refs: tuple[str, ...] = ()


def push_of(kind: str, payload: Any) -> Push | None:
    """What was pushed; None for what tells of no push (a ping, an issue)."""
    addresses, refs = _READERS.get(kind, _generic)(payload if isinstance(payload, dict) else {})
    found = tuple(dict.fromkeys(_texts(addresses)))[:_MOST]
    names = tuple(dict.fromkeys(map(_short, _texts(refs))))[:_MOST]
    return Push(found, names) if found else None


def _texts(values: Any) -> Iterator[str]:
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, str) and value and len(value) <= _LONGEST:
            yield value


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _at(value: Any, *path: str) -> Any:
    """What stands at a path of maps, lists gone through item by item."""
    for number, name in enumerate(path):
        if isinstance(value, list):
            found = [_at(item, *path[number:]) for item in value[:_MOST]]
            return [each for item in found for each in (item if isinstance(item, list) else [item])]
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _all(payload: dict[str, Any], *paths: str) -> list[Any]:
    found: list[Any] = []
    for path in paths:
        value = _at(payload, *path.split("."))
        found += value if isinstance(value, list) else [value]
    return found


def _github(payload: dict[str, Any]) -> tuple[Any, Any]:
    """Also Gitea and Forgejo; a push has a `ref`, a package its version's address."""
    package = _all(payload, "package.package_version.package_url", "registry_package.package_version.package_url")
    if any(package):
        return [f"oci://{text.rpartition(':')[0] or text}" for text in _texts(package)], []
    if not payload.get("ref"):
        return [], []
    return _all(payload, "repository.clone_url", "repository.ssh_url", "repository.html_url"), payload["ref"]


def _gitlab(payload: dict[str, Any]) -> tuple[Any, Any]:
    if payload.get("object_kind") not in ("push", "tag_push"):
        return [], []
    return _all(payload, "project.git_http_url", "project.git_ssh_url", "project.web_url"), payload.get("ref")


def _bitbucket(payload: dict[str, Any]) -> tuple[Any, Any]:
    """The cloud's `push`, the server's `changes`."""
    refs = _all(payload, "push.changes.new.name", "push.changes.old.name", "changes.ref.displayId")
    if not any(refs):
        return [], []
    return _all(payload, "repository.links.html.href", "repository.links.clone.href"), refs


def _azure(payload: dict[str, Any]) -> tuple[Any, Any]:
    if payload.get("eventType") != "git.push":
        return [], []
    return _all(payload, "resource.repository.remoteUrl"), _all(payload, "resource.refUpdates.name")


def _harbor(payload: dict[str, Any]) -> tuple[Any, Any]:
    named = _texts(_all(payload, "event_data.resources.resource_url"))
    return [f"oci://{text.partition('@')[0].rpartition(':')[0] or text}" for text in named], []


def _docker_hub(payload: dict[str, Any]) -> tuple[Any, Any]:
    """One repository, by each name that its registry goes by; `push_data` tells a push from what else there is."""
    if not _at(payload, "push_data", "tag"):
        return [], []
    names = list(_texts(_all(payload, "repository.repo_name")))
    return [f"oci://{host}/{name}" for name in names for host in _HUB], []


def _quay(payload: dict[str, Any]) -> tuple[Any, Any]:
    if not payload.get("updated_tags"):
        return [], []
    return [f"oci://{text}" for text in _texts(_all(payload, "docker_url"))], []


def _generic(payload: dict[str, Any]) -> tuple[Any, Any]:
    return _all(payload, "repository", "repository.url"), payload.get("ref")


_READERS: Final[dict[str, Callable[[dict[str, Any]], tuple[Any, Any]]]] = {
    "github": _github,
    "gitea": _github,
    "gitlab": _gitlab,
    "bitbucket": _bitbucket,
    "azure": _azure,
    "harbor": _harbor,
    "dockerhub": _docker_hub,
    "quay": _quay,
}
