"""Pod Security admission: what the level of a namespace forbids its Pods, in the server's words.

The checks, their order, texts and versions are those of k8s.io/pod-security-admission/policy.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from gitops.manifests.key import Body
from gitops.sandbox import podsecurity_checks as checks
from gitops.sandbox.podsecurity_checks import Check

LEVELS = ("privileged", "baseline", "restricted")
_LABEL = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")

_SYSCTLS = frozenset(
    (
        *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
        *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range"),
    )
)
_SYSCTLS_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29 = _SYSCTLS_27 | {
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    "net.ipv4.tcp_keepalive_probes",
}
_SYSCTLS_32 = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)", re.ASCII)
_LATEST = 1 << 30


class _Rule(NamedTuple):
    """A check by the minor version from which each form of it holds; it stands in for the one that it `replaces`."""

    name: str
    forms: dict[int, Check]
    replaces: str = ""


class Level(NamedTuple):
    """What a namespace asks of its Pods: `minor` is of the version whose rules hold, `text` how messages name it."""

    name: str
    minor: int
    text: str


def level_of(namespace: Body, mode: str) -> Level:
    """The level that a namespace sets for a mode; what is enforced is warned of, where nothing is said of warnings."""
    labels = namespace["metadata"].get("labels") or {}
    name, version = labels.get(_LABEL + mode), labels.get(f"{_LABEL}{mode}-version")
    if mode == "warn" and name is None and labels.get(f"{_LABEL}enforce"):
        name, version = labels[f"{_LABEL}enforce"], version or labels.get(f"{_LABEL}enforce-version")
    name, version = name or "privileged", version or "latest"
    pinned = _VERSION.fullmatch(version)
    return Level(name, int(pinned[1]) if pinned else _LATEST, f"{name}:{version if pinned else 'latest'}")


def wrong_labels(labels: Body) -> Iterator[tuple[str, str, str]]:
    """The labels of a namespace that set no level or no version, with their values and what they should be."""
    for mode in MODES:
        level, version = labels.get(_LABEL + mode), labels.get(f"{_LABEL}{mode}-version", "latest")
        if level is not None and level not in LEVELS:
            yield _LABEL + mode, level, "must be one of " + ", ".join(LEVELS)
        if version != "latest" and not _VERSION.fullmatch(version):
            yield f"{_LABEL}{mode}-version", version, 'must be "latest" or "v1.x"'


def violations(metadata: Body, spec: Body, level: Level) -> str:
    """What `level` forbids of a Pod, "" when nothing."""
    if level.name not in ("baseline", "restricted"):
        return ""
    rules = _BASELINE if level.name == "baseline" else (*_BASELINE, *_RESTRICTED)
    held = [(rule, form) for rule in rules if (form := _form(rule, level.minor)) is not None]
    replaced = {rule.replaces for rule, _ in held}
    answers = [form(metadata, spec) for rule, form in held if rule.name not in replaced]
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in filter(None, answers))


def _form(rule: _Rule, minor: int) -> Check | None:
    since = [number for number in rule.forms if number <= minor]
    return rule.forms[max(since)] if since else None


_BASELINE = (
    _Rule("apparmor", {0: checks.apparmor}),
    _Rule("capabilities", {0: checks.capabilities}),
    _Rule("host namespaces", {0: checks.host_namespaces}),
    _Rule("host paths", {0: checks.host_paths}),
    _Rule("host ports", {0: checks.host_ports}),
    _Rule("hosts", {34: checks.hosts}),
    _Rule("privileged", {0: checks.privileged}),
    _Rule("proc mount", {0: checks.proc_mount, 35: partial(checks.unless, checks.own_users, checks.proc_mount)}),
    _Rule(
        "selinux",
        {
            0: partial(checks.selinux, _SELINUX_TYPES),
            31: partial(checks.selinux, _SELINUX_TYPES | {"container_engine_t"}),
        },
    ),
    _Rule("seccomp", {0: checks.annotated_seccomp, 19: checks.seccomp}),
    _Rule(
        "sysctls",
        {
            0: partial(checks.sysctls, _SYSCTLS),
            27: partial(checks.sysctls, _SYSCTLS_27),
            29: partial(checks.sysctls, _SYSCTLS_29),
            32: partial(checks.sysctls, _SYSCTLS_32),
        },
    ),
    _Rule("host process", {0: checks.host_process}),
)
_RESTRICTED = (
    _Rule("escalation", {8: checks.escalation, 25: partial(checks.unless, checks.is_windows, checks.escalation)}),
    _Rule(
        "few capabilities",
        {22: checks.few_capabilities, 25: partial(checks.unless, checks.is_windows, checks.few_capabilities)},
        replaces="capabilities",
    ),
    _Rule("any proc mount", {35: checks.proc_mount}, replaces="proc mount"),
    _Rule("volumes", {0: checks.volume_types}, replaces="host paths"),
    _Rule("non-root", {0: checks.non_root, 35: partial(checks.unless, checks.own_users, checks.non_root)}),
    _Rule("user", {23: checks.user, 35: partial(checks.unless, checks.own_users, checks.user)}),
    _Rule(
        "any seccomp",
        {19: checks.any_seccomp, 25: partial(checks.unless, checks.is_windows, checks.any_seccomp)},
        replaces="seccomp",
    ),
)
