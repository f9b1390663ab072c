"""`gitops status`: where each Application stands: what the cluster remembers, and what a controller told of it."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from gitops.cli.application import namespace_option
from gitops.cli.escape import printable
from gitops.cli.output import output_option, print_data, table
from gitops.cli.settings import Settings, run
from gitops.model.revision import short

if TYPE_CHECKING:
    from gitops.controller.told import Told


@click.command()
@click.argument("app", required=False, default="")
@namespace_option
@output_option
@click.pass_obj
def status(settings: Settings, app: str, namespace: str, output: str) -> None:
    """Show where Applications stand; with APP (NAME or NAMESPACE/NAME), each of its objects.

    SYNC, and what keeps an Application from its newest commit, are as a controller told them: through the store that it
    shares (--state, --store), or in the status of a custom resource.
    """
    run(settings, _status(settings, app, namespace, output))


async def _status(settings: Settings, app: str, namespace: str, output: str) -> None:
    from gitops.cli.opening import outside_of
    from gitops.controller.records import WRONG_FILE
    from gitops.controller.told import all_told, told_of

    async with outside_of(settings) as outside:
        told = [await told_of(outside, app, namespace)] if app else await all_told(outside, "", namespace)
        wrong = await outside.store.settings(WRONG_FILE)
    for error in wrong.values():
        click.echo(f"Warning: the controller goes by what it read before: {printable(error)}", err=True)
    if output != "table":
        data = [_data(one) for one in told]
        print_data(data[0] if app else data, output)
    elif app:
        _print_one(told[0])
    elif not told:
        click.echo("no Application has been synced to this cluster yet", err=True)
    else:
        rows = [
            (
                one.application,
                one.namespace,
                one.revision,
                one.sync if one.record else "-",
                one.health.word.value,
                one.note,
            )
            for one in told
        ]
        click.echo(table(rows, ("APPLICATION", "NAMESPACE", "REVISION", "SYNC", "HEALTH", "NOTE")))


def _print_one(told: "Told") -> None:
    record, standing = told.record, told.standing
    source = f", from {standing.inventory.source}" if standing else ""
    click.echo(printable(f"{told.application} in namespace {told.namespace}{source}"))
    sync = f"{told.sync}, " if record else ""
    click.echo(printable(f"revision {told.revision}, {sync}{told.health.word.value}{_dash(told.note)}"))
    if record and record.head:
        ref = f"{record.ref}@" if record.ref else ""
        click.echo(printable(f"newest commit {ref}{short(record.head)}, as the controller saw it at {record.at}"))
    if record and record.plan:
        plan = record.plan[:12]
        click.echo(printable(f"plan {plan} waits: gitops approve {told.application} --plan {plan}"))
    if standing:
        rows = [(str(one.key), one.health.word.value, one.health.message) for one in standing.objects]
        click.echo("\n" + table(rows, ("OBJECT", "HEALTH", "MESSAGE")))


def _dash(text: str) -> str:
    return f" - {text}" if text else ""


def _data(told: "Told") -> dict[str, Any]:
    inventory = told.standing.inventory if told.standing else None
    quarantine = inventory.quarantine if inventory else None
    controller = dataclasses.asdict(told.record) if told.record else None
    return {
        "application": told.application,
        "namespace": told.namespace,
        "source": inventory.source if inventory else "",
        "revision": inventory.healthy.revision if inventory and inventory.healthy else "",
        "sync": told.sync,
        "health": told.health.word.value,
        "suspended": bool(told.record and told.record.suspended),
        "note": told.note,
        "quarantine": {"revision": quarantine.revision, "reason": quarantine.reason} if quarantine else None,
        "controller": controller,
        "objects": [
            {
                "object": str(one.key),
                "health": one.health.word.value,
                "message": one.health.message,
                "kstatus": one.kstatus,
            }
            for one in (told.standing.objects if told.standing else ())
        ],
    }
