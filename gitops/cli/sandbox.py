"""`gitops sandbox`: run the embedded cluster, print a kubeconfig for it, stop it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from gitops.cli.settings import WRONG_INPUT, Settings

DEFAULT_PORT = 7443
_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Options:
    """What `gitops sandbox up` is asked for; `tokens` as they were given."""

    port: int
    tokens: tuple[str, ...] = field(repr=False)
    controllers: str
    speed: float
    nodes: int
    data: Path | None
    fault: str


def _folder(settings: Settings) -> Path:
    state = Path(settings.state).expanduser() if settings.state else Path.home() / ".local/state/gitops"
    return state / "sandbox"


def _fail(message: str) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(WRONG_INPUT)


def _connection(settings: Settings) -> dict[str, Any] | None:
    """How to reach the running sandbox, None when there is none."""
    path = _folder(settings) / "connection.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        os.kill(int(facts["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return None
    return facts


def _running(settings: Settings) -> dict[str, Any]:
    facts = _connection(settings)
    if facts is None:
        _fail("no sandbox is running; start one with: gitops sandbox up --detach")
    assert facts is not None
    return facts


@click.group()
def sandbox() -> None:
    """Run an embedded Kubernetes cluster: a real API over HTTPS, simulated workloads, no containers."""


@sandbox.command()
@click.option("--port", default=DEFAULT_PORT, show_default=True, metavar="N", help="0 takes a free port.")
@click.option(
    "--token", "tokens", multiple=True, metavar="TOKEN=USER[,GROUP…]", help="Who a bearer token is. Repeatable."
)
@click.option("--controllers", type=click.Choice(["all", "none"]), default="all", show_default=True)
@click.option(
    "--speed", default=1.0, show_default=True, help="How much faster than the world's the cluster's time runs."
)
@click.option("--nodes", default=1, show_default=True, help="How many nodes workloads may run on.")
@click.option("--data", default=None, metavar="DIR", type=click.Path(path_type=Path), help="Keep the cluster here.")
@click.option("--fault", default="", metavar="SPEC", help="For example error=429:5%,reset:1%,delay=50ms..2s.")
@click.option("-d", "--detach", is_flag=True, help="Return when the sandbox is ready; it runs on in the background.")
@click.pass_obj
def up(
    settings: Settings,
    port: int,
    tokens: tuple[str, ...],
    controllers: str,
    speed: float,
    nodes: int,
    data: Path | None,
    fault: str,
    detach: bool,
) -> None:
    """Start the embedded cluster; it serves until Ctrl-C, or until `gitops sandbox down`."""
    already = _connection(settings)
    if already is not None:
        _fail(f"a sandbox is running at {already['url']} (process {already['pid']}); stop it with: gitops sandbox down")
    if speed <= 0:
        _fail(f"--speed must be above 0, got {speed}")
    if detach:
        _start_in_background(settings)
        return
    asyncio.run(_serve(settings, _Options(port, tokens, controllers, speed, nodes, data, fault)))


def _start_in_background(settings: Settings) -> None:
    """Runs the same command without --detach in a session of its own, and waits until it is ready."""
    arguments = [argument for argument in sys.argv[1:] if argument not in ("-d", "--detach")]
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gitops.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        facts = _connection(settings)
        if facts is not None and facts["pid"] == process.pid:
            click.echo(f"sandbox ready at {facts['url']}")
            click.echo(_how_to_use(settings))
            return
        time.sleep(0.05)
    said = log.read_text().strip().removeprefix("Error: ")
    _fail(said.splitlines()[-1] if said else f"the sandbox did not start; see {log}")


async def _serve(settings: Settings, options: _Options) -> None:
    from gitops.sandbox.faults import FaultError
    from gitops.sandbox.kubeconfig import kubeconfig as written
    from gitops.sandbox.server import Sandbox, SandboxError

    try:
        known = _users(options.tokens)
        running = await Sandbox.start(
            options.port,
            known,
            options.controllers,
            options.speed,
            options.nodes,
            options.data,
            options.fault,
        )
    except (SandboxError, FaultError) as error:
        _fail(str(error))
        return
    path = _folder(settings) / "connection.json"
    config = written(running.url, running.ca_pem, running.token)
    _write_private(_kubeconfig_of(settings), config)
    _write_connection(path, {"url": running.url, "ca": running.ca_pem, "token": running.token, "pid": os.getpid()})
    click.echo(f"sandbox ready at {running.url}")
    click.echo(f"{_how_to_use(settings)}; stop: Ctrl-C or gitops sandbox down")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        await running.stop()
        path.unlink(missing_ok=True)
        _kubeconfig_of(settings).unlink(missing_ok=True)


def _kubeconfig_of(settings: Settings) -> Path:
    return _folder(settings) / "kubeconfig"


def _how_to_use(settings: Settings) -> str:
    return f"use it: export KUBECONFIG={_kubeconfig_of(settings)}"


def _users(tokens: tuple[str, ...]) -> Any:
    from gitops.sandbox.cluster import User
    from gitops.sandbox.server import SandboxError

    known = {}
    for text in tokens:
        token, equals, who = text.partition("=")
        name, *groups = who.split(",")
        if not token or not equals or not name:
            raise SandboxError(f"--token {text!r}: expected TOKEN=USER[,GROUP…], such as secret=admin,system:masters")
        known[token] = User(name, tuple(groups))
    return known


def _write_connection(path: Path, facts: dict[str, Any]) -> None:
    """Writes the facts where nobody else may read them, complete or not at all."""
    _write_private(path, json.dumps(facts))


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


@sandbox.command()
@click.pass_obj
def kubeconfig(settings: Settings) -> None:
    """Print a kubeconfig for the running sandbox, its CA and a token inside."""
    from gitops.sandbox.kubeconfig import kubeconfig as written

    facts = _running(settings)
    click.echo(written(facts["url"], facts["ca"], facts["token"]), nl=False)


@sandbox.command()
@click.pass_obj
def down(settings: Settings) -> None:
    """Stop the running sandbox; without --data its objects are gone."""
    facts = _running(settings)
    pid = int(facts["pid"])
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _connection(settings) is not None:
        time.sleep(0.05)
    if _connection(settings) is not None:
        _fail(f"the sandbox (process {pid}) did not stop")
    click.echo("sandbox stopped")
