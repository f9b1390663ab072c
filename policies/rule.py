"""What a rule is: a name, a sentence, and a pure function from one manifest to its breaches.

A rule carries one example that it accepts and one that it refuses; they are its documentation and its test.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gitops.manifests.key import Body
from gitops.model.errors import ConfigError

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:[.+-].*)?$")
# What a rule says: the field's path, what is wrong, and how to mend it.
Breach = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """What is known of where the manifests go; `kubernetes` is a version such as "1.32" or "v1.32.4" ("" = unknown)."""

    kubernetes: str = ""

    def __post_init__(self) -> None:
        """Raises ConfigError for what is no version."""
        if self.kubernetes and not _VERSION.match(self.kubernetes):
            raise ConfigError(f"the version of Kubernetes: expected one such as 1.32, found {self.kubernetes}")

    @property
    def minor(self) -> tuple[int, int]:
        """(1, 32); (0, 0) when it is unknown."""
        found = _VERSION.match(self.kubernetes)
        return (int(found[1]), int(found[2])) if found else (0, 0)


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` gives the breaches of one body; `good` and `bad` are YAML, and `field` is where `bad` breaks it."""

    name: str
    about: str
    check: Callable[[Body, Target], Iterator[Breach]]
    good: str
    bad: str
    field: str


def pod_specs(body: Body) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, pod spec) of every pod that an object makes: a Pod, a workload's template, a CronJob's.

    A custom kind with containers where the built-in ones have them (an Argo Rollout, a Knative Service) makes pods too.
    """
    built_in = _POD_SPECS.get(body.get("kind", ""))
    for path in (_TEMPLATE, _JOB_TEMPLATE) if built_in is None else (built_in,):
        found: Any = body
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        if isinstance(found, dict) and (built_in or isinstance(found.get("containers"), list)):
            yield ".".join(path), found


def is_built_in(body: Body) -> bool:
    """True for a kind of Kubernetes itself that makes pods."""
    return body.get("kind") in _POD_SPECS


def pod_metadata(body: Body) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, metadata) of every pod that an object makes."""
    for path, _ in pod_specs(body):
        place = f"{path.removesuffix('spec').rstrip('.')}.metadata".lstrip(".")
        found: Any = body
        for step in place.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if isinstance(found, dict):
            yield place, found


def containers(body: Body) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, container) of every container of an object: `spec.template.spec.containers[name=web]`."""
    for path, spec in pod_specs(body):
        yield from containers_of(path, spec)


def containers_of(path: str, spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, container) of every container of the pod spec at `path`."""
    for name in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(name) or []:
            if isinstance(container, dict):
                yield f"{path}.{name}[name={container.get('name', '?')}]", container


def runs_along(path: str, container: dict[str, Any]) -> bool:
    """True for what runs as long as the pod does: a container, or an init container that is a sidecar (KEP-753)."""
    is_first = ".initContainers[" in f".{path}"
    return (not is_first or container.get("restartPolicy") == "Always") and ".ephemeralContainers[" not in f".{path}"


_TEMPLATE = ("spec", "template", "spec")
_JOB_TEMPLATE = ("spec", "jobTemplate", *_TEMPLATE)
_POD_SPECS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "Deployment": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "ReplicationController": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": _JOB_TEMPLATE,
}
