"""The columns that `kubectl get` shows for each built-in kind, as an API server's printers make them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gitops.manifests.key import Body
from gitops.sandbox import cells
from gitops.sandbox.openapi import description

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_CORE = "io.k8s.api.core.v1."


def _column(name: str, kind: str = "string", about: str = "", priority: int = 0, form: str = "") -> Body:
    """One column; `about` is its description, or where to read it: `definition#field`."""
    definition, found, field = about.partition("#")
    described = description(definition, field) if found else about
    return {"name": name, "type": kind, "format": form, "description": described, "priority": priority}


NAME = _column("Name", about=f"{_META}#name", form="name")
AGE = _column("Age", about=f"{_META}#creationTimestamp")

_CONTAINERS = _column("Containers", about="Names of each container in the template.", priority=1)
_IMAGES = _column("Images", about="Images referenced by each container in the template.", priority=1)


@dataclass(frozen=True, slots=True)
class Columns:
    definitions: Sequence[Body]
    cells: Callable[[Body], list[Any]]


_APPS = "io.k8s.api.apps.v1."
_RBAC_BINDING = (
    NAME,
    _column("Role"),
    AGE,
    _column("Users", about="Users in the roleBinding", priority=1),
    _column("Groups", about="Groups in the roleBinding", priority=1),
    _column("ServiceAccounts", about="ServiceAccounts in the roleBinding", priority=1),
)

DEFAULT = Columns((NAME, AGE), lambda body: [cells.name_of(body), cells.created_of(body)])

COLUMNS: dict[tuple[str, str], Columns] = {
    ("", "configmaps"): Columns(
        (NAME, _column("Data", about=_CORE + "ConfigMap#data"), AGE),
        lambda body: [
            cells.name_of(body),
            len(body.get("data") or {}) + len(body.get("binaryData") or {}),
            cells.created_of(body),
        ],
    ),
    ("", "secrets"): Columns(
        (NAME, _column("Type", about=_CORE + "Secret#type"), _column("Data", about=_CORE + "Secret#data"), AGE),
        lambda body: [
            cells.name_of(body),
            body.get("type", "Opaque"),
            len(body.get("data") or {}),
            cells.created_of(body),
        ],
    ),
    ("", "namespaces"): Columns(
        (NAME, _column("Status", about="The status of the namespace"), AGE),
        lambda body: [cells.name_of(body), (body.get("status") or {}).get("phase", ""), cells.created_of(body)],
    ),
    ("", "serviceaccounts"): Columns(
        (NAME, _column("Secrets", about=_CORE + "ServiceAccount#secrets"), AGE),
        lambda body: [cells.name_of(body), len(body.get("secrets") or []), cells.created_of(body)],
    ),
    ("", "pods"): Columns(
        (
            NAME,
            _column("Ready", about="The aggregate readiness state of this pod for accepting traffic."),
            _column("Status", about="The aggregate status of the containers in this pod."),
            _column(
                "Restarts",
                about="The number of times the containers in this pod have been restarted and when the last container "
                "in this pod has restarted.",
            ),
            AGE,
            _column("IP", about=_CORE + "PodStatus#podIP", priority=1),
            _column("Node", about=_CORE + "PodSpec#nodeName", priority=1),
            _column("Nominated Node", about=_CORE + "PodStatus#nominatedNodeName", priority=1),
            _column("Readiness Gates", about=_CORE + "PodSpec#readinessGates", priority=1),
        ),
        cells.row_pod,
    ),
    ("apps", "deployments"): Columns(
        (
            NAME,
            _column("Ready", about="Number of the pod with ready state"),
            _column("Up-to-date", about=_APPS + "DeploymentStatus#updatedReplicas"),
            _column("Available", about=_APPS + "DeploymentStatus#availableReplicas"),
            AGE,
            _CONTAINERS,
            _IMAGES,
            _column("Selector", about=_APPS + "DeploymentSpec#selector", priority=1),
        ),
        cells.row_deployment,
    ),
    ("apps", "replicasets"): Columns(
        (
            NAME,
            _column("Desired", "integer", _APPS + "ReplicaSetSpec#replicas"),
            _column("Current", "integer", _APPS + "ReplicaSetStatus#replicas"),
            _column("Ready", "integer", _APPS + "ReplicaSetStatus#readyReplicas"),
            AGE,
            _CONTAINERS,
            _IMAGES,
            _column("Selector", about=_APPS + "ReplicaSetSpec#selector", priority=1),
        ),
        cells.row_replica_set,
    ),
    ("apps", "statefulsets"): Columns(
        (NAME, _column("Ready", about="Number of the pod with ready state"), AGE, _CONTAINERS, _IMAGES),
        cells.row_stateful_set,
    ),
    ("apps", "daemonsets"): Columns(
        (
            NAME,
            _column("Desired", "integer", _APPS + "DaemonSetStatus#desiredNumberScheduled"),
            _column("Current", "integer", _APPS + "DaemonSetStatus#currentNumberScheduled"),
            _column("Ready", "integer", _APPS + "DaemonSetStatus#numberReady"),
            _column("Up-to-date", "integer", _APPS + "DaemonSetStatus#updatedNumberScheduled"),
            _column("Available", "integer", _APPS + "DaemonSetStatus#numberAvailable"),
            _column("Node Selector", about=_CORE + "PodSpec#nodeSelector"),
            AGE,
            _CONTAINERS,
            _IMAGES,
            _column("Selector", about=_APPS + "DaemonSetSpec#selector", priority=1),
        ),
        cells.row_daemon_set,
    ),
    ("apps", "controllerrevisions"): Columns(
        (
            NAME,
            _column("Controller", about="Controller of the object"),
            _column("Revision", about=_APPS + "ControllerRevision#revision"),
            AGE,
        ),
        cells.row_revision,
    ),
    ("batch", "jobs"): Columns(
        (
            NAME,
            _column("Status", about="Status of the job."),
            _column("Completions", about="io.k8s.api.batch.v1.JobStatus#succeeded"),
            _column("Duration", about="Time required to complete the job."),
            AGE,
            _CONTAINERS,
            _IMAGES,
            _column("Selector", about="io.k8s.api.batch.v1.JobSpec#selector", priority=1),
        ),
        cells.row_job,
    ),
    ("batch", "cronjobs"): Columns(
        (
            NAME,
            _column("Schedule", about="io.k8s.api.batch.v1.CronJobSpec#schedule"),
            _column("Timezone", about="io.k8s.api.batch.v1.CronJobSpec#timeZone"),
            _column("Suspend", "boolean", "io.k8s.api.batch.v1.CronJobSpec#suspend"),
            _column("Active", "integer", "io.k8s.api.batch.v1.CronJobStatus#active"),
            _column("Last Schedule", about="io.k8s.api.batch.v1.CronJobStatus#lastScheduleTime"),
            AGE,
            _CONTAINERS,
            _IMAGES,
            _column("Selector", about="io.k8s.api.batch.v1.JobSpec#selector", priority=1),
        ),
        cells.row_cron_job,
    ),
    ("", "services"): Columns(
        (
            NAME,
            _column("Type", about=_CORE + "ServiceSpec#type"),
            _column("Cluster-IP", about=_CORE + "ServiceSpec#clusterIP"),
            _column("External-IP", about=_CORE + "ServiceSpec#externalIPs"),
            _column("Port(s)", about=_CORE + "ServiceSpec#ports"),
            AGE,
            _column("Selector", about=_CORE + "ServiceSpec#selector", priority=1),
        ),
        cells.row_service,
    ),
    ("networking.k8s.io", "ingresses"): Columns(
        (
            NAME,
            _column(
                "Class", about="The name of the IngressClass resource that should be used for additional configuration"
            ),
            _column("Hosts", about="Hosts that incoming requests are matched against before the ingress rule"),
            _column("Address", about="Address is a list containing ingress points for the load-balancer"),
            _column("Ports", about="Ports of TLS configurations that open"),
            AGE,
        ),
        cells.row_ingress,
    ),
    ("networking.k8s.io", "networkpolicies"): Columns(
        (NAME, _column("Pod-Selector", about="io.k8s.api.networking.v1.NetworkPolicySpec#podSelector"), AGE),
        lambda body: [
            cells.name_of(body),
            cells.selector_text(body["spec"].get("podSelector")),
            cells.created_of(body),
        ],
    ),
    ("networking.k8s.io", "ingressclasses"): Columns(
        (
            NAME,
            _column("Controller", about="Controller that is responsible for handling this class"),
            _column("Parameters", about="A reference to a resource with additional parameters"),
            AGE,
        ),
        lambda body: [cells.name_of(body), body["spec"].get("controller", ""), "<none>", cells.created_of(body)],
    ),
    ("autoscaling", "horizontalpodautoscalers"): Columns(
        (
            NAME,
            _column("Reference", about="io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec#scaleTargetRef"),
            _column("Targets", about="io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec#metrics"),
            _column("MinPods", about="io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec#minReplicas"),
            _column("MaxPods", about="io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec#maxReplicas"),
            _column("Replicas", about="io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus#currentReplicas"),
            AGE,
        ),
        cells.row_autoscaler,
    ),
    ("policy", "poddisruptionbudgets"): Columns(
        (
            NAME,
            _column("Min Available", about="The minimum number of pods that must be available."),
            _column("Max Unavailable", about="The maximum number of pods that may be unavailable."),
            _column("Allowed Disruptions", "integer", "Calculated number of pods that may be disrupted at this time."),
            AGE,
        ),
        cells.row_budget,
    ),
    ("", "nodes"): Columns(
        (
            NAME,
            _column("Status", about="The status of the node"),
            _column("Roles", about="The roles of the node"),
            AGE,
            _column("Version", about=_CORE + "NodeSystemInfo#kubeletVersion"),
            _column("Internal-IP", about=_CORE + "NodeStatus#addresses", priority=1),
            _column("External-IP", about=_CORE + "NodeStatus#addresses", priority=1),
            _column("OS-Image", about=_CORE + "NodeSystemInfo#osImage", priority=1),
            _column("Kernel-Version", about=_CORE + "NodeSystemInfo#kernelVersion", priority=1),
            _column("Container-Runtime", about=_CORE + "NodeSystemInfo#containerRuntimeVersion", priority=1),
        ),
        cells.row_node,
    ),
    ("", "events"): Columns(
        (
            _column("Last Seen", about=_CORE + "Event#lastTimestamp"),
            _column("Type", about=_CORE + "Event#type"),
            _column("Reason", about=_CORE + "Event#reason"),
            _column("Object", about=_CORE + "Event#involvedObject"),
            _column("Subobject", about=_CORE + "ObjectReference#fieldPath", priority=1),
            _column("Source", about=_CORE + "Event#source", priority=1),
            _column("Message", about=_CORE + "Event#message"),
            _column("First Seen", about=_CORE + "Event#firstTimestamp", priority=1),
            _column("Count", about=_CORE + "Event#count", priority=1),
            _column("Name", about=f"{_META}#name", priority=1, form="name"),
        ),
        cells.row_event,
    ),
    ("", "persistentvolumeclaims"): Columns(
        (
            NAME,
            _column("Status", about=_CORE + "PersistentVolumeClaimStatus#phase"),
            _column("Volume", about=_CORE + "PersistentVolumeClaimSpec#volumeName"),
            _column("Capacity", about=_CORE + "PersistentVolumeClaimStatus#capacity"),
            _column("Access Modes", about=_CORE + "PersistentVolumeClaimStatus#accessModes"),
            _column("StorageClass", about="StorageClass of the pvc"),
            _column("VolumeAttributesClass", about="VolumeAttributesClass of the pvc"),
            AGE,
            _column("VolumeMode", about=_CORE + "PersistentVolumeClaimSpec#volumeMode", priority=1),
        ),
        cells.row_claim,
    ),
    ("", "persistentvolumes"): Columns(
        (
            NAME,
            _column("Capacity", about=_CORE + "PersistentVolumeSpec#capacity"),
            _column("Access Modes", about=_CORE + "PersistentVolumeSpec#accessModes"),
            _column("Reclaim Policy", about=_CORE + "PersistentVolumeSpec#persistentVolumeReclaimPolicy"),
            _column("Status", about=_CORE + "PersistentVolumeStatus#phase"),
            _column("Claim", about=_CORE + "PersistentVolumeSpec#claimRef"),
            _column("StorageClass", about="StorageClass of the pv"),
            _column("VolumeAttributesClass", about="VolumeAttributesClass of the pv"),
            _column("Reason", about=_CORE + "PersistentVolumeStatus#reason"),
            AGE,
            _column("VolumeMode", about=_CORE + "PersistentVolumeSpec#volumeMode", priority=1),
        ),
        cells.row_volume,
    ),
    ("", "endpoints"): Columns(
        (NAME, _column("Endpoints", about=_CORE + "Endpoints#subsets"), AGE), cells.row_endpoints
    ),
    ("discovery.k8s.io", "endpointslices"): Columns(
        (
            NAME,
            _column("AddressType", about="io.k8s.api.discovery.v1.EndpointSlice#addressType"),
            _column("Ports", about="io.k8s.api.discovery.v1.EndpointSlice#ports"),
            _column("Endpoints", about="io.k8s.api.discovery.v1.EndpointSlice#endpoints"),
            AGE,
        ),
        cells.row_slice,
    ),
    ("rbac.authorization.k8s.io", "rolebindings"): Columns(_RBAC_BINDING, cells.row_binding),
    ("rbac.authorization.k8s.io", "clusterrolebindings"): Columns(_RBAC_BINDING, cells.row_binding),
    ("rbac.authorization.k8s.io", "roles"): Columns(
        (NAME, _column("Created At", "date")),
        lambda body: [cells.name_of(body), body["metadata"].get("creationTimestamp")],
    ),
    ("rbac.authorization.k8s.io", "clusterroles"): Columns(
        (NAME, _column("Created At", "date")),
        lambda body: [cells.name_of(body), body["metadata"].get("creationTimestamp")],
    ),
    ("storage.k8s.io", "storageclasses"): Columns(
        (
            NAME,
            _column("Provisioner", about="io.k8s.api.storage.v1.StorageClass#provisioner"),
            _column("ReclaimPolicy", about="io.k8s.api.storage.v1.StorageClass#reclaimPolicy"),
            _column("VolumeBindingMode", about="io.k8s.api.storage.v1.StorageClass#volumeBindingMode"),
            _column("AllowVolumeExpansion", about="io.k8s.api.storage.v1.StorageClass#allowVolumeExpansion"),
            AGE,
        ),
        cells.row_storage_class,
    ),
    ("coordination.k8s.io", "leases"): Columns(
        (NAME, _column("Holder", about="io.k8s.api.coordination.v1.LeaseSpec#holderIdentity"), AGE), cells.row_lease
    ),
    ("", "resourcequotas"): Columns(
        (
            NAME,
            _column("Request", about="Request represents a minimum amount of cpu/memory that a container may consume."),
            _column(
                "Limit",
                about="Limits control the maximum amount of cpu/memory that a container may use independent of "
                "contention on the node.",
            ),
            AGE,
        ),
        cells.row_quota,
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): Columns(
        (NAME, _column("Created At", "date")),
        lambda body: [cells.name_of(body), body["metadata"].get("creationTimestamp")],
    ),
}
