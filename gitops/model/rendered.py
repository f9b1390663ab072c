"""The desired state: what one revision renders to, sorted, each object once."""

from dataclasses import dataclass

from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Manifest
from gitops.model.revision import Revision


@dataclass(frozen=True, slots=True)
class RenderedSet:
    """`manifests` are sorted by key with every namespace filled in; `digest` names their content (sha256, hex).

    `left_alone` are objects that are in the source, but say that they are not to be touched. `children` are the
    manifests of Applications that a controller takes in, where the cluster does not know that kind; the digest is of
    them too.
    """

    revision: Revision
    manifests: tuple[Manifest, ...]
    digest: str
    left_alone: frozenset[ResourceKey] = frozenset()
    children: tuple[Body, ...] = ()

    @property
    def keys(self) -> frozenset[ResourceKey]:
        return frozenset(manifest.key for manifest in self.manifests)
