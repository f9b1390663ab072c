"""`gitops drift` and `gitops explain`: where live state left the synced revision, and why something is not healthy."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from gitops.cli import settings as exits
from gitops.cli.application import namespace_option
from gitops.cli.escape import printable, printable_lines
from gitops.cli.output import output_option, print_data
from gitops.cli.settings import Settings, run
from gitops.model.errors import (
    ApiError,
    AwayError,
    ConfigError,
    GitopsError,
    ManifestError,
    RenderError,
    SourceError,
)

if TYPE_CHECKING:
    from gitops.manifests.key import ResourceKey
    from gitops.sync.context import SyncContext
    from gitops.views.explain import Drift


@click.command()
@click.argument("app", required=False, default="")
@namespace_option
@output_option
@click.pass_obj
def drift(settings: Settings, app: str, namespace: str, output: str) -> None:
    """Show how live state differs from the revision that was last synced, and who did it.

    While a sync is under way, only what others set is drift; what is not there yet is still to come.

    Exit codes: 0 no drift, 1 drift, 4 it cannot be told, 6 cluster unreachable.
    """
    run(settings, _drift(settings, app, namespace, output))


# What is known of one Application: how it has drifted, or why that cannot be told.
_Found = list[tuple[str, "Drift | GitopsError"]]


async def _drift(settings: Settings, app: str, namespace: str, output: str) -> None:
    from gitops.cli.opening import outside_of

    async with outside_of(settings) as context:
        found = await _found(context, app, namespace)
    if output != "table":
        print_data([_drift_data(name, drift) for name, drift in found], output)
    else:
        for name, drift in found:
            _print_drift(name, drift)
    if any(isinstance(drift, GitopsError) for _, drift in found):
        sys.exit(exits.FAILED)
    sys.exit(exits.DIFFERENT if any(not isinstance(drift, GitopsError) and drift.changes for _, drift in found) else 0)


async def _found(context: "SyncContext", app: str, namespace: str) -> _Found:
    """The drift of `app`, or without one of all that the cluster remembers."""
    from gitops.cli.recorded import recorded_application
    from gitops.sync.inventories import find_applications, read_inventories
    from gitops.views.explain import drift_of

    damaged: dict[ResourceKey, str] = {}
    if app:
        known = await find_applications(context.cluster, app, namespace, context.store)
    else:
        known, damaged = await read_inventories(context.cluster, "", namespace)
    found: _Found = []
    for parent, why in damaged.items():
        found.append((f"{parent.namespace}/{parent.name.removeprefix('gitops-')}", ManifestError(why)))
    for one in known:
        try:
            behind, _ = await recorded_application(context, one)
            found.append((one.application, await drift_of(context, one, behind)))
        except (SourceError, ConfigError, ManifestError, RenderError, ApiError, AwayError) as exc:
            found.append((one.application, exc))
    return found


def _drift_data(name: str, drift: "Drift | GitopsError") -> dict[str, Any]:
    from gitops.engine.describe import described

    if isinstance(drift, GitopsError):
        return {"application": name, "drift": None, "reason": str(drift)}
    return {"application": name, "drift": [described(item) for item in drift.changes], "underWay": drift.under_way}


def _print_drift(name: str, drift: "Drift | GitopsError") -> None:
    from gitops.cli.output import print_plan

    if isinstance(drift, GitopsError):
        click.echo(printable_lines(f"{name}: whether it has drifted cannot be told: {drift}"), err=True)
        return
    if drift.under_way:
        click.echo(printable(f"{name}: {drift.under_way}"), err=True)
    if drift.plan and drift.changes:
        click.echo(printable(f"{name} has drifted from {drift.plan.revision}:"))
        print_plan(drift.plan)
    elif not drift.under_way:
        click.echo(printable(f"{name}: no drift"), err=True)


@click.command()
@click.argument("app")
@namespace_option
@output_option
@click.pass_obj
def explain(settings: Settings, app: str, namespace: str, output: str) -> None:
    """Say in words why APP is not healthy or not synced, down to the container, its events and last log lines."""
    run(settings, _explain(settings, app, namespace, output))


async def _explain(settings: Settings, app: str, namespace: str, output: str) -> None:
    from gitops.cli.opening import outside_of
    from gitops.cli.recorded import recorded_application
    from gitops.views.explain import explained
    from gitops.views.status import status_of

    async with outside_of(settings) as context:
        told = await status_of(context, app, namespace)
        behind = (await recorded_application(context, told.standing.inventory))[0] if told.standing else None
        story: dict[str, Any] = await explained(context, told, behind)
    show_story(story, output)


def show_story(story: Mapping[str, Any], output: str) -> None:
    """Print why an Application is as it is: what is so of it, each object that is not well, and what to type next."""
    if output != "table":
        print_data(dict(story), output)
        return
    click.echo(printable(f"{story['headline']}."))
    for line in (*story["facts"], *(f"{one['object']}: {one['reason']}" for one in story["objects"])):
        click.echo(f"  {printable(line)}")
    if story["next"]:
        click.echo(printable(f"next: {story['next']}"))
