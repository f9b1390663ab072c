"""`gitops notify`: whom a controller tells of what, and a test of it; and what a person's own sync tells."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops.cli.application import namespace_option
from gitops.cli.escape import printable
from gitops.cli.settings import Settings, fail, run

if TYPE_CHECKING:
    from gitops.adapters.notifiers.finding import Entries
    from gitops.model.application import Application
    from gitops.model.audit import AuditEvent
    from gitops.model.notification import Notification, NotificationSettings
    from gitops.sync.context import SyncContext

_MOST_ENTRIES = 200
_TRIES = 3
_PAUSE_SECONDS = 2.0
# A sync's own beginning is no news at its end.
_SKIPPED = "started"

file_option = click.option(
    "-f",
    "--file",
    required=True,
    envvar="GITOPS_NOTIFICATIONS",
    metavar="FILE",
    help="What `gitops run --notifications` is given (default: $GITOPS_NOTIFICATIONS).",
)


@click.group()
def notify() -> None:
    """List whom the controller tells, and send a test."""


@notify.command("list")
@file_option
def list_destinations(file: str) -> None:
    """Print each destination of FILE, who may subscribe to it, and the rules that send to it."""
    from gitops.cli.output import table

    settings = _read(file)
    rows = []
    for spec in settings.destinations:
        rules = [rule for rule in settings.rules if spec.name in rule.destinations]
        facts = sorted({fact for rule in rules for fact in rule.facts or ("the usual",)})
        rows.append((spec.name, spec.type, ", ".join(spec.namespaces) or "-", ", ".join(facts) or "-"))
    click.echo(table(rows, ("DESTINATION", "TYPE", "OPEN TO", "FACTS")))


@notify.command()
@click.argument("destination")
@file_option
@namespace_option
@click.pass_obj
def test(settings: Settings, destination: str, file: str, namespace: str) -> None:
    """Send one message to DESTINATION and say what became of it.

    Credentials are taken from GITOPS_SECRET_<REF>, else, with -n, from a Secret of that namespace. Exit codes: 0 it was
    taken, 2 wrong configuration, 4 it was not taken.
    """
    run(settings, _test(settings, destination, _read(file), namespace))


async def _test(settings: Settings, name: str, found: "NotificationSettings", namespace: str) -> None:
    from gitops.bootstrap import open_cluster, open_notifier
    from gitops.cli.opening import secret_of
    from gitops.model.errors import ConfigError
    from gitops.model.notification import COMMIT_TYPES, Place

    spec = found.destination(name)
    if spec is None:
        known = ", ".join(one.name for one in found.destinations)
        raise ConfigError(f"no destination is called {name}; there are {known or 'none'}")
    if spec.type in COMMIT_TYPES:
        raise ConfigError(f"{name}: a status needs a commit: `gitops sync --notifications FILE` sets one")
    cluster = open_cluster(settings.kubeconfig, settings.context) if namespace else None
    entries = _entries_of(cluster)
    notifier = open_notifier(secret_of, entries, namespace)
    try:
        await notifier.send(Place(spec), _example(), f"gitops: a test of the destination {name}")
    finally:
        if cluster is not None:
            await cluster.close()
    click.echo(f"{name}: it was taken")


def _entries_of(cluster: Any) -> "Entries":
    from gitops.adapters.kubernetes.secret_reader import SecretReader

    return SecretReader(cluster).entries if cluster is not None else lambda _, __: None


def _example() -> "Notification":
    from gitops.adapters.clock import SystemClock
    from gitops.config import actor
    from gitops.engine.notifications import id_of
    from gitops.model.notification import Notification

    at = SystemClock().now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    who = actor()
    return Notification(id_of("test", at, who), "degraded", at, "gitops/test", actor=who, reason="a test")


def _read(file: str) -> "NotificationSettings":
    from gitops.model.errors import ConfigError
    from gitops.notification_file import read_notifications

    try:
        return read_notifications(Path(file))
    except ConfigError as exc:
        fail(exc)


async def told_from_now(file: str, context: "SyncContext", app: "Application") -> Callable[[Any, Any], Awaitable[None]]:
    """What tells the destinations of `file` ("" for none) of all that is done to `app` from now on, given the plan and
    the result. A destination that does not take it is a warning.
    """
    settings = _read(file) if file else None
    began = context.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def tell(planned: Any, result: Any) -> None:
        if settings is not None:
            events = await _events(context, app, began)
            await _tell(settings, app, _notes(app, events, planned, result))

    return tell


async def _events(context: "SyncContext", app: "Application", began: str) -> "list[AuditEvent]":
    from gitops.model.audit import EntryFilter

    wanted = EntryFilter(application=app.identity, since=began, limit=_MOST_ENTRIES)
    return await context.store.entries(wanted)


def _notes(app: "Application", events: "list[AuditEvent]", planned: Any, result: Any) -> "list[Notification]":
    """What the audit log tells of the sync; what it came to, where it changed nothing."""
    from gitops.config import actor
    from gitops.engine.notifications import facts_of, id_of
    from gitops.model.notification import Mailbox, Notification
    from gitops.model.result import Outcome
    from gitops.model.source_name import source_parts

    _, notes = facts_of(Mailbox(), events)
    fact = {Outcome.IN_SYNC: "unchanged", Outcome.HELD: "held"}.get(result.outcome, "")
    if fact:
        from gitops.adapters.clock import SystemClock

        at = SystemClock().now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        sha, reason = planned.plan.revision.sha, result.message
        name = id_of(app.identity, fact, at)
        notes.append(Notification(name, fact, at, app.identity, revision=sha, actor=actor(), reason=reason))
    source = app.address if app.source.repoURL else source_parts(planned.source)[0]
    return [replace(note, source=source) for note in notes if note.fact != _SKIPPED]


async def _tell(settings: "NotificationSettings", app: "Application", notes: "list[Notification]") -> None:
    from gitops.bootstrap import open_notifier
    from gitops.cli.opening import secret_of
    from gitops.engine.notifications import texts_for
    from gitops.model.errors import NotificationError
    from gitops.model.notification import Place

    notifier = open_notifier(secret_of)
    for note in notes:
        for name, text in texts_for(settings, app, note).items():
            spec = settings.destination(name)
            assert spec is not None  # texts are for these alone
            try:
                await _sent(notifier, Place(spec), note, text)
            except NotificationError as exc:
                click.echo(f"warning: {name} was not told: {printable(exc)}", err=True)


async def _sent(notifier: Any, place: Any, note: "Notification", text: str) -> None:
    """Raises NotificationError, when it was tried a few times or will never be taken."""
    from gitops.model.errors import NotificationError

    for left in reversed(range(_TRIES)):
        try:
            await notifier.send(place, note, text)
            return
        except NotificationError as exc:
            if exc.is_final or not left:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
