"""What people know an Application by: the images that it runs, and the hosts that it is reached at. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gitops.manifests.key import Body
from gitops.manifests.manifest import Manifest
from gitops.manifests.names import SUBDOMAIN

_TEMPLATE: Final = ("spec", "template", "spec")
# Where a Pod, what makes Pods, and what makes that has the spec of its Pods, whatever its kind is called.
_POD_SPECS: Final = (("spec",), ("template", "spec"), _TEMPLATE, ("spec", "jobTemplate", *_TEMPLATE))
_CONTAINERS: Final = ("initContainers", "containers")
_HOST: Final = re.compile(rf"(\*\.)?{SUBDOMAIN}")
_MOST, _LONGEST = 50, 300


@dataclass(frozen=True, slots=True)
class Contents:
    """Of the set with this digest: images, and names of hosts (`*.example.com` too); sorted, some of very many."""

    digest: str = ""
    images: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def contents_of(manifests: Iterable[Manifest], digest: str) -> Contents:
    """What the objects of a set run, and where they are reached by Ingress, Gateway API or a Route of OpenShift."""
    images: set[str] = set()
    hosts: set[str] = set()
    for found in manifests:
        images.update(_images(found.body))
        hosts.update(_hosts(found.body))
    named = {one for one in hosts if len(one) < 254 and _HOST.fullmatch(one)}
    return Contents(digest, _some(one for one in images if one and len(one) <= _LONGEST), _some(named))


def _images(body: Body) -> Iterator[str]:
    for path in _POD_SPECS:
        spec = _at(body, path)
        for name in _CONTAINERS:
            for container in _list(_at(spec, (name,))):
                image = _at(container, ("image",))
                if isinstance(image, str):
                    yield image


def _hosts(body: Body) -> Iterator[str]:
    spec = _at(body, ("spec",))
    rules, listeners = (_list(_at(spec, (name,))) for name in ("rules", "listeners"))
    told = [_at(one, ("host",)) for one in rules] + [_at(one, ("hostname",)) for one in listeners]
    told += _list(_at(spec, ("hostnames",)))
    if body.get("kind") == "Route":
        told.append(_at(spec, ("host",)))
    return (one for one in told if isinstance(one, str))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _some(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(texts)[:_MOST])
