"""What a person does through a server: asked for over its API, and waited for."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from gitops.adapters.api_client import ApiClient
from gitops.cli import settings as exits
from gitops.cli.acts import end
from gitops.cli.confirm import is_terminal, wants_to
from gitops.cli.escape import printable
from gitops.cli.output import print_data
from gitops.cli.remote.names import identity_of, way
from gitops.cli.remote.plans import print_obstacles, print_plan_data, summary_of
from gitops.model.errors import ConfigError
from gitops.model.result import Outcome
from gitops.model.revision import short

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_REMIND_LOOKS: Final = 20
_PAST: Final = {"suspend": "suspended", "resume": "resumed", "approve": "approved"}
_DONE: Final = {"terminate": "terminated", "test": "passed"}


async def sync(client: ApiClient, given: dict[str, Any]) -> None:
    if not given["path"]:
        raise ConfigError("name the Application that the server is to sync")
    await _asked(client, given, "sync", confirm=given["confirm"])


async def refresh(client: ApiClient, given: dict[str, Any]) -> None:
    if given["also"]:
        await _asked(client, given, "sync", confirm=given["confirm"])
    await _asked(client, given, "refresh")


async def terminate(client: ApiClient, given: dict[str, Any]) -> None:
    await _asked(client, given, "terminate")


async def test(client: ApiClient, given: dict[str, Any]) -> None:
    await _asked(client, given, "test")


test.__test__ = False  # type: ignore[attr-defined]  # for pytest


async def suspend(client: ApiClient, given: dict[str, Any]) -> None:
    await _said(client, given, "suspend")


async def resume(client: ApiClient, given: dict[str, Any]) -> None:
    await _said(client, given, "resume")


async def approve(client: ApiClient, given: dict[str, Any]) -> None:
    await _said(client, given, "approve", plan=given["digest"])


async def rollback(client: ApiClient, given: dict[str, Any]) -> None:
    """The plan is shown first, and carried out as it was shown."""
    identity = await identity_of(client, given["app"], given["namespace"])
    plan = await client.get(way(identity, "rollback"), release=given["release"], prune=given["prune"])
    release, asks = f"release {plan['release']} ({short(plan['revision'])})", is_terminal() and not given["yes"]
    if given["dry_run"] and given["output"] != "table":
        print_data(plan, given["output"])
    elif given["dry_run"] or asks:
        print_plan_data(plan)
    if given["dry_run"]:
        return
    if not wants_to(f"{identity}: go back to {release}: {summary_of(plan)}?", yes=given["yes"]):
        click.echo("nothing was changed", err=True)
        return
    outcome, message = await _outcome(
        client,
        identity,
        "rollback",
        {"release": plan["release"], "plan": plan["id"], "prune": given["prune"], "confirm": given["confirm"]},
        given["reason"],
    )
    end(f"{identity} {release}", outcome, message)


async def delete(client: ApiClient, given: dict[str, Any]) -> None:
    """What goes is shown first where somebody is to see it, and deleted as it was shown."""
    identity = await identity_of(client, given["app"], given["namespace"])
    keep = bool(given["keep"])
    plan = await client.get(way(identity, "deletion"), keep=keep)
    if given["dry_run"] or (is_terminal() and not given["yes"]):
        _print_deletion(identity, plan)
    if given["dry_run"]:
        return
    question = "forget it?" if keep else f"delete it: {summary_of(plan)}?"
    if not wants_to(f"{identity}: {question}", yes=given["yes"]):
        click.echo("nothing was changed", err=True)
        return
    body = {"plan": plan["id"], "keep": keep, "confirm": given["confirm"]}
    outcome, message = await _outcome(client, identity, "delete", body, given["reason"])
    done = "forgotten; its objects stay" if keep else "deleted"
    end(identity, outcome, message, done if outcome is Outcome.SYNCED else "")


def _print_deletion(identity: str, plan: Mapping[str, Any]) -> None:
    if plan["keep"]:
        told = f"{identity}: {plan['objects']} objects stay, and are owned by nobody"
        click.echo(printable(told), err=True)
    else:
        print_plan_data(plan)
        print_obstacles(plan)
    for text in (*plan["also"], plan["broughtBack"]):
        if text:
            click.echo(printable(f"note: {text}"), err=True)


async def _said(client: ApiClient, given: dict[str, Any], act: str, **body: Any) -> None:
    identity = await identity_of(client, given["app"], given["namespace"])
    await client.post(way(identity, act), reason=given["reason"], **body)
    click.echo(printable(f"{identity}: {_PAST[act]}"), err=True)
    sys.exit(exits.DONE)


async def _asked(client: ApiClient, given: dict[str, Any], act: str, **body: Any) -> None:
    name = given["app"] if "app" in given else given["path"]
    identity = await identity_of(client, name, given["namespace"])
    outcome, message = await _outcome(client, identity, act, body, given["reason"])
    end(identity, outcome, message, _DONE.get(act, "") if outcome is Outcome.DONE else "")


async def _outcome(
    client: ApiClient, identity: str, act: str, body: dict[str, Any], reason: str
) -> tuple[Outcome, str]:
    """Ask for the act, and wait until the controller that runs the Application has answered."""
    number = (await client.post(way(identity, act), reason=reason, **body))["request"]
    pause, looks = _FIRST_PAUSE, 0
    while True:
        answer = await client.get(f"/requests/{number}")
        if answer["outcome"] is not None:
            return Outcome(answer["outcome"]), str(answer["message"])
        looks += 1
        if looks % _REMIND_LOOKS == 0:
            click.echo(printable(f"waiting for {identity}: request {number} is not answered yet"), err=True)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
