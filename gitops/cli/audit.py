"""`gitops audit list | verify | export`: who changed what, when and why; and the proof that nobody rewrote it."""

import re
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import click

from gitops.cli.application import namespace_option
from gitops.cli.audit_export import export, verify_file
from gitops.cli.escape import printable
from gitops.cli.output import cut_table, output_option, print_data
from gitops.cli.settings import Settings, run
from gitops.fields_reader import parse_duration
from gitops.model.app_name import fits, nearest
from gitops.model.audit import Anchor, AuditEvent, check_chain
from gitops.model.errors import AuditError, ConfigError
from gitops.model.revision import short

_MOST_TOLD = 5  # reasons in one message


@click.group()
def audit() -> None:
    """List, verify or export the audit log of this machine's store."""


audit.add_command(export)


@audit.command("list")
@click.argument("app", required=False, default="")
@namespace_option
@click.option("--since", default="", metavar="WHEN", help="2h, 7d, or a time such as 2026-01-31T12:00:00Z.")
@click.option("--actor", default="", metavar="TEXT", help="Only what was done by who has TEXT in the name.")
@click.option("--fact", "facts", multiple=True, metavar="FACT", help="sync.failed, or rollback.* (repeatable).")
@click.option("--limit", default=0, metavar="N", help="Only the last N entries.")
@output_option
@click.pass_obj
def list_events(settings: Settings, /, app: str, namespace: str, output: str, **given: Any) -> None:
    """Print the entries by time, oldest first; with APP (NAME or NAMESPACE/NAME) those of one Application.

    DETAIL is cut to the width of the terminal; -o json has everything.
    """
    run(settings, _list(settings, app, namespace, output, given))


async def _list(settings: Settings, app: str, namespace: str, output: str, given: dict[str, Any]) -> None:
    from gitops.cli.opening import store_of

    since = since_of(given["since"], datetime.now(UTC))
    events: list[AuditEvent] = []
    async with store_of(settings) as store:
        chains = await store.chains()
        wanted_chains = [chain for chain in chains if fits(chain[0], "", app, namespace)]
        if not wanted_chains and (app or namespace):
            raise ConfigError(_none_of(app, namespace, chains, store.id))
        for chain in wanted_chains:
            events += await store.events(*chain)
    show_events([one for one in events if one.at >= since], output, given)


def show_events(events: Iterable[AuditEvent], output: str, given: dict[str, Any]) -> None:
    """Print those that the options ask for, by time."""
    wanted = [one for one in events if _is_wanted(one, given["actor"], given["facts"])]
    wanted = sorted(wanted, key=lambda one: (one.at, one.application, one.seq))[-given["limit"] or None :]
    if output != "table":
        print_data([asdict(event) for event in wanted], output)
        return
    rows = [(one.at, one.actor, one.application, one.fact, short(one.revision), _detail(one)) for one in wanted]
    click.echo(cut_table(rows, ("AT", "WHO", "APPLICATION", "FACT", "REVISION", "DETAIL")))


def _none_of(app: str, namespace: str, chains: Iterable[tuple[str, str]], store: str) -> str:
    """That a store has no entry of what was asked for, with what may have been meant."""
    of = f"of {app or 'an Application'}" + (f" in namespace {namespace}" if namespace else "")
    meant = nearest(app, (application for application, _ in chains)) if app else ""
    return f"this store ({store}) has no entry {of}{meant and f' ({meant})'}"


def _is_wanted(event: AuditEvent, actor: str, facts: tuple[str, ...]) -> bool:
    is_fact = not facts or any(fnmatchcase(event.fact, fact) for fact in facts)
    return is_fact and actor.casefold() in event.actor.casefold()


def since_of(text: str, now: datetime) -> str:
    """A duration back from now, or a time, as entries have it. Raises ConfigError."""
    if not text:
        return ""
    days = re.fullmatch(r"(\d{1,5})d", text)
    try:
        if days:
            moment = now - timedelta(days=int(days[1]))
        elif text[0].isdigit() and not re.match(r"\d{4}-", text):
            moment = now - timedelta(seconds=parse_duration(text))
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ConfigError(f"--since {text}: expected 90m, 7d or a time such as 2026-01-31T12:00:00Z") from None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _detail(event: AuditEvent) -> str:
    changes = event.detail.get("changes")
    if isinstance(changes, list):
        return ", ".join(f"{item.get('change')} {item.get('object')}" for item in changes if isinstance(item, dict))
    told = {
        name: value for name, value in event.detail.items() if name not in _NOT_TOLD and value not in ("", [], None)
    }
    reason = str(told.pop("reason", ""))
    return "; ".join([*([reason] if reason else []), *(f"{name}: {_words(value)}" for name, value in told.items())])


# Names for machines, and what another word says already.
_NOT_TOLD = {"digest", "held", "plan", "source"}


def _words(value: object, depth: int = 12) -> str:
    """A detail as a person would write it: lists with commas, and what failed with its reason."""
    if depth == 0:
        return "…"
    match value:
        case bool():
            return "yes" if value else "no"
        case {"object": thing, "reason": reason}:
            return f"{thing}: {reason}" if thing else str(reason)
        case list():
            return ", ".join(_words(item, depth - 1) for item in value)
        case dict():
            return ", ".join(f"{name} {_words(item, depth - 1)}" for name, item in value.items())
    return str(value)


@audit.command()
@click.argument("app", required=False, default="")
@namespace_option
@click.option("--offline", is_flag=True, help="Do not hold the log against the heads that the cluster remembers.")
@click.option("--file", "file", default="", metavar="FILE", help="Check what `gitops audit export` wrote; - is stdin.")
@click.pass_obj
def verify(settings: Settings, app: str, namespace: str, offline: bool, file: str) -> None:
    """Check every entry's hash and its link to the one before, and the head against the cluster's anchor.

    Exit codes: 0 whole, 4 an entry was changed, removed or cut off, or this store has none of what was asked for.
    """
    run(settings, _of_file(file, app) if file else _verify(settings, app, namespace, offline))


async def _of_file(file: str, app: str) -> None:
    if app:
        raise ConfigError("--file: checks all that is in the file; leave out APP")
    verify_file(file)


async def _verify(settings: Settings, app: str, namespace: str, offline: bool) -> None:
    from gitops.cli.opening import store_of

    anchors: dict[tuple[str, str], list[Anchor]] = {}
    note = "anchors not checked: --offline"
    if not offline:
        anchors, note = await _anchors(settings)
    async with store_of(settings) as store:
        chains = [one for one in await store.chains() if fits(one[0], "", app, namespace)]
        for chain in chains:
            events = await store.events(*chain)
            own = [anchor for anchor in anchors.get(chain, ()) if anchor.store == store.id]
            for anchor in own or (None,):
                check_chain(events, anchor, store.id)
            said = f"anchored at {max(anchor.seq for anchor in own)}" if own else "no anchor of this store"
            click.echo(printable(f"{chain[0]} on {chain[1]}: {len(events)} entries, whole, {said}"))
        missing = {
            chain: found
            for chain, found in anchors.items()
            if fits(chain[0], "", app, namespace) and chain not in chains
        }
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
