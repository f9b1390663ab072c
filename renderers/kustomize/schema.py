"""Which lists a patch merges item by item, and by which keys: Kubernetes 1.21's types, or an OpenAPI file's.

Only the types that say something about merging are here; a field that is not is merged key by key if it is a map and
replaced if it is a list. Kustomize 5.5 carries the OpenAPI document of 1.21.2 and knows no later kinds, so that
`autoscaling/v2` and custom resources have no merge keys.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import RenderError
from renderers.kustomize.ids import BUILT_IN_CLUSTER_KINDS

VERSION: Final = "v1.21.2"


class Schema:
    """A type: its fields and its items, and, for a list that is merged, the keys of its items (none: the items)."""

    __slots__ = ("fields", "items", "keys", "merged", "values")

    def __init__(
        self,
        fields: "Mapping[str, Schema] | None" = None,
        items: "Schema | None" = None,
        keys: tuple[str, ...] = (),
        merged: bool = False,
        values: "Schema | None" = None,
    ) -> None:
        self.fields: Mapping[str, Schema] = fields or {}
        self.items = items
        self.keys = keys
        self.merged = merged
        self.values = values

    def field(self, name: str) -> "Schema | None":
        """The type of a field, None when nothing is said about it."""
        return self.fields.get(name, self.values)


def _list(*keys: str, items: Schema | None = None) -> Schema:
    return Schema(items=items, keys=keys, merged=True)


def _at(path: str, schema: Schema) -> Schema:
    """`schema` under a path of fields."""
    for name in reversed(path.split("/")):
        schema = Schema({name: schema})
    return schema


def _join(*parts: Schema) -> Schema:
    """One type with the fields of several."""
    fields: dict[str, Schema] = {}
    for part in parts:
        for name, schema in part.fields.items():
            fields[name] = _join(fields[name], schema) if name in fields else schema
    return Schema(fields)


_METADATA: Final = _at("metadata", Schema({"ownerReferences": _list("uid"), "finalizers": _list()}))
_VOLUME: Final = _at("ephemeral/volumeClaimTemplate", _METADATA)
_EPHEMERAL_CONTAINER: Final = Schema(
    {"env": _list("name"), "volumeMounts": _list("mountPath"), "volumeDevices": _list("devicePath")}
)
_CONTAINER: Final = Schema({**_EPHEMERAL_CONTAINER.fields, "ports": _list("containerPort", "protocol")})
_POD_SPEC: Final = Schema(
    {
        "containers": _list("name", items=_CONTAINER),
        "initContainers": _list("name", items=_CONTAINER),
        "ephemeralContainers": _list("name", items=_EPHEMERAL_CONTAINER),
        "volumes": _list("name", items=_VOLUME),
        "imagePullSecrets": _list("name"),
        "hostAliases": _list("ip"),
        "topologySpreadConstraints": _list("topologyKey", "whenUnsatisfiable"),
    }
)
_POD: Final = _join(_METADATA, _at("spec", _POD_SPEC))
_TEMPLATE: Final = Schema({"template": _POD})
_WORKLOAD: Final = _at("spec", _TEMPLATE)
_CONDITIONS: Final = _at("status/conditions", _list("type"))
_WEBHOOKS: Final = Schema({"webhooks": _list("name")})

# What a kind has besides its metadata.
_KINDS: Final = {
    ("v1", "Pod"): _join(_POD, _CONDITIONS, _at("status/podIPs", _list("ip"))),
    ("v1", "PodTemplate"): _TEMPLATE,
    ("v1", "ReplicationController"): _join(_WORKLOAD, _CONDITIONS),
    ("v1", "Service"): _join(_at("spec/ports", _list("port", "protocol")), _CONDITIONS),
    ("v1", "ServiceAccount"): Schema({"secrets": _list("name")}),
    ("v1", "Namespace"): _CONDITIONS,
    ("v1", "Node"): _join(_at("spec/podCIDRs", _list()), _CONDITIONS, _at("status/addresses", _list("type"))),
    ("v1", "PersistentVolumeClaim"): _CONDITIONS,
    ("v1", "ComponentStatus"): Schema({"conditions": _list("type")}),
    ("apps/v1", "DaemonSet"): _join(_WORKLOAD, _CONDITIONS),
    ("apps/v1", "Deployment"): _join(_WORKLOAD, _CONDITIONS),
    ("apps/v1", "ReplicaSet"): _join(_WORKLOAD, _CONDITIONS),
    ("apps/v1", "StatefulSet"): _join(_WORKLOAD, _CONDITIONS, _at("spec/volumeClaimTemplates", Schema())),
    ("batch/v1", "Job"): _join(_WORKLOAD, _CONDITIONS),
    ("batch/v1", "CronJob"): _at("spec/jobTemplate", _join(_METADATA, _WORKLOAD)),
    ("batch/v1beta1", "CronJob"): _at("spec/jobTemplate", _join(_METADATA, _WORKLOAD)),
    ("policy/v1", "PodDisruptionBudget"): _CONDITIONS,
    ("policy/v1beta1", "PodDisruptionBudget"): _CONDITIONS,
    ("apiregistration.k8s.io/v1", "APIService"): _CONDITIONS,
    ("apiregistration.k8s.io/v1beta1", "APIService"): _CONDITIONS,
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): _WEBHOOKS,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): _WEBHOOKS,
    ("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration"): _WEBHOOKS,
    ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration"): _WEBHOOKS,
    ("storage.k8s.io/v1", "CSINode"): _at("spec/drivers", _list("name")),
    ("storage.k8s.io/v1beta1", "CSINode"): _at("spec/drivers", _list("name")),
}

# Every kind of 1.21 that has object metadata: its finalizers and owner references are merged.
_WITH_METADATA: Final = {
    "admissionregistration.k8s.io/v1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "admissionregistration.k8s.io/v1beta1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "apiextensions.k8s.io/v1": "CustomResourceDefinition",
    "apiextensions.k8s.io/v1beta1": "CustomResourceDefinition",
    "apiregistration.k8s.io/v1": "APIService",
    "apiregistration.k8s.io/v1beta1": "APIService",
    "apps/v1": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "authentication.k8s.io/v1": "TokenRequest TokenReview",
    "authentication.k8s.io/v1beta1": "TokenReview",
    "authorization.k8s.io/v1": "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview "
    "SubjectAccessReview",
    "authorization.k8s.io/v1beta1": "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview "
    "SubjectAccessReview",
    "autoscaling/v1": "HorizontalPodAutoscaler Scale",
    "autoscaling/v2beta1": "HorizontalPodAutoscaler",
    "autoscaling/v2beta2": "HorizontalPodAutoscaler",
    "batch/v1": "CronJob Job",
    "batch/v1beta1": "CronJob",
    "certificates.k8s.io/v1": "CertificateSigningRequest",
    "certificates.k8s.io/v1beta1": "CertificateSigningRequest",
    "coordination.k8s.io/v1": "Lease",
    "coordination.k8s.io/v1beta1": "Lease",
    "discovery.k8s.io/v1": "EndpointSlice",
    "discovery.k8s.io/v1beta1": "EndpointSlice",
    "events.k8s.io/v1": "Event",
    "events.k8s.io/v1beta1": "Event",
    "extensions/v1beta1": "Ingress",
    "flowcontrol.apiserver.k8s.io/v1beta1": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io/v1": "Ingress IngressClass NetworkPolicy",
    "networking.k8s.io/v1beta1": "Ingress IngressClass",
    "node.k8s.io/v1": "RuntimeClass",
    "node.k8s.io/v1beta1": "RuntimeClass",
    "policy/v1": "PodDisruptionBudget",
    "policy/v1beta1": "Eviction PodDisruptionBudget PodSecurityPolicy",
    "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "rbac.authorization.k8s.io/v1beta1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "scheduling.k8s.io/v1": "PriorityClass",
    "scheduling.k8s.io/v1beta1": "PriorityClass",
    "storage.k8s.io/v1": "CSIDriver CSINode StorageClass VolumeAttachment",
    "storage.k8s.io/v1beta1": "CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment",
    "v1": "Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume "
    "PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount",
}


class Schemas:
    """The types of all kinds, and which kinds are certainly cluster-scoped."""

    def __init__(self, kinds: Mapping[tuple[str, str], Schema], cluster: frozenset[tuple[str, str]]) -> None:
        self._kinds = kinds
        self.cluster_kinds = cluster

    def of(self, api_version: str, kind: str) -> Schema | None:
        """The type of a kind, None when it is not known."""
        return self._kinds.get((api_version, kind))


def _built_in() -> Schemas:
    known = {
        (api_version, kind): _join(_METADATA, _KINDS.get((api_version, kind), Schema()))
        for api_version, kinds in _WITH_METADATA.items()
        for kind in kinds.split()
    }
    return Schemas(known, BUILT_IN_CLUSTER_KINDS)


BUILT_IN: Final = _built_in()


@lru_cache(maxsize=16)
def custom(data: bytes, path: str) -> Schemas:
    """The types of an OpenAPI v2 file (JSON or YAML), which replace the built-in ones; scopes are added to those.

    Raises RenderError when it is no such file.
    """
    document = load_all(data, path)
    value: Any = document[0].value if document else {}
    if not isinstance(value, dict) or not isinstance(value.get("definitions", {}), dict):
        raise RenderError(f"{path}: expected an OpenAPI document with definitions")
    definitions: dict[str, Any] = value.get("definitions") or {}
    reader = _Definitions(definitions)
    kinds = {gvk: reader.named(name) for name, raw in definitions.items() for gvk in _kinds_of(raw)}
    return Schemas(kinds, BUILT_IN_CLUSTER_KINDS | _cluster_kinds(value.get("paths") or {}))


def _kinds_of(raw: Any) -> list[tuple[str, str]]:
    entries = raw.get("x-kubernetes-group-version-kind") if isinstance(raw, dict) else None
    return [_gvk(entry) for entry in entries] if isinstance(entries, list) else []


def _gvk(entry: Mapping[str, str]) -> tuple[str, str]:
    group, version = entry.get("group", ""), entry.get("version", "")
    return (f"{group}/{version}" if group else version, entry.get("kind", ""))


def _cluster_kinds(paths: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    found: dict[tuple[str, str], bool] = {}
    for path, operations in paths.items():
        entry = ((operations or {}).get("get") or {}).get("x-kubernetes-group-version-kind")
        if isinstance(entry, dict):
            namespaced = "namespaces/{namespace}" in path
            found[_gvk(entry)] = found.get(_gvk(entry), False) or namespaced
    return frozenset(gvk for gvk, namespaced in found.items() if not namespaced)


class _Definitions:
    """Makes Schemas of raw definitions; references may be circular, so that fields are looked up as they are used."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._made: dict[str, Schema] = {}

    def named(self, name: str) -> Schema:
        if name not in self._made:
            self._made[name] = Schema()
            made = self._of(self._definitions.get(name) or {})
            target = self._made[name]
            target.fields, target.items = made.fields, made.items
            target.keys, target.merged, target.values = made.keys, made.merged, made.values
        return self._made[name]

    def _of(self, raw: Mapping[str, Any]) -> Schema:
        reference = raw.get("$ref")
        if isinstance(reference, str):
            return self.named(reference.rpartition("/")[2])
        fields = {name: self._of(child) for name, child in (raw.get("properties") or {}).items()}
        items = raw.get("items")
        values = raw.get("additionalProperties")
        strategy = str(raw.get("x-kubernetes-patch-strategy", ""))
        keys = raw.get("x-kubernetes-list-map-keys") or raw.get("x-kubernetes-patch-merge-key") or ()
        return Schema(
            fields,
            self._of(items) if isinstance(items, dict) and raw.get("type") == "array" else None,
            (keys,) if isinstance(keys, str) else tuple(keys),
            "merge" in strategy.split(","),
            self._of(values) if isinstance(values, dict) else None,
        )


def version_error(version: str) -> RenderError:
    """The error for a built-in version that is not there."""
    return RenderError(f"openapi.version {version} is not built in (there is {VERSION})")
