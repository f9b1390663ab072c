"""What watches tell of objects: whose they are, how they are now, and who has to look at them."""

from collections.abc import Callable

from gitops.controller.queue import Priority
from gitops.controller.state import ApplicationIndex, ApplicationState
from gitops.engine.annotations import is_apart
from gitops.engine.health import health_of
from gitops.engine.inventory import owner_of
from gitops.manifests.key import Body, ResourceKey


class WatchEvents:
    """Takes in the events of all clusters; `wake` asks for a pass, `tell` says that more is known."""

    def __init__(
        self,
        index: ApplicationIndex,
        wake: Callable[[ApplicationState, Priority], None],
        tell: Callable[[ApplicationState], None],
    ) -> None:
        self._index = index
        self._wake = wake
        self._tell = tell
        self.something_went = False  # an object or an Application, which may be what others wait for

    def on_object(self, cluster: str, set_id: str, key: ResourceKey, body: Body | None, external_change: bool) -> None:
        """An object of the ApplySet `set_id` has changed (`external_change`: by others), or is gone (`body` None)."""
        named = "" if body is None else owner_of(body, key)
        self.something_went |= body is None
        for state in self._index.owners(cluster, set_id, named):
            self._heard(state, key, body, external_change)

    def went(self) -> None:
        """An Application is gone, or has let go of something."""
        self.something_went = True

    def wake_waiting(self) -> None:
        """Have those look again that another owner holds up, where something has gone since the last call."""
        went, self.something_went = self.something_went, False
        for state in self._index if went else ():
            if state.last.waits_for_others:
                self._wake(state, Priority.RESYNC)

    def _heard(self, state: ApplicationState, key: ResourceKey, body: Body | None, external_change: bool) -> None:
        before = state.health
        if state.schedule.task is not None:
            state.live.hear_in_pass(key, is_edit=external_change)
        state.live.learn(key, None if body is None or is_apart(body) else health_of(body, state.app.health))
        if external_change and state.has_work:
            self._wake(state, Priority.DRIFT)
        if state.health != before:
            self._tell(state)
