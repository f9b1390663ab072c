"""The checks of Pod Security admission: what is wrong with a Pod, each by itself, in the server's words."""

from collections.abc import Callable, Iterable, Iterator

from gitops.manifests.key import Body

_CAPABILITIES = frozenset(
    (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)
_VOLUMES = frozenset(
    (
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
        "image",
    )
)
_PROFILES = ("RuntimeDefault", "Localhost")
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD, _SECCOMP = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"

# What is wrong with a Pod, from its metadata and spec: the reason and the detail, or nothing.
Check = Callable[[Body, Body], tuple[str, str] | None]


# --- parts --------------------------------------------------------------------------------------------------------


def _containers(spec: Body) -> Iterator[tuple[str, Body]]:
    """Every container's name with the container."""
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(group) or ():
            yield container.get("name", ""), container


def _contexts(spec: Body) -> Iterator[tuple[str, Body]]:
    for name, container in _containers(spec):
        yield name, container.get("securityContext") or {}


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def _named(names: list[str], word: str = "container") -> str:
    """`container "a"`, `containers "a", "b"`."""
    return f"{_plural(word, len(names))} {_quoted(names)}"


def _setters(pod: bool, names: list[str]) -> str:
    """`pod and container "a"`: who set something."""
    return " and ".join([*(["pod"] if pod else []), *([_named(names)] if names else [])])


def is_windows(spec: Body) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"


def own_users(spec: Body) -> bool:
    """Whether a Pod's users are not the node's."""
    return spec.get("hostUsers") is False


# --- baseline -----------------------------------------------------------------------------------------------------


def apparmor(metadata: Body, spec: Body) -> tuple[str, str] | None:
    def is_bad(context: Body) -> bool:
        kind = (context.get("appArmorProfile") or {}).get("type")
        return kind is not None and kind not in _PROFILES

    pod = is_bad(spec.get("securityContext") or {})
    names = [name for name, context in _contexts(spec) if is_bad(context)]
    annotated = [
        f'{key}="{value}"'
        for key, value in sorted((metadata.get("annotations") or {}).items())
        if key.startswith(APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    ]
    setters = [*filter(None, [_setters(pod, names)]), *[_plural("annotation", len(annotated))] * bool(annotated)]
    values = [*["Unconfined"] * bool(pod or names), *annotated]
    if not values:
        return None
    detail = f"{' and '.join(setters)} must not set AppArmor profile type to {_quoted(values)}"
    return _plural("forbidden AppArmor profile", len(values)), detail


def _added(spec: Body, allowed: frozenset[str]) -> str:
    names, wrong = [], set()
    for name, context in _contexts(spec):
        more = set((context.get("capabilities") or {}).get("add") or ()) - allowed
        if more:
            names.append(name)
            wrong |= more
    return (
        f"{_named(names)} must not include {_quoted(sorted(wrong))} in securityContext.capabilities.add"
        if names
        else ""
    )


def capabilities(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    detail = _added(spec, _CAPABILITIES)
    return ("non-default capabilities", detail) if detail else None


def host_namespaces(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return ("host namespaces", ", ".join(shared)) if shared else None


def host_paths(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    names = [volume.get("name", "") for volume in spec.get("volumes") or () if "hostPath" in volume]
    return ("hostPath volumes", _named(names, "volume")) if names else None


def host_ports(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    names, ports = [], set()
    for name, container in _containers(spec):
        used = {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        if used:
            names.append(name)
            ports |= used
    if not names:
        return None
    uses = "uses" if len(names) == 1 else "use"
    return "hostPort", f"{_named(names)} {uses} {_plural('hostPort', len(ports))} {', '.join(sorted(ports))}"


def hosts(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    names, hosts = [], set()
    for name, container in _containers(spec):
        lifecycle = container.get("lifecycle") or {}
        asked = [container.get(probe) for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
        asked += [lifecycle.get(hook) for hook in ("postStart", "preStop")]
        used = {
            host
            for handler in asked
            for way in ("httpGet", "tcpSocket")
            if (host := ((handler or {}).get(way) or {}).get("host"))
        }
        if used:
            names.append(name)
            hosts |= used
    if not names:
        return None
    uses, what = "uses" if len(names) == 1 else "use", _plural("host", len(hosts))
    return f"probe or lifecycle {what}", f"{_named(names)} {uses} probe or lifecycle {what} {_quoted(sorted(hosts))}"


def privileged(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    names = [name for name, context in _contexts(spec) if context.get("privileged")]
    return ("privileged", f"{_named(names)} must not set securityContext.privileged=true") if names else None


def proc_mount(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    wrong = {
        name: kind for name, context in _contexts(spec) if (kind := context.get("procMount", "Default")) != "Default"
    }
    detail = f"{_named(list(wrong))} must not set securityContext.procMount to {_quoted(sorted(set(wrong.values())))}"
    return ("procMount", detail) if wrong else None


def selinux(allowed: frozenset[str], _metadata: Body, spec: Body) -> tuple[str, str] | None:
    types: set[str] = set()
    told: set[str] = set()

    def is_bad(context: Body) -> bool:
        options = context.get("seLinuxOptions") or {}
        wrong = {options["type"]} if options.get("type", "") not in allowed else set()
        types.update(wrong)
        more = {field for field in ("user", "role") if options.get(field)}
        told.update(more)
        return bool(wrong or more)

    pod = is_bad(spec.get("securityContext") or {})
    names = [name for name, context in _contexts(spec) if is_bad(context)]
    if not (pod or names):
        return None
    details = [f"{_plural('type', len(types))} {_quoted(sorted(types))}"] if types else []
    details += [f"{field} may not be set" for field in ("user", "role") if field in told]
    return (
        "seLinuxOptions",
        f"{_setters(pod, names)} set forbidden securityContext.seLinuxOptions: {'; '.join(details)}",
    )


def _seccomp_type(context: Body) -> str | None:
    found: str | None = (context.get("seccompProfile") or {}).get("type")
    return found


def annotated_seccomp(metadata: Body, spec: Body) -> tuple[str, str] | None:
    """As before there was a field for it."""
    annotations = metadata.get("annotations") or {}
    keys = [_SECCOMP_POD, *(_SECCOMP + name for name, _ in _containers(spec))]
    allowed = ("runtime/default", "docker/default")
    wrong = {
        f'{key}="{value}"'
        for key in keys
        if (value := annotations.get(key)) is not None and value not in allowed and not value.startswith("localhost/")
    }
    detail = f"forbidden {_plural('annotation', len(wrong))} {', '.join(sorted(wrong))}"
    return ("seccompProfile", detail) if wrong else None


def seccomp(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    pod = _seccomp_type(spec.get("securityContext") or {}) == "Unconfined"
    names = [name for name, context in _contexts(spec) if _seccomp_type(context) == "Unconfined"]
    if not (pod or names):
        return None
    return "seccompProfile", f'{_setters(pod, names)} must not set securityContext.seccompProfile.type to "Unconfined"'


def sysctls(allowed: frozenset[str], _metadata: Body, spec: Body) -> tuple[str, str] | None:
    listed = (spec.get("securityContext") or {}).get("sysctls") or ()
    wrong = [sysctl.get("name", "") for sysctl in listed if sysctl.get("name") not in allowed]
    return ("forbidden sysctls", ", ".join(wrong)) if wrong else None


def host_process(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    def is_bad(context: Body) -> bool:
        return bool((context.get("windowsOptions") or {}).get("hostProcess"))

    pod = is_bad(spec.get("securityContext") or {})
    names = [name for name, context in _contexts(spec) if is_bad(context)]
    if not (pod or names):
        return None
    return "hostProcess", f"{_setters(pod, names)} must not set securityContext.windowsOptions.hostProcess=true"


# --- restricted ---------------------------------------------------------------------------------------------------


def unless(is_exempt: Callable[[Body], bool], check: Check, metadata: Body, spec: Body) -> tuple[str, str] | None:
    return None if is_exempt(spec) else check(metadata, spec)


def escalation(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    names = [name for name, context in _contexts(spec) if context.get("allowPrivilegeEscalation") is not False]
    detail = f"{_named(names)} must set securityContext.allowPrivilegeEscalation=false"
    return ("allowPrivilegeEscalation != false", detail) if names else None


def few_capabilities(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    keeping = [
        name
        for name, context in _contexts(spec)
        if "ALL" not in ((context.get("capabilities") or {}).get("drop") or ())
    ]
    details = [f'{_named(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    if added := _added(spec, frozenset(("NET_BIND_SERVICE",))):
        details.append(added)
    return ("unrestricted capabilities", "; ".join(details)) if details else None


def volume_types(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    names, kinds = [], set()
    for volume in spec.get("volumes") or ():
        wrong = {source for source in volume if source != "name"} - _VOLUMES
        if wrong:
            names.append(volume.get("name", ""))
            kinds |= wrong
    if not names:
        return None
    uses = "uses" if len(names) == 1 else "use"
    what = f"{uses} restricted volume {_plural('type', len(kinds))} {_quoted(sorted(kinds))}"
    return "restricted volume types", f"{_named(names, 'volume')} {what}"


def non_root(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    asked = (spec.get("securityContext") or {}).get("runAsNonRoot")
    says = [(name, context.get("runAsNonRoot")) for name, context in _contexts(spec)]
    explicit = [name for name, value in says if value is False]
    implicit = [name for name, value in says if value is None and not asked]
    if asked is False or explicit:
        detail = f"{_setters(asked is False, explicit)} must not set securityContext.runAsNonRoot=false"
    elif implicit:
        detail = f"pod or {_named(implicit)} must set securityContext.runAsNonRoot=true"
    else:
        return None
    return "runAsNonRoot != true", detail


def user(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    pod = (spec.get("securityContext") or {}).get("runAsUser") == 0
    names = [name for name, context in _contexts(spec) if context.get("runAsUser") == 0]
    return ("runAsUser=0", f"{_setters(pod, names)} must not set runAsUser=0") if pod or names else None


def any_seccomp(_metadata: Body, spec: Body) -> tuple[str, str] | None:
    of_pod = _seccomp_type(spec.get("securityContext") or {})
    says = [(name, _seccomp_type(context)) for name, context in _contexts(spec)]
    explicit = [name for name, kind in says if kind is not None and kind not in _PROFILES]
    implicit = [name for name, kind in says if kind is None and of_pod is None]
    bad_pod = of_pod is not None and of_pod not in _PROFILES
    if bad_pod or explicit:
        kinds = {kind for _, kind in says if kind and kind not in _PROFILES} | (
            {of_pod} if bad_pod and of_pod else set()
        )
        detail = f"must not set securityContext.seccompProfile.type to {_quoted(sorted(kinds))}"
        return "seccompProfile", f"{_setters(bad_pod, explicit)} {detail}"
    if implicit:
        detail = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        return "seccompProfile", f"pod or {_named(implicit)} {detail}"
    return None
