"""`gitops sync`: the pipeline to its end."""

import sys
from dataclasses import replace
from typing import Any

import click

from gitops.cli import settings as exits
from gitops.cli.application import application_of, application_options, named_application, plan_options
from gitops.cli.confirm import is_terminal, wants_to
from gitops.cli.escape import printable, printable_lines
from gitops.cli.notify import told_from_now
from gitops.cli.output import (
    output_option,
    print_data,
    print_hold,
    print_kept,
    print_plan,
    result_data,
    summary,
)
from gitops.cli.projects import projects_option
from gitops.cli.settings import Settings, run
from gitops.model.application import Application
from gitops.model.plan import ObstacleKind

_CODES = {
    "synced": exits.DONE,
    "in-sync": exits.DONE,
    "planned": exits.DONE,
    "held": exits.HELD,
    "failed": exits.FAILED,
    "overtaken": exits.FAILED,
    "rolled-back": exits.ROLLED_BACK,
}


@click.command()
@application_options
@click.option("--prune", is_flag=True, help="Also delete what is owned and no longer in the source.")
@click.option("--adopt", is_flag=True, help="Take over objects that Argo CD, Flux, Helm or another Application track.")
@click.option(
    "--forget-helm-release", is_flag=True, help="Delete Helm's own record of the release when all is healthy."
)
@click.option(
    "--confirm", is_flag=True, help="Carry out what a guard would hold: large prunes, a quarantined revision."
)
@click.option("--force-conflicts", is_flag=True, help="Take over fields that another manager owns.")
@click.option(
    "--plan", "plan_file", default="", metavar="FILE", help="Only what `diff --out FILE` planned; held if it moved."
)
@click.option("--dry-run", is_flag=True, help="Plan only; the same as `gitops diff`, but exits 0.")
@click.option("--ask", is_flag=True, help="Show the plan on a terminal, and ask before it is carried out.")
@click.option("-y", "--yes", is_flag=True, help="With --ask: do not ask after all.")
@click.option("--no-wait", is_flag=True, help="Do not wait for health (and record no release).")
@click.option("--timeout", default="", metavar="DURATION", help="Until healthy (default: 10m, or the Application's).")
@click.option("--resource", "resources", multiple=True, metavar="KIND/NAME", help="Only this object; repeatable.")
@click.option(
    "--notifications",
    default="",
    envvar="GITOPS_NOTIFICATIONS",
    metavar="FILE",
    help="Tell the destinations of FILE how it ended, as a controller would.",
)
@projects_option
@output_option
@click.pass_obj
def sync(settings: Settings, /, path: str, file: str, name: str, namespace: str, revision: str, **given: Any) -> None:
    """Make the cluster follow PATH, the Application in -f APP, or the one on the cluster that is called PATH.

    -f may name a file or a folder with objects of Flux: then it is all that they deliver.

    Exit codes: 0 done, 2 wrong input (nothing changed), 3 held (nothing changed), 4 failed (or refused by the API
    server before anything was changed), 5 failed and rolled back, 6 cluster unreachable.
    """
    run(settings, _sync_or_tree(settings, (path, file, name, namespace, revision), given))


async def _sync_or_tree(settings: Settings, named: tuple[str, str, str, str, str], given: dict[str, Any]) -> None:
    path, file, name, _, revision = named
    if file and not path:
        from gitops.cli.flux_commands import sync_tree, tree_of

        delivery = tree_of(file, {**given, "name": name, "revision": revision})
        if delivery is not None:
            await sync_tree(settings, delivery, given)
    await _sync(settings, named, given)


async def _sync(settings: Settings, named: tuple[str, str, str, str, str], given: dict[str, Any]) -> None:
    from gitops.cli.display import Display
    from gitops.cli.opening import outside_of
    from gitops.model.result import Outcome, SyncResult
    from gitops.sync.context import as_account
    from gitops.sync.planning import held_without_rights, plan_sync
    from gitops.sync.reconcile import sync_planned

    app = application_of(settings, *named, timeout=given["timeout"])
    display = Display()
    async with outside_of(settings, display.emit, app=app, projects=given["projects"]) as opened:
        app = app or await named_application(opened, named, timeout=given["timeout"])
        context = as_account(opened, app)
        request = await _request(context, app, given)
        outside = await told_from_now(given["notifications"], context, app)
        with display:
            planned = held_without_rights(await plan_sync(request, context))
        if given["plan_file"]:
            _check_plan(given["plan_file"], planned)
        if not _goes_on(planned, given):
            result = SyncResult(Outcome.PLANNED, planned.plan, message=_planned(planned))
        else:
            with display:
                result = await sync_planned(request, context, planned)
        if result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC) and (given["adopt"] or given["forget_helm_release"]):
            await _tell_helm(request, context, planned, forget=given["forget_helm_release"])
        await outside(planned, result)
        reads, writes = context.cluster.requests
    code = _say(app, planned, result, given["output"])
    if settings.verbose:
        click.echo(f"requests to the cluster: {reads} reads, {writes} writes", err=True)
    sys.exit(code)


