"""Rules of Services. They are those of k8s.io/kubernetes/pkg/apis/core/validation."""

import ipaddress
from typing import Any

from gitops.manifests.key import Body
from gitops.sandbox.statuses import duplicate, forbidden_field, invalid, required
from gitops.sandbox.validation.checks import Errors, network_of, one_of, port_number, port_reference
from gitops.sandbox.validation.metadata import is_label, is_subdomain, validate_labels

_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def service(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    kind = spec.get("type")
    if old is not None:
        yield from _fixed_addresses(spec, old["spec"])
    headless = spec.get("clusterIP") == "None"
    if headless and kind in ("LoadBalancer", "NodePort"):
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    ports = spec.get("ports") or []
    if not ports and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if kind == "ExternalName":
        name = spec.get("externalName", "")
        if not name:
            yield required("spec.externalName")
        else:
            yield from (invalid("spec.externalName", name, text) for text in is_subdomain(name.rstrip(".")))
    yield from _service_ports(ports, kind)
    yield from validate_labels(spec.get("selector") or {}, "spec.selector")
    yield from one_of(spec.get("sessionAffinity"), ("ClientIP", "None"), "spec.sessionAffinity")
    yield from one_of(kind, _SERVICE_TYPES, "spec.type")
    yield from one_of(spec.get("externalTrafficPolicy"), ("Cluster", "Local"), "spec.externalTrafficPolicy")
    yield from one_of(spec.get("internalTrafficPolicy"), ("Cluster", "Local"), "spec.internalTrafficPolicy")
    policies = ("SingleStack", "PreferDualStack", "RequireDualStack")
    yield from one_of(spec.get("ipFamilyPolicy"), policies, "spec.ipFamilyPolicy")
    for index, address in enumerate(spec.get("clusterIPs") or ()):
        if address != "None" and not _is_address(address):
            yield invalid(f"spec.clusterIPs[{index}]", address, _ADDRESS_TEXT)
    yield from _traffic(spec, old)


_ADDRESS_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'"
_LONGEST_AFFINITY = 86400


def _traffic(spec: Body, old: Body | None) -> Errors:
    """What only some types of a Service take."""
    kind = spec.get("type")
    if kind == "ExternalName" and spec.get("clusterIPs"):
        yield forbidden_field("spec.clusterIPs", "may not be set for ExternalName services")
    if spec.get("sessionAffinity") == "ClientIP":
        seconds = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds", 0)
        if not 0 < seconds <= _LONGEST_AFFINITY:
            text = f"must be greater than 0 and less than {_LONGEST_AFFINITY}"
            yield invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, text)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        if not _is_address(address):
            yield invalid(f"spec.externalIPs[{index}]", address, _ADDRESS_TEXT)
    if kind != "LoadBalancer":
        for name in ("loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if spec.get(name) is not None:
                yield forbidden_field(f"spec.{name}", _BALANCER_ONLY)
    elif old is not None and old["spec"].get("type") == "LoadBalancer":
        before, now = old["spec"].get("loadBalancerClass"), spec.get("loadBalancerClass")
        if before != now:
            yield invalid("spec.loadBalancerClass", now, "may not change once set")
    for index, text in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        if network_of(text.strip()) is None:
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            yield invalid(f"spec.loadBalancerSourceRanges[{index}]", text, detail)
    policy = spec.get("externalTrafficPolicy")
    if policy and kind not in ("NodePort", "LoadBalancer") and not spec.get("externalIPs"):
        yield invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services")
    if (port := spec.get("healthCheckNodePort")) and (kind, policy) != ("LoadBalancer", "Local"):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid("spec.healthCheckNodePort", port, detail)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _fixed_addresses(spec: Body, before: Body) -> Errors:
    if "ExternalName" in (spec.get("type"), before.get("type")):
        return
    old, new = before.get("clusterIPs") or [], spec.get("clusterIPs") or []
    if old and old[0] and (not new or new[0] != old[0]):
        yield invalid("spec.clusterIPs[0]", new, "may not change once set")


def _service_ports(ports: list[Body], kind: Any) -> Errors:
    names: set[str] = set()
    used: set[tuple[Any, Any]] = set()
    nodes: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        name = port.get("name", "")
        if len(ports) > 1 and not name:
            yield required(f"{at}.name")
        elif name:
            yield from (invalid(f"{at}.name", name, text) for text in is_label(name))
            if name in names:
                yield duplicate(f"{at}.name", name)
            names.add(name)
        yield from port_number(port.get("port", 0), f"{at}.port")
        if not port.get("protocol"):
            yield required(f"{at}.protocol")
        else:
            yield from one_of(port["protocol"], _PROTOCOLS, f"{at}.protocol")
        yield from port_reference(port.get("targetPort", 0), f"{at}.targetPort")
        if node_port := port.get("nodePort"):
            if kind == "ClusterIP":
                yield forbidden_field(f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'")
            elif not 30000 <= node_port <= 32767:
                text = "provided port is not in the valid range. The range of valid ports is 30000-32767"
                yield invalid(f"{at}.nodePort", node_port, text)
            if (port.get("protocol"), node_port) in nodes:
                yield duplicate(f"{at}.nodePort", node_port)
            nodes.add((port.get("protocol"), node_port))
        key = (port.get("protocol"), port.get("port"))
        if key in used:
            yield duplicate(
                at,
                {"Name": "", "Protocol": key[0], "AppProtocol": None, "Port": key[1], "TargetPort": 0, "NodePort": 0},
            )
        used.add(key)
