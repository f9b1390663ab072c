"""`gitops sync` and `gitops diff`: the same pipeline, to its end or up to the plan."""

import sys
from dataclasses import replace
from typing import Any

import click

from gitops.cli import settings as exits
from gitops.cli.application import application_of, application_options
from gitops.cli.escape import printable, printable_lines
from gitops.cli.output import output_option
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
    "--confirm", is_flag=True, help="Carry out what a guard would hold: large prunes, a quarantined revision."
)
@click.option("--force-conflicts", is_flag=True, help="Take over fields that another manager owns.")
@click.option(
    "--plan", "plan_file", default="", metavar="FILE", help="Only what `diff --out FILE` planned; held if it moved."
)
@click.option("--dry-run", is_flag=True, help="Plan only; the same as `gitops diff`, but exits 0.")
@click.option("--no-wait", is_flag=True, help="Do not wait for health (and record no release).")
@click.option("--timeout", default="", metavar="DURATION", help="Until healthy (default: 10m, or the Application's).")
@click.option("--resource", "resources", multiple=True, metavar="KIND/NAME", help="Only this object; repeatable.")
@output_option
@click.pass_obj
def sync(settings: Settings, /, path: str, file: str, name: str, namespace: str, revision: str, **given: Any) -> None:
    """Make the cluster follow PATH or the Application in -f APP.

    Exit codes: 0 done, 2 wrong input (nothing changed), 3 held (nothing changed), 4 failed (or refused by the API
    server before anything was changed), 5 failed and rolled back, 6 cluster unreachable.
    """
    run(settings, _sync(settings, (path, file, name, namespace, revision), given))


async def _sync(settings: Settings, named: tuple[str, str, str, str, str], given: dict[str, Any]) -> None:
    from gitops.cli.display import Display
    from gitops.cli.opening import outside_of
    from gitops.cli.output import print_data, print_hold, print_kept, print_plan, result_data, summary
    from gitops.config import actor
    from gitops.controller.journal import shown_reasons
    from gitops.controller.planning import plan_sync
    from gitops.controller.reconcile import sync_planned
    from gitops.controller.request import Request, as_account
    from gitops.model.result import Hold, Outcome, SyncResult

    app = application_of(settings, *named, timeout=given["timeout"])
    with Display() as display:
        async with outside_of(settings, display.tell, cluster=app.destination.cluster) as opened:
            outside = as_account(opened, app)
            options = _options(given)
            if options.confirm:
                options = replace(options, shown=await shown_reasons(outside, app.identity))
            request = Request(app, actor(), options, wait=not given["no_wait"])
            planned = await plan_sync(request, outside)
            if given["plan_file"]:
                _check_plan(given["plan_file"], planned)
            if given["dry_run"]:
                result = SyncResult(Outcome.PLANNED, planned.plan, message=summary(planned.plan))
                if given["output"] == "table":
                    print_plan(planned.plan)
            else:
                result = await sync_planned(request, outside, planned)
            reads, writes = outside.cluster.requests
    if given["output"] != "table":
        print_data(result_data(result), given["output"])
    elif isinstance(planned.decision, Hold):
        print_hold(planned.decision)
    for finding in planned.findings:
        if finding.severity == "warning":
            click.echo(click.style("warning: ", fg="yellow") + printable(finding), err=True)
    print_kept(result.plan, "it left the source")
    code = _exit_of(result, planned.decision)
    _say_end(app, result, is_refused=code == exits.FAILED and result.outcome is Outcome.HELD)
    if settings.verbose:
        click.echo(f"requests to the cluster: {reads} reads, {writes} writes", err=True)
    sys.exit(code)


def _check_plan(file: str, planned: Any) -> None:
    """Raise HeldError unless the plan in `file` is still what would be done."""
    from pathlib import Path

    from gitops.bounds import parsed, read_file
    from gitops.controller.plan_file import moved_since
    from gitops.model.errors import ConfigError, HeldError

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


def _options(given: dict[str, Any]) -> Any:
    from gitops.engine.situation import PlanOptions

    return PlanOptions(
        prune=given["prune"],
        adopt=given["adopt"],
        confirm=given.get("confirm", False),
        force_conflicts=given["force_conflicts"],
        resources=tuple(given["resources"]),
    )


@click.command()
@application_options
@click.option("--out", default="", metavar="FILE", help="Save the plan, for `gitops sync --plan FILE`.")
@click.option("--prune", is_flag=True, help="Show what --prune would delete.")
@click.option("--adopt", is_flag=True, help="Plan as if --adopt were given.")
@click.option("--force-conflicts", is_flag=True, help="Plan as if --force-conflicts were given.")
@click.option("--resource", "resources", multiple=True, metavar="KIND/NAME", help="Only this object; repeatable.")
@output_option
@click.pass_obj
def diff(settings: Settings, /, path: str, file: str, name: str, namespace: str, revision: str, **given: Any) -> None:
    """Show what a sync would change, field by field, with who set the live value.

    Exit codes: 0 no difference, 1 differences, 2 wrong input, 3 a sync would be held, 4 the API server would refuse
    some of it, 6 cluster unreachable.
    """
    run(settings, _diff(settings, (path, file, name, namespace, revision), given))


async def _diff(settings: Settings, named: tuple[str, str, str, str, str], given: dict[str, Any]) -> None:
    from gitops.cli.opening import outside_of
    from gitops.cli.output import plan_data, print_data, print_hold, print_plan, summary
    from gitops.config import actor
    from gitops.controller.planning import plan_sync
    from gitops.controller.request import Request, as_account
    from gitops.model.result import Hold

    app = application_of(settings, *named)
    async with outside_of(settings, cluster=app.destination.cluster) as outside:
        planned = await plan_sync(Request(app, actor(), _options(given)), as_account(outside, app))
    if given["out"]:
        _save_plan(given["out"], planned)
    if given["output"] != "table":
        print_data(plan_data(planned.plan, planned.decision), given["output"])
    else:
        print_plan(planned.plan)
    if isinstance(planned.decision, Hold):
        print_hold(planned.decision)
    click.echo(printable(f"{app.identity} {planned.plan.revision}: {summary(planned.plan)}"), err=True)
    if isinstance(planned.decision, Hold):
        is_refused = any(item.kind is ObstacleKind.REFUSED for item in planned.decision.obstacles)
        sys.exit(exits.FAILED if is_refused else exits.HELD)
    sys.exit(exits.DIFFERENT if planned.plan.changes else exits.DONE)


def _save_plan(file: str, planned: Any) -> None:
    import json
    from pathlib import Path

    from gitops.controller.plan_file import plan_facts
    from gitops.model.errors import ConfigError

    try:
        Path(file).write_text(json.dumps(plan_facts(planned), indent=1) + "\n")
    except OSError as exc:
        raise ConfigError(f"{file}: cannot be written: {exc.strerror}") from exc
