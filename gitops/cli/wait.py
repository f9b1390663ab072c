"""`gitops wait`: until a controller has brought one revision to the cluster, or failed to."""

import re
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from gitops.cli import settings as exits
from gitops.cli.application import namespace_option, seconds_of
from gitops.cli.escape import printable
from gitops.cli.settings import Settings, run
from gitops.model.errors import ConfigError, UnreachableError
from gitops.model.revision import short

if TYPE_CHECKING:
    from gitops.views.revision_wait import Arrival

_EVERY_SECONDS = 1.0
_REMIND_SECONDS = 30.0
_SHA = re.compile(r"[0-9a-f]{7,64}(?:\+[0-9a-f]{7,64})*")


@click.command()
@click.argument("app")
@click.option("--revision", required=True, metavar="SHA", help="The commit to wait for; at least 7 digits of it.")
@namespace_option
@click.option("--timeout", default="10m", show_default=True, metavar="DURATION", help="How long to wait.")
@click.pass_obj
def wait(settings: Settings, app: str, revision: str, namespace: str, timeout: str) -> None:
    """Wait until the revision SHA of APP (NAME or NAMESPACE/NAME) is synced and healthy.

    Exit codes: 0 it is, 2 wrong input, 4 it failed, or the time is up, 5 it failed and was rolled back, 6 cluster
    unreachable.
    """
    run(settings, _wait(settings, app, revision.lower(), namespace, timeout))


async def _wait(settings: Settings, app: str, sha: str, namespace: str, timeout: str) -> None:
    from gitops.cli.opening import outside_of
    from gitops.views.revision_wait import Arrival, arrival_at

    check_revision(sha)
    seconds = seconds_of(timeout)
    before: Arrival | None = None
    told, told_at = "", 0.0
    async with outside_of(settings) as context:
        deadline = context.clock.monotonic() + seconds
        while True:
            try:
                now = await arrival_at(context, app, namespace, sha)
            except UnreachableError:
                if before is None:  # later on it is asked again
                    raise
                now = before
            is_due = context.clock.monotonic() >= told_at + _REMIND_SECONDS
            if now.outcome is None and now.where and (now.where != told or is_due):
                told, told_at = now.where, context.clock.monotonic()
                told_where(now, sha)
            # What is written in the moment between two steps of a sync passes: only what stays is believed.
            if now.outcome is not None and before is not None and now.outcome is before.outcome:
                break
            before = now
            if context.clock.monotonic() > deadline:
                break
            await context.clock.sleep(_EVERY_SECONDS)
    end_wait(now, sha, timeout)


def check_revision(sha: str) -> str:
    """The commit, by its SHA or the first digits of it. Raises ConfigError."""
    if not _SHA.fullmatch(sha):
        raise ConfigError(
            f"--revision {sha}: write a commit's SHA, or at least its first 7 digits (git rev-parse HEAD); of several "
            "sources, that of one, or of each with + between"
        )
    return sha


def told_where(now: "Arrival", sha: str) -> None:
    """Say where it is meanwhile."""
    click.echo(printable(f"waiting for {now.application} {short(sha)}: {now.where}"), err=True)


def end_wait(now: "Arrival", sha: str, timeout: str) -> NoReturn:
    """Say how it ended, and leave with the code for it."""
    late = "" if now.outcome else f"not synced and healthy after {timeout}: "
    word = now.outcome.value if now.outcome else "failed"
    click.echo(printable(f"{now.application} {short(sha)}: {word}: {late}{now.where}"), err=True)
    codes = {"synced": exits.DONE, "rolled-back": exits.ROLLED_BACK}
    sys.exit(codes.get(word, exits.FAILED))
