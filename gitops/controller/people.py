"""What people tell a controller through the store: words that stand (suspended, approved), and wishes (sync)."""

from collections.abc import Callable

from gitops.controller.fleet import Tracked
from gitops.engine.drift import Word
from gitops.ports import Asked, Store

SUSPENDED, APPROVED = "suspended", "approved"


class People:
    """`changed` hears of each Application about which another word stands now; `wish` takes a wish, or leaves it."""

    def __init__(self, store: Store, changed: Callable[[str], None], wish: Callable[[Asked], bool]) -> None:
        self._store = store
        self._changed = changed
        self._wish = wish
        self._suspended: dict[str, str] = {}
        self._approved: dict[str, str] = {}
        self._taken: set[int] = set()

    def word_of(self, tracked: Tracked) -> Word:
        identity = tracked.identity
        return Word(tracked.asked is not None, self.is_suspended(identity), self._approved.get(identity, ""))

    def is_suspended(self, identity: str) -> bool:
        return identity in self._suspended

    def give_back(self, asked: Asked) -> None:
        """The wish is another replica's now; if it comes back unanswered, it is taken again."""
        self._taken.discard(asked.number)

    async def read_words(self) -> None:
        """Raises StoreError."""
        before = (self._suspended, self._approved)
        self._suspended = await self._store.settings(SUSPENDED)
        self._approved = await self._store.settings(APPROVED)
        for old, new in zip(before, (self._suspended, self._approved), strict=True):
            for identity in old.keys() | new.keys():
                if old.get(identity) != new.get(identity):
                    self._changed(identity)

    async def read_wishes(self) -> None:
        """Raises StoreError."""
        asked = await self._store.requests()
        self._taken &= {one.number for one in asked}
        for one in asked:
            if one.number not in self._taken and self._wish(one):
                self._taken.add(one.number)
