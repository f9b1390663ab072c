"""What one pass writes into the audit log, also when it is cancelled meanwhile."""

import asyncio
from types import SimpleNamespace

import pytest

from gitops.adapters.store import SqliteStore
from gitops.engine.inventory import Inventory, parent_key
from gitops.model.application import Application
from gitops.model.audit import check_chain
from gitops.model.errors import StoreError
from gitops.sync.audit import AuditTrail
from gitops.sync.context import Request
from gitops.testing.clock import SteppedClock

INVENTORY = Inventory("gitops/shop", parent_key("shop", "shop"))
REQUEST = Request(Application("shop"), "ada")


class SlowStore:
    """Takes its time before it answers; `fails` to say that it cannot."""

    def __init__(self, store, fails=False):
        self.store, self.fails, self.asked = store, fails, asyncio.Event()

    @property
    def id(self):
        return self.store.id

    async def append(self, entry, after):
        self.asked.set()
        await asyncio.sleep(0.02)
        if self.fails:
            raise StoreError("the disk is full")
        return await self.store.append(entry, after)


def run(folder, story, **how):
    async def opened():
        store = await SqliteStore.open(folder)
        slow = SlowStore(store, **how)
        noted = []
        context = SimpleNamespace(
            store=slow,
            clock=SteppedClock(),
            cluster=SimpleNamespace(name="c"),
            callbacks=SimpleNamespace(noted=lambda: noted.append(1)),
        )
        trail = AuditTrail(REQUEST, context, INVENTORY)
        try:
            return await story(store, slow, trail, noted)
        finally:
            await store.close()

    return asyncio.run(opened())


def test_an_entry_that_was_begun_is_written_and_remembered_before_the_pass_ends(tmp_path):
    async def story(store, slow, trail, noted):
        writing = asyncio.create_task(trail.note("step.started", "a" * 40, phase="sync"))
        await slow.asked.wait()
        writing.cancel()
        await asyncio.sleep(0)
        writing.cancel()  # whoever is in a hurry
        with pytest.raises(asyncio.CancelledError):
            await writing
        events = await store.events("gitops/shop", "c")
        assert [event.fact for event in events] == ["step.started"]
        assert (trail.head.seq, trail.head.hash, noted) == (events[0].seq, events[0].hash, [1])
        await trail.note("sync.interrupted", "a" * 40)
        check_chain(await store.events("gitops/shop", "c"), trail.head, store.id)

    run(tmp_path, story)


def test_a_store_that_fails_is_the_error_of_who_waits(tmp_path):
    async def story(store, slow, trail, noted):
        with pytest.raises(StoreError, match="the disk is full"):
            await trail.note("sync.started", "a" * 40)
        assert (trail.head, noted) == (None, [])

    run(tmp_path, story, fails=True)
