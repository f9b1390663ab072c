"""What an API server warns of in a Pod or in a Pod's template, as k8s.io/kubernetes/pkg/api/pod has it."""

from collections.abc import Iterable, Iterator

from gitops.manifests.key import Body
from gitops.sandbox.podsecurity_checks import APPARMOR

_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_SECCOMP_POD, _SECCOMP = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"
_NO_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_OLD_APPARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'


def warnings_of(pod: Body, path: str = "") -> Iterator[str]:
    """The warnings about a Pod, or about the template at `path` of something else (`spec.template`)."""
    annotations, spec = (pod.get("metadata") or {}).get("annotations") or {}, pod["spec"]
    at = f"{path}." if path else ""
    for key, why in _ANNOTATIONS.items():
        if key in annotations:
            yield f"{at}metadata.annotations[{key}]: {why}"
    for number, volume in enumerate(spec.get("volumes") or ()):
        for kind in _VOLUMES.keys() & volume.keys():
            name = "storageOS" if kind == "storageos" else kind
            yield f"{at}spec.volumes[{number}].{name}: {_VOLUMES[kind]}"
    yield from _repeated(spec, f"{at}spec.")
    context = spec.get("securityContext") or {}
    if "seccompProfile" not in context and _SECCOMP_POD in annotations:
        yield f"{at}metadata.annotations[{_SECCOMP_POD}]: {_NO_SECCOMP}"
    for container, place in _containers(spec, f"{at}spec."):
        own, name = container.get("securityContext") or {}, container.get("name", "")
        if "seccompProfile" not in own and _SECCOMP + name in annotations:
            yield f"{at}metadata.annotations[{_SECCOMP}{name}]: {_NO_SECCOMP}"
        said = annotations.get(APPARMOR + name)
        if path and "appArmorProfile" not in own and said is not None:
            of_pod = context.get("appArmorProfile")
            if of_pod is None or of_pod != _profile(said):
                yield f"{at}metadata.annotations[{APPARMOR}{name}]: {_OLD_APPARMOR}"
        yield from _hidden(container.get("env") or (), place)


def take_apparmor(pod: Body) -> list[str]:
    """Give each container of a new Pod the profile that an annotation names for it; what is to be warned of."""
    spec, annotations = pod["spec"], pod["metadata"].get("annotations") or {}
    if (spec.get("os") or {}).get("name") == "windows":
        return []
    of_pod, told = (spec.get("securityContext") or {}).get("appArmorProfile"), []
    for container, _ in _containers(spec, ""):
        key = APPARMOR + container.get("name", "")
        said, own = annotations.get(key), container.get("securityContext") or {}
        if said is None or own.get("appArmorProfile") is not None:
            continue
        profile = _profile(said)
        if profile is not None and profile != of_pod:
            container["securityContext"] = {**own, "appArmorProfile": profile}
        if profile is None or profile != of_pod:
            told.append(f"metadata.annotations[{key}]: {_OLD_APPARMOR}")
    return told


def _profile(annotation: str) -> Body | None:
    """The profile that an annotation names; None where that names none."""
    kind = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}.get(annotation)
    if kind is not None:
        return {"type": kind}
    name = annotation.removeprefix("localhost/")
    is_named = annotation.startswith("localhost/") and name.strip() == name != "" and len(name) <= 4095
    return {"type": "Localhost", "localhostProfile": name} if is_named else None


def _containers(spec: Body, at: str) -> Iterator[tuple[Body, str]]:
    """Every container with its place."""
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for number, container in enumerate(spec.get(group) or ()):
            yield container, f"{at}{group}[{number}]"


def _repeated(spec: Body, at: str) -> Iterator[str]:
    for field, name in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for number, item in enumerate(spec.get(field) or ()):
            value = item.get(name, "")
            if value in seen:
                yield f'{at}{field}[{number}].{name}: duplicate {name} "{value}"'
            elif not value and field == "imagePullSecrets":
                yield f'{at}{field}[{number}].{name}: invalid empty name ""'
            seen.add(value)


def _hidden(variables: Iterable[Body], at: str) -> Iterator[str]:
    """Variables that are set once more, and not by what they were before."""
    seen: set[str] = set()
    for number, variable in enumerate(variables):
        name, value = variable.get("name", ""), variable.get("value") or ""
        before = f"$({name})"
        if name in seen and (variable.get("valueFrom") is not None or value == before or before not in value):
            why = "which may be dropped when using apply"
            yield f'{at}.env[{number}]: hides previous definition of "{name}", {why}'
        seen.add(name)
