"""Subresources of Pods and ServiceAccounts that are not objects: log, eviction, binding, tokens."""

import base64
import secrets

import orjson

from gitops.manifests.key import Body
from gitops.sandbox import deletion, writes
from gitops.sandbox.cluster import API_AUDIENCE, Cluster, Write
from gitops.sandbox.selectors import selects
from gitops.sandbox.statuses import bad_request, failure

_Special = tuple[int, bytes, str]


def answer(cluster: Cluster, write: Write, method: str, query: dict[str, str], raw: bytes) -> _Special | None:
    """The answer to a request for one of these, None where the method means nothing."""
    match (write.resource.plural, write.subresource, method):
        case ("pods", "log", "GET"):
            return 200, _log(cluster, write, query), "text/plain"
        case ("pods", "eviction", "POST"):
            return 201, orjson.dumps(_evict(cluster, write, raw)), "application/json"
        case ("pods", "binding", "POST"):
            return 201, orjson.dumps(_bind(cluster, write, raw)), "application/json"
        case ("serviceaccounts", "token", "POST"):
            return 201, orjson.dumps(_token(cluster, write, raw)), "application/json"
    return None


def _log(cluster: Cluster, write: Write, query: dict[str, str]) -> bytes:
    """What a simulated container wrote: its start, and its end where it has one."""
    pod = cluster.get(write.resource, write.namespace, write.name).body
    containers = [*(pod["spec"].get("containers") or []), *(pod["spec"].get("initContainers") or [])]
    wanted = query.get("container")
    if wanted is None:
        if len(containers) > 1 and len(pod["spec"].get("containers") or []) > 1:
            names = "[" + " ".join(container["name"] for container in pod["spec"]["containers"]) + "]"
            raise bad_request(f"a container name must be specified for pod {write.name}, choose one of: {names}")
        wanted = pod["spec"]["containers"][0]["name"]
    container = next((entry for entry in containers if entry["name"] == wanted), None)
    if container is None:
        raise bad_request(f"container {wanted} is not valid for pod {write.name}")
    state = _state(pod, wanted)
    if "waiting" in state and state["waiting"].get("reason") != "CrashLoopBackOff":
        reason = state["waiting"].get("reason", "ContainerCreating")
        why = "trying and failing to pull image" if reason in ("ImagePullBackOff", "ErrImagePull") else reason
        raise bad_request(f'container "{wanted}" in pod "{write.name}" is waiting to start: {why}')
    lines = _lines(container["image"], state)
    if query.get("previous") == "true":
        if not (state_of_run := _state(pod, wanted, "lastState")) and not _restarts(pod, wanted):
            raise bad_request(f'previous terminated container "{wanted}" in pod "{write.name}" not found')
        lines = _lines(container["image"], state_of_run or state)
    since = query.get("sinceTime", "")
    lines = [(at, line) for at, line in lines if at[:19] >= since[:19]]
    if query.get("tailLines", "").isdigit():
        lines = lines[-int(query["tailLines"]) :] if int(query["tailLines"]) else []
    has_times = query.get("timestamps") == "true"
    return "".join(
        f"{at.removesuffix('Z')}.000000000Z {line}\n" if has_times else f"{line}\n" for at, line in lines
    ).encode()


def _lines(image: str, state: Body) -> list[tuple[str, str]]:
    """What one run wrote, each line with its time."""
    run = next((one for one in state.values() if isinstance(one, dict)), {})
    began = run.get("startedAt") or "1970-01-01T00:00:00Z"
    lines = [(began, f"{image}: started")]
    if "terminated" in state:
        ended = f"{image}: exited with code {run.get('exitCode', 0)}"
        lines.append((run.get("finishedAt") or began, ended))
    elif "waiting" in state:
        lines.append((began, f"{image}: fatal: simulated crash"))
    return lines


def _restarts(pod: Body, container: str) -> int:
    entries = (pod.get("status") or {}).get("containerStatuses") or []
    return next((int(one.get("restartCount") or 0) for one in entries if one["name"] == container), 0)


def _state(pod: Body, container: str, field: str = "state") -> Body:
    status = pod.get("status") or {}
    for entry in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        if entry["name"] == container:
            state: Body = entry.get(field) or {}
            return state
    return {"waiting": {"reason": "ContainerCreating"}} if field == "state" else {}


def _evict(cluster: Cluster, write: Write, raw: bytes) -> Body:
    pod = cluster.get(write.resource, write.namespace, write.name).body
    labels = pod["metadata"].get("labels") or {}
    for stored in cluster.storage.objects(("policy", "poddisruptionbudgets"), write.namespace):
        budget = stored.body
        allowed = (budget.get("status") or {}).get("disruptionsAllowed", 0)
        if selects(budget["spec"].get("selector"), labels) and not allowed:
            name = budget["metadata"]["name"]
            cause = {"reason": "DisruptionBudget", "message": f"The disruption budget {name} needs more healthy pods"}
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            raise failure(429, message, "TooManyRequests", {"causes": [cause]})
    options = orjson.loads(raw).get("deleteOptions") or {} if raw.strip() else {}
    target = Write(write.resource, write.namespace, write.name, "", write.user, write.manager, write.dry_run)
    deletion.delete(cluster, target, options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _bind(cluster: Cluster, write: Write, raw: bytes) -> Body:
    node = (orjson.loads(raw).get("target") or {}).get("name", "")
    target = Write(write.resource, write.namespace, write.name, "", write.user, write.manager, write.dry_run)
    writes.modify(cluster, target, lambda pod: {**pod, "spec": {**pod["spec"], "nodeName": node}})
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _token(cluster: Cluster, write: Write, raw: bytes) -> Body:
    """A token for a service account; while the cluster runs it is good for requests to it, or for whom it names."""
    cluster.get(write.resource, write.namespace, write.name)
    sent = orjson.loads(raw) if raw else {}
    audiences = tuple(map(str, (sent.get("spec") or {}).get("audiences") or (API_AUDIENCE,)))
    token = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    cluster.issue_token(token, f"system:serviceaccount:{write.namespace}:{write.name}", audiences)
    status = {"token": token, "expirationTimestamp": cluster.clock.stamp_after(3600)}
    metadata = {"name": write.name, "namespace": write.namespace, "creationTimestamp": cluster.clock.stamp()}
    head = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": metadata}
    return {**head, "spec": {"audiences": [*audiences], "expirationSeconds": 3600}, "status": status}
