"""How plans and results look: for people as coloured lines, for programs as JSON or YAML of the same facts."""

import shutil
import sys
from collections.abc import Sequence
from typing import Any

import click
import orjson

from gitops.cli.escape import printable, printable_lines
from gitops.cli.field_lines import field_lines
from gitops.manifests.yaml_write import write_manifests
from gitops.model.plan import Change, Create, ObstacleKind, Plan, Prune, Recreate, RunHook, Update
from gitops.model.result import Hold, SyncResult
from gitops.views.plan_data import plan_data

__all__ = ["plan_data"]

_NARROWEST = 60
output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)


def print_data(data: Any, output: str) -> None:
    """`data` (plain JSON values) on stdout as JSON or YAML."""
    if output == "json":
        sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(write_manifests([data] if isinstance(data, dict) else data))


def table(rows: Sequence[tuple[str, ...]], heads: tuple[str, ...]) -> str:
    """Left-aligned columns, as wide as their widest cell; each row is one line, whatever is in it."""
    lines = [heads, *(tuple(map(printable, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def cut_table(rows: Sequence[tuple[str, ...]], heads: tuple[str, ...]) -> str:
    """A table whose last column ends where the terminal does: what is longer is told elsewhere, in full."""
    text = table(rows, heads)
    if not sys.stdout.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    return "\n".join(line if len(line) <= width else f"{line[: width - 1]}…" for line in text.splitlines())


def result_data(result: SyncResult) -> dict[str, Any]:
    return {
        "application": result.plan.application,
        "revision": result.plan.revision.sha,
        "ref": result.plan.revision.ref,
        "outcome": result.outcome.value,
        "message": result.message,
        "changed": [{"object": str(item.key), "change": item.verb} for item in result.changed],
        "failures": [{"object": str(item.key or ""), "reason": item.reason} for item in result.failures],
        "health": [
            {"object": str(key), "health": health.word.value, "message": health.message}
            for key, health in result.health
        ],
        "rollback": result_data(result.rollback) if result.rollback else None,
    }


def print_plan(plan: Plan) -> None:
    """Each change and, below it, each field as `path: live → desired` with who set the live value."""
    if plan.makes:
        made = click.style(f"+ create {printable(plan.makes)}", fg="green")
        click.echo(f"{made}  (it is not there, and is made for the objects)")
    for change in plan.changes:
        click.echo(_headline(change))
        if isinstance(change, Update | Recreate):
            for field in change.fields:
                for line in field_lines(field):
                    click.echo(f"    {line}")
    for kept in plan.kept:
        head = click.style(f"! keep {printable(kept.key)}", fg="yellow")
        click.echo(f"{head} although it left the source: {printable(kept.reason)}")
    if plan.predicted:
        click.echo(f"note: {printable(plan.predicted)}")


def print_kept(plan: Plan, why: str) -> None:
    """What could be deleted and is not; `why` it might be, in words that follow "although"."""
    for kept in plan.kept:
        click.echo(printable(f"kept {kept.key} although {why}: {kept.reason}"), err=True)


def print_hold(hold: Hold) -> None:
    for obstacle in hold.obstacles:
        is_refused = obstacle.kind is ObstacleKind.REFUSED
        word = (
            click.style("refused: ", fg="red", bold=True)
            if is_refused
            else click.style("held: ", fg="yellow", bold=True)
        )
        click.echo(word + printable_lines(obstacle.reason), err=True)


def summary(plan: Plan) -> str:
    """ "2 to create, 1 to update, 1 to prune, 1 refused" """
    words = {
        Create: "to create",
        Update: "to update",
        Recreate: "to recreate",
        Prune: "to prune",
        RunHook: "to run as a hook",
    }
    counts = {kind: sum(isinstance(change, kind) for change in plan.changes) for kind in words}
    counts[Create] += 1 if plan.makes else 0
    told = [f"{count} {words[kind]}" for kind, count in counts.items() if count]
    refused = sum(obstacle.kind is ObstacleKind.REFUSED for obstacle in plan.obstacles)
    others = len(plan.obstacles) - refused
    told += [f"{refused} refused"] * bool(refused) + [f"{others} held"] * bool(others)
    return ", ".join(told) or "nothing to do"


def _headline(change: Change) -> str:
    key, origin = printable(change.key), "" if isinstance(change, Prune) else f"  ({printable(change.origin)})"
    match change:
        case Create():
            return click.style(f"+ create {key}", fg="green") + origin
        case Update():
            return click.style(f"~ update {key}", fg="yellow") + origin
        case Recreate():
            return click.style(f"± recreate {key}", fg="red") + f"{origin}: {printable(change.reason)}"
        case Prune():
            return click.style(f"- prune  {key}", fg="red")
        case RunHook():
            return click.style(f"> run    {key}", fg="cyan") + origin
