"""`gitops status`: where each Application stands: what the cluster remembers, and what a controller told of it."""

import asyncio
import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from gitops.cli.application import namespace_option
from gitops.cli.escape import printable
from gitops.cli.output import cut_table, output_option, print_data
from gitops.cli.settings import Settings, run
from gitops.model.errors import ConfigError

if TYPE_CHECKING:
    from gitops.views.status import ApplicationStatus

_WATCH_SECONDS = 2.0


@click.command()
@click.argument("app", required=False, default="")
@namespace_option
@click.option("--project", default="", metavar="NAME", help="Only Applications of this project.")
@click.option("--problems", is_flag=True, help="Only what is not synced, not healthy or suspended.")
@click.option("-w", "--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@output_option
@click.pass_obj
def status(settings: Settings, /, app: str, namespace: str, output: str, **given: Any) -> None:
    """Show where Applications stand, problems first; with APP (NAME or NAMESPACE/NAME), each of its objects.

    APPLIED is what was synced last, WANTED the newest commit, HEALTHY the last one that became healthy. SYNC, WANTED
    and what keeps an Application from its newest commit are as a controller told them: through the store that it shares
    (--state, --store), or in the status of a custom resource.
    """
    run(settings, _status(settings, app, namespace, output, given))


async def _status(settings: Settings, app: str, namespace: str, output: str, given: dict[str, Any]) -> None:
    from gitops.cli.opening import outside_of
    from gitops.model.record import WRONG_FILE
    from gitops.views.status import all_statuses, status_of

    async with outside_of(settings) as context:
        while True:
            told = [await status_of(context, app, namespace)] if app else await all_statuses(context, "", namespace)
            told = in_project(told, app, given["project"])
            wrong = await context.store.settings(WRONG_FILE)
            if given["watch"]:
                click.clear()
            for error in wrong.values():
                click.echo(f"Warning: the controller goes by what it read before: {printable(error)}", err=True)
            show(told, app, output, problems=given["problems"], project=given["project"])
            if not given["watch"]:
                return
            try:
                await context.clock.sleep(_WATCH_SECONDS)
            except asyncio.CancelledError:  # as it says in the help
                return


def in_project(told: "list[ApplicationStatus]", app: str, project: str) -> "list[ApplicationStatus]":
    """Those of the project. Raises ConfigError where the one that was named is of another."""
    if not project:
        return told
    found = [one for one in told if one.project == project]
    if app and not found:
        raise ConfigError(f"{told[0].application} is in project {told[0].project or 'that no controller told'}")
    return found


def show(told: "list[ApplicationStatus]", app: str, output: str, *, problems: bool, project: str = "") -> None:
    """Print them, problems first; with `app` the one that there is, with its objects."""
    shown = sorted((one for one in told if not (problems and one.is_well)), key=_urgency)
    if output != "table":
        data = [_data(one) for one in shown]
        print_data(data[0] if app and data else data, output)
    elif app:
        _print_one(told[0])
    elif not told and project:
        click.echo(f"no controller has told of an Application of project {printable(project)}", err=True)
    elif not told:
        click.echo("no Application has been synced to this cluster yet", err=True)
    else:
        click.echo(cut_table([_row(one) for one in shown], _HEADS))
        click.echo(_counts(told), err=True)


_HEADS = ("APPLICATION", "NAMESPACE", "APPLIED", "SYNC", "HEALTH", "WANTED", "HEALTHY", "LAST SYNC", "NOTE")


def _row(one: "ApplicationStatus") -> tuple[str, ...]:
    applied = one.named(one.applied) if one.applied else _never(one)
    sync = one.sync if one.record else "-"
    wanted, healthy = one.named(one.wanted) or "-", one.named(one.healthy) or "-"
    return (
        one.application,
        one.namespace,
        applied,
        sync,
        one.health.word.value,
        wanted,
        healthy,
        _last(one),
        one.note.partition("\n")[0],
    )


def _never(one: "ApplicationStatus") -> str:
    return "-" if one.standing or one.damage else "(never)"


def _last(one: "ApplicationStatus") -> str:
    if one.last is None:
        return "-"
    outcome = ("interrupted" if one.interrupted else "under way") if one.last.outcome == "begun" else one.last.outcome
    return f"{outcome} {one.last.at[:16]}Z by {one.last.actor}"


def _urgency(one: "ApplicationStatus") -> tuple[bool, int, str, str]:
    """Problems first, the worst of them on top."""
    from gitops.model.health import HealthWord

    return one.is_well, list(HealthWord).index(one.health.word), one.application, one.namespace


def _counts(told: "list[ApplicationStatus]") -> str:
    """ "3 Applications: 2 Healthy, 1 Degraded; 1 not in sync, 1 suspended" """
    words = Counter(one.health.word.value for one in told)
    healths = ", ".join(f"{count} {word}" for word, count in words.most_common())
    behind = sum(not one.is_there for one in told)
    suspended = sum(bool(one.suspended) for one in told)
    more = [f"{behind} not in sync"] * bool(behind) + [f"{suspended} suspended"] * bool(suspended)
    noun = "Application" if len(told) == 1 else "Applications"
    return f"{len(told)} {noun}: {healths}" + (f"; {', '.join(more)}" if more else "")


def _print_one(told: "ApplicationStatus") -> None:
    from gitops.views.advice import headline, next_step

    record, standing = told.record, told.standing
    source = f", from {standing.inventory.source}" if standing else ""
    click.echo(printable(headline(told)))
    click.echo(printable(f"in namespace {told.namespace}{source}{_dash(told.note)}"))
    seen = f", as the controller saw it at {record.at}" if record and record.at else ""
    facts = [
        ("project", told.project),
        ("applied", told.named(told.applied) or _never(told)),
        ("wanted", f"{told.named(told.wanted)}{seen}" if told.wanted else ""),
        ("last healthy", told.named(told.healthy)),
        ("last sync", f"{told.named(told.last.revision)} {_last(told)}" if told.last else ""),
    ]
    for name, value in facts:
        if value:
            click.echo(printable(f"{name}: {value}"))
    if record and record.plan:
        plan = record.plan[:12]
        click.echo(printable(f"plan {plan} waits: gitops approve {told.application} --plan {plan}"))
    if standing:
        rows = [(str(one.key), one.health.word.value, one.health.message) for one in standing.objects]
        click.echo("\n" + cut_table(rows, ("OBJECT", "HEALTH", "MESSAGE")))
    if not told.is_well and (step := next_step(told)):
        click.echo(f"\nnext: {printable(step)}")


def _dash(text: str) -> str:
    return f" - {text}" if text else ""


def _data(told: "ApplicationStatus") -> dict[str, Any]:
    inventory = told.standing.inventory if told.standing else None
    quarantine = inventory.quarantine if inventory else None
    controller = dataclasses.asdict(told.record) if told.record else None
    return {
        "application": told.application,
        "project": told.project,
        "namespace": told.namespace,
        "source": inventory.source if inventory else "",
        "revision": told.healthy,
        "applied": told.applied,
        "wanted": told.wanted,
        "lastHealthy": told.healthy,
        "lastSync": dataclasses.asdict(told.last) if told.last else None,
        "sync": told.sync,
        "health": told.health.word.value,
        "suspended": bool(told.suspended),
        "suspendedBy": told.suspended,
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
