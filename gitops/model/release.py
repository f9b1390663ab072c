"""A release: one revision that became healthy, and what it rendered to; what a rollback goes back to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """`number` counts from 1 per Application; `at` is RFC 3339 in UTC; `digest` names the rendered set."""

    number: int
    application: str
    cluster: str
    revision: str
    ref: str
    digest: str
    health: str
    at: str
    actor: str
    namespace: str
    source: str


BY_HAND = "rolled back by "


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A revision that failed, or that a person went back from: not tried again until a new commit or a person's word.

    `stuck` is why the way back from it failed as well, "" where it did not; `also` are the digests of others that had
    failed when a person went back from this one.
    """

    revision: str
    digest: str
    reason: str
    at: str
    stuck: str = ""
    also: tuple[str, ...] = ()

    @property
    def by(self) -> str:
        """Who went back from it by hand, "" where it failed; in the reason, which older inventories have as well."""
        return self.reason.removeprefix(BY_HAND) if self.reason.startswith(BY_HAND) else ""
