"""The order in which objects are changed: phase, wave, kind, name; and the reverse of it for pruning.

Kinds are ranked as Argo CD ranks them, and the classes that Pods name before the Pods, which are refused without them.
A Namespace or a CustomResourceDefinition is lifted before its first user; what makes the API server call a Service
comes no earlier than that Service and the workloads behind it.
"""

from collections.abc import Iterable

from gitops.engine.annotations import hook_phases_of, wave_of
from gitops.engine.backends import called_services
from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Manifest
from gitops.model.kinds import KindInfo
from gitops.model.plan import Phase

_KINDS = (
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
)
_RANKS = {kind: rank for rank, kind in enumerate(_KINDS)}
_NAMESPACE = ("", "Namespace")
_CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")

Place = tuple[Phase, int, int]


def rank_of(kind: str) -> int:
    """The kind's place in the order; kinds that are not listed come last."""
    return _RANKS.get(kind, len(_KINDS))


def is_namespace(key: ResourceKey) -> bool:
    return (key.group, key.kind) == _NAMESPACE


def is_crd(key: ResourceKey) -> bool:
    return (key.group, key.kind) == _CRD


def kinds_defined_by(manifest: Manifest) -> list[KindInfo]:
    """The custom kinds that a CustomResourceDefinition will add; none for any other manifest."""
    if not is_crd(manifest.key):
        return []
    try:
        spec = manifest.body["spec"]
        group, kind, plural = spec["group"], spec["names"]["kind"], spec["names"]["plural"]
        versions = [version["name"] for version in spec.get("versions") or [] if version.get("served")]
    except (KeyError, TypeError, AttributeError):
        return []  # the API server says what is wrong with it
    if not all(isinstance(name, str) and name for name in (group, kind, plural, *versions)):
        return []
    return [KindInfo(group, version, kind, plural, spec.get("scope") == "Namespaced") for version in versions]


def places(manifests: Iterable[Manifest]) -> dict[ResourceKey, Place]:
    """Phase (the first of a hook), wave and rank of each. Raises ManifestError for one that cannot be read."""
    manifests = tuple(manifests)
    found = {manifest.key: _own_place(manifest) for manifest in manifests}
    first_use: dict[str | tuple[str, str], Place] = {}
    for key, place in found.items():
        for provider in (key.namespace, (key.group, key.kind)):
            first_use[provider] = min(place, first_use.get(provider, place))
    for manifest in manifests:
        used = first_use.get(_provides(manifest)) if _can_lift(manifest) else None
        if used is not None:
            own = found[manifest.key]
            found[manifest.key] = min(own, (used[0], used[1], own[2]))
    _put_after_backends(found, manifests)
    return found


def _put_after_backends(found: dict[ResourceKey, Place], manifests: tuple[Manifest, ...]) -> None:
    by_key = {manifest.key: manifest for manifest in manifests if not hook_phases_of(manifest)}
    for key, called in called_services(by_key.values()).items():
        needed = [*called.services, *called.workloads]
        phase, wave, _ = max(found[each] for each in (key, *needed))
        found[key] = (phase, wave, found[key][2])


def _own_place(manifest: Manifest) -> Place:
    phases = hook_phases_of(manifest) or (Phase.SYNC,)
    return (phases[0], wave_of(manifest), rank_of(manifest.key.kind))


def _can_lift(manifest: Manifest) -> bool:
    return (is_namespace(manifest.key) or is_crd(manifest.key)) and not hook_phases_of(manifest)


def _provides(manifest: Manifest) -> str | tuple[str, str]:
    """What the objects that need this one carry: a namespace's name, or a custom kind's group and kind."""
    if is_namespace(manifest.key):
        return manifest.key.name
    spec = _map(manifest.body.get("spec"))
    return (str(spec.get("group") or ""), str(_map(spec.get("names")).get("kind") or ""))


def _map(value: object) -> Body:
    return value if isinstance(value, dict) else {}
