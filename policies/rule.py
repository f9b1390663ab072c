"""What a rule is: a name, a sentence, and a pure function from one manifest to its breaches.

A rule carries one example that it accepts and one that it refuses; they are its documentation and its test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gitops.manifests.key import Body

# What a rule says: the field's path, what is wrong, and how to mend it.
Breach = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """What is known of where the manifests go; `kubernetes` is a version such as "1.32" ("" = unknown)."""

    kubernetes: str = ""


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
    """(path, pod spec) of every pod that an object makes: a Pod, a workload's template, a CronJob's."""
    for path in _POD_SPECS.get(body.get("kind", ""), ()):
        found: Any = body
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        if isinstance(found, dict):
            yield ".".join(path), found


def containers(body: Body, *, ephemeral: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, container) of every container of an object: `spec.template.spec.containers[name=web]`."""
    lists = ("initContainers", "containers", "ephemeralContainers") if ephemeral else ("containers",)
    for path, spec in pod_specs(body):
        for name in lists:
            for container in spec.get(name) or []:
                if isinstance(container, dict):
                    yield f"{path}.{name}[name={container.get('name', '?')}]", container


_TEMPLATE = (("spec", "template", "spec"),)
_POD_SPECS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Pod": (("spec",),),
    "PodTemplate": (("template", "spec"),),
    "Deployment": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "ReplicationController": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": (("spec", "jobTemplate", "spec", "template", "spec"),),
}
