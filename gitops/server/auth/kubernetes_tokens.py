"""Bearer tokens of the cluster: whose one is, is asked of the API server, and kept for a moment by the token's hash.

    token ──► known by its hash? ──no──► TokenReview for our audience ──► Person(user, groups)

A token that is not for our audience is nobody's: whoever it was made for could else come in with it. Strangers who
send tokens of chance have so many reviews asked in a while and no more; that keeps nobody out who was let in before.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from gitops.model.errors import GitopsError
from gitops.server.auth.person import Person, Way
from gitops.server.auth.policy import ROLE
from gitops.server.problems import Problem

Review = Callable[[str, str], Awaitable[dict[str, Any]]]

_GOOD: Final = timedelta(seconds=60)
_BAD: Final = timedelta(seconds=10)
_WINDOW: Final = timedelta(seconds=10)
_MOST_NEW: Final = 100  # reviews of tokens that we do not know, in one window
_MOST_AT_ONCE: Final = 8
_MOST_KEPT: Final = 2_000
_REVIEW_SECONDS: Final = 10.0
_MOST_GROUPS: Final = 1_000
_MOST_NAME: Final = 253
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the cluster said of one token, and how long that counts; None: it is nobody's."""

    person: Person | None
    until: datetime


class KubernetesTokens:
    """Finds whose a token is by `review(token, audience)`, which raises GitopsError."""

    def __init__(self, review: Review, audience: str, now: Callable[[], datetime]) -> None:
        self._review = review
        self._audience = audience
        self._now = now
        self._known: OrderedDict[bytes, _Answer] = OrderedDict()
        self._locks: dict[bytes, asyncio.Lock] = {}
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._window: datetime | None = None
        self._new = 0

    async def find(self, token: str) -> Person | None:
        """Whose token this is; None for nobody's. Raises Problem where that cannot be known now."""
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        if (known := self._fresh(digest)) is not None:
            return known.person
        lock = self._locks.setdefault(digest, asyncio.Lock())
        try:
            async with lock:  # who sends the same token meanwhile waits for this answer
                if (known := self._fresh(digest)) is not None:
                    return known.person
                self._count(digest)
                person = await self._asked(token)
                self._keep(digest, _Answer(person, self._now() + (_BAD if person is None else _GOOD)))
                return person
        finally:
            if not lock.locked():
                self._locks.pop(digest, None)

    def _fresh(self, digest: bytes) -> _Answer | None:
        known = self._known.get(digest)
        return known if known is not None and self._now() < known.until else None

    def _keep(self, digest: bytes, answer: _Answer) -> None:
        self._known[digest] = answer
        self._known.move_to_end(digest)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)

    def _count(self, digest: bytes) -> None:
        """Raise Problem where too many tokens that were never good are asked about."""
        known, now = self._known.get(digest), self._now()
        if known is not None and known.person is not None:
            return
        if self._window is None or now - self._window > _WINDOW:
            self._window, self._new = now, 0
        self._new += 1
        if self._new > _MOST_NEW:
            raise Problem(503, "Too many tokens", "too many unknown tokens are being asked about", Retry_After="10")

    async def _asked(self, token: str) -> Person | None:
        try:
            async with asyncio.timeout(_REVIEW_SECONDS), self._places:
                status = await self._review(token, self._audience)
        except (GitopsError, TimeoutError) as exc:
            log.warning("access.no-review", error=str(exc) or "no answer in time")
            detail = "the cluster does not say whose this token is; try again"
            raise Problem(503, "The token cannot be checked", detail, Retry_After="5") from None
        return person_of(status, self._audience)


def person_of(status: dict[str, Any], audience: str) -> Person | None:
    """Whose token a TokenReview's status says it is, if it is for `audience`; None for nobody's."""
    user, audiences = status.get("user"), status.get("audiences")
    if status.get("authenticated") is not True or not isinstance(user, dict):
        return None
    # An API server that knows of no audiences names none: then the token is for that server, and not for us.
    if not isinstance(audiences, list) or audience not in audiences:
        return None
    name, listed = user.get("username"), user.get("groups")
    if not isinstance(name, str) or not 0 < len(name) <= _MOST_NAME or not name.isprintable():
        return None
    if name.startswith(ROLE):
        return None
    groups = listed if isinstance(listed, list) else []
    if len(groups) > _MOST_GROUPS:  # to leave some out could leave out one that is denied something
        return None
    return Person(name, Way.KUBERNETES, groups=tuple(one for one in groups if _is_group(one)))


def _is_group(value: Any) -> bool:
    return isinstance(value, str) and not value.startswith(ROLE)
