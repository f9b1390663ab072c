"""So many at a time for each tenant (a namespace): what one of them does for ever, the others do not wait for."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager


class Turns:
    """`each` is how many places a tenant has."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._places: dict[str, asyncio.Semaphore] = {}
        self._wanted: dict[str, int] = {}

    @asynccontextmanager
    async def taken(self, tenants: Iterable[str]) -> AsyncIterator[None]:
        """Hold a place of that one of the tenants who wants the fewest now."""
        tenant = min(sorted(tenants), key=lambda name: self._wanted.get(name, 0))
        self._wanted[tenant] = self._wanted.get(tenant, 0) + 1
        try:
            async with self._places.setdefault(tenant, asyncio.Semaphore(self._each)):
                yield
        finally:
            self._wanted[tenant] -= 1
            if not self._wanted[tenant]:
                del self._wanted[tenant], self._places[tenant]
