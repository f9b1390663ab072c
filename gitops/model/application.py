"""An Application: which source, rendered how, goes to which cluster and namespace, and how it is synced.

Frozen data with the defaults that users are promised; reading it from YAML, and saying what is wrong with that, is
`gitops.config`'s work. Names that lead to objects of a cluster are annotated with what they may be. Durations are in
seconds here; in YAML they are written 90s, 10m or 1h30m.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from gitops.manifests.names import APPLICATION_NAME, LABEL_NAME, SUBDOMAIN_NAME
from gitops.model.fact import Fact
from gitops.model.helm_options import HelmOptions
from gitops.model.patterns import CHART, EXPRESSION, PATCH, PATH, POINTER, REPOSITORY, SCHEDULE, TIME_ZONE, VERSION
from gitops.model.plain_options import PlainOptions
from gitops.model.source_access import Bucket, Credentials, Include, Verify
from gitops.model.source_name import is_bucket, is_oci, source_name, without_userinfo
from gitops.model.transforms import CommonMetadata, Decryption, PostBuild

GROUP, KIND = "gitops.dev", "Application"
# Between the names of several sources: no address has a blank in it.
BETWEEN_NAMES = " + "
Drift = Literal["ignore", "report", "correct"]
# Begins the name of a cluster whose kubeconfig is in a Secret: NAMESPACE/NAME/KEY.
OF_SECRET = "kubeconfig:"
# What the cluster is called that we are at home in.
HOME = "in-cluster"
# What an Application is in that names no project.
DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class PatchTarget:
    """Which objects a patch is for, as Kustomize has it: expressions for names, selectors for labels."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    labelSelector: str = ""
    annotationSelector: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """A strategic merge patch, or a JSON 6902 patch, as text; without a target it names its object itself."""

    patch: Annotated[str, PATCH]
    target: PatchTarget = PatchTarget()


@dataclass(frozen=True, slots=True)
class KustomizeOptions:
    """What is added on top of the kustomization, and whose rules hold: those of Kustomize 5.5, or 5.8.

    With `enableHelm` its `helmCharts` are rendered. With `rules: flux` it is built as Flux builds a path: files may lie
    anywhere in the repository, a folder without a kustomization gets one of all manifests below it, and what stands
    here is written into the kustomization. An image without a new name is `NAME=*:TAG`.
    """

    images: tuple[str, ...] = ()
    namePrefix: str = ""
    nameSuffix: str = ""
    components: tuple[str, ...] = ()
    version: Literal["5.5", "5.8"] = "5.8"
    enableHelm: bool = False
    namespace: Annotated[str, LABEL_NAME] = ""
    patches: tuple[Patch, ...] = ()
    ignoreMissingComponents: bool = False
    buildMetadata: tuple[Literal["originAnnotations", "transformerAnnotations"], ...] = ()
    rules: Literal["kustomize", "flux"] = "kustomize"


