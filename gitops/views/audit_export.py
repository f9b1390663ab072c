"""The audit log as JSON lines: each entry as it is stored, so that whoever has the file can check it by itself.

A line is a map with the fields of an entry. Its `hash` is the SHA-256 of the JSON list of all the others in their order
(seq, at, actor, application, cluster, fact, revision, detail, previous_hash), without spaces, keys sorted, in UTF-8.
"""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import fields
from typing import Any, Final

from gitops.bounds import parsed_map
from gitops.model.audit import AuditEvent, check_entry
from gitops.model.errors import AuditError
from gitops.ports import Store

AT_ONCE: Final = 100
_NAMES: Final = tuple(field.name for field in fields(AuditEvent))

Chain = tuple[str, str]


async def exported(store: Store, chains: Iterable[Chain]) -> AsyncIterator[list[AuditEvent]]:
    """The entries of these chains, one chain after another, so many at a time. Raises StoreError."""
    for application, cluster in chains:
        seq = 0
        while events := await store.events_after(application, cluster, seq, AT_ONCE):
            yield events
            if events[-1].seq <= seq:  # somebody has put something else there, and the proof shows it
                break
            seq = events[-1].seq


def line_of(event: AuditEvent) -> bytes:
    """The entry as one line."""
    found: dict[str, Any] = {name: getattr(event, name) for name in _NAMES}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


class ExportCheck:
    """Checks the lines of an export as they come; `chains` has the numbers of each chain's first and last entry.

    `last_chain` is that of the line which was taken last.
    """

    def __init__(self) -> None:
        self._last: dict[Chain, AuditEvent] = {}
        self.chains: dict[Chain, tuple[int, int]] = {}
        self.last_chain: Chain = ("", "")
        self._number = 0

    def take(self, line: bytes) -> None:
        """Raises AuditError for what is no entry, and for one that is not as it was written."""
        self._number += 1
        event = self._read(line)
        chain = (event.application, event.cluster)
        try:
            check_entry(event, self._last.get(chain))
        except (UnicodeEncodeError, RecursionError) as exc:
            raise AuditError(f"line {self._number} is no entry: nobody can have written it") from exc
        self._last[chain], self.last_chain = event, chain
        self.chains[chain] = (self.chains[chain][0] if chain in self.chains else event.seq, event.seq)

    def _read(self, line: bytes) -> AuditEvent:
        try:
            found = parsed_map(line.decode())
        except ValueError as exc:
            raise AuditError(f"line {self._number} is no entry: {exc}") from exc
        is_entry = found.keys() == set(_NAMES) and isinstance(found["seq"], int) and isinstance(found["detail"], dict)
        texts = [value for name, value in found.items() if name not in ("seq", "detail")]
        if not is_entry or not all(isinstance(value, str) for value in texts):
            raise AuditError(f"line {self._number} is no entry of an audit log (gitops audit export writes them)")
        return AuditEvent(**found)
