"""What watches tell of objects: whose they are, how they are now, and who has to look at them."""

from collections.abc import Callable

from gitops.controller.queue import Priority
from gitops.controller.state import Fleet, Tracked
from gitops.engine.health import health_of
from gitops.engine.inventory import owner_of
from gitops.manifests.key import Body, ResourceKey


class Events:
    """Takes in the events of all clusters; `wake` asks for a pass, `tell` says that more is known."""

    def __init__(
        self, fleet: Fleet, wake: Callable[[Tracked, Priority], None], tell: Callable[[Tracked], None]
    ) -> None:
        self._fleet = fleet
        self._wake = wake
        self._tell = tell
        self.something_went = False  # an object or an Application, which may be what others wait for

    def on_object(self, cluster: str, set_id: str, key: ResourceKey, body: Body | None, suspect: bool) -> None:
        """An object of the ApplySet `set_id` has changed, or is gone (`body` None); `suspect` if a person may have."""
        named = "" if body is None else owner_of(body, key)
        self.something_went |= body is None
        for tracked in self._fleet.owners(cluster, set_id, named):
            self._heard(tracked, key, body, suspect)

    def wake_waiting(self) -> None:
        """Have those look again that another owner holds up, where something has gone since the last call."""
        went, self.something_went = self.something_went, False
        for tracked in self._fleet if went else ():
            if tracked.waits_for_others:
                self._wake(tracked, Priority.RESYNC)

    def _heard(self, tracked: Tracked, key: ResourceKey, body: Body | None, suspect: bool) -> None:
        before = tracked.health
        if tracked.task is not None:
            tracked.heard.add(key)
            if suspect:
                tracked.edited.add(key)
                tracked.was_edited.set()
        health = None if body is None else health_of(body, tracked.app.health)
        if health is None or health.is_settled:
            tracked.unhealthy.pop(key, None)
        else:
            tracked.unhealthy[key] = health
        if suspect and tracked.has_work:
            self._wake(tracked, Priority.DRIFT)
        if tracked.health != before:
            self._tell(tracked)
