"""APIServices: whether what serves their version is there. Nobody asks it: requests are not passed on to it."""

from collections.abc import Iterator

from gitops.manifests.key import Body
from gitops.sandbox.workloads.services import ENDPOINTS, SLICES
from gitops.sandbox.workloads.world import SERVICES, World, condition, is_going

API_SERVICES = ("apiregistration.k8s.io", "apiservices")

_MANAGER = "kube-apiserver"
_SERVICE_NAME = "kubernetes.io/service-name"


def reconcile_api_service(world: World, namespace: str, name: str) -> None:
    """Writes the condition Available: status, reason and message are those of a real aggregator."""
    api_service = world.get(API_SERVICES, namespace, name)
    if api_service is None or is_going(api_service):
        return
    is_available, reason, message = _available(world, api_service["spec"].get("service"))
    status = "True" if is_available else "False"
    present = condition(api_service, "Available")
    is_same = present is not None and present["status"] == status
    since = present["lastTransitionTime"] if present and is_same else world.clock.stamp()
    entry = {
        "type": "Available",
        "status": status,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    world.set_status(API_SERVICES, api_service, {"conditions": [entry]}, _MANAGER)


def api_services_of(world: World, namespace: str, service: str) -> Iterator[str]:
    """The names of the APIServices that a Service serves."""
    for api_service in world.all(API_SERVICES):
        called = api_service["spec"].get("service") or {}
        if (called.get("namespace"), called.get("name")) == (namespace, service):
            yield api_service["metadata"]["name"]


def service_of(slice_or_endpoints: Body) -> str:
    """The name of the Service that these are the addresses of."""
    metadata = slice_or_endpoints["metadata"]
    is_slice = slice_or_endpoints["kind"] == "EndpointSlice"
    return str((metadata.get("labels") or {}).get(_SERVICE_NAME, "") if is_slice else metadata["name"])


def _available(world: World, called: Body | None) -> tuple[bool, str, str]:
    if not called:
        return True, "Local", "Local APIServices are always available"
    namespace, name, number = called.get("namespace", ""), called.get("name", ""), called.get("port", 443)
    told = f'service/{name} in "{namespace}"'
    service = world.get(SERVICES, namespace, name)
    if service is None:
        return False, "ServiceNotFound", f"{told} is not present"
    if service["spec"].get("type", "ClusterIP") == "ClusterIP":
        port = next((found for found in service["spec"].get("ports") or () if found["port"] == number), None)
        if port is None:
            return False, "ServicePortError", f"{told} is not listening on port {number}"
        if port.get("name", "") not in _ready_ports(world, namespace, name):
            missing = f'have no addresses with port name "{port.get("name", "")}"'
            return False, "MissingEndpoints", f"endpoints for {told} {missing}"
    return True, "Passed", "all checks passed"


def _ready_ports(world: World, namespace: str, name: str) -> set[str]:
    """The names of the ports on which a ready address answers."""
    found = set()
    for entry in world.all(SLICES, namespace):
        # What is not said to be unready is ready.
        is_ready = any((each.get("conditions") or {}).get("ready", True) for each in entry.get("endpoints") or ())
        if service_of(entry) == name and is_ready:
            found |= {port.get("name") or "" for port in entry.get("ports") or ()}
    for subset in (world.get(ENDPOINTS, namespace, name) or {}).get("subsets") or ():
        if subset.get("addresses"):
            found |= {port.get("name") or "" for port in subset.get("ports") or ()}
    return found


def unavailable(world: World) -> list[str]:
    """The group versions that an aggregated API should serve and does not: "metrics.k8s.io/v1beta1"."""
    return [
        f"{entry['spec'].get('group', '')}/{entry['spec'].get('version', '')}"
        for entry in world.all(API_SERVICES)
        if (condition(entry, "Available") or {}).get("status") == "False"
    ]


def is_available(world: World, name: str) -> bool:
    """Whether an APIService is there and available."""
    api_service = world.get(API_SERVICES, "", name)
    return api_service is not None and (condition(api_service, "Available") or {}).get("status") == "True"
