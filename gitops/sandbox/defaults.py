"""The defaults that an API server fills in when it reads an object, one small function per Go type.

A defaulter changes the freshly decoded dict it is given (nobody else holds it yet); it sees its children already
defaulted. The rules are those of each API group's `defaults.go`.
"""

from gitops.manifests.key import Body
from gitops.sandbox.decode import Defaulter

_CORE = "io.k8s.api.core.v1."
_RBAC_GROUP = "rbac.authorization.k8s.io"
# A field of DaemonSets that is an annotation in every version which is still served.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _fill(**values: object) -> Defaulter:
    """Sets each of these fields that is absent (or empty, for a text that is always written)."""

    def default(body: Body) -> None:
        for name, value in values.items():
            if body.get(name) in (None, ""):
                body[name] = value

    return default


def _if_absent(body: Body, **values: object) -> None:
    for name, value in values.items():
        if body.get(name) is None:
            body[name] = value


# --- core ---------------------------------------------------------------------------------------------------------


def image_tag(image: str) -> str:
    """The tag an image reference means: "latest" when it has neither tag nor digest."""
    if "@" in image:
        return ""
    last = image.rpartition("/")[2]
    return last.partition(":")[2] or "latest"


def _pull_policy(image: str) -> str:
    return "Always" if image_tag(image) == "latest" else "IfNotPresent"


def _container(body: Body) -> None:
    policy = _pull_policy(body.get("image", ""))
    _if_absent(
        body, imagePullPolicy=policy, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File"
    )


def _pod_spec(body: Body) -> None:
    _if_absent(
        body,
        dnsPolicy="ClusterFirst",
        restartPolicy="Always",
        securityContext={},
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
    )
    # The older name of the field is read where the newer one is empty, and written with its value.
    if account := body.get("serviceAccountName") or body.get("serviceAccount"):
        body["serviceAccountName"] = body["serviceAccount"] = account


def _pod(body: Body) -> None:
    spec = body["spec"]
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        resources = container.get("resources") or {}
        if resources.get("limits"):
            container["resources"] = {**resources, "requests": {**resources["limits"], **resources.get("requests", {})}}
        if spec.get("hostNetwork"):
            for port in container.get("ports") or []:
                _if_absent(port, hostPort=port["containerPort"])
    _if_absent(spec, enableServiceLinks=True)
    _if_absent(body["status"], phase="Pending")


def _probe(body: Body) -> None:
    _if_absent(body, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)


def _volume(body: Body) -> None:
    if not any(value is not None for name, value in body.items() if name != "name"):
        body["emptyDir"] = {}
    if (image := body.get("image")) is not None:
        _if_absent(image, pullPolicy=_pull_policy(image.get("reference", "")))


