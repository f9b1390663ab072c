"""A plan that a server has made, printed as one that was made here."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from gitops.cli import settings as exits
from gitops.cli.escape import printable, printable_lines
from gitops.cli.field_lines import field_lines
from gitops.model.plan import ABSENT, FieldChange, Manager, ObstacleKind, Unknown

_HEADS: Final = {
    "create": ("+ create", "green"),
    "update": ("~ update", "yellow"),
    "recreate": ("± recreate", "red"),
    "prune": ("- prune ", "red"),
    "hook": ("> run   ", "cyan"),
}
_WORDS: Final = {
    "create": "to create",
    "update": "to update",
    "recreate": "to recreate",
    "prune": "to prune",
    "hook": "to run as a hook",
}


def print_plan_data(plan: Mapping[str, Any]) -> None:
    """Each change and, below it, each field as `path: live → desired` with who set the live value."""
    for made in plan["makes"]:
        click.echo(f"{click.style(f'+ create {printable(made)}', fg='green')}  (it is not there, and is made for it)")
    print_changes(_changes(plan))
    for kept in plan["kept"]:
        head = click.style(f"! keep {printable(kept['object'])}", fg="yellow")
        click.echo(f"{head} although it left the source: {printable(kept['reason'])}")
    if plan["more"]:
        click.echo(f"and {plan['more']} more changes")
    if plan["note"]:
        click.echo(f"note: {printable(plan['note'])}")


def print_changes(changes: Iterable[Mapping[str, Any]]) -> None:
    """Each change and, below it, each field."""
    for change in changes:
        head, colour = _HEADS[change["change"]]
        reason = f": {printable(change['reason'])}" if change.get("reason") else ""
        click.echo(click.style(f"{head} {printable(change['object'])}", fg=colour) + reason)
        for row in change.get("fields", ()):
            for line in field_lines(_field(row)):
                click.echo(f"    {line}")
        if change.get("moreFields"):
            click.echo(f"    and {change['moreFields']} more fields")


def print_obstacles(plan: Mapping[str, Any]) -> None:
    """What stands in the way, on stderr."""
    for obstacle in plan["obstacles"]:
        is_refused = obstacle["kind"] == ObstacleKind.REFUSED.value
        head = click.style("refused: " if is_refused else "held: ", fg="red" if is_refused else "yellow", bold=True)
        click.echo(head + printable_lines(obstacle["reason"]), err=True)


def summary_of(plan: Mapping[str, Any]) -> str:
    """ "2 to create, 1 to update, 1 held" """
    counts = Counter(change["change"] for change in _changes(plan))
    counts["create"] += len(plan["makes"])
    told = [f"{counts[kind]} {words}" for kind, words in _WORDS.items() if counts[kind]]
    told += [f"{plan['more']} more"] * bool(plan["more"])
    refused = sum(one["kind"] == ObstacleKind.REFUSED.value for one in plan["obstacles"])
    others = len(plan["obstacles"]) - refused
    told += [f"{refused} refused"] * bool(refused) + [f"{others} held"] * bool(others)
    return ", ".join(told) or "nothing to do"


def exit_of_plan(plan: Mapping[str, Any]) -> int:
    """The exit code of a diff."""
    if plan["decision"] != "Hold":
        return exits.DIFFERENT if plan["changes"] else exits.DONE
    is_refused = any(one["kind"] == ObstacleKind.REFUSED.value for one in plan["obstacles"])
    return exits.FAILED if is_refused else exits.HELD


def _changes(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [change for step in plan["steps"] for change in step["changes"]]


def _field(row: Mapping[str, Any]) -> FieldChange:
    owner = row.get("owner")
    who = Manager(owner["manager"], owner["operation"], owner["time"]) if owner else Unknown()
    return FieldChange(row["path"], row.get("live", ABSENT), row.get("desired", ABSENT), who)
