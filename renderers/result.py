"""What goes into a render besides files, and what comes out of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from gitops.manifests.manifest import Manifest
from gitops.manifests.yaml_write import write_manifests
from gitops.model.revision import Tree


class Remote(NamedTuple):
    """What a render needs besides its source: a URL as written, and a branch, tag, commit or version ("" = any).

    A Git repository; or one file over HTTP, which the tree that is given for it holds as `REMOTE_FILE`; or the chart
    `chart` of a chart repository or an OCI registry, whose folder the tree that is given for it is.
    """

    url: str
    ref: str = ""
    kind: Literal["git", "file", "chart"] = "git"
    chart: str = ""


REMOTE_FILE: Final = "file"


class Context(NamedTuple):
    """What a render is told besides its source.

    `name` and `namespace` are the Application's destination; `remotes` holds what an earlier answer `Needs` asked
    for. `load_restrictor` and `enable_helm` mean what they mean to `kubectl kustomize`; `kustomize_version` is whose
    rules hold where no Application says it.
    """

    name: str = ""
    namespace: str = ""
    remotes: Mapping[Remote, Tree] = MappingProxyType({})
    load_restrictor: Literal["root", "none"] = "root"
    enable_helm: bool = False
    kustomize_version: Literal["5.5", "5.8"] = "5.8"


class Rendered(NamedTuple):
    """The manifests in the renderer's order; `renderer` is the one that made them."""

    renderer: str
    manifests: tuple[Manifest, ...]

    @property
    def text(self) -> str:
        """The manifests as YAML; what Kustomize made is exactly what it prints, since its keys are sorted already."""
        return write_manifests(manifest.body for manifest in self.manifests)


class Needs(NamedTuple):
    """The render cannot go on without these; fetch them, add them to the Context, and render again."""

    remotes: tuple[Remote, ...]
