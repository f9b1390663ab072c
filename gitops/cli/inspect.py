"""`gitops drift` and `gitops explain`: where live state left the synced revision, and why something is not healthy."""

import sys
from typing import Any

import click

from gitops.cli import settings as exits
from gitops.cli.output import output_option, print_data
from gitops.cli.settings import Settings, run


@click.command()
@click.argument("app", required=False, default="")
@click.option("-n", "--namespace", default="", metavar="NS", help="Look in this namespace only.")
@output_option
@click.pass_obj
def drift(settings: Settings, app: str, namespace: str, output: str) -> None:
    """Show how live state differs from the revision that was last synced, and who did it; exit 1 if it does."""
    run(settings, _drift(settings, app, namespace, output))


async def _drift(settings: Settings, app: str, namespace: str, output: str) -> None:
    from gitops.cli.opening import outside_of
    from gitops.cli.output import print_plan
    from gitops.controller.explain import drift_of
    from gitops.controller.inspect import find_applications
    from gitops.controller.journal import described

    async with outside_of(settings) as outside:
        found = [
            (one.application, await drift_of(outside, one))
            for one in await find_applications(outside.cluster, app, namespace)
        ]
    if output != "table":
        print_data(
            [
                {"application": name, "drift": [described(item) for item in plan.changes] if plan else None}
                for name, plan in found
            ],
            output,
        )
    else:
        for name, plan in found:
            if plan is None:
                click.echo(f"{name}: what it was synced to is not in this store (sync it from here once)", err=True)
            elif plan.changes:
                click.echo(f"{name} has drifted from {plan.revision}:")
                print_plan(plan)
            else:
                click.echo(f"{name}: no drift", err=True)
    sys.exit(exits.DIFFERENT if any(plan is not None and plan.changes for _, plan in found) else exits.DONE)


@click.command()
@click.argument("app")
@click.option("-n", "--namespace", default="", metavar="NS", help="Where APP is, if several have its name.")
@output_option
@click.pass_obj
def explain(settings: Settings, app: str, namespace: str, output: str) -> None:
    """Say in words why APP is not healthy or not synced, down to the container, its events and last log lines."""
    run(settings, _explain(settings, app, namespace, output))


async def _explain(settings: Settings, app: str, namespace: str, output: str) -> None:
    from gitops.cli.opening import outside_of
    from gitops.controller.explain import explained
    from gitops.controller.inspect import find_applications

    async with outside_of(settings) as outside:
        (inventory,) = await find_applications(outside.cluster, app, namespace)
        story: dict[str, Any] = await explained(outside, inventory)
    if output != "table":
        print_data(story, output)
        return
    click.echo(f"{story['application']} is {story['health']}.")
    for line in (*story["facts"], *(f"{one['object']}: {one['reason']}" for one in story["objects"])):
        click.echo(f"  {line}")