@dataclass(frozen=True, slots=True)
class TemplateOptions:
    """Values for templates: files first, in order, then `values`; maps are merged deeply."""

    values: dict[str, Any] = field(default_factory=dict)
    valueFiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A repository, a revision in it, a path in that, and the renderer's options.

    With `chart` the repository is one of charts (https, or oci), and `targetRevision` a version, a range of versions or
    a digest. An `oci` repository without it holds packed files. What other sources call `$ref/PATH` is a file of the
    source that has this `ref`. An `s3` repository is a bucket's files. With `verify` an `oci` repository's content
    has to be signed. `include` puts folders of other sources into this one. `ignore` are lines as in
    .gitignore: files that are taken as if they were not there. `patches`, and after them `images` (as those of
    Kustomize), change what any renderer made. `options` are those of a plug-in, which checks them; what is built in has
    a field of its own name.
    """

    repoURL: Annotated[str, REPOSITORY] = ""
    targetRevision: str = ""
    path: str = "."
    chart: Annotated[str, CHART] = ""
    ref: Annotated[str, LABEL_NAME] = ""
    renderer: Annotated[str, LABEL_NAME] = "auto"  # built in, or the name of a plug-in (renderers/registry.py)
    plain: PlainOptions = field(default_factory=PlainOptions)
    kustomize: KustomizeOptions = KustomizeOptions()
    template: TemplateOptions = field(default_factory=TemplateOptions)
    helm: HelmOptions = field(default_factory=HelmOptions)
    options: dict[str, Any] = field(default_factory=dict)
    patches: tuple[Patch, ...] = ()
    images: tuple[str, ...] = ()
    postBuild: PostBuild = field(default_factory=PostBuild)
    commonMetadata: CommonMetadata = field(default_factory=CommonMetadata)
    decryption: Decryption = field(default_factory=Decryption)
    credentials: Credentials = field(default_factory=Credentials)
    ignore: Annotated[str, PATCH] = ""
    include: tuple[Include, ...] = ()
    verify: Verify = field(default_factory=Verify)
    bucket: Bucket = field(default_factory=Bucket)

    @property
    def address(self) -> str:
        """`repoURL` as it may be told: without a user's name and password."""
        return without_userinfo(self.repoURL)

    @property
    def name(self) -> str:
        """What names it in inventories, releases and messages: free of credentials."""
        if not self.chart:
            return source_name(self.repoURL, self.path)
        address = self.address.rstrip("/")
        return f"{address}/{self.chart}" if is_oci(address) else source_name(address, self.chart)

    @property
    def is_bucket(self) -> bool:
        return is_bucket(self.repoURL)

    @property
    def is_git(self) -> bool:
        """Whether it is a Git repository, and no chart, artifact or bucket."""
        return not (self.chart or is_oci(self.repoURL) or is_bucket(self.repoURL))

    @property
    def is_rendered(self) -> bool:
        """False for one that only has files for other sources: it has a `ref`, and neither a chart nor a path."""
        return not self.ref or bool(self.chart) or self.path not in ("", ".")


@dataclass(frozen=True, slots=True)
class KubeConfig:
    """A kubeconfig in a Secret of the Application's own namespace: its entry `key` ("" = `value`, or `value.yaml`)."""

    secretRef: Annotated[str, SUBDOMAIN_NAME] = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """`cluster` is a registered cluster, or for the operator a kubeconfig context ("" = the current one).

    With `kubeConfig` it is the cluster which that leads to.
    """

    cluster: str = ""
    namespace: Annotated[str, LABEL_NAME] = ""
    kubeConfig: KubeConfig = KubeConfig()

    @property
    def told(self) -> str:
        """What names the cluster in the audit log; "" for the one that we are at home in."""
        return f"kubeConfig {self.kubeConfig.secretRef}" if self.kubeConfig.secretRef else self.cluster


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a failed sync is tried again: at first, times what after each try, and at most."""

    duration: float = 5.0
    factor: float = 2.0
    maxDuration: float = 180.0


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed sync is tried again, and after how long."""

    limit: int = 5
    backoff: Backoff = Backoff()


@dataclass(frozen=True, slots=True)
class PruneLimit:
    """Beyond either, a sync is held; percent counts from 10 owned objects up."""

    count: int = 50
    percent: int = 30


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """An object whose health is waited for, the Application's own or not; "" is the Application's namespace."""

    kind: str
    name: str
    apiVersion: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Whose health a sync waits for: all of its objects', those of `checks`, or nobody's.

    `checks` are waited for in any case but the last. With `pruneFirst` what is not desired any more is deleted before
    the others are waited for, as Flux and Helm do: what is new may need its place. Else it goes once they are healthy.
    """

    objects: Literal["all", "listed", "none"] = "all"
    checks: tuple[HealthCheck, ...] = ()
    pruneFirst: bool = False


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How the plan is carried out; `timeout` is how long the objects have to become healthy.

    With `recreate` an object is deleted and made anew where a field of it cannot be changed.
    `takeOverKubectl` moves the fields that `kubectl apply` owns to us, so that removing them from Git removes them.
    `strict` makes fields drift that people added by hand in objects that we own.
    """

    automated: bool = False
    prune: bool = False
    drift: Drift = "report"
    conflicts: Literal["hold", "force"] = "hold"
    createNamespace: bool = False
    takeOverKubectl: bool = True
    strict: bool = False
    timeout: float = 600.0
    rollback: Literal["onFailure", "never"] = "onFailure"
    retry: Retry = Retry()
    pruneLimit: PruneLimit = PruneLimit()
    serviceAccount: Annotated[str, SUBDOMAIN_NAME] = ""
    wait: Wait = Wait()
    recreate: bool = False


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """Differences that do not count: by JSON pointer, by path (a part of jq), or all that one of `managers` owns."""

    group: str = "*"
    kind: str = "*"
    name: str = "*"
    namespace: str = "*"
    jsonPointers: tuple[Annotated[str, POINTER], ...] = ()
    jqPathExpressions: tuple[Annotated[str, PATH], ...] = ()
    managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyScope:
    """Other levels for what comes from files, or goes to namespaces, that fit these globs."""

    path: str = "*"
    namespace: str = "*"
    enforce: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()
    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """Which rules hold a sync and which only warn; the last scope that fits decides. `kubernetes` is a version."""

    enforce: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()
    scopes: tuple[PolicyScope, ...] = ()
    kubernetes: Annotated[str, VERSION] = ""


