"""`require-limits`: a container says what it needs, and is stopped before it takes its neighbours' memory."""

from collections.abc import Iterator

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target, containers

_NEEDED = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))


def _check(body: Body, _: Target) -> Iterator[Breach]:
    for path, container in containers(body, ephemeral=False):
        resources = container.get("resources") or {}
        for kind, resource in _NEEDED:
            # A limit without a request counts as the request too, as the API server defaults it.
            asked = (resources.get(kind) or {}).get(resource) or (resources.get("limits") or {}).get(resource)
            if asked is None:
                field = f"{path}.resources.{kind}.{resource}"
                yield field, f"no {resource} {kind[:-1]}", f"write resources.{kind}.{resource}"


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
