"""What goes into a render besides files, and what comes out of it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from gitops.manifests.manifest import Manifest
from gitops.manifests.yaml_write import write_manifests
from gitops.model.errors import RenderError
from gitops.model.revision import Tree


class Remote(NamedTuple):
    """What a render needs besides its source: a URL as written, and a branch, tag, commit or version ("" = any).

    A Git repository; or one file over HTTP, which the tree that is given for it holds as `REMOTE_FILE`, such as a
    schema that a chart's values are checked by; or the chart `chart` of a chart repository or an OCI registry, whose
    folder the tree that is given for it is.
    """

    url: str
    ref: str = ""
    kind: Literal["git", "file", "schema", "chart"] = "git"
    chart: str = ""


REMOTE_FILE: Final = "file"


class Look(NamedTuple):
    """An object of the cluster that a render asks for; all of a kind (in a namespace) where `name` is ""."""

    api_version: str
    kind: str
    namespace: str
    name: str


class Live(NamedTuple):
    """What is known of the world: objects (None: there is none), a secret seed for what is drawn by chance, the time.

    `at` is RFC 3339 in UTC; what is not known is b"" or "".
    """

    objects: Mapping[Look, Any] = {}
    seed: bytes = b""
    at: str = ""


class Encrypted(NamedTuple):
    """What SOPS encrypted: a whole `file`; one of `manifests`, where a mark is left of what was; or a rendered `object`
    (JSON), of which nobody knows any more whether it is whole. `name` is for messages, and tells the format.
    """

    name: str
    data: bytes
    form: Literal["file", "manifests", "object"] = "file"


# Gives it in the clear. Whoever renders holds no key: it asks.
Decrypt = Callable[[Encrypted], bytes]


class Context(NamedTuple):
    """What a render is told besides its source.

    `name` and `namespace` are the Application's destination, `home` is the namespace that it lives in; `remotes` and
    `live` hold what earlier answers `Needs` asked for (`live` None: there is no cluster at hand). `load_restrictor` and
    `enable_helm` mean what they mean to `kubectl kustomize`; `kustomize_version` is whose rules hold where no
    Application says it. `decrypt` is there where the Application asks for decryption. Without a cluster, `brought` are
    ConfigMaps and Secrets that whoever renders has seen the files bring.
    """

    name: str = ""
    namespace: str = ""
    remotes: Mapping[Remote, Tree] = MappingProxyType({})
    load_restrictor: Literal["root", "none"] = "root"
    enable_helm: bool = False
    kustomize_version: Literal["5.5", "5.8"] = "5.8"
    home: str = ""
    live: Live | None = None
    decrypt: Decrypt | None = None
    brought: Mapping[Look, Any] = MappingProxyType({})

    def held(self, look: Look, where: str) -> Any:
        """What a ConfigMap or Secret of the cluster is (None: there is none), KeyError where that is to be asked for.

        Raises RenderError, which says `where` it is named, without a cluster.
        """
        if self.live is not None:
            return self.live.objects[look]
        if look not in self.brought:
            raise RenderError(f"{where}: is in a cluster, which this does not read; `gitops diff` does")
        return self.brought[look]


class Rendered(NamedTuple):
    """The manifests in the renderer's order; `renderer` is the one that made them.

    `chance` are the functions that made it another one than the next render will be.
    """

    renderer: str
    manifests: tuple[Manifest, ...]
    chance: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The manifests as YAML; what Kustomize made is exactly what it prints, since its keys are sorted already."""
        return write_manifests(manifest.body for manifest in self.manifests)


class PlugIn(NamedTuple):
    """A renderer with options of its own, as an entry point of `gitops.renderers`.

    `options` is a flat dataclass (text, numbers, flags, tuples of text); `render` is given one, as `source.options` of
    the Application says it, besides what any renderer is given.
    """

    options: type
    render: Callable[..., "Rendered | Needs"]


class Needs(NamedTuple):
    """The render cannot go on without these; find them out, add them to the Context, and render again."""

    remotes: tuple[Remote, ...] = ()
    looks: tuple[Look, ...] = ()
    seed: bool = False
    time: bool = False
