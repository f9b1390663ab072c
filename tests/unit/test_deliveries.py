"""How notifications are brought to destinations: in turn, bounded, and none held up by another."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace

import pytest

from gitops.controller.deliveries import BURST, Deliveries, Parcel
from gitops.model.errors import NotificationError
from gitops.model.notification import SUMMARY, DestinationSpec, Notification, Place
from gitops.testing.clock import SteppedClock
from gitops.testing.notifier import RecordingNotifier

NOTE = Notification("0", "failed", "2026-01-01T00:00:00.000Z", "team/shop", revision="a" * 40)


class Bench:
    """Deliveries of a notifier in memory, on a clock that is stepped."""

    def __init__(self):
        self.clock, self.notifier = SteppedClock(), RecordingNotifier()
        self.places = {
            name: Place(DestinationSpec(name, kind, "https://x", rate=60))
            for name, kind in (("chat", "slack"), ("other", "slack"), ("status", "github"), ("alerts", "alertmanager"))
        }
        self.results, self.others, self.gone = Counter(), [], set()
        self.deliveries = Deliveries(
            self.notifier,
            self.clock,
            self.places.get,
            lambda name: name not in self.gone,
            self._ended,
            self.others.append,
        )

    async def _ended(self, destination, batch, result):
        self.results[(destination, result)] += len(batch)

    def put(self, destination, count=1, start=0, **fields):
        for number in range(start, start + count):
            note = replace(NOTE, **{"id": str(number), "application": f"team/{number:04}", **fields})
            self.deliveries.put(destination, Parcel(note.application, note, "text"))

    def facts(self, destination):
        return Counter(note.fact for name, note, _ in self.notifier.sent if name == destination)


@pytest.fixture
def run():
    def runner(scenario):
        async def main():
            bench = Bench()
            task = asyncio.create_task(bench.deliveries.run())
            await bench.clock.step(0)
            await scenario(bench)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        asyncio.run(main())

    return runner


def test_each_is_delivered_once_however_often_it_is_given(run):
    async def scenario(bench):
        bench.put("chat", 3)
        bench.put("chat", 3)
        await bench.clock.step(60)
        assert (bench.facts("chat"), bench.results) == ({"failed": 3}, {("chat", "sent"): 3})

    run(scenario)


def test_a_thousand_at_once_are_a_few_messages_and_a_summary(run):
    async def scenario(bench):
        bench.put("chat", 1000)
        await bench.clock.step(60)
        assert bench.facts("chat") == {"failed": BURST, SUMMARY: 1}
        assert bench.results == {("chat", "sent"): 1000}
        assert bench.notifier.sent[-1][2].startswith("990 notifications at once. failed: team/0010,")

    run(scenario)


def test_beyond_the_first_few_messages_are_as_far_apart_as_the_destination_wants(run):
    async def scenario(bench):
        bench.put("chat", BURST + 3)
        for seconds, sent in ((0, BURST), (0.9, BURST), (0.2, BURST + 1), (1, BURST + 2), (1, BURST + 3)):
            await bench.clock.step(seconds)
            assert bench.facts("chat") == {"failed": sent}

    run(scenario)


def test_a_dead_destination_holds_up_no_other_and_is_tried_further_apart(run):
    async def scenario(bench):
        bench.notifier.broken["chat"] = NotificationError("no answer")
        bench.put("chat", 3)
        bench.put("other", 3)
        await bench.clock.step(3600)
        assert bench.facts("other") == {"failed": 3}
        assert bench.notifier.tries < 30
        del bench.notifier.broken["chat"]
        await bench.clock.step(301)
        assert bench.facts("chat") == {"failed": 3}

    run(scenario)


def test_what_is_never_taken_is_given_up_at_once_and_what_is_old_after_a_day(run):
    async def scenario(bench):
        bench.notifier.broken["chat"] = NotificationError("answered 400", is_final=True)
        bench.notifier.broken["other"] = NotificationError("no answer")
        bench.put("chat")
        bench.put("other")
        await bench.clock.step(10)
        assert bench.results == {("chat", "failed"): 1}
        await bench.clock.step(25 * 3600)
        assert bench.results == {("chat", "failed"): 1, ("other", "failed"): 1}

    run(scenario)


def test_a_destination_that_asks_for_a_pause_gets_it(run):
    async def scenario(bench):
        bench.notifier.broken["chat"] = NotificationError("answered 429", after=100.0)
        bench.put("chat")
        await bench.clock.step(1)
        del bench.notifier.broken["chat"]
        await bench.clock.step(98)
        assert bench.facts("chat") == {}
        await bench.clock.step(2)
        assert bench.facts("chat") == {"failed": 1}

    run(scenario)


def test_a_commit_is_told_the_newest_of_what_waits_for_it(run):
    async def scenario(bench):
        bench.notifier.broken["status"] = NotificationError("no answer")
        bench.put("status", application="team/shop", fact="started")
        await bench.clock.step(0.1)
        del bench.notifier.broken["status"]
        bench.put("status", start=1, application="team/shop", fact="synced")
        bench.put("status", start=2, application="team/shop", fact="failed", revision="b" * 40)
        await bench.clock.step(60)
        assert [note.fact for _, note, _ in bench.notifier.sent] == ["synced", "failed"]
        assert bench.results == {("status", "superseded"): 1, ("status", "sent"): 2}

    run(scenario)


def test_alerts_are_never_summed_up(run):
    async def scenario(bench):
        bench.put("alerts", 1000)
        await bench.clock.step(1)
        assert bench.facts("alerts") == {"failed": 1000}

    run(scenario)


def test_what_another_replica_tells_of_is_let_go_and_a_destination_that_is_gone_is_named(run):
    async def scenario(bench):
        bench.gone.add("team/0000")
        bench.put("chat", 2)
        bench.put("nowhere")
        await bench.clock.step(60)
        assert (bench.others, bench.results) == (["team/0000", "team/0000"], {("chat", "sent"): 1})

    run(scenario)


def test_a_notifier_with_a_fault_ends_nobody_else(run):
    async def scenario(bench):
        async def send(place, note, text):
            if place.spec.name == "chat":
                raise RuntimeError("a fault")
            return True

        bench.notifier.send = send
        bench.put("chat")
        bench.put("other")
        await bench.clock.step(60)
        assert bench.results[("other", "sent")] == 1

    run(scenario)


def test_of_destinations_that_come_and_go_only_those_are_kept_that_something_waits_for(run):
    async def scenario(bench):
        bench.notifier.broken["chat"] = NotificationError("no answer")
        bench.put("chat")
        for number in range(3000):
            bench.put(f"gone-{number}")
            if number % 500 == 0:
                await bench.clock.step(1)
        await bench.clock.step(1)
        assert len(asyncio.all_tasks()) < 1100
        del bench.notifier.broken["chat"]
        await bench.clock.step(301)
        assert bench.facts("chat") == {"failed": 1}

    run(scenario)
