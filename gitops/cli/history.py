"""`gitops history` and `gitops rollback`: the releases that were healthy, and the way back to one."""

import sys
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import click

from gitops.cli import settings as exits
from gitops.cli.application import seconds_of
from gitops.cli.escape import printable
from gitops.cli.output import output_option, print_data, table
from gitops.cli.settings import Settings, run
from gitops.model.audit import AuditEvent
from gitops.model.errors import ConfigError
from gitops.model.release import BY_HAND, Quarantine, Release
from gitops.model.revision import Revision


@click.command()
@click.argument("app")
@click.option("-n", "--namespace", default="", metavar="NS", help="Where APP is, if several have its name.")
@output_option
@click.pass_obj
def history(settings: Settings, app: str, namespace: str, output: str) -> None:
    """List the healthy releases of APP (NAME or NAMESPACE/NAME), newest first.

    The cluster remembers the last ten, this machine's store all that were made through it, on any cluster.
    """
    run(settings, _history(settings, app, namespace, output))


async def _history(settings: Settings, app: str, namespace: str, output: str) -> None:
    from gitops.cli.opening import inventories_here, store_of
    from gitops.controller.releases import known_releases

    cluster, inventories, note = await inventories_here(settings, app, namespace)
    async with store_of(settings) as store:
        identity = _identity(app, {*await store.applications(), *(one.application for one in inventories)})
        releases = [one for one in await store.releases(identity) if namespace in ("", one.namespace)]
    here = [one for one in inventories if one.application == identity]
    if len(here) > 1:
        raise ConfigError(f"{identity} is in several namespaces; say which with --namespace")
    for inventory in here:
        own = known_releases([one for one in releases if one.cluster == cluster], inventory, cluster)
        releases = [*own, *(one for one in releases if one.cluster != cluster)]
    if note:
        click.echo(printable(f"note: only what this store knows: {note}"), err=True)
    if output != "table":
        print_data([asdict(release) for release in releases], output)
        return
    rows = [
        (str(one.number), f"{one.ref}@{one.revision[:12]}", one.health, one.at, one.actor, one.cluster)
        for one in releases
    ]
    click.echo(table(rows, ("RELEASE", "REVISION", "HEALTH", "AT", "BY", "CLUSTER")))


@click.command()
@click.argument("app")
@click.argument("release", required=False, type=int)
@click.option("-n", "--namespace", default="", metavar="NS", help="Where APP is, if several have its name.")
@click.option("--hooks", is_flag=True, help="Run the release's hooks too.")
@click.option("--prune", is_flag=True, help="Also delete what that release did not have.")
@click.option("--confirm", is_flag=True, help="Carry out what a guard would hold.")
@click.option("--timeout", default="", metavar="DURATION", help="Until healthy (default: the Application's).")
@output_option
@click.pass_obj
def rollback(settings: Settings, /, app: str, release: int | None, namespace: str, **given: Any) -> None:
    """Go back to RELEASE of APP (default: the one before the present; after a sync that failed, the last healthy one).

    The present revision is quarantined, so that nothing brings it back by itself.
    """
    run(settings, _rollback(settings, app, release, namespace, given))


async def _rollback(settings: Settings, app: str, number: int | None, namespace: str, given: dict[str, Any]) -> None:
    from gitops.cli.display import Display
    from gitops.cli.opening import outside_of
    from gitops.cli.output import print_hold, print_kept, result_data
    from gitops.config import actor
    from gitops.controller.inspect import application_in, find_applications
    from gitops.controller.planning import plan_rendered
    from gitops.controller.reconcile import sync_planned
    from gitops.controller.releases import known_releases, release_set
    from gitops.controller.request import Request, as_account
    from gitops.engine.situation import PlanOptions
    from gitops.model.result import Hold, Outcome

    with Display() as display:
        async with outside_of(settings, display.tell) as outside:
            (inventory,) = await find_applications(outside.cluster, app, namespace)
            stored = await outside.store.releases(inventory.application, outside.cluster.name)
            releases = known_releases(stored, inventory, outside.cluster.name)
            failed = _failed(await outside.store.events(inventory.application, outside.cluster.name))
            if failed and inventory.healthy and inventory.healthy.at > failed.at:  # another store knows of a newer sync
                failed = None
            present = str(failed.detail.get("digest")) if failed else inventory.synced
            chosen = _chosen(releases, number, present, inventory.application)
            application = application_in(inventory)
            if given["timeout"]:
                seconds = seconds_of(given["timeout"])
                application = replace(application, sync=replace(application.sync, timeout=seconds))
            left = failed or next((one for one in releases if one.digest == present), None)
            at = outside.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            reason = BY_HAND + actor()
            before = inventory.quarantine
            also = {before.digest, *before.also} - {present, chosen.digest} if before else set()
            revision = left.revision if left else ""
            quarantine = Quarantine(revision, present, reason, at, also=tuple(sorted(also)))
            options = PlanOptions(prune=given["prune"], confirm=given["confirm"], hooks=given["hooks"], back=True)
            request = Request(application, actor(), options, quarantine=quarantine)
            acting = as_account(outside, application)
            rendered = await release_set(request, acting, chosen.digest, Revision(chosen.revision, chosen.ref))
            planned = await plan_rendered(request, acting, rendered, inventory.source)
            result = await sync_planned(request, acting, planned)
    if given["output"] != "table":
        print_data(result_data(result), given["output"])
    elif isinstance(planned.decision, Hold):
        print_hold(planned.decision)
    print_kept(result.plan, "the release does not have it")
    release = printable(f"{inventory.application} release {chosen.number} ({chosen.revision[:12]})")
    click.echo(f"{release}: {result.outcome.value}", err=True)
    codes = {Outcome.HELD: exits.HELD, Outcome.FAILED: exits.FAILED, Outcome.ROLLED_BACK: exits.ROLLED_BACK}
    sys.exit(codes.get(result.outcome, exits.DONE))


def _failed(events: list[AuditEvent]) -> AuditEvent | None:
    """The start of the last sync, where that did not come to its end: what it brought is what is there now."""
    found = None
    for before, event in pairwise([None, *events]):
        if event is not None and event.fact == "sync.finished":
            found = None
        elif event is not None and event.fact == "sync.started" and not (before and before.fact == "rollback.started"):
            found = event
    return found


def _chosen(releases: list[Release], number: int | None, present: str, application: str) -> Release:
    if number is not None:
        found = next((one for one in releases if one.number == number), None)
        if found is None:
            known = ", ".join(str(one.number) for one in releases) or "none"
            raise ConfigError(f"{application} has no release {number} (known: {known})")
        return found
    earlier = next((one for one in releases if one.digest != present), None)
    if earlier is None:
        raise ConfigError(f"{application} has no earlier release to go back to")
    return earlier


def _identity(app: str, known: set[str]) -> str:
    """The one Application called `app` (NAME or NAMESPACE/NAME) that has a release here."""
    found = [identity for identity in sorted(known) if app in (identity, identity.rpartition("/")[2])]
    if not found:
        raise ConfigError(f"neither the cluster nor this store knows a release of {app}")
    if len(found) > 1:
        raise ConfigError(f"there are several Applications called {app}: say which of {', '.join(found)}")
    return found[0]
