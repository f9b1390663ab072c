"""The options before the command, and what all commands share: logging, running, errors to exit codes."""

import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import click

from gitops.cli.escape import printable_lines
from gitops.model.errors import (
    ApiError,
    ConfigError,
    GitopsError,
    HeldError,
    LostClusterError,
    ManifestError,
    RenderError,
    SourceError,
    StoreError,
    UnreachableError,
)

T = TypeVar("T")

DONE, DIFFERENT, WRONG_INPUT, HELD, FAILED, ROLLED_BACK, UNREACHABLE = range(7)
_EXITS: list[tuple[type[GitopsError], int]] = [
    (LostClusterError, FAILED),
    (UnreachableError, UNREACHABLE),
    (HeldError, HELD),
    (ConfigError, WRONG_INPUT),
    (ManifestError, WRONG_INPUT),
    (SourceError, WRONG_INPUT),
    (RenderError, WRONG_INPUT),
    (StoreError, FAILED),
    (ApiError, FAILED),
    (GitopsError, FAILED),
]


@dataclass(frozen=True, slots=True)
class Settings:
    """What was said before the command."""

    kubeconfig: str = ""
    context: str = ""
    state: str = ""
    log_format: str = "console"
    verbose: int = 0
    store: str = ""
    server: str = ""  # a controller's address, or "last"


def exit_code(error: GitopsError) -> int:
    return next(code for kind, code in _EXITS if isinstance(error, kind))


def fail(error: GitopsError) -> NoReturn:
    """Say what is wrong on stderr, and leave with the code for it."""
    click.echo(f"Error: {printable_lines(error)}", err=True)
    sys.exit(exit_code(error))


def run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; an error ends the program with its exit code, SIGTERM and Ctrl-C let it clean up."""
    import asyncio

    _collect_seldom()
    set_up_logging(settings)
    try:
        return asyncio.run(_interruptible(work))
    except GitopsError as exc:
        fail(exc)
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("Error: interrupted; what was applied so far is in the inventory, run the command again", err=True)
        sys.exit(130)


def run_controller(settings: Settings, work: Coroutine[Any, Any, None]) -> None:
    """Run the controller's work: it takes signals itself, and every fact is logged."""
    import asyncio

    import uvloop

    _collect_seldom()
    set_up_logging(settings, quiet=False)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except GitopsError as exc:
        fail(exc)


def _collect_seldom() -> None:
    """Manifests are many small dicts that live long: looking for cycles in them costs a fifth of a large sync."""
    import gc

    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    import asyncio
    import signal

    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def set_up_logging(settings: Settings, *, quiet: bool = True) -> None:
    """One line per fact on stderr; `quiet` leaves them out (a command says how it ends), -v adds each request."""
    import logging

    from gitops import logs

    level = logging.DEBUG if settings.verbose else logging.CRITICAL if quiet else logging.INFO
    logs.set_up(level, as_json=settings.log_format == "json")
    if not quiet:  # much of what runs for long writes by structlog itself
        logs.load()
        logs.take_in_others()
