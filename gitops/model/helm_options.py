"""How an Application's Helm chart is rendered."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from gitops.manifests.names import SUBDOMAIN_NAME
from gitops.model.patterns import KEY


@dataclass(frozen=True, slots=True)
class HelmParameter:
    """One value of a chart, as `--set name=value` gives it; with `forceString` it stays text."""

    name: str
    value: str = ""
    forceString: bool = False


@dataclass(frozen=True, slots=True)
class HelmFileParameter:
    """One value of a chart, which is the content of a file: `--set-file name=path`."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class ValuesFrom:
    """Values that a ConfigMap or Secret of the cluster holds, in the Application's namespace: a YAML map under `key`.

    With `targetPath` they are one value: `typed` as `--set` types a plain word (true, 3), `text`, or all that `--set`
    makes of it (`set`: commas part values; what is in quotes is text). One that is `optional` may be missing.
    """

    kind: Literal["ConfigMap", "Secret"]
    name: Annotated[str, SUBDOMAIN_NAME]
    key: Annotated[str, KEY] = "values.yaml"
    targetPath: str = ""
    optional: bool = False
    targetValue: Literal["typed", "text", "set"] = "typed"


@dataclass(frozen=True, slots=True)
class HelmOptions:
    """How a chart is rendered. The release is called as the Application; `valuesFrom` comes after the files of
    `valueFiles` (relative to the chart), then `values`, `parameters` and `fileParameters`. `kubeVersion` and
    `apiVersions` are what the chart is told of the cluster. Of `crds/` what is not there is made (`Create`), or all is
    kept as the chart has it (`CreateReplace`). With `replaceValues` the files of `valueFiles` take the place of the
    chart's own values.yaml, as those of a HelmChart of Flux do; values.yaml may be one of them.
    """

    releaseName: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    valueFiles: tuple[str, ...] = ()
    valuesFrom: tuple[ValuesFrom, ...] = ()
    ignoreMissingValueFiles: bool = False
    replaceValues: bool = False
    parameters: tuple[HelmParameter, ...] = ()
    fileParameters: tuple[HelmFileParameter, ...] = ()
    skipCRDs: bool = False
    crds: Literal["Create", "CreateReplace", "Skip"] = "CreateReplace"
    skipTests: bool = False
    skipSchemaValidation: bool = False
    apiVersions: tuple[str, ...] = ()
    kubeVersion: str = ""
