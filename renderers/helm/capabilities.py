"""What a chart may ask of the cluster: Kubernetes' version and API versions; by default those that Helm 3.17 knows."""

import re
from typing import Any, Final

from gitops.model.errors import ConfigError
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, GoObject, Struct, TypedList, function
from renderers.helm.semver import parse_version

KUBE_VERSION: Final = "v1.32.0"
_API_VERSIONS: Final = """
v1 admissionregistration.k8s.io/v1 admissionregistration.k8s.io/v1alpha1
admissionregistration.k8s.io/v1beta1 internal.apiserver.k8s.io/v1alpha1 apps/v1 apps/v1beta1 apps/v1beta2
authentication.k8s.io/v1 authentication.k8s.io/v1alpha1 authentication.k8s.io/v1beta1
authorization.k8s.io/v1 authorization.k8s.io/v1beta1 autoscaling/v1 autoscaling/v2 autoscaling/v2beta1
autoscaling/v2beta2 batch/v1 batch/v1beta1 certificates.k8s.io/v1 certificates.k8s.io/v1beta1
certificates.k8s.io/v1alpha1 coordination.k8s.io/v1alpha2 coordination.k8s.io/v1beta1
coordination.k8s.io/v1 discovery.k8s.io/v1 discovery.k8s.io/v1beta1 events.k8s.io/v1 events.k8s.io/v1beta1
extensions/v1beta1 flowcontrol.apiserver.k8s.io/v1 flowcontrol.apiserver.k8s.io/v1beta1
flowcontrol.apiserver.k8s.io/v1beta2 flowcontrol.apiserver.k8s.io/v1beta3 networking.k8s.io/v1
networking.k8s.io/v1alpha1 networking.k8s.io/v1beta1 node.k8s.io/v1 node.k8s.io/v1alpha1
node.k8s.io/v1beta1 policy/v1 policy/v1beta1 rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1
rbac.authorization.k8s.io/v1alpha1 resource.k8s.io/v1beta1 resource.k8s.io/v1alpha3
scheduling.k8s.io/v1alpha1 scheduling.k8s.io/v1beta1 scheduling.k8s.io/v1 storage.k8s.io/v1beta1
storage.k8s.io/v1 storage.k8s.io/v1alpha1 storagemigration.k8s.io/v1alpha1 apiextensions.k8s.io/v1beta1
apiextensions.k8s.io/v1
"""


class KubeVersion(GoObject):
    """Kubernetes' version, as text where it is printed."""

    go_type = "chartutil.KubeVersion"

    def __init__(self, version: str, major: str, minor: str) -> None:
        self.fields = {"Version": version, "Major": major, "Minor": minor}

    def field(self, name: str) -> Any:
        return self.fields[name]

    def go_print(self, verb: str) -> str:
        return str(self.fields["Version"])

    methods: dict[str, Function] = {  # noqa: RUF012
        "GitVersion": function("", lambda self: self.fields["Version"]),
        "String": function("", lambda self: self.fields["Version"]),
    }


class VersionSet(TypedList):
    """The API versions; `Has` tells whether one is among them."""

    methods: dict[str, Function] = {  # noqa: RUF012
        "Has": function("string", lambda self, name: name in self),
    }


class Capabilities(Struct):
    """`.Capabilities`."""

    def go_print(self, verb: str) -> str:
        from renderers.helm.gotemplate.printf import print_value

        kube = "{" + " ".join(self.fields["KubeVersion"].fields.values()) + "}"
        return f"{{{kube} {print_value(self.fields['APIVersions'])} {print_value(self.fields['HelmVersion'])}}}"


def kube_version(text: str) -> KubeVersion:
    """The version as Helm reads `--kube-version`. Raises ConfigError."""
    try:
        version = parse_version(text)
    except FunctionError:
        raise ConfigError(f'invalid Kubernetes version "{text}": expected one such as 1.32.0') from None
    major, minor, _ = version.numbers
    prefixed = "v" + str(version)
    return KubeVersion(prefixed, str(major), str(minor))


def capabilities(version: str = "", api_versions: tuple[str, ...] = ()) -> Capabilities:
    """What templates see; `api_versions` come on top of those that are known. Raises ConfigError."""
    for name in api_versions:
        if not re.fullmatch(r"[A-Za-z0-9./_-]+", name):
            raise ConfigError(f"invalid API version {name!r}: expected one such as monitoring.coreos.com/v1")
    helm = Struct(
        "version.BuildInfo",
        {
            "Version": "v3.17.2",
            "GitCommit": "cc0bbbd6d6276b83880042c1ecb34087e84d41eb",
            "GitTreeState": "clean",
            "GoVersion": "go1.23.7",
        },
    )
    return Capabilities(
        "*chartutil.Capabilities",
        {
            "KubeVersion": kube_version(version or KUBE_VERSION),
            "APIVersions": VersionSet("string", (*_API_VERSIONS.split(), *api_versions)),
            "HelmVersion": helm,
        },
        "ptr",
    )
