"""Carries what passes tell to whoever subscribed: the log now; notifications, metrics and a page can, too."""

from collections.abc import Callable

import structlog

from gitops.sync.events import Event

Subscriber = Callable[[str, Event], None]

log = structlog.get_logger()


class EventBus:
    """Hands each event, with the Application's identity, to every subscriber, in the order in which they subscribed.

    A subscriber must not wait: it takes the event and returns. What it raises is logged, and neither ends the pass nor
    keeps the event from the others.
    """

    def __init__(self, *subscribers: Subscriber) -> None:
        self._subscribers = list(subscribers)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have `subscriber` called with each event from now on; call the result to end that."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def emitter(self, application: str) -> Callable[[Event], None]:
        """What a pass over one Application emits its events with."""

        def emit(event: Event) -> None:
            for subscriber in tuple(self._subscribers):
                try:
                    subscriber(application, event)
                except Exception:
                    log.exception("event.subscriber-crashed", application=application, kind=type(event).__name__)

        return emit
