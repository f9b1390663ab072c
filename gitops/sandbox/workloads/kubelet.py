"""Pods: put on a node, started, ended, removed, as if there were kubelets.

The image decides: `broken` in its name never pulls, `crash` crash-loops, everything else runs; containers that are not
always restarted end after a second, with exit code 1 where the image holds `fail`.
"""

from gitops.manifests.key import Body
from gitops.sandbox.workloads.world import CLAIMS, NODES, PODS, World, is_ended, is_going

START_SECONDS = 0.5
RUN_SECONDS = 1.0
STOP_SECONDS = 0.2
_RESTARTS = 3

SCHEDULER, KUBELET = "default-scheduler", "kubelet"


def reconcile_pod(world: World, namespace: str, name: str) -> None:
    """The next step in a Pod's life."""
    pod = world.get(PODS, namespace, name)
    if pod is None:
        return
    if is_going(pod):
        _stop(world, pod)
    elif not pod["spec"].get("nodeName"):
        _schedule(world, pod)
    elif not is_ended(pod):
        _run(world, pod)


# --- scheduling ---------------------------------------------------------------------------------------------------


def _schedule(world: World, pod: Body) -> None:
    if pod["spec"].get("schedulingGates"):
        return
    if (missing := unbound(world, pod)) is not None:
        _wait_for_claims(world, pod, missing)
        return
    node = _node_for(world, pod)
    if node is None:
        _unschedulable(world, pod, "{} node(s) didn't match Pod's node affinity/selector.")
        return
    status = {**pod["status"], "conditions": [_condition(world, "PodScheduled", True)]}
    status["startTime"] = world.clock.stamp()
    placed = {**pod, "spec": {**pod["spec"], "nodeName": node["metadata"]["name"]}, "status": status}
    stored = world.cluster.storage.put(PODS, placed)
    world.moments[pod["metadata"]["uid"]] = world.clock.time()
    where = f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
    message = f"Successfully assigned {where} to {node['metadata']['name']}"
    world.event(stored.body, "Scheduled", message, SCHEDULER)


def _node_for(world: World, pod: Body) -> Body | None:
    """The node with the fewest Pods among those that the Pod may run on."""
    wanted = pod["spec"].get("nodeSelector") or {}
    nodes = [
        node
        for node in world.all(NODES)
        if not node["spec"].get("unschedulable")
        and all((node["metadata"].get("labels") or {}).get(key) == value for key, value in wanted.items())
    ]
    if len(nodes) < 2:
        return nodes[0] if nodes else None
    load = dict.fromkeys((node["metadata"]["name"] for node in nodes), 0)
    for other in world.all(PODS):
        name = other["spec"].get("nodeName")
        if name in load and not is_ended(other):
            load[name] += 1
    return min(nodes, key=lambda node: (load[node["metadata"]["name"]], node["metadata"]["name"]))


_NO_HELP = " preemption: 0/{0} nodes are available: {0} Preemption is not helpful for scheduling."
# How long a claim may take to be bound before its Pod says that it waits, in seconds.
_BINDING = 1.0


def _wait_for_claims(world: World, pod: Body, why: str) -> None:
    metadata = pod["metadata"]
    key = metadata["uid"] + " unbound"
    since = world.moments.setdefault(key, world.clock.time())
    left = since + _BINDING - world.clock.time()
    if left > 0:
        world.again(reconcile_pod, metadata.get("namespace", ""), metadata["name"], left)
        return
    _unschedulable(world, pod, why + "." + _NO_HELP)


def unbound(world: World, pod: Body) -> str | None:
    """Why a Pod's claims keep it from any node, None where they do not."""
    for name in claims_of(pod):
        claim = world.get(CLAIMS, pod["metadata"].get("namespace", ""), name)
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if is_going(claim):
            return f'persistentvolumeclaim "{name}" is being deleted'
        if (claim.get("status") or {}).get("phase") != "Bound":
            return "pod has unbound immediate PersistentVolumeClaims"
    return None


