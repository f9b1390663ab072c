"""The cells of a row of `kubectl get`, one function per built-in kind, as an API server's printers fill them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gitops.manifests.key import Body


def age(stamp: str | None) -> str:
    """How long ago, as kubectl writes it: 5s, 3m, 2m30s, 4h, 3d."""
    if not stamp:
        return "<unknown>"
    try:
        then = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except ValueError:
        return "<invalid>"
    return duration((datetime.now(UTC) - then).total_seconds())


def duration(seconds: float) -> str:
    """A length of time in at most two units."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    minutes, hours = total // 60, total // 3600
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return f"{minutes}m{total % 60}s" if total % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    years = days // 365
    return f"{years}y{days % 365}d" if years < 8 and days % 365 else f"{years}y"


def created_of(body: Body) -> str:
    return age(body["metadata"].get("creationTimestamp"))


def name_of(body: Body) -> str:
    return str(body["metadata"]["name"])


def template_of(body: Body) -> tuple[str, str]:
    containers = body["spec"]["template"]["spec"].get("containers") or []
    names = ",".join(container.get("name", "") for container in containers)
    return names, ",".join(container.get("image", "") for container in containers)


def labels_text(labels: Body | None) -> str:
    if not labels:
        return "<none>"
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def selector_text(selector: Body | None) -> str:
    """A LabelSelector in the form that can be given to `kubectl -l`."""
    selector = selector or {}
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        listed = "(" + ",".join(sorted(term.get("values") or ())) + ")"
        shown = {
            "In": f"{term['key']} in {listed}",
            "NotIn": f"{term['key']} notin {listed}",
            "Exists": term["key"],
            "DoesNotExist": "!" + term["key"],
        }
        parts.append(shown.get(term["operator"], term["key"]))
    return ",".join(parts) or "<none>"


# --- rows ---------------------------------------------------------------------------------------------------------


