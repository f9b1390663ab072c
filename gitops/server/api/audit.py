"""What the API tells of the audit log of all Applications, of its proof, and of who asks."""

from typing import Any, Final

from gitops.ports import EntryFilter
from gitops.server.api.applications import ENTRIES_QUERY, entries_of
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import text


async def list_entries(call: Call) -> dict[str, Any]:
    wanted = EntryFilter(call["application"] or "", call["actor"] or "", call["fact"] or "", call["since"] or "")
    return await entries_of(call, wanted)


async def verify(call: Call) -> dict[str, Any]:
    return (await call.served.proofs.proof(call["application"] or "")).data()


async def whoami(call: Call) -> dict[str, Any]:
    return {
        "name": call.person.name,
        "scope": call.person.scope.value,
        "mayAct": bool(call.person.name) and call.person.may_act,
    }


_APPLICATION = text("application", "Only those of this Application (NAMESPACE/NAME).", most=320)
OPERATIONS: Final = (
    Operation(
        "listEntries",
        "/audit",
        "Audit entries of all Applications, newest first.",
        "Entries",
        list_entries,
        (
            _APPLICATION,
            text("actor", "Only what was done by who has this in the name."),
            text("since", "Only from this time on (RFC 3339, UTC)."),
            *ENTRIES_QUERY,
        ),
    ),
    Operation("verify", "/audit/verify", "The proof of the audit log.", "Proof", verify, (_APPLICATION,)),
    Operation("whoami", "/whoami", "Who asks, and what they may.", "Person", whoami),
)
