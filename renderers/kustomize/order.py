"""The order of kinds: what Kustomize sorts its output and its field specs by."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gitops.model.errors import RenderError
from renderers.kustomize.ids import Gvk
from renderers.kustomize.resource import Resource

FIRST: Final = (
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
)
LAST: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def _ranks(first: Sequence[str], last: Sequence[str]) -> dict[str, int]:
    ranks = {kind: number - len(first) for number, kind in enumerate(first)}
    return ranks | {kind: number + 1 for number, kind in enumerate(last)}


_RANKS: Final = _ranks(FIRST, LAST)


def gvk_rank(gvk: Gvk) -> tuple[int, str]:
    """What field specs are sorted by."""
    return _RANKS.get(gvk.kind, 0), _text(gvk)


def _text(gvk: Gvk) -> str:
    return f"{gvk.group or '~G'}_{gvk.version or '~V'}_{gvk.kind or '~K'}"


def sort_resources(resources: Iterable[Resource], options: Mapping[str, Any] | None) -> list[Resource]:
    """By kind (`legacy`), which is the default, or as they came (`fifo`); raises RenderError for wrong options."""
    order = "legacy" if options is None else options.get("order", "")
    kinds = (options or {}).get("legacySortOptions")
    if order not in ("legacy", "fifo"):
        raise RenderError("sortOptions.order: expected legacy or fifo")
    if order == "fifo":
        if kinds is not None:
            raise RenderError("sortOptions.legacySortOptions: is for the order legacy only")
        return list(resources)
    ranks = _RANKS if kinds is None else _ranks(kinds.get("orderFirst", ()), kinds.get("orderLast", ()))
    return sorted(resources, key=lambda resource: _rank(resource, ranks))


def _rank(resource: Resource, ranks: Mapping[str, int]) -> tuple[Any, ...]:
    id = resource.current
    gvk = id.gvk
    name = f"{gvk}|{id.namespace or '~X'}|{id.name or '~N'}"
    text = _text(gvk)
    if gvk.kind == "Namespace":
        # Among Namespaces the core one goes last in the alphabet of groups, that is first.
        return (ranks.get(gvk.kind, 0), 0 if gvk.group == "" else 1, text, name)
    return (ranks.get(gvk.kind, 0), 0, text, name)
