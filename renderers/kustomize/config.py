"""Where the transformers look: field specs, the built-in ones and those that configurations and CRDs add.

A field spec is a path, for a kind or for all, and whether the field is made where it is missing. Specs of a base are
kept in its overlays. The built-in ones are those of Kustomize 5.8, written down by what they have in common.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from gitops.model.errors import RenderError
from renderers.kustomize.decode import CONFIGURATION, TRANSFORMER_CONFIG, decode, load_yaml
from renderers.kustomize.ids import Gvk
from renderers.kustomize.order import gvk_rank


class FieldSpec(NamedTuple):
    """A place to look at in resources of a kind."""

    path: str
    gvk: Gvk = Gvk()
    create: bool = False


class Referral(NamedTuple):
    """The kinds that are referred to by name, and the places that refer to them."""

    gvk: Gvk
    referrers: tuple[FieldSpec, ...]


Specs = tuple[FieldSpec, ...]


class Config(NamedTuple):
    """All field specs, each group sorted."""

    namePrefix: Specs = ()
    nameSuffix: Specs = ()
    namespace: Specs = ()
    commonLabels: Specs = ()
    labels: Specs = ()
    templateLabels: Specs = ()
    commonAnnotations: Specs = ()
    varReference: Specs = ()
    images: Specs = ()
    replicas: Specs = ()
    nameReference: tuple[Referral, ...] = ()

    def merge(self, other: "Config") -> "Config":
        """Both together; raises RenderError when they disagree whether a field is made."""
        if other is self or other == _EMPTY:
            return self
        if self is _EMPTY and (other is built_in(False) or other is built_in(True)):
            return other
        merged: dict[str, Any] = {
            group: sort_specs(merge_specs(getattr(self, group), getattr(other, group)))
            for group in self._fields
            if group != "nameReference"
        }
        referrals = _merge_referrals(self.nameReference, other.nameReference)
        return Config(**merged, nameReference=tuple(sorted(referrals, key=lambda each: gvk_rank(each.gvk))))

    def add(self, group: str, spec: FieldSpec) -> "Config":
        """With one more spec in a group, unsorted."""
        merged: Any = merge_specs(getattr(self, group), (spec,))
        return self._replace(**{group: merged})

    def add_referral(self, referral: Referral) -> "Config":
        """With one more referral."""
        return self._replace(nameReference=_merge_referrals(self.nameReference, (referral,)))


def sort_specs(specs: Iterable[FieldSpec]) -> Specs:
    """In the order of their kinds."""
    return tuple(sorted(specs, key=lambda spec: gvk_rank(spec.gvk)))


def merge_specs(specs: Specs, incoming: Iterable[FieldSpec]) -> Specs:
    """`specs` and those of `incoming` that none of them covers already."""
    by_path: dict[str, list[FieldSpec]] = {}
    for spec in specs:
        by_path.setdefault(spec.path, []).append(spec)
    result = list(specs)
    for spec in incoming:
        same = next((each for each in by_path.get(spec.path, ()) if spec.gvk.selects(each.gvk)), None)
        if same is None:
            by_path.setdefault(spec.path, []).append(spec)
            result.append(spec)
        elif same.create != spec.create:
            raise RenderError(f"two field specs for {spec.path} disagree whether the field is created")
    return tuple(result)


def _merge_referrals(referrals: tuple[Referral, ...], incoming: Iterable[Referral]) -> tuple[Referral, ...]:
    result = list(referrals)
    for new in incoming:
        found = False
        for number, old in enumerate(result):
            if old.gvk == new.gvk:
                result[number] = Referral(old.gvk, merge_specs(old.referrers, new.referrers))
                found = True
        if not found:
            result.append(new)
    return tuple(result)


def load_config(load: Callable[[str], bytes], paths: Iterable[str], is_old: bool) -> Config:
    """The built-in specs (of Kustomize 5.5 where `is_old`, else 5.8) and those of configuration files."""
    result = built_in(is_old)
    own = _EMPTY
    for path in paths:
        own = own.merge(
            _sorted(config_of(decode(load_yaml(load(path), path), TRANSFORMER_CONFIG, path, CONFIGURATION)))
        )
    return result.merge(own)


def config_of(value: Mapping[str, Any]) -> Config:
    """A Config from its decoded form."""
    groups: dict[str, Any] = {name: specs_of(specs) for name, specs in value.items() if name != "nameReference"}
    referrals = tuple(
        Referral(_gvk(each), specs_of(each.get("fieldSpecs", ()))) for each in value.get("nameReference", ())
    )
    return Config(**groups, nameReference=referrals)


def specs_of(values: Iterable[Mapping[str, Any]]) -> Specs:
    """Field specs from their decoded form."""
    return tuple(FieldSpec(each.get("path", ""), _gvk(each), each.get("create", False)) for each in values)


def _gvk(value: Mapping[str, Any]) -> Gvk:
    return Gvk(value.get("group", ""), value.get("version", ""), value.get("kind", ""))


def _sorted(config: Config) -> Config:
    groups: dict[str, Any] = {
        group: sort_specs(getattr(config, group)) for group in config._fields if group != "nameReference"
    }
    return Config(**groups, nameReference=tuple(sorted(config.nameReference, key=lambda each: gvk_rank(each.gvk))))


# ── the built-in specs ───────────────────────────────────────────────────────────────────────────────────────────

# Where a kind keeps its pod, and its pod template.
_TEMPLATES: Final = {
    "Deployment": "spec/template",
    "ReplicaSet": "spec/template",
    "DaemonSet": "spec/template",
    "StatefulSet": "spec/template",
    "Job": "spec/template",
    "CronJob": "spec/jobTemplate/spec/template",
}
_PODS: Final = {"Pod": "spec", "PodTemplate": "template/spec"} | {
    kind: f"{path}/spec" for kind, path in _TEMPLATES.items()
}


def _kinds(path: str, *kinds: str, create: bool = False) -> Specs:
    """The same path in several kinds, each `Kind`, `group/Kind` or `group/version/Kind`."""
    specs: list[FieldSpec] = []
    for each in kinds:
        group, _, kind = each.rpartition("/")
        group, _, version = group.partition("@")
        specs.append(FieldSpec(path, Gvk(group, version, kind), create))
    return tuple(specs)


def _in_pods(paths: Iterable[str], kinds: Mapping[str, str], version: str = "v1") -> Specs:
    return tuple(
        FieldSpec(f"{pod}/{path}", Gvk("", version if kind == "Pod" else "", kind))
        for kind, pod in kinds.items()
        for path in paths
    )


_METADATA_LABELS: Final = (
    FieldSpec("metadata/labels", create=True),
    *_kinds("spec/template/metadata/labels", "@v1/ReplicationController", create=True),
    *_kinds("spec/template/metadata/labels", "Deployment", "ReplicaSet", "DaemonSet", create=True),
    *_kinds("spec/template/metadata/labels", "apps/StatefulSet", create=True),
    *_kinds("spec/volumeClaimTemplates[]/metadata/labels", "apps/StatefulSet", create=True),
    *_kinds("spec/template/metadata/labels", "batch/Job", create=True),
    *_kinds("spec/jobTemplate/metadata/labels", "batch/CronJob", create=True),
    *_kinds("spec/jobTemplate/spec/template/metadata/labels", "batch/CronJob", create=True),
)
_AFFINITY: Final = tuple(
    f"spec/template/spec/{path}/labelSelector/matchLabels"
    for path in (
        "affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
        "affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution",
        "affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
        "affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution",
        "topologySpreadConstraints",
    )
)
_COMMON_LABELS: Final = (
    *_kinds("spec/selector", "@v1/Service", "@v1/ReplicationController", create=True),
    *_kinds("spec/selector/matchLabels", "Deployment", "ReplicaSet", "DaemonSet", "apps/StatefulSet", create=True),
    *(spec for path in _AFFINITY for spec in _kinds(path, "apps/Deployment", "apps/StatefulSet")),
    *_kinds("spec/selector/matchLabels", "batch/Job", "policy/PodDisruptionBudget"),
    *_kinds("spec/jobTemplate/spec/selector/matchLabels", "batch/CronJob"),
    *_kinds("spec/podSelector/matchLabels", "networking.k8s.io/NetworkPolicy"),
    *_kinds("spec/ingress/from/podSelector/matchLabels", "networking.k8s.io/NetworkPolicy"),
    *_kinds("spec/egress/to/podSelector/matchLabels", "networking.k8s.io/NetworkPolicy"),
    *_METADATA_LABELS,
)
_COMMON_ANNOTATIONS: Final = (
    FieldSpec("metadata/annotations", create=True),
    *_kinds("spec/template/metadata/annotations", "@v1/ReplicationController", create=True),
    *_kinds("spec/template/metadata/annotations", "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", create=True),
    *_kinds("spec/template/metadata/annotations", "batch/Job", create=True),
    *_kinds("spec/jobTemplate/metadata/annotations", "batch/CronJob", create=True),
    *_kinds("spec/jobTemplate/spec/template/metadata/annotations", "batch/CronJob", create=True),
)
_IMAGES: Final = tuple(
    FieldSpec(f"{pod}/{containers}[]/image", create=True)
    for pod in ("spec", "spec/template/spec")
    for containers in ("containers", "initContainers")
)
_VARIABLES: Final = (
    *(
        FieldSpec(f"{_PODS[kind]}/{containers}/{path}", Gvk(kind=kind))
        for kind in ("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet")
        for containers in ("containers", "initContainers")
        for path in ("args", "command", "env/value", "volumeMounts/mountPath")
    ),
    *_kinds("spec/jobTemplate/spec/template/volumes/nfs/server", "CronJob"),
    *_kinds("spec/template/spec/volumes/nfs/server", "DaemonSet", "Deployment", "Job", "ReplicaSet"),
    *_kinds("spec/volumes/nfs/server", "Pod"),
    *_kinds("spec/volumeClaimTemplates/spec/nfs/server", "StatefulSet"),
    *_kinds("spec/nfs/server", "PersistentVolume"),
    *_kinds("spec/template/metadata/annotations", "Deployment"),
    *_kinds("spec/rules/host", "Ingress"),
    *_kinds("spec/tls/hosts", "Ingress"),
    *_kinds("spec/tls/secretName", "Ingress"),
    *_kinds("spec/ports/port", "Service"),
    *_kinds("spec/ports/targetPort", "Service"),
    FieldSpec("metadata/labels"),
    FieldSpec("metadata/annotations"),
)
_RESOURCE_NAMES: Final = _kinds("rules/resourceNames", "Role", "ClusterRole")
_SCALED: Final = _kinds("spec/scaleTargetRef/name", "HorizontalPodAutoscaler")
_RBAC: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"
_POD_FIELD_KINDS: Final = {
    "Pod": "spec",
    "StatefulSet": "spec/template/spec",
    "Deployment": "spec/template/spec",
    "ReplicationController": "spec/template/spec",
    "CronJob": "spec/jobTemplate/spec/template/spec",
    "Job": "spec/template/spec",
    "DaemonSet": "spec/template/spec",
}


def _ingress_annotations(*names: str) -> Specs:
    return tuple(FieldSpec(f"metadata/annotations/{name}", Gvk(kind="Ingress")) for name in names)


_REFERRALS: Final = (
    *(
        Referral(Gvk(kind=kind), _SCALED)
        for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")
    ),
    Referral(
        Gvk("", "v1", "ConfigMap"),
        (
            *_in_pods(
                (
                    "volumes/configMap/name",
                    "containers/env/valueFrom/configMapKeyRef/name",
                    "initContainers/env/valueFrom/configMapKeyRef/name",
                    "containers/envFrom/configMapRef/name",
                    "initContainers/envFrom/configMapRef/name",
                    "volumes/projected/sources/configMap/name",
                ),
                _PODS,
            ),
            *_kinds("spec/configSource/configMap", "Node"),
            *_RESOURCE_NAMES,
            *_ingress_annotations("nginx.ingress.kubernetes.io\\/fastcgi-params-configmap"),
        ),
    ),
    Referral(
        Gvk("", "v1", "Secret"),
        (
            *_in_pods(
                (
                    "volumes/secret/secretName",
                    "containers/env/valueFrom/secretKeyRef/name",
                    "initContainers/env/valueFrom/secretKeyRef/name",
                    "containers/envFrom/secretRef/name",
                    "initContainers/envFrom/secretRef/name",
                    "imagePullSecrets/name",
                    "volumes/projected/sources/secret/name",
                ),
                _PODS,
            ),
            *_kinds("spec/tls/secretName", "Ingress"),
            *_ingress_annotations(
                "ingress.kubernetes.io\\/auth-secret",
                "nginx.ingress.kubernetes.io\\/auth-secret",
                "nginx.ingress.kubernetes.io\\/auth-tls-secret",
            ),
            *_kinds("imagePullSecrets/name", "ServiceAccount"),
            *_kinds("parameters/secretName", "StorageClass"),
            *_kinds("parameters/adminSecretName", "StorageClass"),
            *_kinds("parameters/userSecretName", "StorageClass"),
            *_kinds("parameters/secretRef", "StorageClass"),
            *_RESOURCE_NAMES,
            *_kinds("spec/template/spec/containers/env/valueFrom/secretKeyRef/name", "serving.knative.dev@v1/Service"),
            *_kinds("spec/azureFile/secretName", "PersistentVolume"),
        ),
    ),
    Referral(
        Gvk("", "v1", "Service"),
        (
            *_kinds("spec/serviceName", "apps/StatefulSet"),
            *_kinds("spec/rules/http/paths/backend/serviceName", "Ingress"),
            *_kinds("spec/backend/serviceName", "Ingress"),
            *_kinds("spec/rules/http/paths/backend/service/name", "Ingress"),
            *_kinds("spec/defaultBackend/service/name", "Ingress"),
            *_kinds("spec/service/name", "apiregistration.k8s.io/APIService"),
            *_kinds("webhooks/clientConfig/service", f"{_ADMISSION}/ValidatingWebhookConfiguration"),
            *_kinds("webhooks/clientConfig/service", f"{_ADMISSION}/MutatingWebhookConfiguration"),
        ),
    ),
    Referral(Gvk(_RBAC, "", "Role"), _kinds("roleRef/name", f"{_RBAC}/RoleBinding")),
    Referral(
        Gvk(_RBAC, "", "ClusterRole"), _kinds("roleRef/name", f"{_RBAC}/RoleBinding", f"{_RBAC}/ClusterRoleBinding")
    ),
    Referral(
        Gvk("", "v1", "ServiceAccount"),
        (
            *_kinds("subjects", f"{_RBAC}/RoleBinding", f"{_RBAC}/ClusterRoleBinding"),
            *_in_pods(("serviceAccountName",), _POD_FIELD_KINDS, ""),
        ),
    ),
    Referral(
        Gvk("", "v1", "PersistentVolumeClaim"),
        _in_pods(("volumes/persistentVolumeClaim/claimName",), _POD_FIELD_KINDS, ""),
    ),
    Referral(
        Gvk("", "v1", "PersistentVolume"),
        (*_kinds("spec/volumeName", "PersistentVolumeClaim"), *_kinds("rules/resourceNames", "ClusterRole")),
    ),
    Referral(
        Gvk("storage.k8s.io", "v1", "StorageClass"),
        (
            *_kinds("spec/storageClassName", "PersistentVolume", "PersistentVolumeClaim"),
            *_kinds("spec/volumeClaimTemplates/spec/storageClassName", "StatefulSet"),
        ),
    ),
    Referral(Gvk("scheduling.k8s.io", "v1", "PriorityClass"), _in_pods(("priorityClassName",), _POD_FIELD_KINDS, "")),
    # The group is written with a version in Kustomize's own table, so this never selects anything.
    Referral(Gvk("networking.k8s.io/v1", "v1", "IngressClass"), _kinds("spec/ingressClassName", "Ingress")),
    Referral(
        Gvk(_ADMISSION, "", "ValidatingAdmissionPolicy"),
        _kinds("spec/policyName", f"{_ADMISSION}/ValidatingAdmissionPolicyBinding"),
    ),
)

_EMPTY: Final = Config()
EMPTY: Final = _EMPTY
_BUILT_IN: Final = Config(
    namePrefix=(FieldSpec("metadata/name"),),
    nameSuffix=(FieldSpec("metadata/name"),),
    namespace=(
        FieldSpec("metadata/name", Gvk(kind="Namespace"), create=True),
        *_kinds("spec/service/namespace", "apiregistration.k8s.io/APIService", create=True),
        *_kinds(
            "spec/conversion/webhook/clientConfig/service/namespace",
            "apiextensions.k8s.io/CustomResourceDefinition",
        ),
    ),
    commonLabels=_COMMON_LABELS,
    templateLabels=_METADATA_LABELS,
    commonAnnotations=_COMMON_ANNOTATIONS,
    varReference=_VARIABLES,
    images=_IMAGES,
    replicas=_kinds("spec/replicas", "Deployment", "ReplicationController", "ReplicaSet", "StatefulSet", create=True),
    nameReference=_REFERRALS,
)
_IMAGE_VOLUMES: Final = (
    FieldSpec("spec/volumes[]/image/reference", create=True),
    FieldSpec("spec/template/spec/volumes[]/image/reference", create=True),
)


@lru_cache
def built_in(is_old: bool) -> Config:
    """The built-in specs of Kustomize 5.5 (`is_old`) or 5.8."""
    return _sorted(_BUILT_IN if is_old else _BUILT_IN._replace(images=(*_IMAGES, *_IMAGE_VOLUMES)))