async def _tell_helm(request: Any, context: Any, planned: Any, *, forget: bool) -> None:
    """What Helm still knows of what was taken over; or have it know no more."""
    from gitops.model.errors import ApiError
    from gitops.sync.helm_release import forget_release, release_secrets, releases_of

    for release in releases_of(request.app, planned.at):
        name = printable(f"release {release[1]} in {release[0]}")
        try:
            secrets = await release_secrets(context, release)
        except ApiError as exc:
            click.echo(f"whether Helm still knows {name} cannot be seen: {printable(exc)}", err=True)
            continue
        if secrets and forget:
            await forget_release(request, context, planned.plan.revision.sha, secrets)
            click.echo(f"Helm knows {name} no more ({len(secrets)} Secrets deleted)", err=True)
        elif secrets:
            click.echo(
                f"Helm still knows {name} ({len(secrets)} Secrets sh.helm.release.v1.*), and `helm uninstall` would "
                "delete what is synced now; `gitops sync --forget-helm-release` deletes them",
                err=True,
            )


def _planned(planned: Any) -> str:
    """What a sync would do, and that it would be held where it would."""
    from gitops.model.result import Hold

    held = " (it would be held)" if isinstance(planned.decision, Hold) else ""
    return f"{summary(planned.plan)}{held}"


async def _request(context: Any, app: Application, given: dict[str, Any]) -> Any:
    from gitops.config import actor
    from gitops.sync.audit import shown_reasons
    from gitops.sync.context import Request

    options = plan_options(given)
    if options.confirm:
        options = replace(options, shown=await shown_reasons(context, app.identity))
    return Request(app, actor(), options, wait=not given["no_wait"])


def _goes_on(planned: Any, given: dict[str, Any]) -> bool:
    """Show the plan where somebody asked to see it; False when it is not to be carried out."""
    from gitops.model.result import Go

    asks = given["ask"] and is_terminal() and not given["yes"] and isinstance(planned.decision, Go)
    if (given["dry_run"] and given["output"] == "table") or asks:
        print_plan(planned.plan)
    if given["dry_run"]:
        return False
    question = f"{planned.plan.application} {planned.plan.revision}: {summary(planned.plan)}; carry it out?"
    return not asks or wants_to(question, yes=given["yes"])


def _say(app: Application, planned: Any, result: Any, output: str) -> int:
    """How it ended, also on stdout for programs; the code to leave with."""
    if output != "table":
        print_data(result_data(result), output)
    return end_of(app, planned, result, output)


def end_of(app: Application, planned: Any, result: Any, output: str) -> int:
    """How it ended, on stderr; the code to leave with."""
    from gitops.model.result import Hold, Outcome

    if output == "table" and isinstance(planned.decision, Hold):
        print_hold(planned.decision)
    for finding in planned.findings:
        if finding.severity == "warning":
            click.echo(click.style("warning: ", fg="yellow") + printable(finding), err=True)
    print_kept(result.plan, "it left the source")
    code = _exit_of(result, planned.decision)
    _say_end(app, result, is_refused=code == exits.FAILED and result.outcome is Outcome.HELD)
    return code


def _check_plan(file: str, planned: Any) -> None:
    """Raise HeldError unless the plan in `file` is still what would be done."""
    from pathlib import Path

    from gitops.bounds import parsed, read_file
    from gitops.model.errors import ConfigError, HeldError
    from gitops.sync.plan_file import moved_since

    try:
        saved = parsed(read_file(Path(file)))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{file}: cannot be read: {exc}") from exc
    try:
        moved = moved_since(saved, planned)
    except ConfigError as exc:
        raise ConfigError(f"{file}: {exc}") from exc
    if moved:
        raise HeldError(f"{file} no longer fits: {'; '.join(moved)} (look again with gitops diff --out {file})")


def _exit_of(result: Any, decision: Any) -> int:
    """A plan that the server itself refuses is a failed sync, not one that waits for somebody's word."""
    from gitops.model.result import Hold

    if isinstance(decision, Hold) and any(item.kind is ObstacleKind.REFUSED for item in decision.obstacles):
        return exits.FAILED
    return _CODES[result.outcome.value]


def _say_end(app: Application, result: Any, *, is_refused: bool) -> None:
    colours = {"synced": "green", "in-sync": "green", "held": "yellow", "planned": None}
    outcome = "refused" if is_refused else result.outcome.value
    word = click.style(outcome, fg=colours.get(outcome, "red"), bold=True)
    counts: dict[str, int] = {}
    for item in result.changed:
        counts[item.verb] = counts.get(item.verb, 0) + 1
    done = ", ".join(f"{count} {verb}" for verb, count in counts.items())
    detail = "; ".join(part for part in (done, result.message if result.outcome.value != "held" else "") if part)
    head, tail = printable(f"{app.identity} {result.plan.revision}"), f": {printable_lines(detail)}" if detail else ""
    click.echo(f"{head}: {word}{tail}", err=True)
