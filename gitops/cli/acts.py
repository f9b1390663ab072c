"""`gitops suspend, resume, approve, refresh, terminate`: what a person tells a controller, through their store."""

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gitops.cli import settings as exits
from gitops.cli.application import namespace_option
from gitops.cli.escape import printable
from gitops.cli.settings import Settings, run
from gitops.model.errors import ConfigError

if TYPE_CHECKING:
    from gitops.sync.operator_acts import Operator

_WAIT_SECONDS = 30.0
_PING_SECONDS = 5.0  # a controller looks every second


@click.command()
@click.argument("app")
@namespace_option
@click.option("--reason", default="", metavar="TEXT", help="Recorded in the audit log.")
@click.pass_obj
def suspend(settings: Settings, app: str, namespace: str, reason: str) -> None:
    """Stop the controller from changing APP until it is resumed; it goes on watching, and `gitops sync` still works."""
    run(settings, _set(settings, (app, namespace), "suspend", reason))


@click.command()
@click.argument("app")
@namespace_option
@click.option("--reason", default="", metavar="TEXT", help="Recorded in the audit log.")
@click.pass_obj
def resume(settings: Settings, app: str, namespace: str, reason: str) -> None:
    """Let the controller run APP again."""
    run(settings, _set(settings, (app, namespace), "resume", reason))


@click.command()
@click.argument("app")
@click.option("--plan", "digest", required=True, metavar="DIGEST", help="The plan to approve, as `status` shows it.")
@namespace_option
@click.option("--reason", default="", metavar="TEXT", help="Recorded in the audit log.")
@click.pass_obj
def approve(settings: Settings, app: str, namespace: str, digest: str, reason: str) -> None:
    """Let the controller sync APP to the plan that DIGEST names, and to no other."""
    run(settings, _set(settings, (app, namespace), "approve", reason, digest))


@click.command()
@click.argument("app")
@namespace_option
@click.option("--sync", "also", is_flag=True, help="Sync it too, though it is not automated or is suspended.")
@click.option("--confirm", is_flag=True, help="With --sync: carry out what a guard would hold.")
@click.option("--reason", default="", metavar="TEXT", help="Recorded in the audit log.")
@click.pass_obj
def refresh(settings: Settings, /, app: str, namespace: str, also: bool, **given: Any) -> None:
    """Have the controller look at APP's repository and cluster now, and try again what it had given up.

    Ends when that is done. Exit codes: 0 it is as its repository says, 2 no controller answers, 3 held, 4 failed or
    could not look, 5 failed and rolled back.
    """
    detail = {"confirm": given["confirm"]}
    run(settings, _ask(settings, (app, namespace), "sync" if also else "refresh", given["reason"], detail))


@click.command()
@click.argument("app")
@namespace_option
@click.option("--reason", default="", metavar="TEXT", help="Recorded in the audit log.")
@click.pass_obj
def terminate(settings: Settings, app: str, namespace: str, reason: str) -> None:
    """End the sync of APP that is under way.

    What it has applied stays. The same commit is not synced again by itself: another commit, another spec, or
    `gitops refresh` (with --sync where it is not automated) goes on. A rollback is not ended half-way.

    Exit codes: 0 it has ended, 2 no controller answers, 4 nothing is under way that can be ended.
    """
    run(settings, _ask(settings, (app, namespace), "terminate", reason, {}))


async def _set(settings: Settings, app: tuple[str, str], verb: str, reason: str, digest: str = "") -> None:
    from gitops.cli.opening import outside_of
    from gitops.sync.operator_acts import check_waits
    from gitops.sync.record_reader import stored_record

    async with outside_of(settings) as context:
        await _check_known(context, *app)
        operator = await _operator(context, *app)
        identity = operator.application
        if verb == "approve":
            record = await stored_record(context.store, identity)
            check_waits(identity, record.plan if record else "", digest)
            await operator.approve(digest, reason)
        elif verb == "suspend":
            await operator.suspend(reason)
        else:
            await operator.resume(reason)
        click.echo(printable(f"{identity}: {_PAST[verb]}"), err=True)
        if not await is_run(context, identity):
            alone = "no controller that shares this store runs it now; the word stands for when one does"
            click.echo(printable(f"{identity}: {alone}"), err=True)


async def _check_known(context: Any, app: str, namespace: str) -> None:
    """Raise ConfigError for an identity that neither the cluster nor the store has heard of: a name mistyped."""
    from gitops.views.status import all_statuses

    store = context.store
    if "/" in app and not (
        await all_statuses(context, app, namespace) or await store.chains(app) or await store.releases(app)
    ):
        raise ConfigError(f"neither this cluster nor this store knows an Application {app} (gitops status lists them)")


_PAST = {"suspend": "suspended", "resume": "resumed", "approve": "approved"}


async def _operator(context: Any, app: str, namespace: str) -> "Operator":
    """Us, acting on the Application that APP names."""
    from gitops.config import actor
    from gitops.engine.inventory import Inventory, parent_key
    from gitops.sync.operator_acts import Operator
    from gitops.views.status import status_of

    space, _, name = app.rpartition("/")
    try:
        told = await status_of(context, app, namespace)
        bare = Inventory(told.application, parent_key(name, told.namespace))
        inventory = told.standing.inventory if told.standing else bare
    except ConfigError:
        if not space:
            raise
        inventory = Inventory(app, parent_key(name, space))
    return Operator(actor(), context, inventory)


async def _ask(settings: Settings, app: tuple[str, str], verb: str, reason: str, detail: dict[str, Any]) -> None:
    """Ask the controller for it, and wait until that has answered."""
    from gitops.cli.opening import outside_of
    from gitops.model.operator_command import answer_in

    async with outside_of(settings) as context:
        operator = await _operator(context, *app)
        identity = operator.application
        number = await operator.ask(verb, reason, **detail)
        deadline = context.clock.monotonic() + _WAIT_SECONDS
        while (answer := await context.store.outcome(number)) is None:
            if context.clock.monotonic() > deadline:
                if not await is_run(context, identity):
                    raise ConfigError(
                        f"{identity}: no controller that shares this store has answered yet; the request stays "
                        "(without a controller, run gitops sync)"
                    )
                deadline = context.clock.monotonic() + _WAIT_SECONDS
            await context.clock.sleep(0.2)
    outcome, message = answer_in(answer)
    end(identity, outcome, message, "terminated" if (verb, outcome.value) == ("terminate", "done") else "")


def end(identity: str, outcome: Any, message: str, word: str = "") -> NoReturn:
    """Say how it ended, and leave with the code for it."""
    text = f"{word or outcome.value}: {message}" if message else word or outcome.value
    click.echo(printable(f"{identity}: {text}"), err=True)
    codes = {"held": exits.HELD, "failed": exits.FAILED, "overtaken": exits.FAILED, "rolled-back": exits.ROLLED_BACK}
    sys.exit(codes.get(outcome.value, exits.DONE))


async def is_run(context: Any, identity: str) -> bool:
    """Whether a controller that shares this store runs the Application now: then it answers a ping."""
    from gitops.config import actor
    from gitops.model.operator_command import PING, answer_text
    from gitops.model.result import Outcome

    at = context.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    number = await context.store.request(identity, PING, {}, actor(), at)
    deadline = context.clock.monotonic() + _PING_SECONDS
    while context.clock.monotonic() < deadline:
        if await context.store.outcome(number) is not None:
            return True
        await context.clock.sleep(0.2)
    await context.store.answer(number, answer_text(Outcome.FAILED, "nobody was there"))
    return False
