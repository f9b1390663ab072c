"""`gitops history`: the releases that were healthy."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from gitops.cli.application import namespace_option
from gitops.cli.escape import printable
from gitops.cli.output import output_option, print_data, table
from gitops.cli.settings import Settings, run
from gitops.model.app_name import fits, nearest, several
from gitops.model.errors import ConfigError
from gitops.model.release import Release
from gitops.model.revision import short


@click.command()
@click.argument("app")
@namespace_option
@output_option
@click.pass_obj
def history(settings: Settings, app: str, namespace: str, output: str) -> None:
    """List the healthy releases of APP (NAME or NAMESPACE/NAME), newest first.

    The cluster remembers the last ten, this machine's store all that were made through it, on any cluster.
    """
    run(settings, _history(settings, app, namespace, output))


async def _history(settings: Settings, app: str, namespace: str, output: str) -> None:
    from gitops.cli.opening import inventories_here, store_of
    from gitops.sync.inventory_store import narrowed
    from gitops.sync.releases import known_releases

    cluster, inventories, note = await inventories_here(settings, app, namespace)
    async with store_of(settings) as store:
        places = {(one.application, one.parent.namespace) for one in inventories}
        for known in await store.applications():
            places |= {(known, one.namespace) for one in await store.releases(known)}
        identity = _identity(app, namespace, places)
        releases = [one for one in await store.releases(identity) if fits(identity, one.namespace, app, namespace)]
        here = narrowed(store, [one for one in inventories if one.application == identity])
    if len(here) > 1:
        raise several(app, ((one.application, one.parent.namespace) for one in here))
    for inventory in here:
        own = known_releases([one for one in releases if one.cluster == cluster], inventory, cluster)
        releases = [*own, *(one for one in releases if one.cluster != cluster)]
    if note:
        click.echo(printable(f"note: only what this store knows: {note}"), err=True)
    show_releases(releases, output)


def show_releases(releases: Sequence[Release], output: str) -> None:
    """Print them, in the order that they are in."""
    if output != "table":
        print_data([asdict(release) for release in releases], output)
        return
    rows = [
        (str(one.number), f"{one.ref}@{short(one.revision)}", one.health, one.at, one.actor, one.cluster)
        for one in releases
    ]
    click.echo(table(rows, ("RELEASE", "REVISION", "HEALTH", "AT", "BY", "CLUSTER")))


def _identity(app: str, namespace: str, places: set[tuple[str, str]]) -> str:
    """The one Application called `app` that has a release here."""
    found = {one: place for one, place in sorted(places) if fits(one, place, app, namespace)}
    if not found:
        meant = nearest(app, (one for one, _ in places))
        raise ConfigError(f"neither the cluster nor this store knows a release of {app}{meant and f' ({meant})'}")
    if len(found) > 1:
        raise several(app, found.items())
    return next(iter(found))
