"""`gitops audit list | verify`: who changed what, when and why; and the proof that nobody rewrote it."""

from dataclasses import asdict

import click

from gitops.cli.output import output_option, print_data, table
from gitops.cli.settings import Settings, run
from gitops.model.audit import Anchor, AuditEvent, check_chain
from gitops.model.errors import AuditError, ClusterError, ConfigError, GitopsError


@click.group()
def audit() -> None:
    """List or verify the audit log of this machine's store."""


@audit.command("list")
@click.argument("app", required=False, default="")
@click.option("--limit", default=0, metavar="N", help="Only the last N entries of each chain.")
@output_option
@click.pass_obj
def list_events(settings: Settings, app: str, limit: int, output: str) -> None:
    """Print the entries, oldest first; with APP those of one Application."""
    run(settings, _list(settings, app, limit, output))


async def _list(settings: Settings, app: str, limit: int, output: str) -> None:
    from gitops.cli.opening import store_of

    events: list[AuditEvent] = []
    async with store_of(settings) as store:
        for application, cluster in await store.chains():
            if app in ("", application, application.rpartition("/")[2]):
                events += (await store.events(application, cluster))[-limit or None :]
    if output != "table":
        print_data([asdict(event) for event in events], output)
        return
    rows = [
        (str(one.seq), one.at, one.actor, one.application, one.fact, one.revision[:12], _detail(one)) for one in events
    ]
    click.echo(table(rows, ("SEQ", "AT", "WHO", "APPLICATION", "FACT", "REVISION", "DETAIL")))


def _detail(event: AuditEvent) -> str:
    changes = event.detail.get("changes")
    if isinstance(changes, list):
        return ", ".join(f"{item.get('change')} {item.get('object')}" for item in changes)
    return ", ".join(f"{name}={value}" for name, value in event.detail.items() if value not in ("", [], None))


@audit.command()
@click.argument("app", required=False, default="")
@click.option("--offline", is_flag=True, help="Do not hold the log against the heads that the cluster remembers.")
@click.pass_obj
def verify(settings: Settings, app: str, offline: bool) -> None:
    """Check every entry's hash and its link to the one before, and the head against the cluster's anchor.

    Exit codes: 0 whole, 4 an entry was changed, removed or cut off.
    """
    run(settings, _verify(settings, app, offline))


async def _verify(settings: Settings, app: str, offline: bool) -> None:
    from gitops.cli.opening import store_of

    anchors: dict[tuple[str, str], list[Anchor]] = {}
    note = "anchors not checked: --offline"
    if not offline:
        anchors, note = await _anchors(settings)
    async with store_of(settings) as store:
        chains = [one for one in await store.chains() if app in ("", one[0], one[0].rpartition("/")[2])]
        if app and not chains:
            raise ConfigError(f"this store holds no audit entry of {app}")
        for chain in chains:
            events = await store.events(*chain)
            own = [anchor for anchor in anchors.get(chain, ()) if anchor.store == store.id]
            for anchor in own or (None,):
                check_chain(events, anchor, store.id)
            said = f"anchored at {max(anchor.seq for anchor in own)}" if own else "no anchor of this store"
            click.echo(f"{chain[0]} on {chain[1]}: {len(events)} entries, whole, {said}")
        _check_nothing_is_missing(app, anchors, chains, store.id)
        await store.check()
    if note:
        click.echo(f"note: {note}", err=True)


def _check_nothing_is_missing(
    app: str, anchors: dict[tuple[str, str], list[Anchor]], chains: list[tuple[str, str]], store: str
) -> None:
    """A chain that the cluster anchors in this store, but that is not there at all, was removed as a whole."""
    for chain, found in anchors.items():
        own = [anchor for anchor in found if anchor.store == store]
        if own and chain not in chains and app in ("", chain[0]):
            raise AuditError(f"{chain[0]} on {chain[1]}: entry {own[0].seq} is anchored there, but the log has none")


async def _anchors(settings: Settings) -> tuple[dict[tuple[str, str], list[Anchor]], str]:
    """The heads that the present cluster remembers; without a cluster the chains are checked by themselves."""
    from gitops.bootstrap import open_cluster
    from gitops.controller.inspect import find_applications

    try:
        cluster = open_cluster(settings.kubeconfig, settings.context)
    except ConfigError as exc:
        return {}, f"anchors not checked: {exc}"
    try:
        found = await find_applications(cluster)
    except (ClusterError, GitopsError) as exc:
        return {}, f"anchors not checked: {exc}"
    finally:
        await cluster.close()
    anchors: dict[tuple[str, str], list[Anchor]] = {}
    for one in found:
        if one.anchor is not None:
            anchors.setdefault((one.application, cluster.name), []).append(one.anchor)
    return anchors, ""
