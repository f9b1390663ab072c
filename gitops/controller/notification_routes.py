"""Who is told of what, as the controller's operator says in a file, which is read again when it changes.

Objects of Flux say it beside (`gitops.controller.flux_alerts`); here all is joined.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gitops.controller.app import Controller
from gitops.controller.flux_alerts import FluxAlerts
from gitops.controller.notifications import Notifications, Routes
from gitops.controller.state import ApplicationState
from gitops.engine.notifications import texts_for
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from gitops.model.notification import Notification, NotificationSettings, Place
from gitops.ports import Clock, Notifier

_EVERY_SECONDS = 2.0


def notification_parts(
    controller: Controller, notifier: Notifier, operator: "OperatorRoutes | None", alerts: FluxAlerts | None
) -> list[tuple[str, Awaitable[None]]]:
    """What has to run, with names: the operator's file is followed, and whoever there is is told."""
    routes: list[Routes] = [each for each in (operator, alerts) if each is not None]
    found = Notifications(controller, notifier, routes, lambda: "" if operator is None else operator.settings.page)
    controller.bus.subscribe(found.heard)
    before = controller.on_status

    def changed(state: ApplicationState) -> None:
        before(state)
        found.changed(state)

    controller.on_status = changed
    file = [] if operator is None else [("notification file", operator.run(controller.clock))]
    return [("notifications", found.run()), *file]


class OperatorRoutes:
    """`gitops.controller.notifications.Routes` of a file; one that is wrong keeps what was read of it before.

    `told` hears of each read: the file, and what is wrong with it.
    """

    def __init__(self, path: Path, read: Callable[[Path], NotificationSettings], told: Callable[[str, str], None]):
        """Raises ConfigError for a file that cannot be read."""
        self._path = path
        self._read = read
        self._told = told
        self._state = self._stamp()
        self.settings = read(path)

    async def run(self, clock: Clock) -> None:
        """Follow the file until cancelled."""
        while True:
            await clock.sleep(_EVERY_SECONDS)
            state = await asyncio.to_thread(self._stamp)
            if state == self._state:
                continue
            try:
                self.settings, error = await asyncio.to_thread(self._read, self._path), ""
            except ConfigError as exc:
                error = str(exc)
            self._state = state
            self._told(str(self._path), error)

    def texts(self, app: Application, note: Notification) -> Mapping[str, str]:
        """Destination → the text for it."""
        return texts_for(self.settings, app, note)

    def place(self, name: str) -> Place | None:
        """The destination of that name, None where the file has none."""
        spec = self.settings.destination(name)
        return None if spec is None else Place(spec)

    def _stamp(self) -> tuple[int, int, int]:
        """What changes when the file does; zeros where there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_ino, found.st_mtime_ns, found.st_size
