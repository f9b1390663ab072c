"""What was tried and how it ended: releases, and each sync and rollback of an Application from its audit entries."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from gitops.model.audit import AuditEvent
from gitops.model.release import Release
from gitops.model.result import told_failures
from gitops.views.plan_data import cut

_ENDS: Final = {
    "sync.finished": "synced",
    "sync.failed": "failed",
    "sync.overtaken": "overtaken",
    "sync.interrupted": "interrupted",
    "sync.terminated": "terminated",
    "rollback.failed": "failed",
}


def attempts_in(events: Iterable[AuditEvent]) -> list[dict[str, Any]]:
    """Each sync and rollback, the newest first; `events` are one chain's in order, and may begin in the middle.

    A rollback is a sync to the release that it goes back to, which `rollback.started` announces.
    """
    found: list[dict[str, Any]] = []
    reason = ""
    for event in events:
        if event.fact == "rollback.started":
            reason = str(event.detail.get("reason") or "")
        elif event.fact == "sync.started":
            found.append(_begun(event, reason))
            reason = ""
        elif event.fact in _ENDS and found and found[-1]["outcome"] == "under way":
            found[-1] |= {
                "outcome": _ENDS[event.fact],
                "endedAt": event.at,
                "reason": str(cut(reason_in(event) or found[-1]["reason"])),
            }
    return found[::-1]


def _begun(event: AuditEvent, rolled_back_for: str) -> dict[str, Any]:
    return {
        "kind": "rollback" if rolled_back_for else "sync",
        "revision": event.revision,
        **_commit_in(event.detail.get("commit")),
        "ref": str(event.detail.get("ref") or ""),
        "digest": str(event.detail.get("digest") or ""),
        "actor": event.actor,
        "startedAt": event.at,
        "endedAt": "",
        "outcome": "under way",
        "reason": rolled_back_for,
    }


def _commit_in(told: Any) -> dict[str, str]:
    """The subject and the author of the commit, as far as the entry has them."""
    found = told if isinstance(told, dict) else {}
    return {name: str(cut(found.get(name) or ""))[:200] for name in ("subject", "author")}


def reason_in(event: AuditEvent) -> str:
    """Why it ended as it did: the entry's reason, or what failed.

    Anybody who can write to the store may have written it: what is not as we write it is left out.
    """
    told, failures = event.detail.get("reason"), event.detail.get("failures")
    if told or not isinstance(failures, list):
        return str(told or "")
    named = [one for one in failures if isinstance(one, dict)]
    return told_failures((str(one.get("object", "")), str(one.get("reason", ""))) for one in named)


def history_data(releases: Iterable[Release], events: Iterable[AuditEvent]) -> dict[str, Any]:
    """Releases and attempts as JSON values; an attempt that became a release has its number."""
    known = [asdict(release) for release in releases]
    numbers = {(one["revision"], one["digest"]): one["number"] for one in reversed(known)}
    tried = attempts_in(events)
    commits = {one["revision"]: _commit_in(one) for one in tried if one["subject"]}  # a way back tells none itself
    attempts = [
        {
            **one,
            **commits.get(one["revision"], {}),
            "release": numbers.get((one["revision"], one["digest"])) if one["outcome"] == "synced" else None,
        }
        for one in tried
    ]
    return {"releases": known, "attempts": attempts}


def entry_data(event: AuditEvent) -> dict[str, Any]:
    """An audit entry as JSON values, within the bounds of a page."""
    return {
        "seq": event.seq,
        "at": event.at,
        "actor": event.actor,
        "application": event.application,
        "cluster": event.cluster,
        "fact": event.fact,
        "revision": event.revision,
        "detail": cut(event.detail),
        "hash": event.hash,
    }