@dataclass(frozen=True, slots=True)
class HealthRule:
    """A user's own rule for a kind: CEL over `object`, `metadata`, `spec` and `status`; the first that is true decides.

    What none of them says is Progressing. `group` and `kind` are globs.
    """

    group: str = "*"
    kind: str = "*"
    degraded: str = ""
    suspended: str = ""
    progressing: str = ""
    healthy: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """When syncs are allowed (or denied): from each moment of the cron `schedule`, for `duration`."""

    kind: Literal["allow", "deny"]
    schedule: Annotated[str, SCHEDULE]
    duration: float
    timeZone: Annotated[str, TIME_ZONE] = "UTC"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A destination that is told of this Application, if its operator opened that to its namespace; "" of `facts` is
    what it is usually told. A destination that is called as the `recipient` comes before.
    """

    destination: Annotated[str, LABEL_NAME]
    facts: tuple[Fact, ...] = ()
    recipient: Annotated[str, LABEL_NAME] = ""


@dataclass(frozen=True, slots=True)
class Application:
    """The unit of delivery; its identity is NAMESPACE/NAME everywhere. Its source is looked at every `interval`.

    An Application of `dependsOn` that has a `readyExpr` (CEL over `self` and `dep`, the custom resources of the two) is
    ready when that is true, whatever its health. Where it has several `sources`, `source` is the first of them.
    `labels` are of its metadata. `project` is one of the operator's (`gitops run --projects`), which says what it may
    use.
    """

    name: str
    namespace: str = "gitops"
    source: SourceSpec = field(default_factory=SourceSpec)
    destination: Destination = Destination()
    sync: SyncOptions = SyncOptions()
    ignoreDifferences: tuple[IgnoreRule, ...] = ()
    dependsOn: tuple[Annotated[str, APPLICATION_NAME], ...] = ()
    readyExpr: dict[str, Annotated[str, EXPRESSION]] = field(default_factory=dict)
    health: tuple[HealthRule, ...] = ()
    policies: PolicyOptions = PolicyOptions()
    windows: tuple[Window, ...] = ()
    interval: float = 180.0
    sources: tuple[SourceSpec, ...] = ()
    # Its project, who is told, and labels, are not what a sync tries: see `attempt_name`.
    project: Annotated[str, SUBDOMAIN_NAME] = field(default=DEFAULT_PROJECT, repr=False)
    notifications: tuple[Subscription, ...] = field(default=(), repr=False)
    labels: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def identity(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def cluster(self) -> str:
        """The name of the cluster that it goes to; "" is the one that we are at home in."""
        name, own = self.destination.cluster, self.destination.kubeConfig
        if own.secretRef:
            return f"{OF_SECRET}{self.namespace}/{own.secretRef}/{own.key}"
        if name.startswith(OF_SECRET):  # a name that is written leads to nobody's Secret
            return f" {name}"
        return "" if name == HOME else name

    @property
    def all_sources(self) -> tuple[SourceSpec, ...]:
        """At least one."""
        return self.sources or (self.source,)

    def with_sources(self, sources: "tuple[SourceSpec, ...]") -> "Application":
        """The same with these sources, at least one, in place of its own."""
        return replace(self, source=sources[0], sources=sources if len(sources) > 1 else ())

    @property
    def address(self) -> str:
        """The addresses of its repositories, as they may be told."""
        return BETWEEN_NAMES.join(source.address for source in self.all_sources)

    @property
    def source_name(self) -> str:
        """What names all of its sources, in their order."""
        return BETWEEN_NAMES.join(source.name for source in self.all_sources)
