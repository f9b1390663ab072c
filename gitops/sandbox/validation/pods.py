"""What a Pod, and a Pod template, must look like. The rules are those of k8s.io/kubernetes/pkg/apis/core/validation."""

import re
from typing import Any

from gitops.manifests.key import Body
from gitops.manifests.quantity import parse
from gitops.manifests.typed import same
from gitops.sandbox.statuses import (
    duplicate,
    field_not_found,
    forbidden_field,
    invalid,
    not_supported,
    required,
)
from gitops.sandbox.validation.checks import (
    Errors,
    not_negative,
    one_of,
    port_name,
    port_number,
    port_reference,
    quantities,
)
from gitops.sandbox.validation.internal import difference
from gitops.sandbox.validation.metadata import (
    is_config_key,
    is_label,
    is_qualified_name,
    is_subdomain,
    validate_annotations,
    validate_labels,
)

_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


def pod_template(template: Body, at: str) -> Errors:
    """What is wrong with a Pod template."""
    metadata = template.get("metadata") or {}
    yield from validate_labels(metadata.get("labels") or {}, f"{at}.labels")
    yield from validate_annotations(metadata.get("annotations") or {}, f"{at}.annotations")
    yield from pod_spec(template.get("spec") or {}, f"{at}.spec")


def pod_spec(spec: Body, at: str) -> Errors:
    """What is wrong with the spec of a Pod."""
    volumes: dict[str, Body] = {}
    for index, volume in enumerate(spec.get("volumes") or ()):
        yield from _volume(volume, f"{at}.volumes[{index}]", volumes)
    names: set[str] = set()
    if not spec.get("containers"):
        yield required(f"{at}.containers")
    for group in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(group) or ()):
            yield from _container(container, f"{at}.{group}[{index}]", names, volumes, init=group != "containers")
    yield from one_of(spec.get("restartPolicy"), _RESTART_POLICIES, f"{at}.restartPolicy")
    yield from one_of(spec.get("dnsPolicy"), _DNS_POLICIES, f"{at}.dnsPolicy")
    yield from validate_labels(spec.get("nodeSelector") or {}, f"{at}.nodeSelector")
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if not reference.get("name"):
            yield required(f"{at}.imagePullSecrets[{index}].name")
    for name, rule in (
        ("serviceAccountName", is_subdomain),
        ("nodeName", is_subdomain),
        ("priorityClassName", is_subdomain),
    ):
        if value := spec.get(name):
            yield from (invalid(f"{at}.{name}", value, text) for text in rule(value))
    if (limit := spec.get("activeDeadlineSeconds")) is not None and not 1 <= limit <= 2**31 - 1:
        yield invalid(f"{at}.activeDeadlineSeconds", limit, "must be between 1 and 2147483647, inclusive")
    yield from not_negative(spec, "terminationGracePeriodSeconds", at=at)
    for name in ("hostname", "subdomain"):
        if value := spec.get(name):
            yield from (invalid(f"{at}.{name}", value, text) for text in is_label(value))
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _toleration(toleration, f"{at}.tolerations[{index}]")


