"""Which kinds an API server offers: by aggregated discovery in two requests, or group by group where it is too old.

A group whose server is broken, or tells what nobody can read, must not stop the rest: it is known as away, so that
nobody takes its objects for gone. An answer as a whole that is no discovery is an UnreachableError.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from gitops.adapters.kubernetes.answers import NotAsAskedError
from gitops.adapters.kubernetes.http import Http
from gitops.manifests.key import Body, group_of, version_of
from gitops.model.errors import ApiError, UnreachableError
from gitops.model.kinds import KindInfo, Kinds

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ACCEPT = f"{_AGGREGATED},application/json"
_CORE, _GROUPS = "APIVersions", "APIGroupList"


class _Found:
    """Kinds so far, and the groups that could not be read."""

    def __init__(self) -> None:
        self.infos: list[KindInfo] = []
        self.away: dict[str, str] = {}

    def take(self, group: str, infos: Iterable[KindInfo]) -> None:
        try:
            self.infos += list(infos)
        except NotAsAskedError as exc:
            self.away[group] = f"its API cannot be read ({exc})"


async def discover(http: Http) -> Kinds:
    """Ask `http`'s server. Raises ClusterError."""
    core, groups = await asyncio.gather(
        http.request("GET", "/api", accept=_ACCEPT), http.request("GET", "/apis", accept=_ACCEPT)
    )
    found = _Found()
    try:
        for answer, is_core in ((core, True), (groups, False)):
            if answer.get("kind") == "APIGroupDiscoveryList":
                _aggregated(found, answer, is_core)
            else:
                await _one_by_one(http, found, answer, is_core)
    except NotAsAskedError as exc:
        raise http.not_as_asked(exc) from exc
    if not any(not info.group for info in found.infos) and "" not in found.away:
        raise http.not_as_asked("a discovery without the core kinds")
    return Kinds(found.infos, found.away)


def _aggregated(found: _Found, answer: Body, is_core: bool) -> None:
    for group in _maps(answer, "items"):
        name = "" if is_core else _text(_map(group, "metadata"), "name")
        found.take(name, _infos_of_group(name, group))
        versions = group["versions"] if isinstance(group.get("versions"), list) else []
        stale = [one for one in versions if isinstance(one, dict) and one.get("freshness") == "Stale"]
        if any(not one.get("resources") for one in stale):
            found.away.setdefault(name, "its API does not answer")


def _infos_of_group(name: str, group: Body) -> Iterator[KindInfo]:
    for version in _maps(group, "versions"):
        for resource in _maps(version, "resources"):
            kind = _map(resource, "responseKind")
            if not kind.get("kind"):  # a resource that has subresources only
                continue
            yield KindInfo(
                group=_text(kind, "group", name) or name,
                version=_text(kind, "version", "") or _text(version, "version"),
                kind=_text(kind, "kind"),
                plural=_text(resource, "resource"),
                namespaced=resource.get("scope") == "Namespaced",
                verbs=_texts(resource, "verbs"),
            )


async def _one_by_one(http: Http, found: _Found, answer: Body, is_core: bool) -> None:
    kind = _CORE if is_core else _GROUPS
    if answer.get("kind") != kind:
        raise NotAsAskedError(f"{str(answer.get('kind'))[:60]} where {kind} was expected")
    names = sorted(_texts(answer, "versions")) if is_core else list(_versions(found, answer))
    prefix = "/api" if is_core else "/apis"
    lists = await asyncio.gather(*(_resources(http, f"{prefix}/{name}") for name in names))
    for name, resources in zip(names, lists, strict=True):
        if isinstance(resources, str):
            found.away[group_of(name)] = resources
        else:
            found.take(group_of(name), _infos(name, resources))


def _versions(found: _Found, answer: Body) -> Iterator[str]:
    """GROUP/VERSION of every group, the preferred one of each first."""
    for group in _maps(answer, "groups"):
        try:
            preferred = _text(_map(group, "preferredVersion"), "groupVersion", "")
            names = [_text(version, "groupVersion") for version in _maps(group, "versions")]
            yield from sorted(names, key=lambda name: name != preferred)
        except NotAsAskedError as exc:
            found.away[_text(group, "name")] = f"its API cannot be read ({exc})"


async def _resources(http: Http, path: str) -> Body | str:
    """A group's resources in one version, or why they cannot be had."""
    try:
        return await http.request("GET", path)
    except ApiError as exc:
        return f"its API does not answer ({exc})"
    except UnreachableError as exc:
        if isinstance(exc.__cause__, NotAsAskedError):  # what a broken server behind this one says
            return f"its API cannot be read ({exc.__cause__})"
        raise


def _infos(api_version: str, answer: Body) -> Iterator[KindInfo]:
    if answer.get("kind") != "APIResourceList":
        raise NotAsAskedError(f"{str(answer.get('kind'))[:60]} where APIResourceList was expected")
    for resource in _maps(answer, "resources"):
        if "/" not in _text(resource, "name"):
            yield KindInfo(
                group_of(api_version),
                version_of(api_version),
                _text(resource, "kind"),
                _text(resource, "name"),
                resource.get("namespaced") is True,
                _texts(resource, "verbs"),
            )


def _maps(body: Body, name: str) -> list[dict[str, Any]]:
    found = body.get(name) or []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise NotAsAskedError(f"{name} that are no list of objects")
    return found


def _map(body: Body, name: str) -> dict[str, Any]:
    found = body.get(name) or {}
    if not isinstance(found, dict):
        raise NotAsAskedError(f"{name} that is no object")
    return found


def _text(body: Body, name: str, default: str | None = None) -> str:
    found = body.get(name, default)
    if not isinstance(found, str) or (not found and default is None):
        raise NotAsAskedError(f"{name} that is no text")
    return found


def _texts(body: Body, name: str) -> frozenset[str]:
    found = body.get(name) or []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise NotAsAskedError(f"{name} that are no list of text")
    return frozenset(found)
