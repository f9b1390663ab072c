"""`gitops run`: the controller, until it is told to stop."""

import asyncio
import os
import signal
from collections.abc import Awaitable
from pathlib import Path

import click

from gitops.cli.settings import Settings, run_controller


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
    "-n", "--namespace", default="", metavar="NS", help="Where Leases are kept (default: the pod's own, else gitops)."
)
@click.option("--watch-namespace", default="", metavar="NS", help="Take custom resources of this namespace only.")
@click.option("--leases/--no-leases", default=None, help="Share the work with other replicas (default: in a cluster).")
@click.option(
    "--listen",
    default="",
    metavar="HOST:PORT",
    help="Serve /healthz, /readyz and /metrics here (default: :8080 in a cluster, else nowhere).",
)
@click.pass_obj
def run(
    settings: Settings,
    files: tuple[str, ...],
    applications: bool,
    namespace: str,
    watch_namespace: str,
    leases: bool | None,
    listen: str,
) -> None:
    """Run the controller: it polls repositories, syncs what is automated, and undoes or reports drift."""
    here = own_namespace()
    shares = bool(here or settings.store) if leases is None else leases
    work = _run(
        settings,
        [Path(file) for file in files],
        applications=applications,
        namespace=namespace or here or "gitops",
        watch_namespace=watch_namespace,
        leases=shares,
        listen=listen or (":8080" if here else ""),
    )
    run_controller(settings, work)


def own_namespace() -> str:
    """The namespace of the pod that we run in, or ""."""
    try:
        return Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text().strip()
    except OSError:
        return ""


async def _run(
    settings: Settings,
    files: list[Path],
    *,
    applications: bool,
    namespace: str,
    watch_namespace: str,
    leases: bool,
    listen: str,
) -> None:
    from gitops.bootstrap import open_cluster, open_controller, take_part
    from gitops.cli.opening import secret_of
    from gitops.cli.version import own_version
    from gitops.config import application_of, cache_folder, read_applications, state_folder

    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell_tasks)
    home = open_cluster(settings.kubeconfig, settings.context)
    async with open_controller(
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        state=state_folder(settings.state),
        cache=cache_folder(),
        key=os.environ.get("GITOPS_KEY", ""),
        store_url=settings.store,
        secrets=secret_of,
        version=own_version(),
    ) as controller:
        parts: list[tuple[str, Awaitable[None]]] = []
        take_part(
            controller,
            home,
            parts,
            files=files,
            read_files=read_applications,
            read_resource=application_of if applications else None,
            namespace=namespace,
            watch_namespace=watch_namespace,
            leases=leases,
            shared=bool(settings.store),
            listen=listen,
        )
        try:
            await controller.run(parts, stop)
        finally:
            await home.close()


def _tell_tasks() -> None:
    """On SIGUSR1: what every task waits for, for a controller that seems to stand still."""
    for task in asyncio.all_tasks():
        click.echo(f"task {task.get_name()}", err=True)
        task.print_stack(limit=6)
