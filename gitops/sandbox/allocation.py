"""What two Services may not have at once: node ports and cluster addresses.

The rules and texts are those of k8s.io/kubernetes/pkg/registry/core/service/storage: what is asked for is checked
before all else, what is handed out (`strategies`) is free anyway.
"""

import ipaddress

from gitops.manifests.key import Body
from gitops.sandbox.cluster import Cluster
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import FieldError, invalid

_SERVICES = ("", "services")
_RANGE = ipaddress.ip_network("10.96.0.0/12")
_TAKEN_PORT = "provided port is already allocated"


def check(cluster: Cluster, resource: Resource, body: Body, old: Body | None) -> list[FieldError]:
    """What is wrong with the ports and addresses that a Service asks for; the first trouble only.

    What is no address or no port at all is left to the validation that follows.
    """
    if resource.key != _SERVICES:
        return []
    uid = body["metadata"].get("uid")
    others = [
        stored.body["spec"]
        for stored in cluster.storage.objects(_SERVICES)
        if stored.body["metadata"].get("uid") != uid
    ]
    errors = _addresses(body["spec"], (old or {}).get("spec") or {}, others)
    return errors or _ports(body["spec"], (old or {}).get("spec") or {}, others)


def _addresses(spec: Body, before: Body, others: list[Body]) -> list[FieldError]:
    taken = {address for other in others for address in other.get("clusterIPs") or ()}
    if before and before.get("type") != "ExternalName":
        return []  # an address that a Service has is not changed
    for address in spec.get("clusterIPs") or ():
        if not _is_address(address):
            continue
        why = ""
        if address in taken:
            why = "provided IP is already allocated"
        elif ipaddress.ip_address(address) not in _RANGE:
            why = "the provided network does not match the current range"
        if why:
            return [invalid("spec.clusterIPs", spec["clusterIPs"], f"failed to allocate IP {address}: {why}")]
    return []


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _ports(spec: Body, before: Body, others: list[Body]) -> list[FieldError]:
    taken = {port.get("nodePort") for other in others for port in other.get("ports") or ()}
    taken |= {other.get("healthCheckNodePort") for other in others}
    kept = {port.get("nodePort") for port in before.get("ports") or ()} if before.get("type") != "ClusterIP" else set()
    mine: dict[int, int] = {}
    for index, port in enumerate(spec.get("ports") or ()):
        number = port.get("nodePort")
        if not number:
            continue
        # One number may serve one port over two protocols; another port of the same Service has to take another.
        shared = mine.setdefault(number, port.get("port")) != port.get("port")
        if (number in taken and number not in kept) or (shared and not before):
            return [invalid(f"spec.ports[{index}].nodePort", number, _TAKEN_PORT)]
    return []
