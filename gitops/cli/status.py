"""`gitops status`: what the cluster remembers of each Application, and how its objects are doing."""

from typing import Any

import click

from gitops.cli.output import output_option, print_data, table
from gitops.cli.settings import Settings, run


@click.command()
@click.argument("app", required=False, default="")
@click.option("-n", "--namespace", default="", metavar="NS", help="Look in this namespace only.")
@output_option
@click.pass_obj
def status(settings: Settings, app: str, namespace: str, output: str) -> None:
    """Show where Applications stand; with APP (NAME or NAMESPACE/NAME), each of its objects."""
    run(settings, _status(settings, app, namespace, output))


async def _status(settings: Settings, app: str, namespace: str, output: str) -> None:
    from gitops.cli.opening import outside_of
    from gitops.controller.inspect import find_applications, standing_of

    async with outside_of(settings) as outside:
        inventories = await find_applications(outside.cluster, app, namespace)
        standings = [await standing_of(outside.cluster, inventory) for inventory in inventories]
    if output != "table":
        data = [_data(standing) for standing in standings]
        print_data(data[0] if app else data, output)
    elif app:
        for standing in standings:
            _print_one(standing)
    elif not standings:
        click.echo("no Application has been synced to this cluster yet", err=True)
    else:
        rows = [
            (
                one.inventory.application,
                one.inventory.parent.namespace,
                one.revision,
                one.health.word.value,
                _note(one),
            )
            for one in standings
        ]
        click.echo(table(rows, ("APPLICATION", "NAMESPACE", "REVISION", "HEALTH", "NOTE")))


def _print_one(standing: Any) -> None:
    inventory = standing.inventory
    click.echo(f"{inventory.application} in namespace {inventory.parent.namespace}, from {inventory.source}")
    click.echo(f"revision {standing.revision}, {standing.health.word.value}{_dash(_note(standing))}\n")
    rows = [(str(one.key), one.health.word.value, one.health.message) for one in standing.objects]
    click.echo(table(rows, ("OBJECT", "HEALTH", "MESSAGE")))


def _note(standing: Any) -> str:
    quarantine = standing.inventory.quarantine
    if quarantine is not None:
        return f"revision {quarantine.revision[:12]} is quarantined: {quarantine.reason}"
    return str(standing.health.message)


def _dash(text: str) -> str:
    return f" - {text}" if text else ""


def _data(standing: Any) -> dict[str, Any]:
    inventory = standing.inventory
    quarantine = inventory.quarantine
    return {
        "application": inventory.application,
        "namespace": inventory.parent.namespace,
        "source": inventory.source,
        "revision": inventory.healthy.revision if inventory.healthy else "",
        "health": standing.health.word.value,
        "quarantine": {"revision": quarantine.revision, "reason": quarantine.reason} if quarantine else None,
        "objects": [
            {
                "object": str(one.key),
                "health": one.health.word.value,
                "message": one.health.message,
                "kstatus": one.kstatus,
            }
            for one in standing.objects
        ],
    }
