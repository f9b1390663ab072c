"""Makes `internal.json`, the fields that errors about immutable Pods and claims print, from Go declarations.

    python -m gitops.sandbox.validation.internal_data GO_MODULES_DIR

The server's own structs have the published ones' fields; where their order differs it is given here. Nothing here runs
in the product.
"""

import json
import re
import sys
from pathlib import Path

OUTPUT = Path(__file__).with_name("internal.json")

_STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}$", re.M | re.S)
_NAMED = re.compile(r"^type (\w+) (map\[|\[\]|string|int32|int64|bool)", re.M)
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?(\S+)\s+`[^`]*json:\"([^\"]*)\"")

ROOTS = ("PodSpec", "PersistentVolumeClaimSpec")

# The order in which the server's own structs have their fields.
ORDER = {
    "PodSpec": """
        Volumes InitContainers Containers EphemeralContainers RestartPolicy TerminationGracePeriodSeconds
        ActiveDeadlineSeconds DNSPolicy NodeSelector ServiceAccountName AutomountServiceAccountToken NodeName
        SecurityContext ImagePullSecrets Hostname Subdomain SetHostnameAsFQDN Affinity SchedulerName Tolerations
        HostAliases PriorityClassName Priority PreemptionPolicy DNSConfig ReadinessGates RuntimeClassName Overhead
        EnableServiceLinks TopologySpreadConstraints OS SchedulingGates ResourceClaims Resources HostnameOverride
        SchedulingGroup""",
    "Container": """
        Name Image Command Args WorkingDir Ports EnvFrom Env Resources ResizePolicy RestartPolicy RestartPolicyRules
        VolumeMounts VolumeDevices LivenessProbe ReadinessProbe StartupProbe Lifecycle TerminationMessagePath
        TerminationMessagePolicy ImagePullPolicy SecurityContext Stdin StdinOnce TTY""",
    "PodSecurityContext": """
        HostNetwork HostPID HostIPC ShareProcessNamespace HostUsers SELinuxOptions WindowsOptions RunAsUser RunAsGroup
        RunAsNonRoot SupplementalGroups SupplementalGroupsPolicy FSGroup FSGroupChangePolicy Sysctls SeccompProfile
        AppArmorProfile SELinuxChangePolicy""",
}
MOVED = {
    "PodSecurityContext": [
        ["HostNetwork", "hostNetwork", "bool", ""],
        ["HostPID", "hostPID", "bool", ""],
        ["HostIPC", "hostIPC", "bool", ""],
        ["ShareProcessNamespace", "shareProcessNamespace", "null", ""],
        ["HostUsers", "hostUsers", "null", ""],
    ]
}


def main(arguments: list[str]) -> None:
    """Writes the data file beside this module."""
    text = (Path(arguments[0]) / "api/core/v1/types.go").read_text()
    structs = dict(_STRUCT.findall(text))
    named = dict(_NAMED.findall(text))
    out: dict[str, list[list[str]]] = {}
    for root in ROOTS:
        _collect(root, structs, named, out)
    OUTPUT.write_text(json.dumps(out, separators=(",", ":"), sort_keys=True) + "\n")


def _collect(name: str, structs: dict[str, str], named: dict[str, str], out: dict[str, list[list[str]]]) -> None:
    if name in out:
        return
    out[name] = []
    fields = [*MOVED.get(name, []), *_fields(name, structs, named)]
    if name in ORDER:
        known = {field[0]: field for field in fields}
        fields = [known[field] for field in ORDER[name].split() if field in known]
    out[name] = fields
    for _, _, kind, target in fields:
        if kind in ("struct", "pointer", "list"):
            _collect(target, structs, named, out)


def _fields(name: str, structs: dict[str, str], named: dict[str, str]) -> list[list[str]]:
    found = []
    for line in structs[name].splitlines():
        if (match := _FIELD.match(line)) is None:
            continue
        go_name, go_type, published = match[1], match[2], match[3].split(",")[0]
        if go_name is None:
            embedded = go_type.lstrip("*")
            found.extend(_fields(embedded, structs, named) if embedded in structs else [])
        else:
            found.append([go_name, published, *_kind(go_type, structs, named)])
    return found


def _kind(go_type: str, structs: dict[str, str], named: dict[str, str]) -> tuple[str, str]:
    bare = go_type.lstrip("*[]")
    if go_type.startswith("[]"):
        return ("list", bare) if bare in structs else ("null", "")
    if go_type.startswith("*"):
        return ("pointer", bare) if bare in structs else ("null", "")
    if bare in structs:
        return "struct", bare
    plain = named.get(bare, bare)
    if plain.startswith(("map", "[]")):
        return "null", ""
    if "Quantity" in plain:
        return "quantity", ""
    if plain.startswith("int") or plain.endswith("IntOrString"):
        return "int", ""
    return ("bool", "") if plain == "bool" else ("string", "")


if __name__ == "__main__":
    main(sys.argv[1:])
