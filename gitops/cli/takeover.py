"""`gitops takeover flux`: what Flux delivers in a cluster becomes ours, without a change to anything that runs."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gitops.cli import settings as exits
from gitops.cli.confirm import is_terminal, wants_to
from gitops.cli.escape import printable, printable_lines
from gitops.cli.settings import Settings, exit_code, run
from gitops.manifests.errors import GitopsError

if TYPE_CHECKING:
    from gitops.compat.flux.objects import Ref
    from gitops.sync.context import PlannedSync, Request, SyncContext


@click.group()
def takeover() -> None:
    """Take over what another tool delivers in a cluster."""


@takeover.command()
@click.option("-n", "--namespace", default="", metavar="NS", help="Only those of this namespace.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--undo", is_flag=True, help="Give back to Flux what was taken over.")
@click.option("--changes", is_flag=True, help="Also take over where more than marks of ownership would change.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def flux(settings: Settings, /, **given: Any) -> None:
    """Take over the Kustomizations and HelmReleases of the cluster: each is suspended, and what it delivers is adopted.

    First it is shown what that would change; nothing is pruned, no hook is run and no Pod restarted. `gitops run
    --compat flux` goes on with them.

    Exit codes: 0 done (or nothing to do), 2 some cannot be run, 3 some would change more than marks of ownership, 4
    some failed, 6 cluster unreachable.
    """
    run(settings, _undo(settings, given) if given["undo"] else _take(settings, given))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One that can be taken over; `more` is what would change besides marks of ownership."""

    ref: "Ref"
    request: "Request"
    planned: "PlannedSync"
    more: tuple[str, ...]


async def _take(settings: Settings, given: dict[str, Any]) -> None:
    from gitops.cli.opening import outside_of

    async with outside_of(settings) as context:
        candidates, codes = await _candidates(context, given["namespace"])
        taken = [one for one in candidates if given["changes"] or not one.more]
        codes += [exits.HELD] * (len(candidates) - len(taken))
        if given["dry_run"] or not taken:
            _leave(codes)
        question = f"take over {len(taken)} of Flux's objects?"
        if is_terminal() and not given["yes"] and not wants_to(question, yes=False):
            click.echo("nothing was changed", err=True)
            sys.exit(exits.DONE)
        for one in taken:
            codes.append(await _take_one(context, one))
        click.echo("the way back: gitops takeover flux --undo", err=True)
    _leave(codes)


def _leave(codes: list[int]) -> None:
    from gitops.cli.flux import worst

    sys.exit(worst(codes))


async def _candidates(context: "SyncContext", namespace: str) -> "tuple[list[_Candidate], list[int]]":
    """What of the cluster's objects can be taken over, parents first; and exit codes for what cannot."""
    from gitops.config import actor, application_of
    from gitops.sync.flux_takeover import answers, is_taken_over, more_than_marks, plan_takeover, takeover_request

    found: list[_Candidate] = []
    codes: list[int] = []
    for answer, body in await answers(context, namespace):
        if is_taken_over(body):
            click.echo(printable(f"{answer.ref}: is taken over already"), err=True)
            continue
        if answer.reasons or answer.missing is not None:
            why = "; ".join(answer.reasons) or f"{answer.missing} is not there"
            click.echo(click.style("refused: ", fg="red", bold=True) + printable(f"{answer.ref}: {why}"), err=True)
            codes.append(exits.WRONG_INPUT)
            continue
        try:
            request = takeover_request(application_of(answer.application or {}), actor())
            planned = await plan_takeover(context, request)
        except GitopsError as exc:
            click.echo(click.style("failed: ", fg="red", bold=True) + printable_lines(f"{answer.ref}: {exc}"), err=True)
            codes.append(exit_code(exc))
            continue
        found.append(_Candidate(answer.ref, request, planned, more_than_marks(planned)))
        _show(found[-1])
    return found, codes


def _show(one: _Candidate) -> None:
    marks = f"marks of ownership on {len(one.planned.plan.changes)} objects"
    click.echo(printable(f"{one.ref}: {marks}{'' if not one.more else ', and more:'}"))
    for line in one.more:
        click.echo(f"    {printable(line)}")


async def _take_one(context: "SyncContext", one: _Candidate) -> int:
    from gitops.sync.flux_takeover import take_over

    try:
        result = await take_over(context, one.request, one.ref)
    except GitopsError as exc:
        click.echo(click.style("failed: ", fg="red", bold=True) + printable_lines(f"{one.ref}: {exc}"), err=True)
        return exit_code(exc)
    is_done = result.outcome.value in ("synced", "in-sync")
    word = "taken over" if is_done else f"given back to Flux: {result.message}"
    click.echo(printable_lines(f"{one.ref}: {word}"), err=True)
    return exits.DONE if is_done else exits.FAILED


async def _undo(settings: Settings, given: dict[str, Any]) -> None:
    from gitops.cli.opening import outside_of
    from gitops.config import actor
    from gitops.sync.flux_takeover import answers, give_back, is_taken_over

    codes: list[int] = []
    async with outside_of(settings) as context:
        found = [(answer, body) for answer, body in await answers(context, given["namespace"]) if is_taken_over(body)]
        for answer, _ in found:
            click.echo(
                printable(f"{answer.ref}: {'would be' if given['dry_run'] else 'is'} given back to Flux"), err=True
            )
            if given["dry_run"]:
                continue
            try:
                await give_back(context, answer.ref, actor())
            except GitopsError as exc:
                click.echo(printable_lines(f"{answer.ref}: {exc}"), err=True)
                codes.append(exit_code(exc))
    _leave(codes)