def _toleration(toleration: Body, at: str) -> Errors:
    operator = toleration.get("operator") or "Equal"
    if key := toleration.get("key"):
        yield from (invalid(f"{at}.key", key, text) for text in is_qualified_name(key))
    elif operator != "Exists":
        yield invalid(
            f"{at}.operator",
            operator,
            'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        )
    if operator == "Exists" and toleration.get("value"):
        yield invalid(f"{at}.operator", toleration, "value must be empty when `operator` is 'Exists'")
    if operator not in ("Equal", "Exists"):
        yield not_supported(f"{at}.operator", operator, ("Equal", "Exists"))
    yield from one_of(toleration.get("effect"), ("NoSchedule", "PreferNoSchedule", "NoExecute"), f"{at}.effect")


# --- volumes ------------------------------------------------------------------------------------------------------


def _volume(volume: Body, at: str, known: dict[str, Body]) -> Errors:
    name = volume.get("name", "")
    if not name:
        yield required(f"{at}.name")
    else:
        yield from (invalid(f"{at}.name", name, text) for text in is_label(name))
    if name in known:
        yield duplicate(f"{at}.name", name)
    sources = sorted((source for source in volume if source != "name"), key=_SOURCES.index)
    if not sources:
        yield required(at, "must specify a volume type")
    for extra in sources[1:]:
        yield forbidden_field(f"{at}.{extra}", "may not specify more than 1 volume type")
    for source, field in _SOURCE_NAMES:
        if source in volume and not volume[source].get(field):
            yield required(f"{at}.{source}.{field}")
    known[name] = volume


# The order in which a server comes to them: the first stands, each further one is too many.
_SOURCES = (
    *("emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi"),
    *("glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc"),
    *("vsphereVolume", "configMap", "azureFile", "flexVolume", "photonPersistentDisk", "projected", "portworxVolume"),
    *("scaleIO", "azureDisk", "storageos", "csi", "ephemeral", "image"),
)

_SOURCE_NAMES = (
    ("secret", "secretName"),
    ("configMap", "name"),
    ("persistentVolumeClaim", "claimName"),
    ("hostPath", "path"),
    ("nfs", "server"),
    ("csi", "driver"),
)


# --- containers ---------------------------------------------------------------------------------------------------


def _container(container: Body, at: str, names: set[str], volumes: dict[str, Body], *, init: bool) -> Errors:
    name = container.get("name", "")
    if not name:
        yield required(f"{at}.name")
    else:
        yield from (invalid(f"{at}.name", name, text) for text in is_label(name))
        if name in names:
            yield duplicate(f"{at}.name", name)
    names.add(name)
    image = container.get("image", "")
    if not image:
        yield required(f"{at}.image")
    elif image != image.strip():
        yield invalid(f"{at}.image", image, "must not have leading or trailing whitespace")
    policies = ("File", "FallbackToLogsOnError")
    yield from one_of(container.get("terminationMessagePolicy"), policies, f"{at}.terminationMessagePolicy")
    yield from _ports(container.get("ports") or (), f"{at}.ports")
    for index, variable in enumerate(container.get("env") or ()):
        yield from _variable(variable, f"{at}.env[{index}]")
    for index, source in enumerate(container.get("envFrom") or ()):
        yield from _env_from(source, f"{at}.envFrom[{index}]")
    yield from _mounts(container.get("volumeMounts") or (), f"{at}.volumeMounts", volumes)
    yield from one_of(container.get("imagePullPolicy"), _PULL_POLICIES, f"{at}.imagePullPolicy")
    yield from _resources(container.get("resources") or {}, f"{at}.resources")
    if init and not container.get("restartPolicy"):
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            if probe in container:
                yield forbidden_field(
                    f"{at}.{probe}", "may not be set for init containers without restartPolicy=Always"
                )
        return
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            yield from _probe(container[probe], f"{at}.{probe}", exactly_one_success=probe != "readinessProbe")


def _ports(ports: Any, at: str) -> Errors:
    names: set[str] = set()
    for index, port in enumerate(ports):
        path = f"{at}[{index}]"
        if name := port.get("name"):
            yield from port_name(name, f"{path}.name")
            if name in names:
                yield duplicate(f"{path}.name", name)
            names.add(name)
        if not port.get("containerPort"):
            yield required(f"{path}.containerPort")
        else:
            yield from port_number(port["containerPort"], f"{path}.containerPort")
        if port.get("hostPort"):
            yield from port_number(port["hostPort"], f"{path}.hostPort")
        if not port.get("protocol"):
            yield required(f"{path}.protocol")
        else:
            yield from one_of(port["protocol"], _PROTOCOLS, f"{path}.protocol")


_ENV_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"


def _variable(variable: Body, at: str) -> Errors:
    name = variable.get("name", "")
    if not name:
        yield required(f"{at}.name")
    elif not re.fullmatch(r"[ -<>-~]+", name):
        yield invalid(f"{at}.name", name, _ENV_TEXT)
    source = variable.get("valueFrom")
    if source is None:
        return
    kinds = [
        kind
        for kind in ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
        if kind in source
    ]
    if not kinds:
        listed = "one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield invalid(f"{at}.valueFrom", "", f"must specify {listed}")
    elif variable.get("value"):
        yield invalid(f"{at}.valueFrom", "", "may not be specified when `value` is not empty")
    elif len(kinds) > 1:
        yield invalid(f"{at}.valueFrom", "", "may not have more than one field specified at a time")
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind not in source:
            continue
        if not source[kind].get("name"):
            yield required(f"{at}.valueFrom.{kind}.name")
        if not source[kind].get("key"):
            yield required(f"{at}.valueFrom.{kind}.key")
        else:
            key = source[kind]["key"]
            yield from (invalid(f"{at}.valueFrom.{kind}.key", key, text) for text in is_config_key(key))
    if "fieldRef" in source and not source["fieldRef"].get("fieldPath"):
        yield required(f"{at}.valueFrom.fieldRef.fieldPath")


def _env_from(source: Body, at: str) -> Errors:
    kinds = [kind for kind in ("configMapRef", "secretRef") if kind in source]
    if not kinds:
        yield invalid(at, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(kinds) > 1:
        yield invalid(at, "", "may not have more than one field specified at a time")
    for kind in kinds:
        if not source[kind].get("name"):
            yield required(f"{at}.{kind}.name")


def _mounts(mounts: Any, at: str, volumes: dict[str, Body]) -> Errors:
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        path = f"{at}[{index}]"
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield required(f"{path}.name")
        if name not in volumes:
            yield field_not_found(f"{path}.name", name)
        if not where:
            yield required(f"{path}.mountPath")
        if where in paths:
            yield invalid(f"{path}.mountPath", where, "must be unique")
        paths.add(where)
        if mount.get("subPath", "").startswith("/"):
            yield invalid(f"{path}.subPath", mount["subPath"], "must be a relative path")


_STANDARD = ("cpu", "memory", "ephemeral-storage")


def _resources(resources: Body, at: str) -> Errors:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for group, amounts in (("limits", limits), ("requests", requests)):
        for name in amounts:
            if "/" not in name and name not in _STANDARD and not name.startswith("hugepages-"):
                yield invalid(f"{at}.{group}[{name}]", name, "must be a standard resource type or fully qualified")
        yield from quantities(amounts, f"{at}.{group}")
    for name, request in requests.items():
        if name in limits and parse(request) > parse(limits[name]):
            yield invalid(f"{at}.requests", request, f"must be less than or equal to {name} limit of {limits[name]}")


def _probe(probe: Body, at: str, *, exactly_one_success: bool) -> Errors:
    handlers = [handler for handler in _HANDLERS if handler in probe]
    if not handlers:
        yield required(at, "must specify a handler type")
    for extra in handlers[1:]:
        yield forbidden_field(f"{at}.{extra}", "may not specify more than 1 handler type")
    if "httpGet" in probe:
        if not probe["httpGet"].get("path"):
            yield required(f"{at}.httpGet.path")
        yield from port_reference(probe["httpGet"].get("port", 0), f"{at}.httpGet.port")
        yield from one_of(probe["httpGet"].get("scheme"), ("HTTP", "HTTPS"), f"{at}.httpGet.scheme")
    if "tcpSocket" in probe:
        yield from port_reference(probe["tcpSocket"].get("port", 0), f"{at}.tcpSocket.port")
    if "exec" in probe and not probe["exec"].get("command"):
        yield required(f"{at}.exec.command")
    numbers = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
    yield from not_negative(probe, *numbers, at=at)
    if exactly_one_success and probe.get("successThreshold", 1) != 1:
        yield invalid(f"{at}.successThreshold", probe["successThreshold"], "must be 1")


# --- pods themselves ----------------------------------------------------------------------------------------------

_UPDATE_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod(body: Body, old: Body | None) -> Errors:
    """What is wrong with a Pod, or with its next version."""
    yield from pod_spec(body["spec"], "spec")
    if old is None:
        return
    spec, before = body["spec"], old["spec"]
    for group in ("containers", "initContainers"):
        if len(spec.get(group) or ()) != len(before.get(group) or ()):
            path = f"spec.{group}" if group == "containers" else "spec.initContainers"
            yield forbidden_field(
                path,
                f"pod updates may not add or remove {'containers' if group == 'containers' else 'init containers'}",
            )
            return
    munged = _with_old(spec, before)
    if not same(munged, before):
        text = _UPDATE_TEXT + "\n" + difference(before, munged, "PodSpec")
        yield forbidden_field("spec", text)


def _with_old(spec: Body, before: Body) -> Body:
    """The new spec with everything that may change as it was."""
    out = dict(spec)
    for name in (
        "activeDeadlineSeconds",
        "tolerations",
        "schedulingGates",
        "nodeSelector" if spec.get("schedulingGates") else "",
    ):
        out.pop(name, None)
        if name in before:
            out[name] = before[name]
    for group in ("containers", "initContainers"):
        if spec.get(group):
            pairs = zip(spec[group], before[group], strict=True)
            out[group] = [{**container, "image": earlier.get("image", "")} for container, earlier in pairs]
    return out
