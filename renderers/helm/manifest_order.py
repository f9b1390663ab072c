"""Rendered text to manifests: split at `---`, hooks told apart, sorted as Helm installs them."""

import posixpath
from typing import Any, Final, NamedTuple

import re2

from gitops.model.errors import RenderError
from renderers.helm.chart import as_text
from renderers.helm.chart_load import read_yaml
from renderers.helm.gotemplate.values import as_bytes

_KINDS: Final = """
PriorityClass Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget
ServiceAccount Secret SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim
CustomResourceDefinition ClusterRole ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList
RoleBinding RoleBindingList Service DaemonSet Pod ReplicationController ReplicaSet Deployment
HorizontalPodAutoscaler StatefulSet Job CronJob IngressClass Ingress APIService
"""
_ORDER: Final = {kind: number for number, kind in enumerate(_KINDS.split())}
HOOK: Final = "helm.sh/hook"
_EVENTS: Final = frozenset(
    f"{when}-{what}" for when in ("pre", "post") for what in ("install", "upgrade", "delete", "rollback")
) | {"test", "test-success"}
_SPACE: Final = " \t\n\v\f\r\x85\xa0"
_SEPARATOR: Final = re2.compile(r"(?:^|\s*\n)---\s*")


class Part(NamedTuple):
    """One document as the template wrote it; `events` are those of a hook."""

    path: str
    text: str
    kind: str
    events: tuple[str, ...] = ()

    @property
    def is_test(self) -> bool:
        """Whether it is a hook of `helm test`."""
        return "test" in self.events or "test-success" in self.events


def split(text: str) -> list[str]:
    """The documents of a text, as Helm's SplitManifests finds them."""
    documents = _SEPARATOR.split(text.strip(_SPACE))
    return [document.strip(_SPACE) for document in documents if document]


def sort_out(rendered: dict[str, str]) -> tuple[list[Part], list[Part]]:
    """Manifests and hooks, each in Helm's order. Raises RenderError where one is no YAML."""
    generic: list[Part] = []
    hooks: list[Part] = []
    for path in sorted(rendered):
        text = rendered[path]
        if posixpath.basename(path).startswith("_") or not text.strip(_SPACE):
            continue
        for document in split(text):
            part = _part(path, document)
            if part is not None:
                (hooks if part.events else generic).append(part)
    return sorted(generic, key=_rank), sorted(hooks, key=_rank)


def _rank(part: Part) -> tuple[int, str]:
    known = _ORDER.get(part.kind)
    return (len(_ORDER), part.kind) if known is None else (known, "")


def _part(path: str, text: str) -> Part | None:
    where = f"YAML parse error on {path}"
    value = read_yaml(as_bytes(text), where)
    if value is None:
        return Part(path, text, "")
    if not isinstance(value, dict):
        found = "a list" if isinstance(value, list) else "a scalar"
        raise RenderError(f"{where}: expected a Kubernetes object, got {found}")
    as_text(value.get("apiVersion"), f"{where}: apiVersion")
    kind = as_text(value.get("kind"), f"{where}: kind")
    hooks = _annotations(value.get("metadata"), where).get(HOOK)
    if hooks is None:
        return Part(path, text, kind)
    events = tuple(event.strip().lower() for event in hooks.split(","))
    return Part(path, text, kind, events) if all(event in _EVENTS for event in events) else None


def _annotations(metadata: Any, where: str) -> dict[str, str]:
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise RenderError(f"{where}: metadata: expected a map")
    as_text(metadata.get("name"), f"{where}: metadata.name")
    annotations = metadata.get("annotations")
    if annotations is None:
        return {}
    if not isinstance(annotations, dict):
        raise RenderError(f"{where}: metadata.annotations: expected a map of text")
    return {key: as_text(value, f"{where}: metadata.annotations.{key}") for key, value in annotations.items()}