def claims_of(pod: Body) -> list[str]:
    """The names of the claims that a Pod mounts."""
    listed = ((volume.get("persistentVolumeClaim") or {}) for volume in pod["spec"].get("volumes") or ())
    return [name for volume in listed if (name := volume.get("claimName"))]


def _unschedulable(world: World, pod: Body, why: str) -> None:
    count = len(world.all(NODES))
    message = f"0/{count} nodes are available: {why.format(count)}"
    failed = {**_condition(world, "PodScheduled", False), "reason": "Unschedulable", "message": message}
    current = (pod["status"].get("conditions") or [{}])[0]
    if current.get("message") != message:
        world.set_status(PODS, pod, {**pod["status"], "conditions": [failed]}, "kube-scheduler")
        world.event(pod, "FailedScheduling", message, SCHEDULER, "Warning")
    world.again(reconcile_pod, pod["metadata"].get("namespace", ""), pod["metadata"]["name"], 5.0)


# --- running ------------------------------------------------------------------------------------------------------


def _run(world: World, pod: Body) -> None:
    metadata = pod["metadata"]
    placed = world.moments.setdefault(metadata["uid"], world.clock.time())
    age = world.clock.time() - placed
    delay = START_SECONDS + _readiness_delay(pod["spec"])
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    if age < START_SECONDS:
        world.again(reconcile_pod, namespace, name, START_SECONDS - age)
        return
    states = [_state(world, pod, container) for container in pod["spec"].get("containers") or []]
    lasting = pod["spec"].get("restartPolicy") == "Always"
    running = all("running" in state["state"] for state in states)
    if running and not lasting:
        if age >= START_SECONDS + RUN_SECONDS:
            _end(world, pod)
            return
        world.again(reconcile_pod, namespace, name, START_SECONDS + RUN_SECONDS - age)
    if running and age < delay:
        world.again(reconcile_pod, namespace, name, delay - age)
    ready = running and age >= delay
    _report(world, pod, states, ready=ready)


def _readiness_delay(spec: Body) -> float:
    delays = [
        (container.get("readinessProbe") or {}).get("initialDelaySeconds", 0)
        for container in spec.get("containers") or []
    ]
    return float(min(max(delays, default=0), 60))


def _state(world: World, pod: Body, container: Body) -> Body:
    image = container.get("image", "")
    present: list[Body] = pod["status"].get("containerStatuses") or []
    current = next((entry for entry in present if entry["name"] == container["name"]), None)
    status: Body = {
        "name": container["name"],
        "state": {},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": image,
        "imageID": "",
        "started": False,
    }
    if "broken" in image:
        waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
        return {**status, "state": {"waiting": waiting}}
    if "crash" in image:
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
        return {**status, "state": {"waiting": waiting}, "restartCount": _RESTARTS}
    if current is not None and current["image"] == image and "running" in current["state"]:
        return current
    return {**status, "state": {"running": {"startedAt": world.clock.stamp()}}, "started": True}


def _report(world: World, pod: Body, states: list[Body], *, ready: bool) -> None:
    states = [{**state, "ready": ready and "running" in state["state"]} for state in states]
    pulled = all((state["state"].get("waiting") or {}).get("reason") != "ImagePullBackOff" for state in states)
    _tell(world, pod, states)
    _store(world, pod, "Running" if pulled else "Pending", states, ready=ready)