def row_pod(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    statuses = status.get("containerStatuses") or []
    ready = sum(1 for entry in statuses if entry.get("ready"))
    restarts = sum(entry.get("restartCount", 0) for entry in statuses)
    return [
        name_of(body),
        f"{ready}/{len(spec.get('containers') or [])}",
        pod_reason(body),
        str(restarts),
        created_of(body),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        "<none>",
    ]


def pod_reason(body: Body) -> str:
    """The one word that sums a Pod's containers up."""
    status = body.get("status") or {}
    reason = status.get("reason") or status.get("phase") or "Pending"
    for entry in reversed(status.get("containerStatuses") or []):
        state = entry.get("state") or {}
        if waiting := (state.get("waiting") or {}).get("reason"):
            reason = waiting
        elif terminated := state.get("terminated"):
            reason = terminated.get("reason") or f"ExitCode:{terminated.get('exitCode', 0)}"
    return "Terminating" if body["metadata"].get("deletionTimestamp") else str(reason)


def row_deployment(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    names, images = template_of(body)
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    return [name_of(body), ready, *counts, created_of(body), names, images, selector_text(spec.get("selector"))]


def row_replica_set(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    names, images = template_of(body)
    counts = [spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [name_of(body), *counts, created_of(body), names, images, selector_text(spec.get("selector"))]


def row_stateful_set(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [name_of(body), ready, created_of(body), *template_of(body)]


def row_daemon_set(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    fields = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    nodes = labels_text(spec["template"]["spec"].get("nodeSelector"))
    counts = [status.get(field, 0) for field in fields]
    return [name_of(body), *counts, nodes, created_of(body), *template_of(body), selector_text(spec.get("selector"))]


def row_job(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    conditions = {entry["type"] for entry in status.get("conditions") or [] if entry.get("status") == "True"}
    if "Complete" in conditions:
        state = "Complete"
    elif "Failed" in conditions:
        state = "Failed"
    elif body["metadata"].get("deletionTimestamp"):
        state = "Terminating"
    elif spec.get("suspend"):
        state = "Suspended"
    else:
        state = "FailureTarget" if "FailureTarget" in conditions else "Running"
    completions = spec.get("completions")
    if completions is not None:
        done = f"{status.get('succeeded', 0)}/{completions}"
    else:
        done = f"{status.get('succeeded', 0)}/1 of {spec.get('parallelism', 1)}"
    took = ""
    if started := status.get("startTime"):
        ended = status.get("completionTime")
        end = datetime.fromisoformat(ended.replace("Z", "+00:00")) if ended else datetime.now(UTC)
        took = duration((end - datetime.fromisoformat(started.replace("Z", "+00:00"))).total_seconds())
    return [name_of(body), state, done, took, created_of(body), *template_of(body), selector_text(spec.get("selector"))]


def row_cron_job(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    last = age(status["lastScheduleTime"]) if status.get("lastScheduleTime") else "<none>"
    suspend = str(bool(spec.get("suspend"))).capitalize()
    zone = spec.get("timeZone") or "<none>"
    active = len(status.get("active") or [])
    names, images = template_of({"spec": spec["jobTemplate"]["spec"]})
    selector = selector_text(spec["jobTemplate"]["spec"].get("selector"))
    return [name_of(body), spec["schedule"], zone, suspend, active, last, created_of(body), names, images, selector]


def row_service(body: Body) -> list[Any]:
    spec = body["spec"]
    ports = []
    for port in spec.get("ports") or []:
        number = f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else str(port["port"])
        ports.append(f"{number}/{port.get('protocol', 'TCP')}")
    kind = spec.get("type", "ClusterIP")
    external = ",".join(spec.get("externalIPs") or []) or "<none>"
    if kind == "LoadBalancer":
        ingress = ((body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        external = ",".join(entry.get("ip") or entry.get("hostname", "") for entry in ingress) or "<pending>"
    if kind == "ExternalName":
        external = spec.get("externalName", "")
    address = spec.get("clusterIP") or "<none>"
    listed = ",".join(ports) or "<none>"
    return [name_of(body), kind, address, external, listed, created_of(body), labels_text(spec.get("selector"))]


def row_ingress(body: Body) -> list[Any]:
    spec = body["spec"]
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    ingress = ((body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    address = ",".join(entry.get("ip") or entry.get("hostname", "") for entry in ingress)
    ports = "80, 443" if spec.get("tls") else "80"
    return [
        name_of(body),
        spec.get("ingressClassName") or "<none>",
        ",".join(hosts) or "*",
        address,
        ports,
        created_of(body),
    ]


def row_autoscaler(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    target = spec["scaleTargetRef"]
    current = {
        (entry.get("resource") or {}).get("name"): entry["resource"] for entry in status.get("currentMetrics") or []
    }
    shown = []
    for metric in spec.get("metrics") or []:
        resource = metric.get("resource") or {}
        wanted = (resource.get("target") or {}).get("averageUtilization")
        now = (current.get(resource.get("name")) or {}).get("current", {}).get("averageUtilization")
        measured = f"{now}%" if now is not None else "<unknown>"
        shown.append(f"{resource.get('name', metric['type'])}: {measured}/{wanted}%")
    reference = f"{target['kind']}/{target['name']}"
    bounds = [str(spec.get("minReplicas", 1)), str(spec["maxReplicas"]), status.get("currentReplicas", 0)]
    return [name_of(body), reference, ", ".join(shown) or "<none>", *bounds, created_of(body)]


def row_budget(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    limits = [str(spec[name]) if name in spec else "N/A" for name in ("minAvailable", "maxUnavailable")]
    return [name_of(body), *limits, status.get("disruptionsAllowed", 0), created_of(body)]


def row_node(body: Body) -> list[Any]:
    status, labels = body.get("status") or {}, body["metadata"].get("labels") or {}
    ready = next((entry["status"] for entry in status.get("conditions") or [] if entry["type"] == "Ready"), "Unknown")
    state = {"True": "Ready", "False": "NotReady"}.get(ready, "Unknown")
    if body["spec"].get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or "<none>"
    info = status.get("nodeInfo") or {}
    address = next(
        (entry["address"] for entry in status.get("addresses") or [] if entry["type"] == "InternalIP"), "<none>"
    )
    rest = [info.get(name, "<unknown>") for name in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return [name_of(body), state, roles, created_of(body), info.get("kubeletVersion", ""), address, "<none>", *rest]


def row_event(body: Body) -> list[Any]:
    involved = body.get("involvedObject") or {}
    first = body.get("firstTimestamp") or body.get("eventTime")
    last = body.get("lastTimestamp") or first
    source = body.get("source") or {}
    shown = ", ".join(filter(None, (source.get("component"), source.get("host")))) or body.get("reportingComponent", "")
    target = f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"
    facts = [body.get("type", ""), body.get("reason", ""), target, involved.get("fieldPath", ""), shown]
    return [age(last), *facts, body.get("message", "").strip(), age(first), body.get("count", 1), name_of(body)]


def row_claim(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    phase = "Terminating" if body["metadata"].get("deletionTimestamp") else status.get("phase", "")
    capacity = (status.get("capacity") or {}).get("storage", "") if spec.get("volumeName") else ""
    modes = modes_of(status.get("accessModes")) if spec.get("volumeName") else ""
    attributes = spec.get("volumeAttributesClassName") or "<unset>"
    mode = spec.get("volumeMode", "<unset>")
    return [
        *(
            name_of(body),
            phase,
            spec.get("volumeName", ""),
            capacity,
            modes,
            spec.get("storageClassName") or "",
            attributes,
        ),
        *(created_of(body), mode),
    ]


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def modes_of(modes: Sequence[str] | None) -> str:
    return ",".join(_MODES.get(mode, mode) for mode in modes or ())


def row_volume(body: Body) -> list[Any]:
    spec, status = body["spec"], body.get("status") or {}
    claim = spec.get("claimRef")
    bound = f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""
    phase = "Terminating" if body["metadata"].get("deletionTimestamp") else status.get("phase", "")
    head = [name_of(body), (spec.get("capacity") or {}).get("storage", ""), modes_of(spec.get("accessModes"))]
    policy, storage_class = spec.get("persistentVolumeReclaimPolicy", ""), spec.get("storageClassName", "")
    tail = ["<unset>", status.get("reason", ""), created_of(body), spec.get("volumeMode", "<unset>")]
    return [*head, policy, phase, bound, storage_class, *tail]


def row_endpoints(body: Body) -> list[Any]:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in body.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    shown = ",".join(found[:3]) or "<none>"
    return [name_of(body), f"{shown} + {len(found) - 3} more..." if len(found) > 3 else shown, created_of(body)]


def row_slice(body: Body) -> list[Any]:
    ports = ",".join(str(port.get("port", "*")) for port in body.get("ports") or []) or "<unset>"
    found = [address for endpoint in body.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    shown = ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "")
    return [name_of(body), body.get("addressType", ""), ports, shown or "<unset>", created_of(body)]


def row_binding(body: Body) -> list[Any]:
    subjects = body.get("subjects") or []
    users = ", ".join(entry["name"] for entry in subjects if entry["kind"] == "User")
    groups = ", ".join(entry["name"] for entry in subjects if entry["kind"] == "Group")
    accounts = ", ".join(
        f"{entry.get('namespace', '')}/{entry['name']}" for entry in subjects if entry["kind"] == "ServiceAccount"
    )
    reference = body["roleRef"]
    return [name_of(body), f"{reference['kind']}/{reference['name']}", created_of(body), users, groups, accounts]


def row_storage_class(body: Body) -> list[Any]:
    default = (body["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    name = name_of(body) + (" (default)" if default else "")
    modes = [body.get("reclaimPolicy", "Delete"), body.get("volumeBindingMode", "Immediate")]
    return [name, body["provisioner"], *modes, bool(body.get("allowVolumeExpansion")), created_of(body)]


def row_lease(body: Body) -> list[Any]:
    return [name_of(body), (body.get("spec") or {}).get("holderIdentity", ""), created_of(body)]


def row_revision(body: Body) -> list[Any]:
    owner = next(iter(body["metadata"].get("ownerReferences") or ()), None)
    group = owner["apiVersion"].rpartition("/")[0] if owner else ""
    shown = f"{owner['kind'].lower()}.{group}/{owner['name']}" if owner else "<none>"
    return [name_of(body), shown, body.get("revision", 0), created_of(body)]


def row_quota(body: Body) -> list[Any]:
    status = body.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    shown = {True: [], False: []}  # type: dict[bool, list[str]]
    for name in sorted(hard):
        shown[name.startswith("limits.")].append(f"{name}: {used.get(name, '0')}/{hard[name]}")
    return [name_of(body), ", ".join(shown[False]), ", ".join(shown[True]), created_of(body)]
