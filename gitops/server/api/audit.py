"""What the API tells of the audit log of all Applications, of its proof, and of who asks."""

from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from gitops.model.audit import EntryFilter
from gitops.server.api.applications import ENTRIES_QUERY, entries_of
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import text
from gitops.server.api.stream import Streams, write
from gitops.server.problems import Problem
from gitops.views.audit_export import exported, line_of


async def list_entries(call: Call) -> dict[str, Any]:
    wanted = EntryFilter(call["application"] or "", call["actor"] or "", call["fact"] or "", call["since"] or "")
    return await entries_of(call, replace(wanted, applications=await _seen(call, wanted.application)))


async def export(call: Call, streams: Streams, request: web.Request) -> web.StreamResponse:
    """The log as it is stored, sent entry by entry. One that is cut short ends with the connection, not as if whole."""
    store, application = call.served.overview.controller.store, call["application"] or ""
    chains = await store.chains(application)

    async def send(response: web.StreamResponse) -> None:
        try:
            for chain in chains:
                # By what the person may see now: a long answer outlives a token that is taken out meanwhile.
                if (await call.served.access.sight(request))(chain[0]):
                    async for events in exported(store, (chain,)):
                        await write(request, response, b"".join(map(line_of, events)))
        except BaseException:
            if request.transport is not None:
                request.transport.abort()
            raise

    return await streams.hold(request, send, _EXPORT_SECONDS, _EXPORT_HEADERS)


async def _seen(call: Call, application: str) -> frozenset[str] | None:
    """The Applications whose entries may be shown, also such as are no more; None for all. Raises Problem."""
    sees = call.sees
    if sees.is_everything:
        return None
    found = frozenset(
        filter(sees, {name for name, _ in await call.served.overview.controller.store.chains(application)})
    )
    if len(found) > _MOST_SEEN:
        raise Problem(400, "Too many", f"name an application: you may see more than {_MOST_SEEN}, and not all")
    return found


async def verify(call: Call) -> dict[str, Any]:
    return (await call.served.proofs.proof(call["application"] or "")).data(call.sees)


async def whoami(call: Call) -> dict[str, Any]:
    person = call.person
    return {
        "name": person.name,
        "by": person.way.value,
        "roles": list(person.roles),
        "groups": list(person.groups),
        "only": list(person.only),
        "mayAct": call.served.access.decisions.may_act(person),
    }


# A statement of the store names each of them.
_MOST_SEEN: Final = 20_000
_EXPORT_SECONDS: Final = 3600.0
_EXPORT_HEADERS: Final = {
    "Content-Type": "application/jsonl",
    "Content-Disposition": 'attachment; filename="audit.jsonl"',
}
_APPLICATION = text("application", "Only those of this Application (NAMESPACE/NAME).", most=320)
EXPORT: Final = Operation(
    "exportEntries", "/audit/export", "The log as it is stored, as JSON lines.", "StoredEntry", whoami, (_APPLICATION,)
)
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
