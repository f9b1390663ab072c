"""Places for each tenant: the endless do not hold up the others, and never too many are at work."""

import asyncio
import threading

import pytest

from gitops.controller import limiter
from gitops.controller.limiter import TenantLimiter


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(limiter, "_LONG_SECONDS", 0.05)
    monkeypatch.setattr(limiter, "_MOST_LONG", 3)


def test_what_takes_long_gives_its_place_away_until_too_many_do():
    async def wave(places):
        released = threading.Event()
        at_work: list[int] = []

        def endless(number):
            at_work.append(number)
            released.wait(10)

        works = [asyncio.create_task(places.in_thread("a", lambda number=n: endless(number))) for n in range(9)]
        async with asyncio.timeout(10):
            while len(at_work) < 5:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert len(at_work) == 5  # three that gave their place away, and two that hold one
        assert await places.in_thread("b", lambda: "another tenant's") == "another tenant's"
        released.set()
        await asyncio.gather(*works)
        assert len(at_work) == 9

    async def story():
        places = TenantLimiter(2)
        await wave(places)
        await wave(places)
        assert await places.in_thread("a", lambda: "well") == "well"
        assert not places._places
        assert not places._wanted

    asyncio.run(story())


def test_a_quick_one_is_not_held_up_by_endless_ones_of_its_own_tenant():
    released = threading.Event()

    async def story():
        places = TenantLimiter(2)
        endless = [asyncio.create_task(places.in_thread("a", lambda: released.wait(10))) for _ in range(3)]
        await asyncio.sleep(0)
        async with asyncio.timeout(8):
            assert await places.in_thread("a", lambda: "quick") == "quick"
        released.set()
        await asyncio.gather(*endless)

    asyncio.run(story())
