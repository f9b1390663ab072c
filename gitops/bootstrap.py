"""Joins ports and adapters: the only module that knows both. What a caller does not use is not imported."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitops.bounds import PLAIN_LIMITS, MirrorLimits
from gitops.model.errors import ConfigError
from gitops.server.listening import NOWHERE, Listening

if TYPE_CHECKING:
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.kubernetes.registry import Registry
    from gitops.adapters.notifiers.sender import HttpNotifier
    from gitops.adapters.render_workers import RenderWorkers
    from gitops.controller.app import Controller
    from gitops.controller.cluster_worker import Connect
    from gitops.controller.registry import Registration
    from gitops.controller.trust import Trust
    from gitops.manifests.key import Body
    from gitops.model.application import Application
    from gitops.ports import Cluster, Repositories, Source, Store
    from gitops.sync import events
    from gitops.sync.context import SyncContext

# What runs beside a controller's own work, by a name for the log.
Entries = Callable[[str, str], dict[str, bytes] | None]  # what the entries of a Secret (namespace, name) hold
Part = tuple[str, Awaitable[None]]


def open_source(cache: Path, secrets: Callable[[str], str]) -> "Source":
    """Folders and repositories for a person's own command; `secrets` gives the text of a secretRef, or ""."""
    from gitops.adapters.source import Sources
    from gitops.config import mirror_limits

    return Sources(cache, secrets, here=Path.cwd(), as_account=True, limits=mirror_limits())


def source_here() -> str:
    """The name of the repository whose work tree we are called in, "" outside of any."""
    from gitops.adapters.source import folder_name
    from gitops.adapters.work_tree_place import owned_work_tree_of

    top = owned_work_tree_of(Path.cwd())
    return "" if top is None else folder_name(top, top, "")


def open_cluster(kubeconfig: str, context: str) -> "KubernetesCluster":
    """The API server that the kubeconfig's context names. Raises ConfigError."""
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.kubernetes.connection import connect

    return KubernetesCluster(connect(kubeconfig, context))


def home_namespace(kubeconfig: str, context: str) -> str:
    """The namespace that the kubeconfig's context names, or of the Pod that we run in; "" where neither says."""
    from gitops.adapters.kubernetes.connection import home_namespace as named

    return named(kubeconfig, context)


@contextlib.asynccontextmanager
async def open_store(state: Path, key: str, url: str = "") -> AsyncIterator["Store"]:
    """The PostgreSQL database `url`, or without one the store in the state folder; closed at the end.

    Raises StoreError, and ConfigError for a URL of another kind.
    """
    store: Store
    if not url:
        from gitops.adapters.store import SqliteStore

        store = await SqliteStore.open(state, key)
    elif url.startswith(("postgresql://", "postgres://")):
        store = await _open_postgresql(url, key)
    else:
        raise ConfigError("--store: expected postgresql://USER@HOST/DATABASE, or nothing for the state folder")
    try:
        yield store
    finally:
        await store.close()


async def _open_postgresql(url: str, key: str) -> "Store":
    try:
        from gitops.adapters.store_postgresql import PostgresqlStore
    except ImportError as exc:
        raise ConfigError("--store: PostgreSQL needs psycopg: pip install 'gitops-controller[postgresql]'") from exc
    return await PostgresqlStore.open(url, key)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the cluster, our records and our cache are, the key of our records, and as which version we write.

    `variables` are the environment's own: keys that decrypt are among them. `notifications` is the file that says who
    is told of what, `projects` the one that says what Applications may.
    """

    kubeconfig: str = ""
    context: str = ""
    state: Path = Path()
    cache: Path = Path()
    key: str = ""
    store_url: str = ""
    version: str = ""
    notifications: Path | None = None
    projects: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@contextlib.asynccontextmanager
async def _home_of(environment: Environment) -> AsyncIterator["KubernetesCluster"]:
    """The environment's own cluster, closed at the end."""
    cluster = open_cluster(environment.kubeconfig, environment.context)
    try:
        yield cluster
    finally:
        await cluster.close()


