"""Names of things: group, version and kind; resource ids; what selects them.

An id's namespace counts as "default" when it has none, and cluster-scoped kinds share a namespace of their own; which
kinds are cluster-scoped is a fact of Kubernetes 1.21, whose OpenAPI document Kustomize 5.5 carries.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from renderers.expressions import compiled

DEFAULT_NAMESPACE: Final = "default"
CLUSTER: Final = "_non_namespaceable_"

_CLUSTER_KINDS: Final = {
    "v1": "ComponentStatus Namespace Node NodeProxyOptions PersistentVolume",
    "admissionregistration.k8s.io/v1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "admissionregistration.k8s.io/v1beta1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "apiextensions.k8s.io/v1": "CustomResourceDefinition",
    "apiextensions.k8s.io/v1beta1": "CustomResourceDefinition",
    "apiregistration.k8s.io/v1": "APIService",
    "apiregistration.k8s.io/v1beta1": "APIService",
    "certificates.k8s.io/v1": "CertificateSigningRequest",
    "certificates.k8s.io/v1beta1": "CertificateSigningRequest",
    "flowcontrol.apiserver.k8s.io/v1beta1": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io/v1": "IngressClass",
    "networking.k8s.io/v1beta1": "IngressClass",
    "node.k8s.io/v1": "RuntimeClass",
    "node.k8s.io/v1beta1": "RuntimeClass",
    "policy/v1beta1": "PodSecurityPolicy",
    "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding",
    "rbac.authorization.k8s.io/v1beta1": "ClusterRole ClusterRoleBinding",
    "scheduling.k8s.io/v1": "PriorityClass",
    "scheduling.k8s.io/v1beta1": "PriorityClass",
    "storage.k8s.io/v1": "CSIDriver CSINode StorageClass VolumeAttachment",
    "storage.k8s.io/v1beta1": "CSIDriver CSINode StorageClass VolumeAttachment",
}
BUILT_IN_CLUSTER_KINDS: Final = frozenset(
    (api_version, kind) for api_version, kinds in _CLUSTER_KINDS.items() for kind in kinds.split()
)


class Gvk(NamedTuple):
    """Group, version, kind; as a selector an empty part fits everything."""

    group: str = ""
    version: str = ""
    kind: str = ""

    def selects(self, other: "Gvk | Id") -> bool:
        return (
            (not self.group or self.group == other.group)
            and (not self.version or self.version == other.version)
            and (not self.kind or self.kind == other.kind)
        )

    def __str__(self) -> str:
        return f"{self.kind or '[noKind]'}.{self.version or '[noVer]'}.{self.group or '[noGrp]'}"


class Id(NamedTuple):
    """What one resource is called; `cluster` says that its kind is certainly cluster-scoped."""

    group: str
    version: str
    kind: str
    name: str
    namespace: str
    cluster: bool = False

    @property
    def effective_namespace(self) -> str:
        if self.cluster:
            return CLUSTER
        return self.namespace or DEFAULT_NAMESPACE

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Ids with equal keys name the same resource."""
        return (self.group, self.version, self.kind, self.name, self.effective_namespace)

    @property
    def gvk(self) -> Gvk:
        return Gvk(self.group, self.version, self.kind)

    def __str__(self) -> str:
        return f"{self.gvk}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"


def split_api_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` → (`apps`, `v1`); at the first slash."""
    group, slash, version = api_version.partition("/")
    return (group, version) if slash else ("", api_version)


class Selector(NamedTuple):
    """What `target`, `select`, `reject` and `source` hold; an empty part fits everything."""

    gvk: Gvk
    name: str = ""
    namespace: str = ""
    labels: str = ""
    annotations: str = ""

    def fits(self, id: Id) -> bool:
        """Whether an id is selected by equality (replacements)."""
        return (
            (not self.name or self.name == id.name)
            and (not self.namespace or self.namespace == id.effective_namespace)
            and self.gvk.selects(id)
        )

    @property
    def names_nothing(self) -> bool:
        return self.gvk == Gvk() and not self.name and not self.namespace

    def __str__(self) -> str:
        parts = (("kind", self.gvk.kind), ("name", self.name), ("namespace", self.namespace), ("labels", self.labels))
        return ", ".join(f"{word} {value}" for word, value in parts if value) or "everything"


def selector_of(value: Mapping[str, Any]) -> Selector:
    """A selector from its decoded form."""
    return Selector(
        Gvk(value.get("group", ""), value.get("version", ""), value.get("kind", "")),
        value.get("name", ""),
        value.get("namespace", ""),
        value.get("labelSelector", ""),
        value.get("annotationSelector", ""),
    )


class Pattern:
    """A selector whose parts are regular expressions over the whole text (targets of patches)."""

    def __init__(self, selector: Selector) -> None:
        self._group = _whole(selector.gvk.group)
        self._version = _whole(selector.gvk.version)
        self._kind = _whole(selector.gvk.kind)
        self._name = _whole(selector.name)
        self._namespace = _whole(selector.namespace)

    def fits(self, current: Id, original: Id) -> bool:
        """Kind by the current id, name and namespace by either."""
        return (
            _any_fits(self._namespace, (original.effective_namespace, current.effective_namespace))
            and _any_fits(self._name, (original.name, current.name))
            and _any_fits(self._group, (current.group,))
            and _any_fits(self._version, (current.version,))
            and _any_fits(self._kind, (current.kind,))
        )

    def fits_id(self, id: Id) -> bool:
        """All parts by one id, its namespace as it is written (the targets of replacements since Kustomize 5.8)."""
        parts = (
            (self._namespace, id.namespace),
            (self._name, id.name),
            (self._group, id.group),
            (self._version, id.version),
            (self._kind, id.kind),
        )
        return all(pattern is None or bool(pattern.match(text)) for pattern, text in parts)


def _any_fits(pattern: Any, texts: Iterable[str]) -> bool:
    return pattern is None or any(pattern.match(text) for text in texts)


def _whole(text: str) -> Any:
    return compiled(f"^(?:{text})$") if text else None
