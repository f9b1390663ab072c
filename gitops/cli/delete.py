"""`gitops delete`: an Application goes, with what it owns, or without."""

from typing import TYPE_CHECKING, Any, NoReturn

import click

from gitops.cli.acts import end, is_run
from gitops.cli.application import namespace_option
from gitops.cli.confirm import is_terminal, wants_to
from gitops.cli.escape import printable
from gitops.cli.settings import Settings, run
from gitops.model.errors import HeldError

if TYPE_CHECKING:
    from gitops.engine.inventory import Inventory
    from gitops.sync.context import Request, SyncContext


@click.command()
@click.argument("app")
@namespace_option
@click.option("--keep", is_flag=True, help="Leave its objects where they are, owned by nobody.")
@click.option("--confirm", is_flag=True, help="Also delete namespaces, volumes and what a controller still runs.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and delete nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask on a terminal.")
@click.pass_obj
def delete(settings: Settings, /, app: str, namespace: str, **given: Any) -> None:
    """Delete what APP (NAME or NAMESPACE/NAME) owns on the cluster, and then its inventory.

    On a terminal what goes is shown, and a question asked before anything is changed.

    Exit codes: 0 done, 2 wrong input, 3 held, 4 failed, 6 cluster unreachable.
    """
    run(settings, _delete(settings, app, namespace, given))


async def _delete(settings: Settings, app: str, namespace: str, given: dict[str, Any]) -> None:
    from gitops.cli.display import Display
    from gitops.cli.opening import outside_of
    from gitops.config import actor
    from gitops.controller.commands import forget_overrides
    from gitops.engine.plan_input import PlanOptions
    from gitops.model.record import RECORD
    from gitops.model.result import Outcome
    from gitops.sync.context import Request
    from gitops.sync.inventories import find_applications
    from gitops.sync.record_reader import stored_record
    from gitops.sync.standing import application_in
    from gitops.sync.uninstall import uninstall

    display = Display()
    async with outside_of(settings, display.emit) as context:
        (inventory,) = await find_applications(context.cluster, app, namespace, context.store)
        record = await stored_record(context.store, inventory.application)
        here = inventory.parent.namespace
        is_known = not given["dry_run"] and record is not None
        runs = is_known and await is_run(context, inventory.application)
        if runs and record and record.namespace == here and not given["confirm"]:
            _refuse(inventory.application, record)
        request = Request(application_in(inventory), actor(), PlanOptions(confirm=given["confirm"]))
        if not await _goes_on(request, context, inventory, given):
            return
        with display:
            result = await uninstall(request, context, keep=given["keep"])
        is_of_here = record is None or record.namespace == here  # else what is said is of where it goes now
        if result.outcome is Outcome.SYNCED and is_of_here and not runs:  # nobody else would forget it
            await context.store.set_setting(inventory.application, RECORD, None)
            if not given["keep"]:
                await forget_overrides(context.store, inventory.application)
    word = ("forgotten; its objects stay" if given["keep"] else "deleted") if result.outcome is Outcome.SYNCED else ""
    end(inventory.application, result.outcome, result.message, word)


async def _goes_on(request: "Request", context: "SyncContext", inventory: "Inventory", given: dict[str, Any]) -> bool:
    """Show what goes where somebody is to see it; False when nothing is to be done."""
    from gitops.cli.output import print_hold, print_plan, summary
    from gitops.model.result import Hold
    from gitops.sync.uninstall import planned_deletion

    if not (given["dry_run"] or (is_terminal() and not given["yes"])):
        return True
    name = inventory.application
    if given["keep"]:
        click.echo(printable(f"{name}: {len(inventory.keys)} objects stay, and are owned by nobody"), err=True)
        return not given["dry_run"] and _asked(f"{name}: forget it?", given)
    planned = await planned_deletion(request, context)
    print_plan(planned.plan)
    if isinstance(planned.decision, Hold):
        print_hold(planned.decision)
    if given["dry_run"]:
        return False
    return _asked(f"{name}: delete it: {summary(planned.plan)}?", given)


def _asked(question: str, given: dict[str, Any]) -> bool:
    if wants_to(question, yes=given["yes"]):
        return True
    click.echo("nothing was changed", err=True)
    return False


def _refuse(identity: str, record: Any) -> NoReturn:
    """Raise HeldError: the controller that runs the Application would make again what is deleted here."""
    away = "delete its custom resource" if record.is_resource else "take its file away"
    raise HeldError(f"{identity} is run by a controller: {away} first, or say --confirm to delete it all the same")
