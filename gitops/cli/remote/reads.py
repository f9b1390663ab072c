"""What a person asks of a controller through its server: where Applications stand, plans, releases, audit entries."""

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from gitops.adapters.api_client import ApiClient
from gitops.cli import settings as exits
from gitops.cli.application import seconds_of
from gitops.cli.audit import show_events, since_of
from gitops.cli.escape import printable, printable_lines
from gitops.cli.history import show_releases
from gitops.cli.inspect import show_story
from gitops.cli.output import print_data
from gitops.cli.remote.names import all_rows, identity_of, way
from gitops.cli.remote.plans import exit_of_plan, print_changes, print_obstacles, print_plan_data, summary_of
from gitops.cli.remote.standing import arrival_in, show_rows, told_status
from gitops.cli.status import in_project, show
from gitops.cli.wait import check_revision, end_wait, told_where
from gitops.model.audit import AuditEvent
from gitops.model.errors import AwayError, ConfigError, HeldError
from gitops.model.reading import read_as
from gitops.model.release import Release
from gitops.model.result import Outcome

_WATCH_SECONDS: Final = 2.0
_PER_PAGE: Final = 200
_MOST_ENTRIES: Final = 20_000
_OUTPUTS: Final = {"table", "json", "yaml"}


async def status(client: ApiClient, given: dict[str, Any]) -> None:
    while True:
        if given["app"]:
            identity = await identity_of(client, given["app"], given["namespace"])
            app, tree = await client.get(way(identity)), await client.get(way(identity, "resources"))
            told = told_status(app, tree)
            in_project([told], given["app"], given["project"])
        else:
            rows = await all_rows(client, namespace=given["namespace"], project=given["project"])
        if given["watch"]:
            click.clear()
        if given["app"]:
            show([told], given["app"], given["output"], problems=given["problems"])
        else:
            show_rows(rows, given["output"], problems=given["problems"])
        if not given["watch"]:
            return
        try:
            await asyncio.sleep(_WATCH_SECONDS)
        except asyncio.CancelledError:  # as it says in the help
            return


async def history(client: ApiClient, given: dict[str, Any]) -> None:
    identity = await identity_of(client, given["app"], given["namespace"])
    found = await client.get(way(identity, "history"))
    show_releases([read_as(Release, one) for one in found["releases"]], given["output"])


async def diff(client: ApiClient, given: dict[str, Any]) -> None:
    if not given["path"]:
        raise ConfigError("name the Application that the server is to plan")
    if given["output"] not in _OUTPUTS:
        raise ConfigError(f"gitops diff --server: -o {given['output']} does not go through a server")
    if given["prune"] and not given["release"]:
        raise ConfigError("gitops diff --server: --prune goes with --release: a sync prunes as the Application says")
    identity = await identity_of(client, given["path"], given["namespace"])
    if given["release"]:
        plan = await client.get(way(identity, "rollback"), release=given["release"], prune=given["prune"])
    else:
        plan = await client.get(way(identity, "diff"))
    if given["output"] == "table":
        print_plan_data(plan)
    else:
        print_data(plan, given["output"])
    print_obstacles(plan)
    revision = f"{plan['ref']}@{plan['revision'][:12]}" if plan["ref"] else plan["revision"][:12]
    click.echo(printable(f"{identity} {revision}: {summary_of(plan)} (plan {plan['id'][:12]})"), err=True)
    if plan.get("waits"):
        click.echo(
            printable(f"this plan waits for a word: gitops approve {identity} --plan {plan['id'][:12]}"), err=True
        )
    sys.exit(exit_of_plan(plan))


async def audit_list(client: ApiClient, given: dict[str, Any]) -> None:
    app, facts = given["app"], given["facts"]
    identity = await identity_of(client, app, given["namespace"]) if app else ""
    query = {
        "application": identity,
        "actor": given["actor"],
        "fact": facts[0] if len(facts) == 1 else "",
        "since": since_of(given["since"], datetime.now(UTC)),
    }
    events: list[AuditEvent] = []
    before: str | None = ""
    most = given["limit"] if given["limit"] and len(facts) < 2 else _MOST_ENTRIES
    while before is not None and len(events) < most:
        limit = min(_PER_PAGE, most - len(events))
        page = await client.get("/audit", **query, before=before, limit=limit)
        events += [AuditEvent(**one, previous_hash="") for one in page["items"]]
        before = page["next"] if page["items"] else None  # a page of nothing leads to no other
    if before is not None and len(events) >= _MOST_ENTRIES:
        click.echo(f"note: the newest {_MOST_ENTRIES} entries; gitops audit export has all", err=True)
    space = given["namespace"]
    wanted = [one for one in events if not space or app or one.application.startswith(f"{space}/")]
    show_events(wanted, given["output"], given)


async def explain(client: ApiClient, given: dict[str, Any]) -> None:
    identity = await identity_of(client, given["app"], given["namespace"])
    story = await client.get(way(identity, "explain"))
    more = story.pop("more")
    show_story(story, given["output"])
    if more:
        click.echo(f"and {more} more objects that are not well", err=True)


async def drift(client: ApiClient, given: dict[str, Any]) -> None:
    if given["app"]:
        names = [await identity_of(client, given["app"], given["namespace"])]
    else:
        names = [str(one["application"]) for one in await all_rows(client, namespace=given["namespace"])]
    found: list[dict[str, Any]] = []
    for name in names:
        try:
            told = await client.get(way(name, "drift"))
            found.append({"application": name, "drift": list(told["drift"]), "underWay": told["underWay"]})
        except (ConfigError, HeldError, AwayError) as exc:  # of the others it can be told
            if given["app"]:
                raise
            found.append({"application": name, "drift": None, "reason": str(exc)})
    if given["output"] != "table":
        print_data(found, given["output"])
    else:
        for one in found:
            _print_drift(one)
    if any(one["drift"] is None for one in found):
        sys.exit(exits.FAILED)
    sys.exit(exits.DIFFERENT if any(one["drift"] for one in found) else exits.DONE)


def _print_drift(one: Mapping[str, Any]) -> None:
    name = one["application"]
    if one["drift"] is None:
        click.echo(printable_lines(f"{name}: whether it has drifted cannot be told: {one['reason']}"), err=True)
        return
    if one["underWay"]:
        click.echo(printable(f"{name}: {one['underWay']}"), err=True)
    if one["drift"]:
        click.echo(printable(f"{name} has drifted from what was synced last:"))
        print_changes(one["drift"])
    elif not one["underWay"]:
        click.echo(printable(f"{name}: no drift"), err=True)


async def wait(client: ApiClient, given: dict[str, Any]) -> None:
    sha, seconds = check_revision(given["revision"].lower()), seconds_of(given["timeout"])
    identity = await identity_of(client, given["app"], given["namespace"])
    loop = asyncio.get_running_loop()
    deadline, told = loop.time() + seconds, ""
    before: Outcome | None = None
    while True:
        app, tree = await client.get(way(identity)), await client.get(way(identity, "resources"))
        now = arrival_in(app, tree, sha)
        if now.outcome is None and now.where != told:
            told = now.where
            told_where(now, sha)
        if now.outcome is not None and before is now.outcome:
            break
        before = now.outcome
        if loop.time() > deadline:
            break
        await asyncio.sleep(1.0)
    end_wait(now, sha, given["timeout"])
