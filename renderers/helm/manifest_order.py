"""Rendered text to manifests: split at `---`, hooks told apart, sorted as Helm installs them."""

import posixpath
import re
from typing import Any, Final, NamedTuple

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
_SEPARATING: Final = " \t\n\f\r"
_SPACES: Final = re.compile(r"[ \t\n\f\r]*")
_MOST_KEPT: Final = 16 * 2**20  # bytes of documents
_MOST_DOCUMENTS: Final = 100_000


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
    text = text.strip(_SPACE)
    found: list[str] = []
    begin = _behind_spaces(text, 3) if text.startswith("---") else 0
    while (at := text.find("\n---", begin)) >= 0:
        if text[begin:at].strip(_SEPARATING):
            found.append(text[begin:at].strip(_SPACE))
        begin = _behind_spaces(text, at + 4)
    return [*found, text[begin:]] if text[begin:] else found


def _behind_spaces(text: str, at: int) -> int:
    match = _SPACES.match(text, at)
    return match.end() if match else at


def sort_out(rendered: dict[str, str]) -> tuple[list[Part], list[Part]]:
    """Manifests and hooks, each in Helm's order. Raises RenderError where one is no YAML."""
    generic: list[Part] = []
    hooks: list[Part] = []
    left = _MOST_DOCUMENTS
    for path in sorted(rendered):
        text = rendered[path]
        if posixpath.basename(path).startswith("_") or not text.strip(_SPACE):
            continue
        documents = split(text)
        left -= len(documents)
        if left < 0:
            raise RenderError(f"{path}: the templates give more than {_MOST_DOCUMENTS} documents")
        for document in documents:
            part = _part(path, document)
            if part is not None:
                (hooks if part.events else generic).append(part)
    return sorted(generic, key=_rank), sorted(hooks, key=_rank)


def _rank(part: Part) -> tuple[int, str]:
    known = _ORDER.get(part.kind)
    return (len(_ORDER), part.kind) if known is None else (known, "")


_KindAndEvents = tuple[str, tuple[str, ...] | None]


class _Known:
    """Kinds and events of documents that were read, so that a render reads only those that have changed."""

    def __init__(self) -> None:
        self._found: dict[bytes, _KindAndEvents] = {}
        self._bytes = 0

    def of(self, path: str, data: bytes) -> _KindAndEvents:
        """Raises RenderError."""
        if data not in self._found:
            found = _kind_and_events(path, data)
            if self._bytes + len(data) > _MOST_KEPT:
                self._found.clear()
                self._bytes = 0
            self._found[data] = found
            self._bytes += len(data)
        return self._found[data]


_READ: Final = _Known()


def _part(path: str, text: str) -> Part | None:
    """What a document is; None for a hook of events that Helm does not know. Raises RenderError."""
    kind, events = _READ.of(path, as_bytes(text))
    return None if events is None else Part(path, text, kind, events)


def _kind_and_events(path: str, data: bytes) -> _KindAndEvents:
    where = f"YAML parse error on {path}"
    value = read_yaml(data, where)
    if value is None:
        return "", ()
    if not isinstance(value, dict):
        found = "a list" if isinstance(value, list) else "a scalar"
        raise RenderError(f"{where}: expected a Kubernetes object, got {found}")
    as_text(value.get("apiVersion"), f"{where}: apiVersion")
    kind = as_text(value.get("kind"), f"{where}: kind")
    hooks = _annotations(value.get("metadata"), where).get(HOOK)
    if hooks is None:
        return kind, ()
    events = tuple(event.strip().lower() for event in hooks.split(","))
    return kind, (events if all(event in _EVENTS for event in events) else None)


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