def _store(world: World, pod: Body, phase: str, states: list[Body], *, ready: bool) -> None:
    status = pod["status"]
    old = {entry["type"]: entry for entry in status.get("conditions") or []}
    truths = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
    conditions = []
    for kind, truth in truths.items():
        fresh = _condition(world, kind, truth)
        kept = old.get(kind)
        conditions.append(kept if kept is not None and kept["status"] == fresh["status"] else fresh)
    address = status.get("podIP") or world.cluster.next_pod_address()
    node = world.get(NODES, "", pod["spec"]["nodeName"])
    host = "192.168.0.1"
    if node is not None:
        addresses = (node.get("status") or {}).get("addresses") or []
        host = next((entry["address"] for entry in addresses if entry["type"] == "InternalIP"), host)
    new: Body = {
        "phase": phase,
        "conditions": conditions,
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": status.get("startTime") or world.clock.stamp(),
        "containerStatuses": states,
        "qosClass": status.get("qosClass", "BestEffort"),
    }
    if inits := pod["spec"].get("initContainers"):
        new["initContainerStatuses"] = [_initialized(world, container) for container in inits]
    world.set_status(PODS, pod, new, KUBELET)


def _initialized(world: World, container: Body) -> Body:
    now = world.clock.stamp()
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
    return {
        "name": container["name"],
        "state": {"terminated": ended},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": container.get("image", ""),
        "imageID": "",
        "started": False,
    }


def _tell(world: World, pod: Body, states: list[Body]) -> None:
    """Events for what containers do for the first time."""
    known = {entry["name"]: entry["state"] for entry in pod["status"].get("containerStatuses") or []}
    for state in states:
        before = known.get(state["name"], {})
        image = state["image"]
        waiting = (state["state"].get("waiting") or {}).get("reason")
        if "running" in state["state"] and "running" not in before:
            world.event(pod, "Pulled", f'Container image "{image}" already present on machine', KUBELET)
            world.event(pod, "Started", f"Started container {state['name']}", KUBELET)
        elif waiting == "ImagePullBackOff" and "waiting" not in before:
            world.event(pod, "Failed", f'Failed to pull image "{image}": not found', KUBELET, "Warning")
            world.event(pod, "BackOff", f'Back-off pulling image "{image}"', KUBELET)
        elif waiting == "CrashLoopBackOff" and "waiting" not in before:
            world.event(pod, "Pulled", f'Container image "{image}" already present on machine', KUBELET)
            message = f"Back-off restarting failed container {state['name']} in pod {pod['metadata']['name']}"
            world.event(pod, "BackOff", message, KUBELET, "Warning")


def _end(world: World, pod: Body) -> None:
    """Ends the containers of a Pod that is not always restarted."""
    failed = False
    states = []
    now = world.clock.stamp()
    current = {entry["name"]: entry for entry in pod["status"].get("containerStatuses") or []}
    for container in pod["spec"].get("containers") or []:
        fails = "fail" in container.get("image", "")
        failed = failed or fails
        entry = current.get(container["name"]) or _state(world, pod, container)
        started = (entry["state"].get("running") or {}).get("startedAt", now)
        reason = "Error" if fails else "Completed"
        ended = {"exitCode": int(fails), "reason": reason, "startedAt": started, "finishedAt": now}
        states.append({**entry, "state": {"terminated": ended}, "ready": False, "started": False})
    _store(world, pod, "Failed" if failed else "Succeeded", states, ready=False)


def _condition(world: World, kind: str, truth: bool) -> Body:
    status = "True" if truth else "False"
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": world.clock.stamp()}


# --- ending -------------------------------------------------------------------------------------------------------


def _stop(world: World, pod: Body) -> None:
    """Removes a Pod that is being deleted, shortly after it was asked to go."""
    metadata = pod["metadata"]
    uid, namespace, name = metadata["uid"], metadata.get("namespace", ""), metadata["name"]
    asked = world.moments.setdefault(uid + " stop", world.clock.time())
    wait = min(STOP_SECONDS, float(metadata.get("deletionGracePeriodSeconds", 0)))
    left = asked + wait - world.clock.time()
    if left > 0:
        if left == wait and not is_ended(pod):
            for container in pod["spec"].get("containers") or []:
                world.event(pod, "Killing", f"Stopping container {container['name']}", KUBELET)
        world.again(reconcile_pod, namespace, name, left)
        return
    if metadata.get("finalizers"):
        return
    world.moments.pop(uid + " stop", None)
    world.cluster.storage.delete(PODS, namespace, name)
