"""What a chart's templates ask of the world: chance, the time, and objects of the cluster.

A chart that draws a password or a certificate would be another one at each render. With a seed it draws the same again:
what a function gives is made of the seed, of the template in which it is called, and of how often it was called there
before. The time is the one that the render is told, and `lookup` finds what it is told of. What is not known stays
open, so that the caller can find it out and render again (`needs`).

One render at a time has circumstances in a thread: `with circumstances(live) as found`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final

from renderers.result import Live, Look, Needs

_BLOCK: Final = 32


class Stream:
    """Bytes without end: the same for the same `name`, or by chance where there is none."""

    def __init__(self, name: bytes | None) -> None:
        self._name = name
        self._count = 0
        self._rest = b""

    @property
    def is_seeded(self) -> bool:
        return self._name is not None

    @property
    def place(self) -> tuple[bytes | None, int, bytes]:
        """What it gives from here on is the same wherever this is the same; to be given to `go_on_at`."""
        return self._name, self._count, self._rest

    def go_on_at(self, place: tuple[bytes | None, int, bytes]) -> None:
        self._name, self._count, self._rest = place

    def take(self, count: int) -> bytes:
        if self._name is None:
            return os.urandom(count)
        import hashlib

        found = [self._rest]
        size = len(self._rest)
        while size < count:
            found.append(hashlib.sha256(self._name + self._count.to_bytes(8, "big")).digest())
            self._count += 1
            size += _BLOCK
        data = b"".join(found)
        self._rest = data[count:]
        return data[:count]

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1, each as likely as the others."""
        bits = (limit - 1).bit_length()
        size = (bits + 7) // 8
        while True:
            number = int.from_bytes(self.take(size), "big") >> (8 * size - bits)
            if number < limit:
                return number

    def text(self, alphabet: str, count: int) -> str:
        return "".join(alphabet[self.below(len(alphabet))] for _ in range(count))


class Circumstances:
    """Those of one render; `live` None is a render without a cluster, where nothing is to be had and nothing missed."""

    def __init__(self, live: Live | None = None) -> None:
        self._live = live
        self._calls: dict[tuple[str, str], int] = {}
        self._looks: dict[Look, None] = {}
        self._wants_seed = False
        self._wants_time = False
        self.place = ""  # the template that is being executed
        self.chance: dict[str, None] = {}  # functions whose result will be another one next time, in their order

    def stream(self, function: str) -> Stream:
        """What a call of `function` draws from."""
        place = (self.place, function)
        number = self._calls[place] = self._calls.get(place, 0) + 1
        seed = self._live.seed if self._live is not None else b""
        if not seed:
            self._wants_seed = True
            self.chance[function] = None
            return Stream(None)
        import hashlib

        return Stream(hashlib.sha256(b"\0".join((seed, *map(_text, (*place, str(number)))))).digest())

    def now(self, function: str = "now") -> datetime:
        """The time that it is."""
        at = self._live.at if self._live is not None else ""
        if not at:
            self._wants_time = True
            self.chance[function] = None
            return datetime.now(UTC)
        return datetime.fromisoformat(at)

    def look(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """An object of the cluster, or with no name a list; nothing where there is none, or no cluster."""
        if self._live is None:
            return {}
        look = Look(api_version, kind, namespace, name)
        if look not in self._live.objects:
            self._looks[look] = None
            return {}
        return deepcopy(self._live.objects[look]) or {}

    @property
    def needs(self) -> Needs | None:
        """What would have to be known first; None where all was, or there is nobody to find it out."""
        if self._live is None or not (self._looks or self._wants_seed or self._wants_time):
            return None
        return Needs((), tuple(self._looks), self._wants_seed, self._wants_time)


_NONE: Final = Circumstances()
_current: ContextVar[Circumstances] = ContextVar("circumstances", default=_NONE)


def current() -> Circumstances:
    """Those of the render that is under way here."""
    return _current.get()


@contextmanager
def circumstances(live: Live | None) -> Iterator[Circumstances]:
    """What is rendered inside is under these circumstances."""
    found = Circumstances(live)
    token = _current.set(found)
    try:
        yield found
    finally:
        _current.reset(token)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
