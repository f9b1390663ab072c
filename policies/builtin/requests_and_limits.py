"""`require-limits`: a container says what it needs, and is stopped before it takes its neighbours' memory."""

from collections.abc import Iterator
from typing import Any

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target, containers_of, pod_specs

_NEEDED = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))


def _check(body: Body, _: Target) -> Iterator[Breach]:
    for path, spec in pod_specs(body):
        for place, container in containers_of(path, spec):
            if ".ephemeralContainers[" in place:  # may have no resources
                continue
            for kind, resource in _NEEDED:
                # What the whole pod has, its containers share (KEP-2837).
                if not _has(container, kind, resource) and not _has(spec, kind, resource):
                    field = f"{place}.resources.{kind}.{resource}"
                    yield field, f"no {resource} {kind[:-1]}", f"write resources.{kind}.{resource}"


def _has(part: dict[str, Any], kind: str, resource: str) -> bool:
    """A limit without a request counts as the request too, as the API server defaults it."""
    resources = part.get("resources") or {}
    return any((resources.get(one) or {}).get(resource) is not None for one in (kind, "limits"))


RULE = Rule(
    name="require-limits",
    about="Every container requests CPU and memory, and limits memory.",
    check=_check,
    good="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: web:1
      resources: {requests: {cpu: 50m}, limits: {memory: 64Mi}}
""",
    bad="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: web:1
      resources: {requests: {cpu: 50m, memory: 64Mi}}
""",
    field="spec.containers[name=web].resources.limits.memory",
)
