"""`gitops run`: the controller, until it is told to stop."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops.cli.escape import printable
from gitops.cli.settings import Settings, fail, run_controller

if TYPE_CHECKING:
    from gitops.bootstrap_controller import Settings as Start
    from gitops.bounds import MirrorLimits
    from gitops.server.listening import Listening

_THREADS = 64


@click.command()
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE|DIR",
    help="Applications in a file, or in all *.yaml of a folder; may be said again. Changes are seen.",
)
@click.option("--applications/--no-applications", default=True, help="Whether to run custom resources of the cluster.")
@click.option(
    "--compat", type=click.Choice(["flux"]), default=None, help="Run the custom resources of another tool as well."
)
@click.option(
    "--no-cross-namespace-refs", is_flag=True, help="Let Flux's resources name sources of their own namespace only."
)
@click.option(
    "--local-repositories", is_flag=True, help="Let custom resources name file:// repositories of this machine."
)
@click.option("--contexts", is_flag=True, help="Let custom resources name contexts of the controller's kubeconfig.")
@click.option(
    "--require-service-account", is_flag=True, help="Run only custom resources that name a sync.serviceAccount."
)
@click.option(
    "-n", "--namespace", default="", metavar="NS", help="Where Leases are kept (default: the pod's own, else gitops)."
)
@click.option("--watch-namespace", default="", metavar="NS", help="Take custom resources of this namespace only.")
@click.option("--leases/--no-leases", default=None, help="Share the work with other replicas (default: in a cluster).")
@click.option(
    "--listen",
    default="",
    metavar="HOST:PORT",
    help="Serve the page, the API, /healthz, /readyz and /metrics here (default: :8080 in a cluster, else nowhere).",
)
@click.option(
    "--tokens",
    default="",
    metavar="FILE",
    help="Who may read and act over HTTP: what `gitops token` wrote. Without it nobody acts.",
)
@click.option(
    "--anyone-reads", is_flag=True, help="Let anyone read the page and the API (default: who is on this machine)."
)
@click.option(
    "--policy-file",
    default="",
    envvar="GITOPS_POLICY_FILE",
    metavar="FILE",
    help="Who may do what over HTTP to which Application: lines as Argo CD has them. Changes are seen.",
)
@click.option(
    "--default-role",
    default="",
    envvar="GITOPS_DEFAULT_ROLE",
    metavar="ROLE",
    help="What everyone may who is no token of ours, such as role:viewer (default: what the policy's lines say).",
)
@click.option(
    "--kubernetes-tokens",
    default="",
    envvar="GITOPS_KUBERNETES_TOKENS",
    metavar="AUDIENCE",
    help="Ask the cluster whose any other token is; it has to be for this audience, such as gitops.",
)
@click.option(
    "--oidc-issuer",
    default="",
    envvar="GITOPS_OIDC_ISSUER",
    metavar="URL",
    help="Sign people in with this OpenID provider: its issuer, as its own document has it.",
)
@click.option(
    "--oidc-client-id",
    default="",
    envvar="GITOPS_OIDC_CLIENT_ID",
    metavar="ID",
    help="What the provider calls this controller; its secret, if it has one, is $GITOPS_SECRET_OIDC.",
)
@click.option(
    "--oidc-redirect",
    default="",
    envvar="GITOPS_OIDC_REDIRECT",
    metavar="URL",
    help="Where the provider sends people back to: https://HOST/signin/callback, with the page's own HOST.",
)
@click.option(
    "--oidc-name-claim",
    default="email",
    show_default=True,
    envvar="GITOPS_OIDC_NAME_CLAIM",
    metavar="CLAIM",
    help="The claim that people are called by; email counts only if the provider has verified it.",
)
@click.option(
    "--oidc-groups-claim",
    default="groups",
    show_default=True,
    envvar="GITOPS_OIDC_GROUPS_CLAIM",
    metavar="CLAIM",
    help="The claim that holds people's groups.",
)
@click.option(
    "--notifications",
    default="",
    envvar="GITOPS_NOTIFICATIONS",
    metavar="FILE",
    help="Whom to tell of what: destinations and rules. Changes are seen.",
)
@click.option(
    "--projects",
    default="",
    envvar="GITOPS_PROJECTS",
    metavar="FILE",
    help="What Applications may use and when they are synced: AppProjects as Argo CD has them. Changes are seen.",
)
@click.option(
    "--repository-size",
    default="",
    metavar="SIZE",
    help="Disk that the mirror of one repository may have (default: $GITOPS_REPOSITORY_SIZE, else 2Gi).",
)
@click.option(
    "--repositories-size",
    default="",
    metavar="SIZE",
    help="Disk that all mirrors together may have (default: $GITOPS_REPOSITORIES_SIZE, else 20Gi).",
)
@click.pass_obj
def run(
    settings: Settings,
    /,
    files: tuple[str, ...],
    applications: bool,
    compat: str | None,
    no_cross_namespace_refs: bool,
    local_repositories: bool,
    contexts: bool,
    require_service_account: bool,
    namespace: str,
    watch_namespace: str,
    leases: bool | None,
    notifications: str,
    **more: Any,
) -> None:
    """Run the controller: it polls repositories, syncs what is automated, and undoes or reports drift."""
    from gitops.bootstrap_controller import Settings as Start
    from gitops.cli.opening import environment_of, own_namespace

    here = own_namespace()
    start = Start(
        replace(environment_of(settings), notifications=_path(notifications), projects=_path(more["projects"])),
        namespace=namespace or here or "gitops",
        watch_namespace=watch_namespace,
        files=tuple(Path(file) for file in files),
        resources=applications,
        flux=("own" if no_cross_namespace_refs else "all") if compat else "",
        local_repositories=local_repositories,
        contexts=contexts,
        require_account=require_service_account,
        leases=bool(here or settings.store) if leases is None else leases,
        listening=_listening(more, ":8080" if here else ""),
        mirrors=_limits(more["repository_size"], more["repositories_size"]),
    )
    run_controller(settings, _run(start))


def _listening(options: Mapping[str, Any], default: str) -> "Listening":
    from gitops.server.listening import Listening, OidcSettings

    oidc = None
    if options["oidc_issuer"]:
        names = ("issuer", "client_id", "redirect", "name_claim", "groups_claim")
        oidc = OidcSettings(*[options[f"oidc_{name}"] for name in names])
    return Listening(
        options["listen"] or default,
        _path(options["tokens"]),
        anyone_reads=options["anyone_reads"],
        policy=_path(options["policy_file"]),
        default_role=options["default_role"],
        kubernetes_audience=options["kubernetes_tokens"],
        oidc=oidc,
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _limits(each: str, total: str) -> "MirrorLimits":
    from gitops.config import mirror_limits
    from gitops.model.errors import ConfigError

    try:
        return mirror_limits(each, total)
    except ConfigError as exc:
        fail(exc)


async def _run(start: "Start") -> None:
    from gitops.bootstrap_controller import open_controller
    from gitops.cli.opening import secret_of
    from gitops.config import application_of, read_applications
    from gitops.tracing import tracing

    stop = asyncio.Event()
    is_hangup_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as by nohup
    for name in (signal.SIGTERM, signal.SIGINT, *[signal.SIGHUP] * (not is_hangup_ignored)):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell_tasks)
    # Threads wait for renders, credentials and seals; too few of them would make one wait for another.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="work"))
    async with open_controller(
        start, read_files=read_applications, read_resource=application_of, secrets=secret_of
    ) as (controller, parts):
        where = start.environment
        since_seen = partial(controller.index.since_seen, controller.clock)
        with tracing(where.variables, where.version, since_seen) as traced:
            if traced is not None:
                controller.bus.subscribe(traced)
            try:
                await controller.run(parts, stop)
            finally:
                _end_children()


def _end_children() -> None:
    """End the fetches and renders under way, which our threads would otherwise sit out; nothing of theirs is kept."""
    for listed in Path("/proc/self/task").glob("*/children"):
        children = ""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread ended just now
            children = listed.read_text()
        for child in map(int, children.split()):
            with contextlib.suppress(ProcessLookupError):
                # git leads a group of its own, with the helpers that hold its pipes open.
                (os.killpg if os.getpgid(child) == child else os.kill)(child, signal.SIGKILL)


def _tell_tasks() -> None:
    """On SIGUSR1: what every task waits for, for a controller that seems to stand still."""
    for task in asyncio.all_tasks():
        click.echo(f"task {printable(task.get_name())}", err=True)
        task.print_stack(limit=6)
