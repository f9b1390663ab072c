"""One manifest of a desired state: an object, and the file and line that it came from."""

from typing import NamedTuple

from gitops.manifests.key import Body, ResourceKey


class Origin(NamedTuple):
    """Where a manifest was written: a path in its tree and a line counted from 1; 0 where that is not known."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class Manifest(NamedTuple):
    """A Kubernetes object as rendered; `key.namespace` is "" until the destination's namespace is filled in."""

    key: ResourceKey
    body: Body
    origin: Origin
