"""`require-probes`: a rollout can only be judged when its containers say that they are ready."""

from collections.abc import Iterator

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target, containers, runs_along

# Argo's and Kruise's among them; what runs to its end, or brings a probe of its own, needs none.
_LONG_RUNNING = {"Deployment", "StatefulSet", "DaemonSet", "Rollout", "CloneSet"}


def _check(body: Body, _: Target) -> Iterator[Breach]:
    if body.get("kind") not in _LONG_RUNNING:
        return
    for path, container in containers(body):
        if runs_along(path, container) and container.get("ports") and not container.get("readinessProbe"):
            yield f"{path}.readinessProbe", "it has ports, but no readiness probe", "write a readinessProbe"


RULE = Rule(
    name="require-probes",
    about="Every container of a long-running workload that has ports has a readiness probe.",
    check=_check,
    good="""\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - {name: web, image: "web:1", ports: [{containerPort: 80}], readinessProbe: {httpGet: {path: /, port: 80}}}
""",
    bad="""\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - {name: web, image: "web:1", ports: [{containerPort: 80}]}
""",
    field="spec.template.spec.containers[name=web].readinessProbe",
)
