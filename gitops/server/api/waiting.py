"""What the API tells of all that waits: for an approval, a confirmation, a window, another Application."""

from dataclasses import replace
from typing import Any, Final

from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import choices, number
from gitops.views.waiting import WAITS, waiting_data, waiting_in

_MOST: Final = 500


async def list_waiting(call: Call) -> dict[str, Any]:
    sees = call.sees
    records = call.served.overview.controller.records
    rows = [row for row in await call.served.overview.rows() if row.wait and sees(row.application)]
    dated = [
        replace(row, record=replace(row.record, at=row.record.at or records.since(row.application))) for row in rows
    ]
    found = waiting_in(dated, call["waitsFor"], call["offset"], call["limit"])
    return {
        "items": [waiting_data(row) for row in found.rows],
        "total": found.total,
        "offset": call["offset"],
        "limit": call["limit"],
        "counts": found.counts,
    }


LIST: Final = Operation(
    "listWaiting",
    "/waiting",
    "All that waits: for whom or what, why, and what goes on.",
    "WaitingList",
    list_waiting,
    (
        choices("waitsFor", "Only what waits for one of these.", WAITS),
        number("offset", "How many to leave out.", 0, 1_000_000, 0),
        number("limit", "How many to give.", 1, _MOST, 100),
    ),
)
OPERATIONS: Final = (LIST,)
