"""What goes into a render besides files, and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gitops.manifests.manifest import Manifest
from gitops.manifests.yaml_write import write_manifests
from gitops.model.revision import Tree


@dataclass(frozen=True, slots=True)
class Remote:
    """Another Git repository that a render needs: a URL as written, and a branch, tag or commit ("" = its default)."""

    url: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a render is told besides its source.

    `name` and `namespace` are the Application's destination; `remotes` holds what an earlier answer `Needs` asked
    for. `load_restrictor` and `enable_helm` mean what they mean to `kubectl kustomize`.
    """

    name: str = ""
    namespace: str = ""
    remotes: Mapping[Remote, Tree] = field(default_factory=dict)
    load_restrictor: Literal["root", "none"] = "root"
    enable_helm: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    """The manifests in the renderer's order; `renderer` is the one that made them."""

    renderer: str
    manifests: tuple[Manifest, ...]

    @property
    def text(self) -> str:
        """The manifests as YAML; what Kustomize made is exactly what it prints, since its keys are sorted already."""
        return write_manifests(manifest.body for manifest in self.manifests)


@dataclass(frozen=True, slots=True)
class Needs:
    """The render cannot go on without these; fetch them, add them to the Context, and render again."""

    remotes: tuple[Remote, ...]
