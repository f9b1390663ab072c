"""A destination in memory, for tests of what is told."""

from gitops.model.errors import NotificationError
from gitops.model.notification import Notification, Place


class RecordingNotifier:
    """`gitops.ports.Notifier` that keeps what it is told, by destination; `broken` names those that take nothing."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Notification, str]] = []
        self.broken: dict[str, NotificationError] = {}
        self.tries = 0

    async def send(self, place: Place, note: Notification, text: str) -> bool:
        """Raises NotificationError for one that is broken."""
        self.tries += 1
        if place.spec.name in self.broken:
            raise self.broken[place.spec.name]
        self.sent.append((place.spec.name, note, text))
        return True
