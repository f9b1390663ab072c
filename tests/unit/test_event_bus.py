"""The event bus: every subscriber hears everything, and none can harm a pass."""

from gitops.sync.event_bus import EventBus
from gitops.sync.events import RollingBack

EVENT = RollingBack("it failed", "a" * 40)


def test_every_subscriber_hears_each_event_with_its_application():
    bus, heard = EventBus(), []
    bus.subscribe(lambda application, event: heard.append(("one", application, event)))
    end = bus.subscribe(lambda application, event: heard.append(("two", application, event)))
    emit = bus.emitter("team/shop")
    emit(EVENT)
    end()
    emit(EVENT)
    assert heard == [("one", "team/shop", EVENT), ("two", "team/shop", EVENT), ("one", "team/shop", EVENT)]


def test_a_subscriber_that_crashes_keeps_nothing_from_the_others():
    bus, heard = EventBus(), []

    def crash(application, event):
        raise RuntimeError("no")

    bus.subscribe(crash)
    bus.subscribe(lambda application, event: heard.append(event))
    bus.emitter("team/shop")(EVENT)
    assert heard == [EVENT]
