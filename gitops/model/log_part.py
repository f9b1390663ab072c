"""Which part of a container's log is wanted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogPart:
    """The last `lines` of the present run, or of the one before it; with `since` (RFC 3339) only from that moment."""

    lines: int
    previous: bool = False
    since: str = ""