def _service(body: Body) -> None:
    spec = body["spec"]
    _if_absent(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif not ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds"):
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    for port in spec.get("ports", []):
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port["port"]
    kind = spec["type"]
    if kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs")):
        _if_absent(spec, externalTrafficPolicy="Cluster")
    if kind != "ExternalName":
        _if_absent(spec, internalTrafficPolicy="Cluster")
    if kind == "LoadBalancer":
        _if_absent(spec, allocateLoadBalancerNodePorts=True)


def _service_port(body: Body) -> None:
    _if_absent(body, protocol="TCP")


def _namespace(body: Body) -> None:
    if name := body["metadata"].get("name"):
        labels = body["metadata"].get("labels") or {}
        body["metadata"]["labels"] = {**labels, "kubernetes.io/metadata.name": name}
    _if_absent(body["status"], phase="Active")


def _persistent_volume(body: Body) -> None:
    _if_absent(body["spec"], persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    _if_absent(body["status"], phase="Pending")


def _claim(body: Body) -> None:
    _if_absent(body["status"], phase="Pending")


def _limit_range_item(body: Body) -> None:
    if body.get("type") != "Container":
        return
    limits = {**body.get("max", {}), **body.get("default", {})}
    requests = {**body.get("min", {}), **limits, **body.get("defaultRequest", {})}
    for name, value in (("default", limits), ("defaultRequest", requests)):
        if value:
            body[name] = value


def _replication_controller(body: Body) -> None:
    spec = body["spec"]
    _if_absent(spec, replicas=1)
    if labels := ((spec.get("template") or {}).get("metadata") or {}).get("labels"):
        _if_absent(spec, selector=labels)
        _if_absent(body["metadata"], labels=labels)


def _node_status(body: Body) -> None:
    if body.get("capacity"):
        _if_absent(body, allocatable=body["capacity"])


# --- apps and batch -----------------------------------------------------------------------------------------------


def _deployment(body: Body) -> None:
    spec = body["spec"]
    _if_absent(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec["strategy"]
    _if_absent(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {
            "maxUnavailable": "25%",
            "maxSurge": "25%",
            **(strategy.get("rollingUpdate") or {}),
        }


def _stateful_set(body: Body) -> None:
    spec = body["spec"]
    _if_absent(spec, podManagementPolicy="OrderedReady", replicas=1, revisionHistoryLimit=10)
    strategy = spec["updateStrategy"]
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        _if_absent(strategy, rollingUpdate={})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        strategy["rollingUpdate"] = {"partition": 0, **strategy["rollingUpdate"]}
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain", **retention}
    for claim in spec.get("volumeClaimTemplates") or []:
        _if_absent(claim, kind="PersistentVolumeClaim", apiVersion="v1")


def _daemon_set(body: Body) -> None:
    metadata, spec = body["metadata"], body["spec"]
    metadata["annotations"] = {TEMPLATE_GENERATION: "0", **(metadata.get("annotations") or {})}
    _if_absent(spec, revisionHistoryLimit=10)
    strategy = spec["updateStrategy"]
    _if_absent(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": 1, "maxSurge": 0, **(strategy.get("rollingUpdate") or {})}


def _replica_set(body: Body) -> None:
    _if_absent(body["spec"], replicas=1)


def _job(body: Body) -> None:
    spec = body["spec"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    _if_absent(spec, parallelism=1, completionMode="NonIndexed", suspend=False)
    _if_absent(spec, backoffLimit=2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6)
    _if_absent(spec, podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    _if_absent(spec, manualSelector=False)
    if labels := spec["template"]["metadata"].get("labels"):
        _if_absent(body["metadata"], labels=dict(labels))


def _cron_job(body: Body) -> None:
    _if_absent(
        body["spec"],
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )


# --- the other groups ---------------------------------------------------------------------------------------------


def _network_policy(body: Body) -> None:
    spec = body.get("spec")
    if spec is not None and not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


_SCALE_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
_CPU_80 = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}


def _autoscaler(body: Body) -> None:
    spec = body["spec"]
    _if_absent(spec, minReplicas=1)
    if not spec.get("metrics"):
        spec["metrics"] = [_CPU_80]
    if (behavior := spec.get("behavior")) is not None:
        behavior["scaleUp"] = {**_SCALE_UP, **(behavior.get("scaleUp") or {})}
        behavior["scaleDown"] = {**_SCALE_DOWN, **(behavior.get("scaleDown") or {})}


def _role_binding(body: Body) -> None:
    _fill(apiGroup=_RBAC_GROUP)(body["roleRef"])
    for subject in body.get("subjects") or []:
        if subject.get("kind") in ("User", "Group"):
            _if_absent(subject, apiGroup=_RBAC_GROUP)


def _custom_resource_definition(body: Body) -> None:
    spec = body["spec"]
    _if_absent(spec, conversion={"strategy": "None"})
    names = spec["names"]
    _if_absent(names, singular=names.get("kind", "").lower() or None, listKind=f"{names.get('kind', '')}List")
    status = body.get("status")
    if status is not None and not status.get("storedVersions"):
        status["storedVersions"] = [
            version["name"] for version in spec.get("versions") or [] if version.get("storage")
        ] or None


def _webhook(body: Body) -> None:
    _if_absent(
        body,
        failurePolicy="Fail",
        matchPolicy="Equivalent",
        namespaceSelector={},
        objectSelector={},
        timeoutSeconds=10,
    )


def _mutating_webhook(body: Body) -> None:
    _webhook(body)
    _if_absent(body, reinvocationPolicy="Never")


def _csi_driver(body: Body) -> None:
    _if_absent(
        body["spec"],
        attachRequired=True,
        podInfoOnMount=False,
        storageCapacity=False,
        fsGroupPolicy="ReadWriteOnceWithFSType",
        volumeLifecycleModes=["Persistent"],
        requiresRepublish=False,
        seLinuxMount=False,
    )


def _match_resources(body: Body) -> None:
    _if_absent(body, namespaceSelector={}, objectSelector={}, matchPolicy="Equivalent")


_ADMISSION = "io.k8s.api.admissionregistration.v1."

DEFAULTERS: dict[str, Defaulter] = {
    _CORE + "Container": _container,
    _CORE + "EphemeralContainer": _container,
    _CORE + "ContainerPort": _service_port,
    _CORE + "PodSpec": _pod_spec,
    _CORE + "Pod": _pod,
    _CORE + "Probe": _probe,
    _CORE + "Volume": _volume,
    _CORE + "SecretVolumeSource": _fill(defaultMode=420),
    _CORE + "ConfigMapVolumeSource": _fill(defaultMode=420),
    _CORE + "DownwardAPIVolumeSource": _fill(defaultMode=420),
    _CORE + "ProjectedVolumeSource": _fill(defaultMode=420),
    _CORE + "ServiceAccountTokenProjection": _fill(expirationSeconds=3600),
    _CORE + "ObjectFieldSelector": _fill(apiVersion="v1"),
    _CORE + "HTTPGetAction": _fill(path="/", scheme="HTTP"),
    _CORE + "GRPCAction": lambda body: _if_absent(body, service=""),
    _CORE + "HostPathVolumeSource": lambda body: _if_absent(body, type=""),
    _CORE + "ISCSIVolumeSource": _fill(iscsiInterface="default"),
    _CORE + "ISCSIPersistentVolumeSource": _fill(iscsiInterface="default"),
    _CORE + "RBDVolumeSource": _fill(pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    _CORE + "RBDPersistentVolumeSource": _fill(pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    _CORE + "ScaleIOVolumeSource": _fill(storageMode="ThinProvisioned", fsType="xfs"),
    _CORE + "ScaleIOPersistentVolumeSource": _fill(storageMode="ThinProvisioned", fsType="xfs"),
    _CORE + "AzureDiskVolumeSource": lambda body: _if_absent(
        body, cachingMode="ReadWrite", fsType="ext4", readOnly=False, kind="Shared"
    ),
    _CORE + "FileKeySelector": lambda body: _if_absent(body, optional=False),
    _CORE + "Service": _service,
    _CORE + "ServicePort": _service_port,
    _CORE + "EndpointPort": _service_port,
    _CORE + "Namespace": _namespace,
    _CORE + "Secret": _fill(type="Opaque"),
    _CORE + "PersistentVolume": _persistent_volume,
    _CORE + "PersistentVolumeClaim": _claim,
    _CORE + "PersistentVolumeClaimSpec": _fill(volumeMode="Filesystem"),
    _CORE + "LimitRangeItem": _limit_range_item,
    _CORE + "ReplicationController": _replication_controller,
    _CORE + "NodeStatus": _node_status,
    "io.k8s.api.apps.v1.Deployment": _deployment,
    "io.k8s.api.apps.v1.StatefulSet": _stateful_set,
    "io.k8s.api.apps.v1.DaemonSet": _daemon_set,
    "io.k8s.api.apps.v1.ReplicaSet": _replica_set,
    "io.k8s.api.batch.v1.Job": _job,
    "io.k8s.api.batch.v1.CronJob": _cron_job,
    "io.k8s.api.networking.v1.NetworkPolicy": _network_policy,
    "io.k8s.api.networking.v1.NetworkPolicyPort": _service_port,
    "io.k8s.api.networking.v1.IngressClassParametersReference": _fill(scope="Cluster"),
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler": _autoscaler,
    "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler": lambda body: _if_absent(body["spec"], minReplicas=1),
    "io.k8s.api.rbac.v1.RoleBinding": _role_binding,
    "io.k8s.api.rbac.v1.ClusterRoleBinding": _role_binding,
    "io.k8s.api.storage.v1.StorageClass": _fill(reclaimPolicy="Delete", volumeBindingMode="Immediate"),
    "io.k8s.api.storage.v1.CSIDriver": _csi_driver,
    "io.k8s.api.scheduling.v1.PriorityClass": _fill(preemptionPolicy="PreemptLowerPriority"),
    "io.k8s.api.discovery.v1.EndpointPort": lambda body: _if_absent(body, name="", protocol="TCP"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition": _custom_resource_definition,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference": _fill(port=443),
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference": _fill(port=443),
    "io.k8s.api.flowcontrol.v1.FlowSchemaSpec": lambda body: body.update(
        matchingPrecedence=body.get("matchingPrecedence") or 1000
    ),
    _ADMISSION + "ServiceReference": _fill(port=443),
    _ADMISSION + "ValidatingWebhook": _webhook,
    _ADMISSION + "MutatingWebhook": _mutating_webhook,
    _ADMISSION + "RuleWithOperations": _fill(scope="*"),
    _ADMISSION + "NamedRuleWithOperations": _fill(scope="*"),
    _ADMISSION + "MatchResources": _match_resources,
    _ADMISSION + "ValidatingAdmissionPolicySpec": _fill(failurePolicy="Fail"),
}
