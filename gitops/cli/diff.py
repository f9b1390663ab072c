"""`gitops diff`: the pipeline up to the plan, shown to people, programs and reviewers."""

import sys
from typing import TYPE_CHECKING, Any

import click

from gitops.cli import settings as exits
from gitops.cli.application import application_of, application_options, named_application, plan_options
from gitops.cli.escape import printable
from gitops.cli.output import plan_data, print_data, print_hold, print_plan, summary
from gitops.cli.projects import projects_option
from gitops.cli.settings import Settings, run
from gitops.model.plan import ObstacleKind

if TYPE_CHECKING:
    from gitops.sync.context import PlannedSync, Request, SyncContext


@click.command()
@application_options
@click.option("--release", type=click.IntRange(min=1), metavar="N", help="What going back to release N would change.")
@click.option("--out", default="", metavar="FILE", help="Save the plan, for `gitops sync --plan FILE`.")
@click.option("--prune", is_flag=True, help="Show what --prune would delete.")
@click.option("--adopt", is_flag=True, help="Plan as if --adopt were given.")
@click.option("--force-conflicts", is_flag=True, help="Plan as if --force-conflicts were given.")
@click.option("--resource", "resources", multiple=True, metavar="KIND/NAME", help="Only this object; repeatable.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml", "markdown", "unified"]),
    default="table",
    show_default=True,
    help="markdown: for a pull request; unified: as `kubectl diff` shows it.",
)
@projects_option
@click.pass_obj
def diff(settings: Settings, /, path: str, file: str, name: str, namespace: str, revision: str, **given: Any) -> None:
    """Show what a sync would change, field by field, with who set the live value.

    It is about PATH, the Application in -f APP, or the one on the cluster that is called PATH. -f may name a file or a
    folder with objects of Flux: then it is about all that they deliver.

    Exit codes: 0 no difference, 1 differences, 2 wrong input, 3 a sync would be held, 4 the API server would refuse
    some of it, 6 cluster unreachable.
    """
    run(settings, _diff_or_tree(settings, (path, file, name, namespace, revision), given))


async def _diff_or_tree(settings: Settings, named: tuple[str, str, str, str, str], given: dict[str, Any]) -> None:
    path, file, name, _, revision = named
    if file and not path:
        from gitops.cli.flux_commands import diff_tree, tree_of

        delivery = tree_of(file, {**given, "name": name, "revision": revision})
        if delivery is not None:
            await diff_tree(settings, delivery, given)
    await _diff(settings, named, given)


async def _diff(settings: Settings, named: tuple[str, str, str, str, str], given: dict[str, Any]) -> None:
    from gitops.cli.opening import outside_of
    from gitops.config import actor
    from gitops.sync.context import Request, as_account
    from gitops.sync.planning import plan_sync
    from gitops.sync.record_reader import stored_record

    app = application_of(settings, *named)
    async with outside_of(settings, app=app, projects=given["projects"]) as opened:
        app = app or await named_application(opened, named)
        context = as_account(opened, app)
        request = Request(app, actor(), plan_options(given))
        rollback_target = _plan_of_release(request, context, given["release"]) if given["release"] else None
        planned = await (rollback_target or plan_sync(request, context))
        record = await stored_record(context.store, app.identity)
    if given["out"]:
        _save_plan(given["out"], planned)
    _show(planned, given["output"])
    plan = planned.plan
    click.echo(printable(f"{app.identity} {plan.revision}: {summary(plan)} (plan {plan.id[:12]})"), err=True)
    if record is not None and record.plan and record.plan == plan.id:
        approve = f"gitops approve {app.identity} --plan {plan.id[:12]}"
        click.echo(printable(f"this plan waits for a word: {approve}"), err=True)
    sys.exit(exit_of(planned))


async def _plan_of_release(request: "Request", context: "SyncContext", number: int) -> "PlannedSync":
    """What going back to a release would change. Raises ConfigError for one that is not known."""
    from dataclasses import replace

    from gitops.sync.release_choice import plan_way_back
    from gitops.sync.releases import release_of

    inventory, release = await release_of(request, context, number)
    back = replace(request, options=replace(request.options, back=True))
    return await plan_way_back(back, context, release, inventory.source)


def exit_of(planned: "PlannedSync") -> int:
    from gitops.model.result import Hold

    if not isinstance(planned.decision, Hold):
        return exits.DIFFERENT if planned.plan.changes else exits.DONE
    is_refused = any(item.kind is ObstacleKind.REFUSED for item in planned.decision.obstacles)
    return exits.FAILED if is_refused else exits.HELD


def _show(planned: "PlannedSync", output: str) -> None:
    from gitops.model.result import Hold

    match output:
        case "table":
            print_plan(planned.plan)
        case "markdown" | "unified":
            from gitops.cli import reviews

            shown = reviews.markdown(planned) if output == "markdown" else reviews.unified(planned)
            click.echo(shown, nl=False)
        case _:
            print_data(plan_data(planned.plan, planned.decision), output)
    if isinstance(planned.decision, Hold):
        print_hold(planned.decision)


def _save_plan(file: str, planned: "PlannedSync") -> None:
    import json
    from pathlib import Path

    from gitops.model.errors import ConfigError
    from gitops.sync.plan_file import plan_facts

    try:
        Path(file).write_text(json.dumps(plan_facts(planned), indent=1) + "\n")
    except OSError as exc:
        raise ConfigError(f"{file}: cannot be written: {exc.strerror}") from exc
