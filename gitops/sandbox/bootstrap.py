"""What a cluster holds from its first moment: namespaces, roles, nodes, and the `kubernetes` Service."""

from gitops.manifests.key import Body
from gitops.sandbox import writes
from gitops.sandbox.access import BOOTSTRAP_BINDINGS, BOOTSTRAP_ROLES
from gitops.sandbox.cluster import Cluster, Write

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_RBAC = "rbac.authorization.k8s.io"


def bootstrap(cluster: Cluster, *, nodes: int) -> None:
    """Creates what is missing; `nodes` Ready nodes where controllers are simulated."""
    for name in NAMESPACES:
        _ensure(cluster, "", "namespaces", "", {"metadata": {"name": name}})
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    for name, rules in BOOTSTRAP_ROLES.items():
        _ensure(cluster, _RBAC, "clusterroles", "", {"metadata": {"name": name, "labels": labels}, "rules": rules})
    for name, groups in BOOTSTRAP_BINDINGS.items():
        binding = {
            "metadata": {"name": name, "labels": labels},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "Group", "apiGroup": _RBAC, "name": group} for group in groups],
        }
        _ensure(cluster, _RBAC, "clusterrolebindings", "", binding)
    service = {
        "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": "10.96.0.1",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    }
    _ensure(cluster, "", "services", "default", service)
    for number in range(nodes):
        _node(cluster, f"node-{number}", number)
    if nodes:
        _ensure(cluster, "storage.k8s.io", "storageclasses", "", _SIMULATED_CLASS)


# Claims that name this class are given a volume; it is nobody's default.
_SIMULATED_CLASS: Body = {
    "metadata": {"name": "standard"},
    "provisioner": "sandbox.gitops.dev/simulated",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}

# What a kubelet says of the machine that it runs on.
_NODE_INFO = {
    "architecture": "amd64",
    "bootID": "",
    "containerRuntimeVersion": "simulated://1.0",
    "kernelVersion": "simulated",
    "kubeProxyVersion": "",
    "kubeletVersion": "v1.36.2",
    "machineID": "",
    "operatingSystem": "linux",
    "osImage": "simulated",
    "systemUUID": "",
}


def _ensure(cluster: Cluster, group: str, plural: str, namespace: str, body: Body) -> None:
    resource = cluster.registry.get(group, plural)
    if cluster.find(resource, namespace, body["metadata"]["name"]) is None:
        full = {"kind": resource.kind, "apiVersion": resource.api_version, **body}
        writes.create(cluster, Write(resource, namespace, manager="kube-apiserver"), full)


def _node(cluster: Cluster, name: str, number: int) -> None:
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }
    _ensure(cluster, "", "nodes", "", {"metadata": {"name": name, "labels": labels}})
    now = cluster.clock.stamp()
    capacity = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    ready = {
        "type": "Ready",
        "status": "True",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    status: Body = {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [ready],
        "addresses": [
            {"type": "InternalIP", "address": f"192.168.0.{number + 1}"},
            {"type": "Hostname", "address": name},
        ],
        "nodeInfo": dict(_NODE_INFO),
    }
    resource = cluster.registry.get("", "nodes")
    write = Write(resource, "", name, "status", manager="kubelet")
    writes.modify(cluster, write, lambda body: {**body, "status": status})
