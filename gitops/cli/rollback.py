"""`gitops rollback`: the way back to a release that was healthy, by a person's word."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gitops.cli import settings as exits
from gitops.cli.application import namespace_option, seconds_of
from gitops.cli.confirm import is_terminal, wants_to
from gitops.cli.escape import printable
from gitops.cli.output import output_option
from gitops.cli.projects import projects_option
from gitops.cli.settings import Settings, run
from gitops.model.errors import HeldError
from gitops.model.release import Release
from gitops.model.revision import short

if TYPE_CHECKING:
    from gitops.engine.inventory import Inventory
    from gitops.model.result import SyncResult
    from gitops.sync.context import PlannedSync, Request, SyncContext


@click.command()
@click.argument("app")
@click.argument("release", required=False, type=int)
@namespace_option
@click.option("-f", "--file", "file", default="", metavar="APP", help="The file that holds the Application APP.")
@click.option("--revision", default="", metavar="SHA", help="The newest release of this commit, instead of a number.")
@click.option("--hooks", is_flag=True, help="Run the release's hooks too.")
@click.option("--prune", is_flag=True, help="Also delete what that release did not have.")
@click.option("--confirm", is_flag=True, help="Carry out what a guard would hold.")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask on a terminal.")
@click.option("--timeout", default="", metavar="DURATION", help="Until healthy (default: the Application's).")
@projects_option
@output_option
@click.pass_obj
def rollback(settings: Settings, /, app: str, release: int | None, namespace: str, **given: Any) -> None:
    """Go back to RELEASE of APP (default: the one before the present; after a sync that failed, the last healthy one).

    The present revision is quarantined, so that nothing brings it back by itself. On a terminal the plan is shown, and
    a question asked before anything is changed.

    Exit codes: 0 done, 2 wrong input, 3 held, 4 failed, 6 cluster unreachable.
    """
    run(settings, _rollback(settings, app, release, namespace, given))


async def _rollback(settings: Settings, app: str, number: int | None, namespace: str, given: dict[str, Any]) -> None:
    from gitops.cli.display import Display
    from gitops.cli.opening import outside_of
    from gitops.sync.context import as_account
    from gitops.sync.inventories import find_applications
    from gitops.sync.planning import held_without_rights
    from gitops.sync.reconcile import sync_planned
    from gitops.sync.release_choice import plan_way_back

    display = Display()
    async with outside_of(settings, display.emit, projects=given["projects"]) as context:
        (inventory,) = await find_applications(context.cluster, app, namespace, context.store)
        request, chosen = await _asked_for(context, inventory, number, given)
        acting = as_account(context, request.app)
        planned = held_without_rights(await plan_way_back(request, acting, chosen, inventory.source))
        if not _goes_on(planned, chosen, given):
            return
        with display:
            result = await sync_planned(request, acting, planned)
    _say(result, planned, chosen, given["output"])


async def _asked_for(
    context: "SyncContext", inventory: "Inventory", number: int | None, given: dict[str, Any]
) -> "tuple[Request, Release]":
    """What to plan, and the release to go to. Raises ConfigError, or HeldError where a person has to confirm."""
    from gitops.cli.recorded import recorded_application
    from gitops.config import actor
    from gitops.engine.plan_input import PlanOptions
    from gitops.sync.context import Request
    from gitops.sync.release_choice import way_back
    from gitops.sync.releases import stored_set

    way = await way_back(context, inventory, actor(), number, given["revision"])
    chosen = way.release
    app, doubt = await recorded_application(context, inventory, given["file"])
    if given["timeout"]:
        app = replace(app, sync=replace(app.sync, timeout=seconds_of(given["timeout"])))
    options = PlanOptions(prune=given["prune"], confirm=given["confirm"], hooks=given["hooks"], back=True)
    request = Request(app, actor(), options, quarantine=way.quarantine, believes_inventory=given["confirm"])
    if doubt and not given["confirm"] and await stored_set(request, context, chosen.digest) is None:
        raise HeldError(f"{inventory.application}: {doubt}; --confirm renders it from there all the same")
    return request, chosen


def _goes_on(planned: "PlannedSync", chosen: Release, given: dict[str, Any]) -> bool:
    """Show the plan where somebody is to see it; False when nothing is to be done."""
    from gitops.cli.output import plan_data, print_data, print_plan, summary

    asks = is_terminal() and not given["yes"]
    if given["dry_run"] and given["output"] != "table":
        print_data(plan_data(planned.plan, planned.decision), given["output"])
    elif given["dry_run"] or asks:
        print_plan(planned.plan)
    if given["dry_run"]:
        return False
    what = f"{planned.plan.application}: go back to release {chosen.number} ({short(chosen.revision)})"
    if wants_to(f"{what}: {summary(planned.plan)}?", yes=given["yes"]):
        return True
    click.echo("nothing was changed", err=True)
    return False


def _say(result: "SyncResult", planned: "PlannedSync", chosen: Release, output: str) -> None:
    """How it ended; leaves with the code for it."""
    from gitops.cli.output import print_data, print_hold, print_kept, result_data
    from gitops.model.result import Hold, Outcome

    if output != "table":
        print_data(result_data(result), output)
    elif isinstance(planned.decision, Hold):
        print_hold(planned.decision)
    print_kept(result.plan, "the release does not have it")
    release = printable(f"{result.plan.application} release {chosen.number} ({short(chosen.revision)})")
    click.echo(f"{release}: {result.outcome.value}", err=True)
    codes = {Outcome.HELD: exits.HELD, Outcome.ROLLED_BACK: exits.ROLLED_BACK}
    is_done = result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC)
    sys.exit(exits.DONE if is_done else codes.get(result.outcome, exits.FAILED))