@contextlib.asynccontextmanager
async def open_outside(
    environment: Environment, *, secrets: Callable[[str], str], emit: "Callable[[events.Event], None]"
) -> AsyncIterator["SyncContext"]:
    """Everything that a pass reaches out to, closed at the end."""
    from gitops.adapters.clock import SystemClock
    from gitops.adapters.kubernetes.secret_reader import SecretReader
    from gitops.rendering import Access, own_decryptors, render
    from gitops.sync.context import SyncContext

    async with (
        _home_of(environment) as cluster,
        open_store(environment.state, environment.key, environment.store_url) as store,
    ):
        yield SyncContext(
            source=open_source(environment.cache, secrets),
            render=partial(
                render,
                access=Access(
                    as_account=True,
                    decryptors=own_decryptors(environment.variables, secrets, SecretReader(cluster).entries),
                ),
            ),
            cluster=cluster,
            store=store,
            clock=SystemClock(),
            version=environment.version,
            emit=emit,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What a controller is started with; `namespace` is its own, where Leases and registered clusters are."""

    environment: Environment = Environment()
    namespace: str = "gitops"
    watch_namespace: str = ""
    files: tuple[Path, ...] = ()
    resources: bool = True
    flux: Literal["", "all", "own"] = ""  # whether Flux's objects are run, and of which namespaces they name sources
    local_repositories: bool = False
    contexts: bool = False
    require_account: bool = False
    leases: bool = False
    listening: Listening = NOWHERE
    mirrors: MirrorLimits = PLAIN_LIMITS


@contextlib.asynccontextmanager
async def open_controller(
    settings: Settings,
    *,
    read_files: "Callable[[Path], list[Application]]",
    read_resource: "Callable[[Body], Application]",
    secrets: Callable[[str], str],
    workers: "RenderWorkers | None" = None,
) -> "AsyncIterator[tuple[Controller, list[Part]]]":
    """A controller, and the parts that run beside its own; what it opened is closed at the end.

    `secrets` is what the environment says a secretRef means, for Applications from files. Without `workers` it renders
    by processes of its own. Raises ConfigError for a file that cannot be read, StoreError when the store cannot be had.
    """
    from gitops.adapters.clock import SystemClock
    from gitops.adapters.kubernetes.registry import Registry
    from gitops.adapters.render_workers import RenderWorkers
    from gitops.controller.app import Controller
    from gitops.controller.render_cache import RenderCache
    from gitops.controller.trust import Trust
    from gitops.rendering import Access, decryptors_of, render

    def entry(identity: str) -> "Registration | None":
        return controller.registry.entry(identity)

    environment = settings.environment
    async with _home_of(environment) as home:
        registry = Registry(home, settings.namespace, lambda name: controller.workers.reconnect(name))  # noqa: PLW0108
        trust = Trust(entry, registry, secrets, contexts=settings.contexts)
        with contextlib.nullcontext(workers) if workers else contextlib.closing(RenderWorkers()) as pool:
            decryptors = decryptors_of(environment.variables, secrets, registry.reader.entries, trust.is_trusted)
            renders = partial(render, by=pool.render, access=Access(limits=settings.mirrors, decryptors=decryptors))
            async with open_store(environment.state, environment.key, environment.store_url) as store:
                controller = Controller(
                    connect=_connector(environment, registry),
                    repositories=_repositories(settings, trust),
                    renders=RenderCache(renders, is_trusted=trust.is_trusted),
                    store=store,
                    clock=SystemClock(),
                    version=environment.version,
                )
                parts = _projects(settings, controller, registry)
                controller.refused = lambda app: controller.projects.refused(app) or trust.cluster_refused(app)
                parts += _files(settings, controller, read_files)
                parts += _parts(settings, controller, home, read_resource, registry.reader.entries)
                parts += _notifications(settings, controller, secrets, registry.reader.entries)
                yield controller, [("clusters", registry.run()), *parts, *_http(settings, controller, home, secrets)]


def _projects(settings: Settings, controller: "Controller", registry: "Registry") -> list[Part]:
    """What Applications may by the operator's file of projects, which is read before any of them."""
    from gitops.controller.followed_file import FollowedFile
    from gitops.controller.projects import Projects
    from gitops.project_file import read_projects
    from gitops.server.auth.policy import why_no_roles

    path, file, entry = settings.environment.projects, None, controller.registry.entry
    if path is not None:
        file = FollowedFile(path, partial(read_projects, check_roles=why_no_roles), controller.records.file_read)
    found = Projects(file, home=settings.namespace, server_of=registry.server_of, entry=entry)
    controller.projects = found
    return [] if file is None else [("project file", found.run(controller.clock, controller.projects_changed))]


def _repositories(settings: Settings, trust: "Trust") -> "Repositories":
    """Where a controller reads: Git repositories, and those of charts."""
    from gitops.adapters.chart_repositories import ChartRepositories
    from gitops.adapters.repositories import GitRepositories
    from gitops.adapters.source_repositories import SourceRepositories

    cache, limits = settings.environment.cache, settings.mirrors
    return SourceRepositories(
        GitRepositories(cache, trust.secret, trust.is_trusted, limits, trust.secrets_in),
        ChartRepositories(cache, trust.secret, trust.is_trusted, trust.secrets_in),
    )


def _connector(environment: Environment, registry: "Registry") -> "Connect":
    """How a controller gets at clusters: "" is its home, any other name is registered, or a context."""
    from gitops.adapters.kubernetes.cache import CachedCluster
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.kubernetes.connection import connect_apart
    from gitops.adapters.kubernetes.object_store import Seen
    from gitops.controller.cluster_worker import Connected, OnObject

    async def connected(name: str, on_object: OnObject, may_write: Callable[[], bool]) -> Connected:
        def seen(change: Seen) -> None:
            on_object(change.set_id, change.key, change.body, change.external_change)

        registered = await registry.connection(name) if name else None
        connection = registered or await connect_apart(environment.kubeconfig, name or environment.context)
        cluster = CachedCluster(KubernetesCluster(connection), seen, may_write)
        return Connected(cluster, cluster.counts, partial(registry.forget, name))

    return connected


def _parts(
    settings: Settings,
    controller: "Controller",
    home: "Cluster",
    read_resource: "Callable[[Body], Application]",
    entries: "Entries",
) -> list[Part]:
    """Leases, custom resources and their statuses: what the settings ask for."""
    from gitops.controller.registry import account_required, local_refused

    parts: list[Part] = []
    if settings.leases:
        parts.append(("leases", _leases(settings, controller, home)))
    read = read_resource if settings.local_repositories else local_refused(read_resource)
    read = account_required(read) if settings.require_account else read
    controller.children.read = read
    if settings.resources or settings.flux:
        parts += _resources(settings, controller, home, read, entries)
    return parts


def open_notifier(
    secrets: Callable[[str], str], entries: "Entries" = lambda _, __: None, home: str = ""
) -> "HttpNotifier":
    """Who tells destinations. Credentials are the environment's, else those of a Secret of the namespace `home`."""
    from gitops.adapters.notifiers.finding import LoginFinder
    from gitops.adapters.notifiers.sender import HttpNotifier

    return HttpNotifier(LoginFinder(secrets, entries, home))


def _notifications(
    settings: Settings, controller: "Controller", secrets: Callable[[str], str], entries: "Entries"
) -> list[Part]:
    """What tells the outside, where the operator named a file that says whom, or objects of Flux do."""
    from gitops.controller.followed_file import FollowedFile
    from gitops.controller.notification_routes import OperatorRoutes, notification_parts
    from gitops.notification_file import read_notifications

    file, alerts = settings.environment.notifications, controller.resources.alerts
    if file is None and alerts is None:
        return []
    told = controller.records.file_read
    routes = None if file is None else OperatorRoutes(FollowedFile(file, read_notifications, told))
    return notification_parts(controller, open_notifier(secrets, entries, settings.namespace), routes, alerts)


def _http(
    settings: Settings, controller: "Controller", home: "KubernetesCluster", secrets: Callable[[str], str]
) -> list[Part]:
    if not settings.listening.address:
        return []
    from gitops.adapters.kubernetes.token_reviews import TokenReviews
    from gitops.adapters.oidc_provider import OidcProvider
    from gitops.server.app import Outside, serve
    from gitops.server.webhooks.routes import Webhooks

    hooks, listening = Webhooks(controller, secrets), settings.listening
    provider = None
    if (oidc := listening.oidc) is not None:
        provider = OidcProvider(oidc.issuer, oidc.client_id, secrets("oidc"))
    outside = Outside(TokenReviews(home.http), provider)
    return [("http", serve(controller, listening, settings.environment.version, hooks, outside))]


def _files(
    settings: Settings, controller: "Controller", read_files: "Callable[[Path], list[Application]]"
) -> list[Part]:
    """Applications from files, which are read once before anything else."""
    from gitops.controller.file_source import Files

    registry, told = controller.registry, controller.records.file_read
    sources = [Files(file, read_files, registry, controller.clock, told) for file in settings.files]
    for source in sources:
        source.begin()
    return [(f"files {file}", source.run()) for file, source in zip(settings.files, sources, strict=True)]


def _leases(settings: Settings, controller: "Controller", home: "Cluster") -> Awaitable[None]:
    """One of several replicas that share the work."""
    from gitops.controller.replica import Replica

    controller.replica = Replica(
        home,
        controller.clock,
        settings.namespace,
        single=not settings.environment.store_url,
        losing=controller.let_go,
        gained=controller.wake_all,
    )
    return controller.replica.run()


def _resources(
    settings: Settings,
    controller: "Controller",
    home: "Cluster",
    read: "Callable[[Body], Application]",
    entries: "Entries",
) -> list[Part]:
    """Applications from custom resources, ours and Flux's, whose status is written."""
    from gitops.controller.crd_source import CustomResources
    from gitops.controller.status_writer import StatusWriter
    from gitops.model.application import KIND

    clock = controller.clock
    writer = StatusWriter(home, controller, clock)
    controller.on_status = writer.changed
    parts: list[Part] = [("statuses", writer.run())]
    if settings.resources:
        own = CustomResources(home, clock, settings.watch_namespace, read, controller.registry, writer.wrong)
        controller.resources.add(KIND, own)
        parts.append(("applications", own.run()))
    if settings.flux:
        from gitops.controller.flux import flux_parts
        from gitops.controller.flux_source import FluxResources, FluxSettings

        found = FluxSettings(settings.watch_namespace, settings.flux == "all")
        parts += flux_parts(FluxResources(home, clock, found, read, controller.registry), controller, writer, entries)
    return parts
