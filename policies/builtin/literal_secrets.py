"""`no-literal-secrets`: passwords belong into Secrets, not into ConfigMaps or literal environment values."""

import re
from collections.abc import Iterator

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target, containers

_NAME = re.compile(r"(?i)(?:^|[-_.])(?:password|passwd|secret|token|api[-_.]?key|private[-_.]?key)$")
_VALUE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b")
# Values that name a secret rather than being one.
_HARMLESS = re.compile(r"^(?:|true|false|none|\$\(.*\)|/.*|https?://.*)$")


def _check(body: Body, _: Target) -> Iterator[Breach]:
    if body.get("kind") == "ConfigMap" and body.get("apiVersion") == "v1":
        for name, value in (body.get("data") or {}).items():
            if _is_secret(name, str(value)):
                yield f"data[{name}]", "looks like a secret in a ConfigMap", "move it to a Secret"
    for path, container in containers(body):
        for variable in container.get("env") or []:
            name, value = str(variable.get("name", "")), variable.get("value")
            if isinstance(value, str) and _is_secret(name, value):
                field = f"{path}.env[name={name}].value"
                yield field, "looks like a secret written out", "use valueFrom.secretKeyRef"


def _is_secret(name: str, value: str) -> bool:
    return bool(_VALUE.search(value)) or (bool(_NAME.search(name)) and not _HARMLESS.match(value.strip()))


RULE = Rule(
    name="no-literal-secrets",
    about="No password, token or key stands in a ConfigMap or in a literal environment value.",
    check=_check,
    good="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: web:1
      env:
        - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
        - {name: TOKEN, value: /run/secrets/token}
""",
    bad="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: "web:1", env: [{name: DB_PASSWORD, value: hunter2}]}]}
""",
    field="spec.containers[name=web].env[name=DB_PASSWORD].value",
)
