"""Which replica runs which Application: each by exactly one live replica, decided by all alike and checked by Leases.

Every replica keeps one Lease. In it stands its view: the members that it takes for alive, itself among them. An
Application belongs to the member that rendezvous hashing picks from a view. A replica runs an Application only when
its own published view gives it to itself, and no other live member's published view gives it to that member:

    losing   stop the passes, then publish the view that gives them away
    gaining  publish the view that takes them, then read all Leases, then run what nobody else still claims

Either order of two such exchanges leaves at most one that runs. While it is not known whether a view was published,
both it and the one before must agree. A replica that could not renew stops writing before its Lease can be taken for
dead (the others count from when they last saw it change, by their own clocks), and joins anew when it can: it publishes
a view of nobody, and reads all Leases, before it claims anything.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

LEASE_SECONDS = 10.0
RENEW_SECONDS = 2.0
# From the start of the last renewal that succeeded; well before LEASE_SECONDS, which others count from its end.
WRITE_SECONDS = 7.0


def owner_of(application: str, view: Iterable[str], *, single: bool = False) -> str:
    """The member with the highest hash of (application, member): of many, few move when one comes or goes.

    `single` where members share no store: then the first to come has them all (names sort by when they came).
    """
    if single:
        return min(view, default="")
    return max(view, key=lambda name: _weight(application, name), default="")


def _weight(application: str, name: str) -> bytes:
    return hashlib.blake2b(f"{application}\0{name}".encode(), digest_size=8).digest()


def runs(
    application: str, me: str, own: Sequence[frozenset[str]], others: Mapping[str, frozenset[str]], *, single: bool
) -> bool:
    """Whether `me` may run it: `own` are the views that my Lease may show, `others` those of the other live members."""
    if any(owner_of(application, view, single=single) != me for view in own):
        return False
    return not any(owner_of(application, view, single=single) == name for name, view in others.items())


class Liveness:
    """Who is alive, by when each Lease was last seen to change (seconds of a monotonic clock)."""

    def __init__(self, seconds: float = LEASE_SECONDS) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[str, float]] = {}

    def saw(self, name: str, renewed: str, now: float) -> None:
        """A Lease as it stands: only one that changed proves life."""
        known = self._seen.get(name)
        if known is None or known[0] != renewed:
            self._seen[name] = (renewed, now)

    def lost(self, name: str) -> None:
        """The Lease was given up."""
        self._seen.pop(name, None)

    def alive(self, now: float) -> frozenset[str]:
        """A Lease that was never seen to change counts as alive for as long: it may have been renewed just before."""
        return frozenset(name for name, (_, at) in self._seen.items() if now - at < self._seconds)
