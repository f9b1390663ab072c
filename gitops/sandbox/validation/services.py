"""Rules of networking, autoscaling, policy, RBAC, storage, scheduling and coordination."""

from gitops.manifests.key import Body
from gitops.manifests.typed import same
from gitops.sandbox.statuses import forbidden_field, invalid, not_supported, required
from gitops.sandbox.validation.checks import (
    Errors,
    at_most_all,
    immutable,
    int_or_percent,
    is_strictly_within,
    label_selector,
    network_of,
    not_negative,
    one_of,
    port_number,
    port_reference,
)
from gitops.sandbox.validation.metadata import is_dns_1035, is_path_segment, is_subdomain

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def ingress(body: Body, _old: Body | None) -> Errors:
    spec = body["spec"]
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        yield invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _backend(backend, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        yield from _ingress_rule(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.get("tls") or ()):
        for number, host in enumerate(tls.get("hosts") or ()):
            yield from _host(host, f"spec.tls[{index}].hosts[{number}]")
    if name := spec.get("ingressClassName"):
        yield from (invalid("spec.ingressClassName", name, text) for text in is_subdomain(name))


def _host(host: str, at: str) -> Errors:
    plain = host.removeprefix("*.")
    yield from (invalid(at, host, text) for text in is_subdomain(plain))


def _ingress_rule(rule: Body, at: str) -> Errors:
    if host := rule.get("host"):
        yield from _host(host, f"{at}.host")
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        yield required(f"{at}.http.paths")
    for index, path in enumerate(http.get("paths") or ()):
        where = f"{at}.http.paths[{index}]"
        kind, text = path.get("pathType"), path.get("path", "")
        if kind is None:
            yield required(f"{where}.pathType", "pathType must be specified")
        elif kind not in _PATH_TYPES:
            yield not_supported(f"{where}.pathType", kind, _PATH_TYPES)
        elif (kind != "ImplementationSpecific" or text) and not text.startswith("/"):
            yield invalid(f"{where}.path", text, "must be an absolute path")
        yield from _backend(path.get("backend") or {}, f"{where}.backend")


def _backend(backend: Body, at: str) -> Errors:
    service, resource = backend.get("service"), backend.get("resource")
    if service is None and resource is None:
        yield required(at, "resource or service backend is required")
    elif service is not None and resource is not None:
        yield invalid(at, "", "cannot set both resource and service backends")
    elif service is not None:
        name, port = service.get("name", ""), service.get("port") or {}
        if not name:
            yield required(f"{at}.service.name")
        else:
            yield from (invalid(f"{at}.service.name", name, text) for text in is_dns_1035(name))
        if not port.get("name") and not port.get("number"):
            yield required(f"{at}.service", "port name or number is required")
        elif port.get("name") and port.get("number"):
            yield invalid(f"{at}.service", "", "cannot set both port name & port number")
        elif port.get("number"):
            yield from port_number(port["number"], f"{at}.service.port.number")


def network_policy(body: Body, _old: Body | None) -> Errors:
    spec = body["spec"]
    yield from label_selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            at = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                yield from one_of(port.get("protocol"), ("SCTP", "TCP", "UDP"), f"{at}.ports[{number}].protocol")
                yield from _policy_port(port, f"{at}.ports[{number}]")
            for number, peer in enumerate(rule.get(peers) or ()):
                yield from _peer(peer, f"{at}.{peers}[{number}]")
    kinds = spec.get("policyTypes") or ()
    if len(kinds) > 2:
        yield invalid("spec.policyTypes", list(kinds), "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(kinds):
        yield from one_of(kind, ("Egress", "Ingress"), f"spec.policyTypes[{index}]")


def _policy_port(port: Body, at: str) -> Errors:
    first, last = port.get("port"), port.get("endPort")
    if first is not None:
        yield from port_reference(first, f"{at}.port")
    if last is None:
        return
    if first is None:
        yield required(f"{at}.port", "must be specified when endPort is specified")
    elif isinstance(first, str):
        yield invalid(f"{at}.endPort", last, "may not be specified when `port` is non-numeric")
    elif last < first:
        yield invalid(f"{at}.endPort", last, "must be greater than or equal to `port`")


_NETWORK_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def _block(block: Body, at: str) -> Errors:
    text = block.get("cidr", "")
    whole = network_of(text)
    if not text:
        yield required(f"{at}.cidr")
    elif whole is None:
        yield invalid(f"{at}.cidr", text, _NETWORK_TEXT)
    for index, except_text in enumerate(block.get("except") or ()):
        part = network_of(except_text)
        if part is None:
            yield invalid(f"{at}.except[{index}]", except_text, _NETWORK_TEXT)
        elif whole is not None and (part.version != whole.version or not is_strictly_within(part, whole)):
            yield invalid(f"{at}.except[{index}]", except_text, "must be a strict subset of `cidr`")


def _peer(peer: Body, at: str) -> Errors:
    if (block := peer.get("ipBlock")) is not None:
        yield from _block(block, f"{at}.ipBlock")
    if not peer:
        yield required(at, "must specify a peer")
    yield from label_selector(peer.get("podSelector"), f"{at}.podSelector")
    yield from label_selector(peer.get("namespaceSelector"), f"{at}.namespaceSelector")
    if "ipBlock" in peer and len(peer) > 1:
        yield forbidden_field(at, "may not specify both ipBlock and another peer")


def autoscaler(body: Body, _old: Body | None) -> Errors:
    spec = body["spec"]
    low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if low is not None and low < 1:
        yield invalid("spec.minReplicas", low, "must be greater than or equal to 1")
    if high < 1:
        yield invalid("spec.maxReplicas", high, "must be greater than 0")
    if low is not None and high < low:
        yield invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for name in ("kind", "name"):
        if not target.get(name):
            yield required(f"spec.scaleTargetRef.{name}")
        else:
            yield from (
                invalid(f"spec.scaleTargetRef.{name}", target[name], text) for text in is_path_segment(target[name])
            )
    for index, metric in enumerate(spec.get("metrics") or ()):
        yield from _metric(metric, f"spec.metrics[{index}]")
    for direction in ("scaleUp", "scaleDown"):
        yield from _scaling((spec.get("behavior") or {}).get(direction), f"spec.behavior.{direction}")


_LONGEST_WINDOW = 3600
_LONGEST_PERIOD = 1800


def _scaling(rules: Body | None, at: str) -> Errors:
    if rules is None:
        return
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        yield invalid(f"{at}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        text = f"must be less than or equal to {_LONGEST_WINDOW}"
        yield invalid(f"{at}.stabilizationWindowSeconds", window, text)
    yield from one_of(rules.get("selectPolicy"), ("Disabled", "Max", "Min"), f"{at}.selectPolicy")
    if not rules.get("policies"):
        yield required(f"{at}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or ()):
        where = f"{at}.policies[{index}]"
        if policy.get("type") not in ("Percent", "Pods"):
            yield not_supported(f"{where}.type", policy.get("type", ""), ("Percent", "Pods"))
        if policy.get("value", 0) <= 0:
            yield invalid(f"{where}.value", policy.get("value", 0), "must be greater than zero")
        period = policy.get("periodSeconds", 0)
        if period <= 0:
            yield invalid(f"{where}.periodSeconds", period, "must be greater than zero")
        if period > _LONGEST_PERIOD:
            text = f"must be less than or equal to {_LONGEST_PERIOD}"
            yield invalid(f"{where}.periodSeconds", period, text)


_METRICS = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}


def _metric(metric: Body, at: str) -> Errors:
    kind = metric.get("type", "")
    if not kind:
        yield required(f"{at}.type", "must specify a metric source type")
    elif kind not in _METRICS:
        yield not_supported(f"{at}.type", kind, tuple(_METRICS))
    elif _METRICS[kind] not in metric:
        yield required(f"{at}.{_METRICS[kind]}", "must populate information for the given metric source")
    for extra in [field for name, field in _METRICS.items() if name != kind and field in metric]:
        yield forbidden_field(f"{at}.{extra}", "must populate the given metric source only")
    if (resource := metric.get("resource")) is not None:
        if not resource.get("name"):
            yield required(f"{at}.resource.name", "must specify a resource name")
        yield from _metric_target(resource.get("target") or {}, f"{at}.resource")


def _metric_target(target: Body, at: str) -> Errors:
    kind, share, amount = target.get("type", ""), target.get("averageUtilization"), target.get("averageValue")
    if not kind:
        yield required(f"{at}.target.type", "must specify a metric target type")
    elif kind not in ("AverageValue", "Utilization", "Value"):
        text = "must be either Utilization, Value, or AverageValue"
        yield invalid(f"{at}.target.type", kind, text)
    if share is not None and share < 1:
        yield invalid(f"{at}.target.averageUtilization", share, "must be greater than 0")
    if share is None and amount is None:
        text = "must set either a target raw value or a target utilization"
        yield required(f"{at}.target.averageUtilization", text)
    if share is not None and amount is not None:
        yield forbidden_field(
            f"{at}.target.averageValue", "may not set both a target raw value and a target utilization"
        )


def budget(body: Body, _old: Body | None) -> Errors:
    spec = body["spec"]
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        yield invalid("spec", _budget_spec(spec), "minAvailable and maxUnavailable cannot be both set")
    yield from int_or_percent(least, "spec.minAvailable")
    yield from at_most_all(least, "spec.minAvailable")
    yield from int_or_percent(most, "spec.maxUnavailable")
    yield from at_most_all(most, "spec.maxUnavailable")
    yield from label_selector(spec.get("selector"), "spec.selector")
    policies = ("AlwaysAllow", "IfHealthyBudget")
    yield from one_of(spec.get("unhealthyPodEvictionPolicy"), policies, "spec.unhealthyPodEvictionPolicy")


def _budget_spec(spec: Body) -> Body:
    names = {"MinAvailable": "minAvailable", "Selector": "selector", "MaxUnavailable": "maxUnavailable"}
    shown = {go_name: spec.get(name) for go_name, name in names.items()}
    return {**shown, "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy")}


# --- RBAC ---------------------------------------------------------------------------------------------------------

_RBAC = "rbac.authorization.k8s.io"


def role(body: Body, _old: Body | None) -> Errors:
    for index, rule in enumerate(body.get("rules") or ()):
        at = f"rules[{index}]"
        if not rule.get("verbs"):
            yield required(f"{at}.verbs", "verbs must contain at least one value")
        if urls := rule.get("nonResourceURLs"):
            if body["metadata"].get("namespace"):
                yield invalid(f"{at}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                text = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid(f"{at}.nonResourceURLs", urls, text)
            continue
        if not rule.get("apiGroups"):
            yield required(f"{at}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield required(f"{at}.resources", "resource rules must supply at least one resource")


def binding(body: Body, old: Body | None) -> Errors:
    reference = body["roleRef"]
    if old is not None and not same(reference, old["roleRef"]):
        shown = {
            "APIGroup": reference.get("apiGroup", ""),
            "Kind": reference.get("kind", ""),
            "Name": reference.get("name", ""),
        }
        yield invalid("roleRef", shown, "cannot change roleRef")
    if reference.get("apiGroup") != _RBAC:
        yield not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), (_RBAC,))
    kinds = ("ClusterRole", "Role") if body["metadata"].get("namespace") else ("ClusterRole",)
    if reference.get("kind") not in kinds:
        yield not_supported("roleRef.kind", reference.get("kind", ""), kinds)
    if not reference.get("name"):
        yield required("roleRef.name")
    else:
        yield from (invalid("roleRef.name", reference["name"], text) for text in is_path_segment(reference["name"]))
    for index, subject in enumerate(body.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", namespaced=bool(body["metadata"].get("namespace")))


def _subject(subject: Body, at: str, *, namespaced: bool) -> Errors:
    if not subject.get("name"):
        yield required(f"{at}.name")
    match subject.get("kind"):
        case "ServiceAccount":
            if name := subject.get("name"):
                yield from (invalid(f"{at}.name", name, text) for text in is_subdomain(name))
            if subject.get("apiGroup"):
                yield not_supported(f"{at}.apiGroup", subject["apiGroup"], ("",))
            if not namespaced and not subject.get("namespace"):
                yield required(f"{at}.namespace")
        case "User" | "Group":
            if subject.get("apiGroup") != _RBAC:
                yield not_supported(f"{at}.apiGroup", subject.get("apiGroup", ""), (_RBAC,))
        case other:
            yield not_supported(f"{at}.kind", other or "", ("ServiceAccount", "User", "Group"))


# --- storage, scheduling, coordination ----------------------------------------------------------------------------


def storage_class(body: Body, old: Body | None) -> Errors:
    if old is not None:
        if not same(body.get("parameters"), old.get("parameters")):
            yield forbidden_field("parameters", "updates to parameters are forbidden.")
        for name in ("provisioner", "reclaimPolicy", "volumeBindingMode"):
            yield from immutable(body.get(name), old.get(name), name)
        return
    if not body.get("provisioner"):
        yield required("provisioner")
    yield from one_of(body.get("reclaimPolicy"), ("Delete", "Retain"), "reclaimPolicy")
    yield from one_of(body.get("volumeBindingMode"), ("Immediate", "WaitForFirstConsumer"), "volumeBindingMode")


_HIGHEST_USER_PRIORITY = 1_000_000_000


def priority_class(body: Body, old: Body | None) -> Errors:
    if old is not None:
        if body.get("value") != old.get("value"):
            yield forbidden_field("value", "may not be changed in an update.")
        yield from immutable(body.get("preemptionPolicy"), old.get("preemptionPolicy"), "preemptionPolicy")
        return
    name, value = body["metadata"].get("name", ""), body.get("value", 0)
    if name.startswith("system-"):
        text = "priority class names with 'system-' prefix are reserved for system use only. error: "
        yield forbidden_field("metadata.name", text + f"{name} is not a known system priority class")
    elif value > _HIGHEST_USER_PRIORITY:
        yield forbidden_field("value", f"maximum allowed value of a user defined priority is {_HIGHEST_USER_PRIORITY}")
    yield from one_of(body.get("preemptionPolicy"), ("Never", "PreemptLowerPriority"), "preemptionPolicy")


def lease(body: Body, _old: Body | None) -> Errors:
    spec = body.get("spec") or {}
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        yield invalid("spec.leaseDurationSeconds", duration, "must be greater than 0")
    yield from not_negative(spec, "leaseTransitions", at="spec")


def endpoint_slice(body: Body, old: Body | None) -> Errors:
    kinds = ("FQDN", "IPv4", "IPv6")
    if not body.get("addressType"):
        yield required("addressType")
    yield from one_of(body.get("addressType"), kinds, "addressType")
    for index, endpoint in enumerate(body.get("endpoints") or ()):
        if not endpoint.get("addresses"):
            yield required(f"endpoints[{index}].addresses", "must contain at least 1 address")
    if old is not None:
        yield from immutable(body.get("addressType"), old.get("addressType"), "addressType")
