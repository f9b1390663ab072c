"""`pod-security-baseline`: the Baseline level of the Kubernetes Pod Security Standards."""

from collections.abc import Iterator
from typing import Any

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target, containers, pod_metadata, pod_specs

_CAPABILITIES = {
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_HOSTS_SINCE = (1, 34)  # the version whose Baseline forbids them first
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def _check(body: Body, target: Target) -> Iterator[Breach]:
    for path, spec in pod_specs(body):
        yield from _pod(path, spec)
    for path, container in containers(body):
        yield from _container(path, container)
        if not target.kubernetes or target.minor >= _HOSTS_SINCE:
            yield from _hosts(path, container)
    yield from _annotations(body)


def _pod(path: str, spec: dict[str, Any]) -> Iterator[Breach]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{path}.{field}", "shares the node's namespace", f"remove {field}"
    for volume in spec.get("volumes") or []:
        if "hostPath" in volume:
            yield f"{path}.volumes[name={volume.get('name')}].hostPath", "mounts the node's files", "use another volume"
    context = spec.get("securityContext") or {}
    for sysctl in context.get("sysctls") or []:
        if sysctl.get("name") not in _SYSCTLS:
            yield f"{path}.securityContext.sysctls[name={sysctl.get('name')}]", "is not a safe sysctl", "remove it"
    yield from _context(f"{path}.securityContext", context)


def _container(path: str, container: dict[str, Any]) -> Iterator[Breach]:
    context = container.get("securityContext") or {}
    if context.get("privileged"):
        yield f"{path}.securityContext.privileged", "is privileged", "remove it, or add the one capability needed"
    added = set((context.get("capabilities") or {}).get("add") or [])
    if added - _CAPABILITIES:
        more = ", ".join(sorted(added - _CAPABILITIES))
        yield f"{path}.securityContext.capabilities.add", f"adds {more}", "remove what the Baseline does not allow"
    if context.get("procMount", "Default") not in ("", "Default"):
        yield f"{path}.securityContext.procMount", "unmasks /proc", "remove procMount"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield (
                f"{path}.ports[containerPort={port.get('containerPort')}].hostPort",
                "takes a node's port",
                "remove it",
            )
    yield from _context(f"{path}.securityContext", context)


def _hosts(path: str, container: dict[str, Any]) -> Iterator[Breach]:
    """Probes and hooks that the kubelet sends elsewhere."""
    lifecycle = container.get("lifecycle") or {}
    asked = {probe: container.get(probe) for probe in ("livenessProbe", "readinessProbe", "startupProbe")}
    asked |= {f"lifecycle.{hook}": lifecycle.get(hook) for hook in ("postStart", "preStop")}
    for name, what in asked.items():
        for way in ("httpGet", "tcpSocket"):
            if ((what or {}).get(way) or {}).get("host"):
                yield f"{path}.{name}.{way}.host", "has the node ask another host", "remove host"


def _context(path: str, context: dict[str, Any]) -> Iterator[Breach]:
    """What the pod's and the container's security context have in common."""
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"{path}.seLinuxOptions", "sets a custom SELinux label", "remove user, role and custom types"
    if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield f"{path}.seccompProfile.type", "switches seccomp off", "write RuntimeDefault"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield f"{path}.appArmorProfile.type", "switches AppArmor off", "write RuntimeDefault"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{path}.windowsOptions.hostProcess", "runs on the node itself", "remove hostProcess"


def _annotations(body: Body) -> Iterator[Breach]:
    for path, metadata in pod_metadata(body):
        for name, value in (metadata.get("annotations") or {}).items():
            if name.startswith(_APPARMOR) and value == "unconfined":
                yield f"{path}.annotations[{name}]", "switches AppArmor off", "write runtime/default"


RULE = Rule(
    name="pod-security-baseline",
    about="Pods keep to the Baseline level of the Pod Security Standards.",
    check=_check,
    good="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - {name: web, image: "web:1", securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}
""",
    bad="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - {name: web, image: "web:1", securityContext: {capabilities: {add: [NET_ADMIN]}}}
""",
    field="spec.containers[name=web].securityContext.capabilities.add",
)
