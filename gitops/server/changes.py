"""What changed, in order, so that whoever was away for a moment is told what it missed and nothing else.

Each change has a number. An Application that changes again moves to the end, so that there is one entry for each, and
who asks for all after a number is told each Application once.
"""

import asyncio
import secrets
from collections import OrderedDict
from typing import Final

_MOST: Final = 50_000


class ChangeFeed:
    """Numbers the changes of one controller's life; a number of another life is known by its `epoch`."""

    def __init__(self, most: int = _MOST) -> None:
        self._epoch = secrets.token_hex(4)
        self._most = most
        self._latest: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0  # the highest number that is no longer here
        self._news = asyncio.Event()
        self.number = 0

    @property
    def id(self) -> str:
        """Where the feed is now, as an event's id."""
        return f"{self._epoch}-{self.number}"

    def note(self, identity: str) -> None:
        """Something of this Application is other than it was."""
        self.number += 1
        self._latest[identity] = self.number
        self._latest.move_to_end(identity)
        if len(self._latest) > self._most:
            _, self._forgotten = self._latest.popitem(last=False)
        self._news.set()
        self._news = asyncio.Event()

    def number_in(self, event_id: str) -> int | None:
        """The number of an id that we gave; None for one of another life, or too old to tell what came after it."""
        epoch, _, number = event_id.partition("-")
        is_ours = epoch == self._epoch and number.isascii() and number.isdigit() and len(number) < 19
        if not is_ours or not self._forgotten <= int(number) <= self.number:
            return None
        return int(number)

    def since(self, number: int) -> list[str]:
        """The Applications that changed after this number, the oldest change first."""
        found = []
        for identity in reversed(self._latest):
            if self._latest[identity] <= number:
                break
            found.append(identity)
        return found[::-1]

    async def after(self, number: int, seconds: float) -> bool:
        """Wait until something changes after this number; False when nothing did for so long."""
        if self.number > number:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
