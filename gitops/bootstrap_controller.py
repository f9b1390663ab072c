"""Joins a controller with all that it reaches out to, and with the parts that run beside it."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitops.bootstrap import Entries, Environment, home_of, open_notifier, open_store
from gitops.bounds import PLAIN_LIMITS, MirrorLimits
from gitops.server.listening import NOWHERE, Listening

if TYPE_CHECKING:
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.kubernetes.registry import Registry
    from gitops.adapters.render_workers import RenderWorkers
    from gitops.controller.app import Controller
    from gitops.controller.cluster_worker import Connect
    from gitops.controller.registry import Registration
    from gitops.controller.render_cache import RenderCache
    from gitops.controller.trust import Trust
    from gitops.manifests.key import Body
    from gitops.model.application import Application
    from gitops.ports import Cluster, Repositories
    from gitops.rendering import Access

# What runs beside a controller's own work, by a name for the log.
Part = tuple[str, Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a controller is started with; `namespace` is its own, where Leases and registered clusters are."""

    environment: Environment = field(default_factory=Environment)
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
    from gitops.adapters.render_workers import RenderWorkers
    from gitops.controller.app import Controller
    from gitops.rendering import Access, decryptors_of

    environment = settings.environment
    async with home_of(environment) as home:
        registry, trust = _trusted(settings, home, secrets, lambda: controller)
        with contextlib.nullcontext(workers) if workers else contextlib.closing(RenderWorkers()) as pool:
            decryptors = decryptors_of(environment.variables, secrets, registry.reader.entries, trust.is_trusted)
            access = Access(limits=settings.mirrors, decryptors=decryptors)
            async with open_store(environment.state, environment.key, environment.store_url) as store:
                controller = Controller(
                    connect=_connector(environment, registry),
                    repositories=_repositories(settings, trust),
                    renders=_renders(pool, access, trust),
                    store=store,
                    clock=SystemClock(),
                    version=environment.version,
                )
                parts = _projects(settings, controller, registry, trust)
                parts += _files(settings, controller, read_files)
                parts += _parts(settings, controller, home, read_resource, registry.reader.entries)
                parts += _notifications(settings, controller, secrets, registry.reader.entries)
                yield controller, [("clusters", registry.run()), *parts, *_http(settings, controller, home, secrets)]


def _trusted(
    settings: Settings, home: "Cluster", secrets: Callable[[str], str], controller: "Callable[[], Controller]"
) -> "tuple[Registry, Trust]":
    """The registered clusters, and who may use which credentials; the controller that they ask is made after them."""
    from gitops.adapters.kubernetes.registry import Registry
    from gitops.controller.trust import Trust

    def reconnect(name: str) -> None:
        controller().workers.reconnect(name)

    def entry(identity: str) -> "Registration | None":
        return controller().registry.entry(identity)

    registry = Registry(home, settings.namespace, reconnect)
    return registry, Trust(entry, registry, secrets, contexts=settings.contexts)


def _renders(pool: "RenderWorkers", access: "Access", trust: "Trust") -> "RenderCache":
    from gitops.controller.render_cache import RenderCache
    from gitops.rendering import render

    return RenderCache(partial(render, by=pool.render, access=access), is_trusted=trust.is_trusted)


def _projects(settings: Settings, controller: "Controller", registry: "Registry", trust: "Trust") -> list[Part]:
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
    controller.refused = lambda app: found.refused(app) or trust.cluster_refused(app)
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
        own.gone = writer.gone
        controller.resources.add(KIND, own)
        parts.append(("applications", own.run()))
    if settings.flux:
        from gitops.controller.flux import flux_parts
        from gitops.controller.flux_source import FluxResources, FluxSettings

        found = FluxSettings(settings.watch_namespace, settings.flux == "all")
        parts += flux_parts(FluxResources(home, clock, found, read, controller.registry), controller, writer, entries)
    return parts
