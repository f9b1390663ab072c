"""What people tell a controller through the store: overrides that stand, and requests that are answered.

An override is a setting of the Application (`SUSPENDED`, `APPROVED`), a request has a verb (`SYNC`, `REFRESH`,
`ROLLBACK`, `TERMINATE`, `TEST`, `DELETE`, `PING`).
"""

import json
from dataclasses import dataclass
from typing import Any

from gitops.bounds import parsed_map
from gitops.model.errors import StoreError
from gitops.model.result import Outcome

SUSPENDED, APPROVED = "suspended", "approved"
REFRESH, SYNC = "refresh", "sync"
ROLLBACK = "rollback"  # to a release, by the plan that was shown
TERMINATE = "terminate"  # ends the sync that is under way
TEST = "test"  # runs the tests of what was synced last
DELETE = "delete"  # the Application goes, with what it owns or without
PING = "ping"  # the controller that runs the Application answers at once


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """An act that a person asked for through the store; `at` is RFC 3339 in UTC."""

    number: int
    application: str
    verb: str
    detail: dict[str, Any]
    actor: str
    at: str


def answer_text(outcome: Outcome, message: str) -> str:
    """The answer to a request as the store keeps it."""
    return json.dumps({"outcome": outcome.value, "message": message}, ensure_ascii=False)


def answer_in(text: str) -> tuple[Outcome, str]:
    """How a request ended, and what there is to say about it. Raises StoreError."""
    try:
        found = parsed_map(text)
        return Outcome(str(found.get("outcome"))), str(found.get("message") or "")
    except ValueError as exc:
        raise StoreError(f"the controller's answer in the store is damaged ({exc})") from exc
