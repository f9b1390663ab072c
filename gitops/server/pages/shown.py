"""What a page shows of data: the line of a pipeline's steps, and equal changes of many objects as one. Pure."""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, Literal

from gitops.server.pages.commit_link import commit_link

Mood = Literal["ok", "now", "wait", "bad", "none"]
_MOODS: dict[str, Mood] = {
    "Healthy": "ok",
    "Progressing": "now",
    "Suspended": "wait",
    "Degraded": "bad",
    "Missing": "bad",
    "Unknown": "none",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the line source → revision → plan → sync → health; `at` is RFC 3339, `link` an address, or ""."""

    name: str
    mood: Mood
    text: str
    detail: str = ""
    at: str = ""
    link: str = ""


def pipeline(app: Mapping[str, Any], inventory: Mapping[str, Any] | None) -> list[Stage]:
    """How far the newest commit is; `app` is as the API gives it, `inventory` None where the cluster does not say."""
    last = (inventory or {}).get("lastSync")
    return [_source(app), _revision(app), _plan(app), _sync(app, last), _health(app, inventory)]


def _source(app: Mapping[str, Any]) -> Stage:
    target = app["targetRevision"] or "its default branch"
    is_unread = not app["revision"]
    return Stage("Source", "wait" if is_unread else "ok", target, app["source"])


def _revision(app: Mapping[str, Any]) -> Stage:
    if not app["revision"]:
        return Stage("Revision", "none", "not read yet")
    return Stage("Revision", "ok", app["revision"][:12], app["ref"], link=commit_link(app["source"], app["revision"]))


def _plan(app: Mapping[str, Any]) -> Stage:
    count = app["pending"]
    changes = f"{count} {'change' if count == 1 else 'changes'}"
    if app["sync"] == "Synced":
        return Stage("Plan", "ok", "nothing to change")
    if app["plan"]:
        return Stage("Plan", "wait", f"{changes} wait for you", app["plan"][:12])
    if app["progress"]:
        return Stage("Plan", "ok", changes, "being carried out")
    if is_only_drift(app):
        return Stage("Plan", "wait", f"{changes} by others", "drift is reported, and left")
    if app["sync"] == "Unknown":
        return Stage("Plan", "now" if app["pass"] else "none", "being made" if app["pass"] else "not known")
    return Stage("Plan", "bad" if app["problem"] else "wait", f"{changes} held" if count else "held")


def _sync(app: Mapping[str, Any], last: Mapping[str, Any] | None) -> Stage:
    if app["progress"]:
        return Stage("Sync", "now", app["progress"])
    if last is None:
        return Stage("Sync", "none", "not yet")
    moods: dict[str, Mood] = {"synced": "ok", "in-sync": "ok", "begun": "now"}
    word = "under way" if last["outcome"] == "begun" else last["outcome"]
    return Stage("Sync", moods.get(last["outcome"], "bad"), word, f"by {last['actor']}", last["at"])


def _health(app: Mapping[str, Any], inventory: Mapping[str, Any] | None) -> Stage:
    healthy = (inventory or {}).get("lastHealthy")
    if app["health"] == "Missing" and app["plan"]:
        return Stage("Health", "none", "not there yet")
    detail = app["message"] or (f"last healthy at {healthy['revision'][:12]}" if healthy else "")
    return Stage("Health", _MOODS.get(app["health"], "none"), app["health"], detail, healthy["at"] if healthy else "")


def is_only_drift(app: Mapping[str, Any]) -> bool:
    """Whether all that waits is what others have changed since the last sync."""
    return bool(app["drift"]) and str(app["note"]).startswith("drifted: ")


def made_of(tree: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What each workload made, by its object, with how many Pods and restarts there are; {} where it is not known."""
    return {node["object"]: {**node, **_summed(node)} for node in tree.get("objects", ())}


def unread_of(tree: Mapping[str, Any]) -> list[str]:
    """Why something of the tree is not known."""
    return [tree["error"]] if tree["error"] else list(tree["unread"])


def _summed(node: Mapping[str, Any]) -> dict[str, int]:
    below = [_summed(child) for child in node["children"]]
    is_pod = (node["group"], node["kind"]) == ("", "Pod")
    return {
        "pods": is_pod + node["more"] + sum(one["pods"] for one in below),
        "restarts": node["restarts"] + sum(one["restarts"] for one in below),
    }


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """A change, and all the objects that it is the same for."""

    change: str
    objects: list[str]
    fields: list[Mapping[str, Any]] = field(default_factory=list)
    reason: str = ""
    more: int = 0

    @property
    def id(self) -> str:
        return f"change-{zlib.crc32(f'{self.change} {self.objects[0]}'.encode()):x}"


def grouped(changes: Iterable[Mapping[str, Any]]) -> list[ChangeGroup]:
    """Changes, equal ones of many objects once; what destroys comes first."""
    found: dict[str, ChangeGroup] = {}
    for one in changes:
        fields = [{name: value for name, value in row.items() if name != "owner"} for row in one.get("fields", ())]
        same = fields or one["change"] in ("update", "recreate")
        key = json.dumps([one["change"], fields if same else one["object"]], default=str, sort_keys=True)
        if key in found:
            found[key].objects.append(one["object"])
        else:
            reason, more = str(one.get("reason") or ""), int(one.get("moreFields") or 0)
            found[key] = ChangeGroup(one["change"], [one["object"]], list(one.get("fields", ())), reason, more)
    return sorted(found.values(), key=lambda group: _WEIGHTS.get(group.change, 9))


def known_changes(changes: Any) -> list[dict[str, Any]]:
    """The changes of an audit entry, which anybody may have written who can write to the store."""
    maps = [one for one in changes if isinstance(one, dict)] if isinstance(changes, list) else []
    found = []
    for one in maps:
        fields, more = one.get("fields"), one.get("moreFields")
        rows = fields if isinstance(fields, list) else []
        if isinstance(one.get("change"), str) and isinstance(one.get("object"), str):
            known = [_known_row(row) for row in rows if isinstance(row, dict) and isinstance(row.get("path"), str)]
            found.append({**one, "fields": known, "moreFields": more if isinstance(more, int) else 0})
    return found


def _known_row(row: dict[str, Any]) -> dict[str, Any]:
    owner = row.get("owner")
    if not isinstance(owner, dict):
        return {**row, "owner": None}
    return {**row, "owner": {"manager": str(owner.get("manager", "")), "time": str(owner.get("time") or "")}}


_WEIGHTS = {"prune": 0, "recreate": 1, "update": 2, "create": 3, "hook": 4}


def changes_of(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All changes of a plan, in the order in which they would be made."""
    return [change for step in plan["steps"] for change in step["changes"]]


def told_detail(detail: Mapping[str, Any]) -> str:
    """What an audit entry says besides its fact, in a line."""
    changes = detail.get("changes")
    if isinstance(changes, list) and changes:
        named = [f"{one.get('change')} {one.get('object')}" for one in changes[:3] if isinstance(one, dict)]
        more = len(changes) - len(named)
        told = [", ".join(named) + (f" and {more} more" if more > 0 else "")]
    else:
        told = []
    told += [str(detail["object"])] if isinstance(detail.get("object"), str) else []
    told += [f"to {detail['replicas']} replicas"] if isinstance(detail.get("replicas"), int) else []
    reason = detail.get("reason")
    told += [str(reason)] if reason else []
    told += [f"plan {str(detail['plan'])[:12]}"] if detail.get("plan") else []
    return "; ".join(told)[:400]


def folded(entries: Iterable[Mapping[str, Any]]) -> list[tuple[bool, list[Mapping[str, Any]]]]:
    """Audit entries, those of steps that come one after another together: (is it of steps, the entries)."""
    return [(is_step, list(some)) for is_step, some in groupby(entries, key=lambda one: _is_step(one["fact"]))]


def earlier_of(history: Mapping[str, Any]) -> dict[int, int]:
    """The number of the release before each one, of those that are known."""
    return {later["number"]: earlier["number"] for later, earlier in pairwise(history.get("releases", ()))}


def repeated(attempts: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], int]]:
    """Attempts, newest first, those that ended alike one after another as one: (the newest of them, how many)."""
    alike = ("kind", "revision", "outcome", "reason", "actor")
    found = []
    for _, some in groupby(attempts, key=lambda one: [one[name] for name in alike]):
        listed = list(some)
        found.append((listed[0], len(listed)))
    return found


def _is_step(fact: str) -> bool:
    return fact.startswith("step.")
