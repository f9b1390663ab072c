"""Who is told of what, as the controller's operator says in a file, which is read again when it changes.

Objects of Flux say it beside (`gitops.controller.flux_alerts`); here all is joined.
"""

from collections.abc import Awaitable, Mapping

from gitops.controller.app import Controller
from gitops.controller.flux_alerts import FluxAlerts
from gitops.controller.followed_file import FollowedFile
from gitops.controller.notifications import Notifications, Routes
from gitops.controller.state import ApplicationState
from gitops.engine.notifications import texts_for
from gitops.model.application import Application
from gitops.model.notification import Notification, NotificationSettings, Place
from gitops.ports import Clock, Notifier


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
    """`gitops.controller.notifications.Routes` of a file."""

    def __init__(self, file: FollowedFile[NotificationSettings]) -> None:
        self._file = file

    @property
    def settings(self) -> NotificationSettings:
        """What the file says."""
        return self._file.value

    async def run(self, clock: Clock) -> None:
        """Follow the file until cancelled."""
        await self._file.run(clock)

    def texts(self, app: Application, note: Notification) -> Mapping[str, str]:
        """Destination → the text for it."""
        return texts_for(self.settings, app, note)

    def place(self, name: str) -> Place | None:
        """The destination of that name, None where the file has none."""
        spec = self.settings.destination(name)
        return None if spec is None else Place(spec)
