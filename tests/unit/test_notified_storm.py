"""A thousand Applications that fail at once: what is told, what is kept, and how long it takes."""

import asyncio
import contextlib
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from gitops.adapters.store import SqliteStore
from gitops.controller.deliveries import BURST
from gitops.controller.followed_file import FollowedFile
from gitops.controller.metrics import PassMetrics
from gitops.controller.notification_routes import OperatorRoutes
from gitops.controller.notifications import EVERY, MAILBOX, SINCE, Notifications
from gitops.controller.replica import Alone
from gitops.controller.snapshot import snapshot_of
from gitops.controller.state import ApplicationState
from gitops.model.application import Application
from gitops.model.errors import NotificationError
from gitops.model.notification import SUMMARY, mailbox_in
from gitops.notification_file import read_notifications
from gitops.ports import Fact
from gitops.testing.clock import SteppedClock
from gitops.testing.notifier import RecordingNotifier
from gitops.testing.store import UnreliableStore

COUNT = 1000
FILE = """\
destinations: [{name: chat, type: slack, url: "https://x"}]
rules: [{destinations: [chat], facts: [failed]}]
"""


class Fleet:
    """Notifications over a store on disk and a clock that is stepped; the controller is what they ask of one."""

    def __init__(self, store, path, names, clock=None):
        self.states = {f"team/{name}": ApplicationState(Application(name, "team")) for name in names}
        self.clock, self.notifier, self.store = clock or SteppedClock(), RecordingNotifier(), UnreliableStore(store)
        self.controller = SimpleNamespace(
            store=self.store.as_store(),
            clock=self.clock,
            index=self.states,
            replica=Alone(),
            registry=SimpleNamespace(entry=lambda _: None),
            tally=PassMetrics(),
            is_ready=True,
            runs=lambda _: True,
            snapshot=lambda state: snapshot_of(state, is_suspended=False),
        )
        self.path = path
        self.routes = OperatorRoutes(FollowedFile(path, read_notifications, lambda path, error: None))
        self.notifications = Notifications(self.controller, self.notifier, [self.routes], lambda: "")

    async def append(self, identity, at):
        at = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await self.store.append(Fact(identity, "c", "me", at, "sync.failed", "a" * 40, {"reason": "no room"}), None)

    async def fail(self, *identities):
        for identity in identities or self.states:
            await self.append(identity, self.clock.now())
            self.notifications.changed(self.states[identity])

    async def until(self, holds):
        """Steps the clock while the store, which takes real time, is worked with."""
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline
            await self.clock.step(0.5)
            await asyncio.sleep(0.01)

    async def letters(self):
        texts = (await self.controller.store.settings(MAILBOX)).values()
        return sum(len(mailbox_in(text).letters) for text in texts)


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "notifications.yaml"
    path.write_text(FILE)

    def runner(scenario, count):
        async def main():
            store = await SqliteStore.open(tmp_path / "state")
            fleet = Fleet(store, path, [f"{number:04}" for number in range(count)])
            task = asyncio.create_task(fleet.notifications.run())
            try:
                await scenario(fleet)
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                await store.close()

        asyncio.run(main())

    return runner


def test_a_thousand_that_fail_at_once_are_told_in_a_few_messages_and_nothing_is_left(run):
    async def scenario(fleet):
        await fleet.fail()
        await fleet.until(lambda: fleet.controller.tally.notified.get(("chat", "sent")) == COUNT)
        *before, last = [note.fact for _, note, _ in fleet.notifier.sent]
        assert (set(before), last, len(before) <= 3 * BURST) == ({"failed"}, SUMMARY, True)
        assert await fleet.letters() == 0

    run(scenario, COUNT)


def test_a_store_that_is_away_for_a_while_loses_and_repeats_nothing(run):
    async def scenario(fleet):
        await fleet.fail()
        fleet.store.is_away = True
        for _ in range(5):
            await fleet.clock.step(1)
        assert fleet.notifier.sent == []
        fleet.store.is_away = False
        await fleet.until(lambda: len(fleet.notifier.sent) == 5)
        fleet.store.is_away = True  # the note of what is sent next cannot be kept at once
        fleet.notifications.changed(fleet.states["team/0000"])
        await fleet.clock.step(2)
        fleet.store.is_away = False
        await fleet.fail("team/0001")
        await fleet.until(lambda: len(fleet.notifier.sent) == 6)
        for _ in range(10):
            await fleet.clock.step(1)
            await asyncio.sleep(0.01)
        assert len({note.id for _, note, _ in fleet.notifier.sent}) == len(fleet.notifier.sent) == 6
        assert await fleet.letters() == 0

    run(scenario, 5)


def test_what_was_done_before_anybody_looked_is_told_by_the_next_controller_unless_it_is_old(run):
    async def scenario(fleet):
        while await fleet.store.setting(EVERY, SINCE) is None:
            await fleet.clock.step(1)
        await fleet.append("team/0000", fleet.clock.now())  # and nobody hears of it: the controller was killed
        await fleet.append("team/0001", fleet.clock.now() - timedelta(days=2))
        an_hour_later = SteppedClock(fleet.clock.now() + timedelta(hours=1))
        later = Fleet(fleet.store.as_store(), fleet.path, ["0000", "0001"], an_hour_later)
        task = asyncio.create_task(later.notifications.run())
        for state in later.states.values():
            later.notifications.changed(state)
        await later.until(lambda: later.notifier.sent)
        await later.until(lambda: not later.notifications._due)
        task.cancel()
        assert [note.application for _, note, _ in later.notifier.sent] == ["team/0000"]

    run(scenario, 2)


def test_an_application_keeps_fifty_notifications_of_a_dead_destination(run):
    async def scenario(fleet):
        fleet.notifier.broken["chat"] = NotificationError("no answer")
        for _ in range(60):
            await fleet.fail("team/0000")
        await fleet.until(lambda: fleet.controller.tally.notified.get(("", "dropped")))
        assert await fleet.letters() == 50

    run(scenario, 1)


def test_an_application_of_which_nothing_is_new_is_written_once_and_not_again(run):
    async def scenario(fleet):
        written, write = [], fleet.store.set_settings

        async def noted(name, texts):
            written.append((name, *texts))
            await write(name, texts)

        fleet.store.set_settings = noted
        for _ in range(3):
            fleet.notifications.changed(fleet.states["team/0000"])
            await fleet.until(lambda: not fleet.notifications._due)
            for _ in range(5):
                await fleet.clock.step(0.5)
                await asyncio.sleep(0.01)
        assert written == [(MAILBOX, "team/0000")]

    run(scenario, 1)
