"""HorizontalPodAutoscalers, which hold replicas within their bounds, and PodDisruptionBudgets, which count."""

from collections.abc import Iterator

from gitops.manifests.key import Body
from gitops.sandbox.selectors import selects
from gitops.sandbox.workloads.apiservices import is_available
from gitops.sandbox.workloads.world import PODS, World, active, controller_of, from_percent, is_going, is_ready

AUTOSCALERS = ("autoscaling", "horizontalpodautoscalers")
BUDGETS = ("policy", "poddisruptionbudgets")


_COMPONENT = "horizontal-pod-autoscaler"
# How long after it was made an autoscaler is looked at first, and then again and again, in seconds.
_PERIOD = 15.0


def reconcile_autoscaler(world: World, namespace: str, name: str) -> None:
    """Scales the target into the bounds; there is no load, so nothing more."""
    autoscaler = world.get(AUTOSCALERS, namespace, name)
    if autoscaler is None or is_going(autoscaler):
        return
    since = world.moments.setdefault(autoscaler["metadata"]["uid"], world.clock.time())
    if (left := since + _PERIOD - world.clock.time()) > 0:
        world.again(reconcile_autoscaler, namespace, name, left)
        return
    reference = autoscaler["spec"]["scaleTargetRef"]
    resource = world.cluster.registry.of_kind(reference.get("apiVersion", "apps/v1"), reference["kind"])
    target = world.get(resource.key, namespace, reference["name"]) if resource is not None else None
    if resource is None or target is None:
        group = reference.get("apiVersion", "").rpartition("/")[0]
        shown = f'{reference["kind"].lower()}s.{group} "{reference["name"]}"'
        message = f"the HPA controller was unable to get the target's current scale: {shown} not found"
        _report(
            world, autoscaler, 0, 0, [_condition(world, autoscaler, "AbleToScale", "False", "FailedGetScale", message)]
        )
        return
    current = int(target["spec"].get("replicas", 1))
    low, high = autoscaler["spec"].get("minReplicas", 1), autoscaler["spec"]["maxReplicas"]
    wanted = current if current == 0 else max(low, min(current, high))
    if wanted != current:
        world.update(resource.key, target, lambda body: {**body, "spec": {**body["spec"], "replicas": wanted}})
        bound = "below Spec.MinReplicas" if wanted > current else "above Spec.MaxReplicas"
        message = f"New size: {wanted}; reason: Current number of replicas {bound}"
        world.event(autoscaler, "SuccessfulRescale", message, _COMPONENT)
    _report(world, autoscaler, current, wanted, _states(world, autoscaler, current))


_METRICS_API = "v1beta1.metrics.k8s.io"
_UNMEASURED = (
    "unable to get metrics for resource {0}: unable to fetch metrics from resource metrics API: "
    "the server could not find the requested resource (get pods.metrics.k8s.io)"
)


def _states(world: World, autoscaler: Body, current: int) -> list[Body]:
    """The conditions of an autoscaler whose target is there."""
    if current and not is_available(world, _METRICS_API):
        scale = "the HPA controller was able to get the target's current scale"
        resource = next(_measured(autoscaler), "cpu")
        why = f"failed to get {resource} utilization: {_UNMEASURED.format(resource)}"
        message = f"the HPA was unable to compute the replica count: {why}"
        world.event(autoscaler, "FailedGetResourceMetric", why, _COMPONENT, "Warning")
        return [
            _condition(world, autoscaler, "AbleToScale", "True", "SucceededGetScale", scale),
            _condition(world, autoscaler, "ScalingActive", "False", "FailedGetResourceMetric", message),
        ]
    able = "recommended size matches current size"
    text = "the HPA was able to successfully calculate a replica count from cpu resource utilization"
    inside = "the desired count is within the acceptable range"
    return [
        _condition(world, autoscaler, "AbleToScale", "True", "ReadyForNewScale", able),
        _condition(world, autoscaler, "ScalingActive", "True", "ValidMetricFound", text),
        _condition(world, autoscaler, "ScalingLimited", "False", "DesiredWithinRange", inside),
    ]


def _measured(autoscaler: Body) -> Iterator[str]:
    """The resources that an autoscaler looks at."""
    for metric in autoscaler["spec"].get("metrics") or ():
        if metric.get("type") == "Resource":
            yield metric["resource"]["name"]


def _report(world: World, autoscaler: Body, current: int, wanted: int, conditions: list[Body]) -> None:
    status: Body = {"desiredReplicas": wanted, "currentMetrics": None, "conditions": conditions}
    if current:
        status["currentReplicas"] = current
    if last := (autoscaler.get("status") or {}).get("lastScaleTime"):
        status["lastScaleTime"] = last
    if wanted != current and current:
        status["lastScaleTime"] = world.clock.stamp()
    world.set_status(AUTOSCALERS, autoscaler, status)


def _condition(world: World, owner: Body, kind: str, truth: str, reason: str, message: str) -> Body:
    for entry in (owner.get("status") or {}).get("conditions") or ():
        if entry["type"] == kind and entry["status"] == truth and entry["reason"] == reason:
            kept: Body = entry
            return kept
    now = world.clock.stamp()
    return {"type": kind, "status": truth, "lastTransitionTime": now, "reason": reason, "message": message}


def reconcile_budget(world: World, namespace: str, name: str) -> None:
    """Counts the Pods a budget covers and how many of them may go."""
    budget = world.get(BUDGETS, namespace, name)
    if budget is None or is_going(budget):
        return
    spec = budget["spec"]
    pods = [
        pod
        for pod in active(world.all(PODS, namespace))
        if selects(spec.get("selector"), pod["metadata"].get("labels") or {})
    ]
    expected = _expected(world, pods)
    healthy = sum(is_ready(pod) for pod in pods)
    if "maxUnavailable" in spec:
        desired = max(expected - from_percent(spec["maxUnavailable"], expected, up=True), 0)
    else:
        desired = from_percent(spec.get("minAvailable", 1), expected, up=True)
    allowed = max(healthy - desired, 0) if expected else 0
    reason, truth = ("SufficientPods", "True") if allowed else ("InsufficientPods", "False")
    generation = budget["metadata"].get("generation", 1)
    condition = {**_condition(world, budget, "DisruptionAllowed", truth, reason, ""), "observedGeneration": generation}
    status = {
        "conditions": [condition],
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": generation,
    }
    world.set_status(BUDGETS, budget, status)


def _expected(world: World, pods: list[Body]) -> int:
    """How many Pods there should be: what their controllers ask for."""
    owners: dict[str, int] = {}
    alone = 0
    for pod in pods:
        reference = controller_of(pod)
        resource = world.cluster.registry.of_kind(reference["apiVersion"], reference["kind"]) if reference else None
        owner = (
            world.get(resource.key, pod["metadata"]["namespace"], reference["name"]) if resource and reference else None
        )
        if owner is not None and "replicas" in owner["spec"]:
            owners[owner["metadata"]["uid"]] = int(owner["spec"]["replicas"])
        else:
            alone += 1
    return sum(owners.values()) + alone


def budgets_of(world: World, pod: Body) -> list[str]:
    """The names of the budgets that cover a Pod."""
    labels = pod["metadata"].get("labels") or {}
    return [
        budget["metadata"]["name"]
        for budget in world.all(BUDGETS, pod["metadata"].get("namespace", ""))
        if selects(budget["spec"].get("selector"), labels)
    ]
