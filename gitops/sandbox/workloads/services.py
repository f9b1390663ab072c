"""Services and Ingresses: endpoints of the Pods they select, and addresses from a simulated load balancer."""

from gitops.manifests.key import Body
from gitops.sandbox.workloads.world import PODS, SERVICES, World, is_ended, is_going, is_ready, owner_reference

ENDPOINTS = ("", "endpoints")
SLICES = ("discovery.k8s.io", "endpointslices")
_INGRESSES = ("networking.k8s.io", "ingresses")
_BALANCER = "load-balancer"


def reconcile_service(world: World, namespace: str, name: str) -> None:
    """Writes the Endpoints and EndpointSlice of a Service, and its address where it asks for one."""
    service = world.get(SERVICES, namespace, name)
    if service is None:
        if (stale := world.get(ENDPOINTS, namespace, name)) is not None:
            world.delete(ENDPOINTS, stale)
        return
    if is_going(service):
        return
    spec = service["spec"]
    if spec.get("type") == "LoadBalancer" and not ((service.get("status") or {}).get("loadBalancer") or {}).get(
        "ingress"
    ):
        ingress = [{"ip": _address(spec.get("clusterIP", "")), "ipMode": "VIP"}]
        service = world.set_status(SERVICES, service, {"loadBalancer": {"ingress": ingress}}, _BALANCER)
    if spec.get("selector"):
        pods = _selected(world, namespace, spec["selector"])
        _write_endpoints(world, service, pods)
        _write_slice(world, service, pods)


def _address(cluster_address: str) -> str:
    """An outside address that goes with a Service's own."""
    return "172.18." + ".".join(cluster_address.split(".")[2:]) if cluster_address.count(".") == 3 else "172.18.0.1"


def services_of(world: World, pod: Body) -> list[str]:
    """The names of the Services that select a Pod."""
    labels = (pod["metadata"].get("labels") or {}).items()
    found = []
    for service in world.all(SERVICES, pod["metadata"].get("namespace", "")):
        selector = service["spec"].get("selector")
        if selector and selector.items() <= labels:
            found.append(service["metadata"]["name"])
    return found


def _selected(world: World, namespace: str, selector: Body) -> list[Body]:
    found = [
        pod
        for pod in world.all(PODS, namespace)
        if selector.items() <= (pod["metadata"].get("labels") or {}).items()
        and (pod.get("status") or {}).get("podIP")
        and not is_ended(pod)
        and not is_going(pod)
    ]
    return sorted(found, key=lambda pod: [int(part) for part in pod["status"]["podIP"].split(".")])


def _ports(service: Body, pods: list[Body]) -> list[Body]:
    ports = []
    for port in service["spec"].get("ports") or ():
        number = port.get("targetPort", port["port"])
        if isinstance(number, str):
            number = next((found for pod in pods if (found := _named(pod, number)) is not None), None)
        if number is not None:
            entry = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            ports.append({key: value for key, value in entry.items() if value != ""})
    return ports


def _named(pod: Body, name: str) -> int | None:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return None


def _target(pod: Body) -> Body:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def _write_endpoints(world: World, service: Body, pods: list[Body]) -> None:
    metadata = service["metadata"]
    groups = {
        "addresses": [pod for pod in pods if is_ready(pod)],
        "notReadyAddresses": [pod for pod in pods if not is_ready(pod)],
    }
    subset: Body = {
        name: [
            {"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": _target(pod)}
            for pod in found
        ]
        for name, found in groups.items()
        if found
    }
    ports = _ports(service, pods)
    subsets = [{**subset, "ports": ports}] if subset and ports else []
    labels = {**(metadata.get("labels") or {}), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    body: Body = {"metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "labels": labels}}
    if subsets:
        body["subsets"] = subsets
    current = world.get(ENDPOINTS, metadata["namespace"], metadata["name"])
    if current is None:
        world.create(ENDPOINTS, metadata["namespace"], body)
    elif (current.get("subsets") or []) != subsets:
        rest = {name: value for name, value in current.items() if name != "subsets"}
        world.update(ENDPOINTS, current, lambda _: {**rest, "subsets": subsets} if subsets else rest)


def _write_slice(world: World, service: Body, pods: list[Body]) -> None:
    metadata = service["metadata"]
    endpoints = [
        {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": is_ready(pod), "serving": is_ready(pod), "terminating": False},
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": _target(pod),
        }
        for pod in pods
    ]
    ports = [{"name": "", **port} for port in _ports(service, pods)] or None
    current = next(iter(world.owned(service, SLICES)), None)
    if current is None:
        labels = {
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            "kubernetes.io/service-name": metadata["name"],
        }
        world.create(
            SLICES,
            metadata["namespace"],
            {
                "metadata": {
                    "generateName": metadata["name"] + "-",
                    "namespace": metadata["namespace"],
                    "labels": labels,
                    "ownerReferences": [owner_reference(service)],
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports or [],
            },
        )
    elif current.get("endpoints") != (endpoints or None) or current.get("ports") != ports:
        world.update(SLICES, current, lambda body: {**body, "endpoints": endpoints or None, "ports": ports})


def reconcile_ingress(world: World, namespace: str, name: str) -> None:
    """Gives an Ingress the address of the simulated load balancer."""
    ingress = world.get(_INGRESSES, namespace, name)
    if ingress is None or is_going(ingress):
        return
    if not ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        world.set_status(_INGRESSES, ingress, {"loadBalancer": {"ingress": [{"ip": "172.18.0.1"}]}}, _BALANCER)
