"""How one object is written, so that others may change it at the same time; and how it is deleted, until it is gone."""

from collections.abc import Callable
from dataclasses import replace

from gitops.engine.deletion import holds_data, reason_to_stay
from gitops.engine.hooks import body_to_run, has_run
from gitops.engine.inventory import Inventory
from gitops.engine.manual_edits import hand_edits_only
from gitops.engine.takeover import owners_again
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import ApiError, ClusterError
from gitops.model.plan import Change, HookDelete, Obstacle, RunHook, Update
from gitops.ports import Clock
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.planning import plan_rendered

_TRIES = 5
_GONE_POLL_SECONDS = 0.2
_UNDECLARED = "field not declared in schema"


class Deadline:
    """When a sync has to be done, on the monotonic clock; all of its parts share it."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self.began = clock.monotonic()
        self.at = self.began + seconds

    @property
    def left(self) -> float:
        """The seconds that are left; below 0 when it is over."""
        return self.at - self._clock.monotonic()

    @property
    def is_over(self) -> bool:
        return self._clock.monotonic() > self.at

    def extend(self, seconds: float) -> None:
        """Time that does not count: nothing could be known."""
        self.at += seconds

    def leave(self, seconds: float) -> None:
        """Have at least `seconds` left."""
        self.at = max(self.at, self._clock.monotonic() + seconds)


class ObjectWriter:
    """Writes the objects of one sync, each as its plan says. Raises ApiError where the API server refuses."""

    def __init__(
        self,
        request: Request,
        context: SyncContext,
        planned: PlannedSync,
        inventory: Inventory,
        deadline: Deadline,
    ) -> None:
        self._request = request
        self._context = context
        self._planned = planned
        self._cluster = context.cluster
        self._clock = context.clock
        self._deadline = deadline
        self._force = planned.at.options.force_conflicts
        self._hook_run = inventory.hooks.id if inventory.hooks else ""  # the id that hooks carry

    async def apply(self, key: ResourceKey, body: Body, *, force: bool = False, dry_run: bool = False) -> Body:
        """Apply; what a definition has only just declared takes the API server a moment to know."""
        for left in reversed(range(_TRIES)):
            try:
                return await self._cluster.apply(key, body, force=force, dry_run=dry_run)
            except ApiError as exc:
                if not left or _UNDECLARED not in str(exc):
                    raise
            await self._clock.sleep(1.0)
        raise AssertionError("the last try returns or raises")

    async def update(self, change: Update, *, is_again: bool = False) -> Body:
        """Apply; where a hand edit has come in between, what the plan would be now is applied."""
        if change.owners:
            await self._take_over(change)
        try:
            return await self.apply(change.key, change.body, force=change.force or self._force)
        except ApiError as exc:
            live = await self._cluster.get(change.key) if exc.code == 409 and not is_again else None
            if live is None or not hand_edits_only(exc, live):
                raise
            again = await self._planned_now(change.key)
            if isinstance(again, Update):
                return await self.update(again, is_again=True)
            if again is not None:
                raise
            return live  # it is left alone now, or as it should be

    async def _take_over(self, change: Update) -> None:
        """Make others' fields ours, although the object's status may move on while we do."""
        owners, live = list(change.owners), change.before
        for left in reversed(range(_TRIES)):
            try:
                await self._cluster.replace_owners(change.key, tuple(owners), live["metadata"]["resourceVersion"])
                return
            except ApiError as exc:
                now = await self._cluster.get(change.key) if exc.code == 409 and left else None
                again = owners_again(owners, live, now) if now else None
                if again is None or now is None:
                    raise
                owners, live = again, now

    async def start_hook(self, hook: RunHook, lost: Callable[[ResourceKey], None]) -> Body:
        """What this sync has made already, before it was killed, is gone on with.

        What has run to its end cannot run again: a Job or Pod of an earlier sync always goes first. What holds data is
        never deleted for being a hook. `lost` is told where one has gone and the next one cannot be made.
        """
        live = await self._cluster.get(hook.key)
        if live is not None and has_run(hook, live, self._hook_run):
            return live
        ends = hook.key.kind in ("Job", "Pod")
        goes_first = ends or HookDelete.BEFORE_CREATION in hook.delete
        is_in_the_way = live is not None and goes_first and not holds_data(hook.key, live)
        if live is not None and is_in_the_way:
            await self.remove(hook.key, live["metadata"]["uid"])
        try:
            return await self._cluster.apply(hook.key, body_to_run(hook, self._hook_run), force=True)
        except ClusterError:
            if is_in_the_way:
                lost(hook.key)
            raise

    async def remove(self, key: ResourceKey, uid: str, *, orphan: bool = False) -> None:
        """Delete and wait until the object is gone, so that one of the same name can be made."""
        await self._cluster.delete(key, uid=uid, orphan=orphan)
        await self.until_gone(key, uid)

    async def until_gone(self, key: ResourceKey, uid: str) -> None:
        while (live := await self._cluster.get(key)) is not None and live["metadata"]["uid"] == uid:
            if self._deadline.is_over:
                raise ApiError(504, "Timeout", f"{key} was deleted but does not go away ({reason_to_stay(live)})")
            await self._clock.sleep(_GONE_POLL_SECONDS)

    async def _planned_now(self, key: ResourceKey) -> Change | Obstacle | None:
        """What would be done to one object now: a change, an obstacle, or nothing."""
        at = self._planned.at
        options = replace(at.options, only=frozenset({key}), prune_only=frozenset(), hooks=False)
        request = replace(self._request, options=options)
        plan = (await plan_rendered(request, self._context, at.rendered, self._planned.source)).plan
        return next((item for item in (*plan.changes, *plan.obstacles) if item.key == key), None)
