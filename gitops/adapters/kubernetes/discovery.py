"""Which kinds an API server offers: by aggregated discovery in two requests, or group by group where it is too old."""

import asyncio
from collections.abc import Iterator

from gitops.adapters.kubernetes.http import Http
from gitops.manifests.key import Body, group_of, version_of
from gitops.model.errors import ApiError
from gitops.model.kinds import KindInfo, Kinds

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ACCEPT = f"{_AGGREGATED},application/json"


async def discover(http: Http) -> Kinds:
    """Ask `http`'s server. A group whose server is broken is left out: it must not stop the rest."""
    core, groups = await asyncio.gather(
        http.request("GET", "/api", accept=_ACCEPT), http.request("GET", "/apis", accept=_ACCEPT)
    )
    infos: list[KindInfo] = []
    for answer, is_core in ((core, True), (groups, False)):
        if answer.get("kind") == "APIGroupDiscoveryList":
            infos += _aggregated(answer)
        else:
            infos += await _one_by_one(http, answer, is_core)
    return Kinds(infos)


def _aggregated(answer: Body) -> Iterator[KindInfo]:
    for group in answer.get("items") or []:
        name = group["metadata"].get("name") or ""
        for version in group.get("versions") or []:
            for resource in version.get("resources") or []:
                kind = resource.get("responseKind") or {}
                yield KindInfo(
                    group=kind.get("group") or name,
                    version=kind.get("version") or version["version"],
                    kind=kind["kind"],
                    plural=resource["resource"],
                    namespaced=resource.get("scope") == "Namespaced",
                    verbs=frozenset(resource.get("verbs") or ()),
                )


async def _one_by_one(http: Http, answer: Body, is_core: bool) -> list[KindInfo]:
    if is_core:
        names = list(answer.get("versions") or [])
    else:
        names = [version["groupVersion"] for group in answer.get("groups") or [] for version in _preferred_first(group)]
    prefix = "/api" if is_core else "/apis"
    lists = await asyncio.gather(*(_resources(http, f"{prefix}/{name}") for name in names))
    return [info for name, resources in zip(names, lists, strict=True) for info in _infos(name, resources)]


def _preferred_first(group: Body) -> list[Body]:
    preferred = (group.get("preferredVersion") or {}).get("groupVersion")
    return sorted(group.get("versions") or [], key=lambda version: version["groupVersion"] != preferred)


async def _resources(http: Http, path: str) -> list[Body]:
    try:
        return (await http.request("GET", path)).get("resources") or []
    except ApiError:
        return []


def _infos(api_version: str, resources: list[Body]) -> Iterator[KindInfo]:
    for resource in resources:
        if "/" not in resource["name"]:
            yield KindInfo(
                group_of(api_version),
                version_of(api_version),
                resource["kind"],
                resource["name"],
                bool(resource["namespaced"]),
                frozenset(resource.get("verbs") or ()),
            )
