"""How Applications stand, by what a server tells: one of them as `gitops status` knows it, many in a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from gitops.cli.escape import printable
from gitops.cli.output import cut_table, print_data
from gitops.engine.inventory import Inventory, LastHealthy, LastSync, parent_key
from gitops.manifests.key import ResourceKey
from gitops.model.health import Health, HealthWord
from gitops.model.reading import read_as
from gitops.model.record import Record
from gitops.model.release import Quarantine
from gitops.model.result import Outcome
from gitops.model.revision import is_called, short
from gitops.sync.standing import Member, Standing
from gitops.views.revision_wait import Arrival
from gitops.views.status import ApplicationStatus

_HEADS: Final = ("APPLICATION", "NAMESPACE", "SYNC", "HEALTH", "WANTED", "LAST SYNC", "NOTE")
_ENDS: Final = {Outcome.FAILED.value: Outcome.FAILED, Outcome.ROLLED_BACK.value: Outcome.ROLLED_BACK}


def told_status(app: Mapping[str, Any], tree: Mapping[str, Any]) -> ApplicationStatus:
    """One Application, by what the API says of it and of what it owns."""
    record = Record(
        namespace=app["namespace"],
        cluster=app["cluster"],
        sync=app["sync"],
        health=app["health"],
        head=app["revision"],
        ref=app["ref"],
        reason=app["note"],
        suspended=app["suspended"],
        plan=app["plan"],
        failures=app["failures"],
        at=app["changedAt"],
        project=app["project"],
    )
    members = [
        Member(
            ResourceKey(one["group"], one["kind"], one["namespace"], one["name"]),
            Health(HealthWord(one["health"]), one["message"]),
            one["kstatus"],
        )
        for kind in tree["kinds"]
        for one in kind["objects"]
    ]
    standing = Standing(_inventory(app, tree["inventory"]), tuple(sorted(members, key=lambda one: one.key)))
    is_there = bool(members or tree["inventory"]["lastSync"])
    suspended = "by a person" if app["suspended"] else ""
    return ApplicationStatus(
        app["application"], app["namespace"], standing if is_there else None, record, suspended=suspended
    )


def _inventory(app: Mapping[str, Any], facts: Mapping[str, Any]) -> Inventory:
    last, healthy, quarantine = facts["lastSync"], facts["lastHealthy"], facts["quarantine"]
    return Inventory(
        app["application"],
        parent_key(app["application"].rpartition("/")[2], app["namespace"]),
        exists=True,
        source=facts["source"],
        synced=facts["applied"],
        partially_applied=frozenset({"?"} if facts["partial"] else ()),
        last=read_as(LastSync, last) if last else None,
        healthy=read_as(LastHealthy, healthy) if healthy else None,
        quarantine=read_as(Quarantine, {**quarantine, "digest": ""}) if quarantine else None,
    )


def show_rows(rows: Sequence[Mapping[str, Any]], output: str, *, problems: bool) -> None:
    """Many of them, problems first, as `gitops status` has it; what the cluster alone knows of each is left out."""
    shown = sorted((one for one in rows if not (problems and _is_well(one))), key=_urgency)
    if output != "table":
        print_data([dict(one) for one in shown], output)
    elif not rows:
        click.echo("the server knows no Application that you may see", err=True)
    else:
        click.echo(cut_table([_cells(one) for one in shown], _HEADS))
        click.echo(printable(_counts(rows)), err=True)


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    wanted, at = short(one["revision"]) or "-", one["syncedAt"][:16]
    note = ("suspended; " if one["suspended"] and one["note"] else "suspended" if one["suspended"] else "") + one[
        "note"
    ]
    cells = (one["application"], one["namespace"], one["sync"], one["health"], wanted, f"{at}Z" if at else "-")
    return (*cells, note.partition("\n")[0])


def _is_well(one: Mapping[str, Any]) -> bool:
    return one["sync"] == "Synced" and Health(HealthWord(one["health"])).is_settled and not one["suspended"]


def _urgency(one: Mapping[str, Any]) -> tuple[bool, int, str]:
    return _is_well(one), list(HealthWord).index(HealthWord(one["health"])), one["application"]


def _counts(rows: Sequence[Mapping[str, Any]]) -> str:
    healths = ", ".join(f"{count} {word}" for word, count in Counter(one["health"] for one in rows).most_common())
    behind, suspended = sum(one["sync"] != "Synced" for one in rows), sum(bool(one["suspended"]) for one in rows)
    more = [f"{behind} not in sync"] * bool(behind) + [f"{suspended} suspended"] * bool(suspended)
    noun = "Application" if len(rows) == 1 else "Applications"
    return f"{len(rows)} {noun}: {healths}" + (f"; {', '.join(more)}" if more else "")


def arrival_in(app: Mapping[str, Any], tree: Mapping[str, Any], sha: str) -> Arrival:
    """How the Application stands to the commit that begins with `sha`."""
    identity, facts = app["application"], tree["inventory"]
    last, quarantine = facts["lastSync"], facts["quarantine"]
    is_reached = is_called(app["revision"], sha) and (app["sync"], app["health"]) == ("Synced", "Healthy")
    if is_reached or _is(facts["lastHealthy"], sha):
        return Arrival(identity, Outcome.SYNCED, "healthy")
    if _is(quarantine, sha) and not app["progress"]:
        is_back = Health(HealthWord(tree["health"])).is_settled
        return Arrival(identity, Outcome.ROLLED_BACK if is_back else Outcome.FAILED, quarantine["reason"])
    if _is(last, sha) and last["outcome"] in _ENDS and not app["progress"]:
        return Arrival(identity, _ENDS[last["outcome"]], app["note"] or app["message"])
    seen = f" at {short(app['revision'])}" if app["revision"] else ""
    return Arrival(identity, None, f"the controller sees it {app['sync']}{seen} {app['note']}".strip())


def _is(facts: Mapping[str, Any] | None, sha: str) -> bool:
    return facts is not None and is_called(facts["revision"], sha)
