"""Whether what an Application depends on is ready by an expression of its own, in place of being healthy.

The expression is CEL over `self` and `dep`: the custom resources of the two, or what is known that they would say. As
kustomize-controller 1.6 and helm-controller 1.3 have `readyExpr`.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from gitops.manifests.cel import CelError, check_bounded, compiled, evaluate_bounded
from gitops.manifests.key import Body
from gitops.model.application import GROUP, KIND, Application

_VARIABLES: Final = ("dep", "self")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_NOT_OF_SPEC: Final = ("name", "namespace", "labels", "notifications")


def check_expression(expression: str) -> None:
    """Raises CelError for what is no expression, or may take too long."""
    check_bounded(expression)
    compiled(expression, _VARIABLES)


def reason_unready_by(expression: str, itself: Body, dependency: Body) -> str:
    """Why the expression does not call the dependency ready, "" where it does. No value is told."""
    values = {"dep": _as_seen(expression, dependency), "self": _as_seen(expression, itself)}
    try:
        check_bounded(expression)
        found = evaluate_bounded(expression, values)
    except CelError as exc:
        return f"its readyExpr cannot be evaluated: {exc}"
    if not isinstance(found, bool):
        return "its readyExpr is neither true nor false"
    return "" if found else "its readyExpr is false"


def resource_of(app: Application, status: Mapping[str, Any]) -> Body:
    """The custom resource that an Application would be; all fields are there, durations are in seconds."""
    spec = orjson.loads(orjson.dumps(app))
    for name in _NOT_OF_SPEC:
        del spec[name]
    metadata = {"name": app.name, "namespace": app.namespace, "labels": dict(app.labels), "annotations": {}}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": KIND,
        "metadata": metadata,
        "spec": spec,
        "status": dict(status),
    }


def _as_seen(expression: str, body: Body) -> Body:
    """The object without what is large and not asked for: with a loop, an expression is given few bytes."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and _LAST_APPLIED in annotations:
        metadata["annotations"] = {name: text for name, text in annotations.items() if name != _LAST_APPLIED}
    seen = {**body, "metadata": metadata}
    status = body.get("status")
    if isinstance(status, dict) and "inventory" not in expression:
        seen["status"] = {name: value for name, value in status.items() if name != "inventory"}
    if "spec" not in expression:
        seen.pop("spec", None)
    return seen
