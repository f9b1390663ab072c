"""The audit log's entries and the rule that chains them.

Each entry carries the hash of the one before it, so that a changed, removed or inserted entry shows. A chain belongs
to one Application on one cluster. Its head is kept in the cluster too (an Anchor), so that a cut-off tail shows.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gitops.model.errors import AuditError

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who (`actor`) did what (`fact`, `detail`) to which Application, when (`at`, RFC 3339 UTC), at which revision."""

    seq: int
    at: str
    actor: str
    application: str
    cluster: str
    fact: str
    revision: str
    detail: dict[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of a chain as the cluster remembers it; `store` tells which store wrote that entry."""

    store: str
    seq: int
    hash: str


def digest_of(event: AuditEvent) -> str:
    """sha256 over every field but the hash itself, as canonical JSON."""
    fields = [
        event.seq,
        event.at,
        event.actor,
        event.application,
        event.cluster,
        event.fact,
        event.revision,
        event.detail,
        event.previous_hash,
    ]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def check_chain(events: Sequence[AuditEvent], anchor: Anchor | None, store: str) -> None:
    """Raise AuditError naming the first entry of one chain that is not as it was written.

    `events` are in order of seq. A chain may begin after entries that another store holds; `anchor` is only held
    against it where this store (`store`) wrote the anchored entry.
    """
    previous: AuditEvent | None = None
    for event in events:
        check_entry(event, previous)
        previous = event
    if anchor is not None and anchor.store == store and not any(event.hash == anchor.hash for event in events):
        raise AuditError(
            f"audit entry {anchor.seq} is anchored in the cluster, but missing here: the log's tail was cut off"
        )


def check_entry(event: AuditEvent, previous: AuditEvent | None) -> None:
    """Raise AuditError where an entry is not as it was written, or does not follow the `previous` one of its chain."""
    name = f"audit entry {event.seq} of {event.application}"
    if digest_of(event) != event.hash:
        raise AuditError(f"{name} ({event.fact}, {event.at}) was changed after it was written")
    if previous is None:
        if event.seq == 1 and event.previous_hash != GENESIS:
            raise AuditError(f"{name} does not begin the chain although it is its first entry")
    elif event.seq != previous.seq + 1 or event.previous_hash != previous.hash:
        raise AuditError(f"{name} does not follow entry {previous.seq}: an entry between them is missing or changed")


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which audit entries are wanted; an empty field asks for nothing.

    `actor` is a part of a name in any case, `fact` a fact or the beginning of one with a `*`, `since` RFC 3339 in UTC.
    `before` is (at, application, cluster, seq) of the entry that the answer goes on after. `applications` are those
    whose entries may be told at all; None: all.
    """

    application: str = ""
    actor: str = ""
    fact: str = ""
    since: str = ""
    before: tuple[str, str, str, int] | None = None
    limit: int = 100
    applications: frozenset[str] | None = None
