"""Opens what a command works with, from the settings and the environment."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from gitops import __version__
from gitops.bootstrap import Environment, open_cluster, open_outside, open_store
from gitops.cli.projects import with_projects
from gitops.cli.settings import Settings
from gitops.config import cache_folder, state_folder
from gitops.engine.inventory import Inventory
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import GROUP, KIND, Application
from gitops.model.errors import ApiError, ConfigError, GitopsError
from gitops.ports import Cluster, Store
from gitops.sync import events
from gitops.sync.context import About, SyncContext
from gitops.sync.inventories import inventories
from gitops.tracing import Traced, tracing


def secret_of(reference: str) -> str:
    """What a secretRef stands for on this machine: the environment's GITOPS_SECRET_<REF>, "" where it is not set."""
    return os.environ.get("GITOPS_SECRET_" + reference.upper().replace("-", "_").replace(".", "_"), "")


def ignore(_: events.Event) -> None:
    """For commands that show nothing while they run."""


def store_of(settings: Settings) -> contextlib.AbstractAsyncContextManager[Store]:
    """Our own records: --store, else the state folder."""
    return open_store(state_folder(settings.state), os.environ.get("GITOPS_KEY", ""), settings.store)


def environment_of(settings: Settings) -> Environment:
    """What the settings and the environment say of where everything is."""
    return Environment(
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        state=state_folder(settings.state),
        cache=cache_folder(),
        key=os.environ.get("GITOPS_KEY", ""),
        store_url=settings.store,
        version=__version__,
        variables=dict(os.environ),
    )


def own_namespace() -> str:
    """The namespace of the pod that we run in, or ""."""
    try:
        return Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text().strip()
    except OSError:
        return ""


@contextlib.asynccontextmanager
async def outside_of(
    settings: Settings,
    emit: Callable[[events.Event], None] = ignore,
    *,
    app: Application | None = None,
    projects: str = "",
) -> AsyncIterator[SyncContext]:
    """Everything that a pass reaches out to, at the cluster that the Application names.

    `--context` wins over a context that it names; the Secret of a kubeconfig is looked for at the context. `projects`
    is the file that says what Applications may.
    """
    environment = environment_of(settings)
    cluster = app.destination.cluster if app is not None else ""
    if not environment.context and cluster != "in-cluster":
        environment = replace(environment, context=cluster)
    with tracing(environment.variables, environment.version) as traced:
        async with (
            open_outside(environment, secrets=secret_of, emit=_to_both(emit, traced)) as context,
            at_destination(context, app) as there,
        ):
            own = app.identity if app is not None else ""
            about = About(resource=partial(_resource, context.cluster, own))
            home = own_namespace() or "gitops"
            yield replace(there, about=with_projects(about, projects, settings.context, home))


async def _resource(cluster: Cluster, own: str, identity: str) -> Body | None:
    """The custom resource of another Application than the one at hand, whose file counts; None where it has none."""
    space, _, name = identity.rpartition("/")
    try:
        return await cluster.get(ResourceKey(GROUP, KIND, space, name)) if identity != own else None
    except ApiError:  # without the right to it, what its inventory says has to do
        return None


@contextlib.asynccontextmanager
async def at_destination(context: SyncContext, app: Application | None) -> AsyncIterator[SyncContext]:
    """The same at the cluster whose kubeconfig the Application names, if it names one. Raises ConfigError."""
    if app is None or not app.destination.kubeConfig.secretRef:
        yield context
        return
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.adapters.kubernetes.secret_kubeconfig import connection_in, kubeconfig_at

    named = app.destination.kubeConfig
    where = f"Secret {app.namespace}/{named.secretRef}"
    text = await kubeconfig_at(context.cluster, app.namespace, named.secretRef, named.key)
    cluster = KubernetesCluster(connection_in(text, where))
    try:
        yield replace(context, cluster=cluster, child_kinds=frozenset())  # what it holds of such is that cluster's own
    finally:
        await cluster.close()


def _to_both(emit: Callable[[events.Event], None], traced: Traced | None) -> Callable[[events.Event], None]:
    """Tells `emit` and, with the Application of the plan that was made last, who traces syncs."""
    if traced is None:
        return emit
    application = ""

    def tell(event: events.Event) -> None:
        nonlocal application
        application = event.plan.application if isinstance(event, events.PlanMade) else application
        emit(event)
        traced(application, event)

    return tell


async def inventories_here(settings: Settings, app: str = "", namespace: str = "") -> tuple[str, list[Inventory], str]:
    """The present cluster's name, what it remembers of `app` ("" = of all), and why it cannot say, where it cannot."""
    try:
        cluster = open_cluster(settings.kubeconfig, settings.context)
    except ConfigError as exc:
        return "", [], str(exc)
    try:
        return cluster.name, await inventories(cluster, app, namespace), ""
    except GitopsError as exc:
        return "", [], str(exc)
    finally:
        await cluster.close()
