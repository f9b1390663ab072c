"""`gitops audit list | verify`: who changed what, when and why; and the proof that nobody rewrote it."""

from dataclasses import asdict

import click

from gitops.cli.escape import printable
from gitops.cli.output import output_option, print_data, table
from gitops.cli.settings import Settings, run
from gitops.model.audit import Anchor, AuditEvent, check_chain
from gitops.model.errors import AuditError
from gitops.model.revision import short

_MOST_TOLD = 5  # reasons in one message


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
        (str(one.seq), one.at, one.actor, one.application, one.fact, short(one.revision), _detail(one))
        for one in events
    ]
    click.echo(table(rows, ("SEQ", "AT", "WHO", "APPLICATION", "FACT", "REVISION", "DETAIL")))


def _detail(event: AuditEvent) -> str:
    changes = event.detail.get("changes")
    if isinstance(changes, list):
        return ", ".join(f"{item.get('change')} {item.get('object')}" for item in changes)
    return "; ".join(f"{name}: {_words(value)}" for name, value in event.detail.items() if value not in ("", [], None))


def _words(value: object) -> str:
    """A detail as a person would write it: lists with commas, and what failed with its reason."""
    match value:
        case bool():
            return "yes" if value else "no"
        case {"object": thing, "reason": reason}:
            return f"{thing}: {reason}" if thing else str(reason)
        case list():
            return ", ".join(_words(item) for item in value)
        case dict():
            return ", ".join(f"{name} {_words(item)}" for name, item in value.items())
    return str(value)


@audit.command()
@click.argument("app", required=False, default="")
@click.option("--offline", is_flag=True, help="Do not hold the log against the heads that the cluster remembers.")
@click.pass_obj
def verify(settings: Settings, app: str, offline: bool) -> None:
    """Check every entry's hash and its link to the one before, and the head against the cluster's anchor.

    Exit codes: 0 whole, 4 an entry was changed, removed or cut off, or this store has none of what was asked for.
    """
    run(settings, _verify(settings, app, offline))


async def _verify(settings: Settings, app: str, offline: bool) -> None:
    from gitops.cli.opening import store_of

    anchors: dict[tuple[str, str], list[Anchor]] = {}
    note = "anchors not checked: --offline"
    if not offline:
        anchors, note = await _anchors(settings)
    async with store_of(settings) as store:
        chains = [one for one in await store.chains() if _is_asked(app, one[0])]
        for chain in chains:
            events = await store.events(*chain)
            own = [anchor for anchor in anchors.get(chain, ()) if anchor.store == store.id]
            for anchor in own or (None,):
                check_chain(events, anchor, store.id)
            said = f"anchored at {max(anchor.seq for anchor in own)}" if own else "no anchor of this store"
            click.echo(printable(f"{chain[0]} on {chain[1]}: {len(events)} entries, whole, {said}"))
        missing = {chain: found for chain, found in anchors.items() if _is_asked(app, chain[0]) and chain not in chains}
        _check_missing(missing, store.id, nothing=not chains)
        await store.check()
    if not chains and (app or note):
        raise AuditError(f"this store ({store.id}) has no entry{f' of {app}' if app else ''}{note and '; '}{note}")
    if not chains:
        note = "no entry has been written so far, neither here nor by another on this cluster"
    elif missing:
        note = f"the entries of {', '.join(sorted(chain[0] for chain in missing))} are in another store"
    if note:
        click.echo(printable(f"note: {note}"), err=True)


def _is_asked(app: str, application: str) -> bool:
    return app in ("", application, application.rpartition("/")[2])


def _check_missing(missing: dict[tuple[str, str], list[Anchor]], store: str, *, nothing: bool) -> None:
    """Raise AuditError for chains that the cluster anchors and this store has not: removed from it, or the wrong store.

    That others of several are in another store is as it should be; with `nothing` here at all, it is not.
    """
    reasons = [
        f"{application} on {cluster}: the cluster anchors {anchor.seq} entries of store {anchor.store}, and this store "
        f"({store}) has none of them"
        for (application, cluster), anchors in sorted(missing.items())
        for anchor in anchors
        if nothing or anchor.store == store
    ]
    if reasons:
        more = len(reasons) - _MOST_TOLD
        raise AuditError("; ".join(reasons[:_MOST_TOLD]) + (f"; and {more} more" if more > 0 else ""))


async def _anchors(settings: Settings) -> tuple[dict[tuple[str, str], list[Anchor]], str]:
    """The heads that the present cluster remembers; without a cluster the chains are checked by themselves."""
    from gitops.cli.opening import inventories_here

    cluster, found, note = await inventories_here(settings)
    anchors: dict[tuple[str, str], list[Anchor]] = {}
    for one in found:
        if one.anchor is not None:
            anchors.setdefault((one.application, cluster), []).append(one.anchor)
    return anchors, note and f"anchors not checked: {note}"
