"""Carries a plan out: with `object_writer` the only code that changes what is live (inventory parents aside).

Steps run one after the other, the changes of a step at the same time. Before a step's first write those of its creates
are dry-run that could not be before (their namespace came with this sync), so that a refusal leaves the step undone.
After each wave its objects must become healthy.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from itertools import groupby
from typing import Any, assert_never

from gitops.engine.annotations import ignores_health, may_lack_kind
from gitops.engine.awaited import checked_keys, is_awaited
from gitops.engine.backends import called_services
from gitops.engine.describe import described
from gitops.engine.health import is_of_past_runs
from gitops.engine.inventory import PART_OF, Inventory
from gitops.engine.order import is_crd, is_namespace
from gitops.engine.refusal import failure_of, is_taken, told
from gitops.manifests.key import Body, ResourceKey, key_of, version_of
from gitops.manifests.secrets import scrubbed
from gitops.model.errors import ApiError, ClusterError
from gitops.model.plan import Change, Create, Phase, Prune, Recreate, RunHook, Step, Update
from gitops.model.result import Changed, Failure
from gitops.sync import events
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.diagnostics import Diagnostics
from gitops.sync.health_checks import come
from gitops.sync.health_wait import HealthWait
from gitops.sync.object_writer import Deadline, ObjectWriter
from gitops.sync.progress import Progress
from gitops.sync.still_applied import StillApplied
from gitops.sync.webhook_backends import without_endpoint

_PARALLEL = 16
_KIND_POLL_SECONDS = 1.0
_FAIL_HOOK_SECONDS = 60.0
_FRESH_SECONDS = 1.0
_BACK_TRIES = 6  # a second between them

_VERBS: dict[type, str] = {Create: "create", Update: "update", Recreate: "recreate", Prune: "prune", RunHook: "hook"}


class Execution:
    """A plan being carried out; without `request.wait` it waits for the health of nothing but hooks."""

    def __init__(
        self,
        request: Request,
        context: SyncContext,
        planned: PlannedSync,
        journal: AuditTrail,
        inventory: Inventory,
        progress: Progress | None = None,
    ) -> None:
        """What is done is added to `progress`."""
        at = planned.at
        self._request = request
        self._context = context
        self._cluster = context.cluster
        self._clock = context.clock
        self._emit = context.emit
        self._waiting = context.callbacks.waiting
        self._journal = journal
        self._plan = planned.plan
        self._alone_at = context.clock.monotonic()
        self._revision = planned.plan.revision.sha
        self._force = at.options.force_conflicts
        self._called = called_services(at.rendered.manifests)
        self._labels = f"{PART_OF}={inventory.set_id}"
        # Pods may still run with the Secrets as they are live, and say those.
        self._diagnostics = Diagnostics(
            context.cluster, [*(found.body for found in at.rendered.manifests), *at.live.values()]
        )
        self._still = StillApplied(context.cluster, at, inventory, (one.key for one in planned.plan.prunes))
        self._deadline = Deadline(context.clock, request.app.sync.timeout)
        self._writer = ObjectWriter(request, context, planned, inventory, self._deadline)
        self._places = asyncio.Semaphore(_PARALLEL)
        self._taken: list[tuple[Change, ApiError]] = []
        self.progress = progress or Progress()

    async def run(self, unchanged: dict[ResourceKey, Body]) -> Progress:
        """Carry the plan out; `unchanged` are desired objects that are live as they should be, and must be healthy too.

        What goes wrong is in the answer's `failures`; the steps after it are not begun. Raises UnreachableError: a
        cluster that does not answer has refused nothing.
        """
        steps = [step for step in self._plan.steps if step.phase is not Phase.SYNC_FAIL]
        self._still.note(unchanged)
        pruned: list[Prune] = []
        written: dict[ResourceKey, Body] = {}
        for (phase, _), wave in groupby(steps, key=lambda step: (step.phase, step.wave)):
            if not (phase is Phase.PRUNE and self._request.app.sync.wait.pruneFirst):
                await self._healthy(written)
                written = {}
                if phase.place >= Phase.PRUNE and unchanged:
                    await self._healthy(unchanged, of_plan=True)
                    unchanged = {}
            await self._gone(pruned if phase is Phase.PRUNE else [])
            for step in wave:
                if await self._is_held_up(step, written) or await self._is_superseded_since():
                    return self.progress
                written |= await self._step(step)
                done = {item.key for item in self.progress.changed}
                pruned += [change for change in step.changes if isinstance(change, Prune) and change.key in done]
        await self._gone(pruned if self._request.wait else [])
        await self._healthy(written)
        await self._healthy(unchanged, of_plan=True)
        await self._checks_pass()
        await self._check_still_applied()
        return self.progress

    async def _is_superseded_since(self) -> bool:
        """True when the step must not be begun, since another word came in between while the sync waited."""
        if self._clock.monotonic() - self._alone_at <= _FRESH_SECONDS:
            return False
        self._alone_at = self._clock.monotonic()
        with contextlib.suppress(ApiError):  # who may not read it any more is told so in the end
            await self.is_superseded()
        return self.progress.is_superseded

    async def is_superseded(self) -> bool:
        """Whether another word came in between, which is recorded: nothing of ours is wanted, or healthy, then."""
        if not self.progress.is_superseded:
            who = await self._still.other_word(self._request.app, self._plan.digest)
            if who:
                self._record(Failure(None, f"another word came in between: {who}", overtaken=True))
        return self.progress.is_superseded

    async def _check_still_applied(self) -> None:
        """What became healthy, or never was waited for, may have been changed since: then the sync was overtaken.

        Who corrects drift puts it back at once, so it is looked at for a while.
        """
        if not self.progress.has_waited or self.progress.failures:
            return
        for left in reversed(range(_BACK_TRIES)):
            changed = await self._still.look()
            if not changed:
                return
            if left:
                async with self._waiting():
                    await self._clock.sleep(1.0)
        for key, who in sorted(changed.items()):
            self._record(Failure(key, f"{key} is not what was applied any more: {who}", overtaken=True))

    async def _is_held_up(self, step: Step, written: dict[ResourceKey, Body]) -> bool:
        """True when the step must not be begun: something failed, or a Service does not answer that it makes called.

        The workloads behind such a Service that were written in this wave become healthy first, no others: those may
        need what is to be called.
        """
        made = [change for change in step.changes if isinstance(change, (Create, Recreate))]
        called = {change.key: self._called[change.key] for change in made if change.key in self._called}
        if called and not self.progress.failures:
            behind = frozenset[ResourceKey]().union(*(one.workloads for one in called.values()))
            await self._healthy({key: body for key, body in written.items() if key in behind}, always=True)
        if called and not self.progress.failures:
            async with self._waiting():
                services = frozenset[ResourceKey]().union(*(one.services for one in called.values()))
                silent = await without_endpoint(self._cluster, self._clock, services, self._deadline.at)
            for key in sorted(key for key, one in called.items() if one.services & set(silent)):
                names = ", ".join(str(service) for service in silent if service in called[key].services)
                self._record(Failure(key, f"not written, since the API server would call {names}: no ready endpoint"))
        return bool(self.progress.failures)

    async def run_fail_hooks(self) -> None:
        """The sync-fail hooks, after a failure; what goes wrong with them is one more failure.

        A sync that failed by running out of time leaves them none, so they get some of their own.
        """
        self._deadline.leave(_FAIL_HOOK_SECONDS)
        for step in self._plan.steps:
            if step.phase is Phase.SYNC_FAIL:
                await self._healthy(await self._step(step))

    async def _step(self, step: Step) -> dict[ResourceKey, Body]:
        """Do one step; the bodies of what was written, to be waited for."""
        self._emit(events.StepStarted(step))
        where = {"phase": step.phase.name.lower(), "wave": step.wave}
        await self._journal.note("step.started", self._revision, **where, changes=list(map(described, step.changes)))
        written: dict[ResourceKey, Body] = {}
        hooks: dict[ResourceKey, Body] = {}
        failed_before, changed_before = len(self.progress.failures), len(self.progress.changed)
        await self._kinds_come(step)
        await self._all(partial(self._try_out, change) for change in step.changes if len(step.changes) > 1)
        if len(self.progress.failures) == failed_before:
            await self._all(partial(self._do, change, written, hooks) for change in step.changes)
            await self._do_again(written, hooks)
        # Each to its own end, also when another one fails; even with --no-wait.
        await _together(self._healthy({key: body}, always=True, to_end=True) for key, body in hooks.items())
        providers = {key: body for key, body in written.items() if is_crd(key) or is_namespace(key)}
        if providers:
            await self._healthy(providers, always=True)
            await self._cluster.kinds(refresh=True)
        changed = sorted(f"{item.verb} {item.key}" for item in self.progress.changed[changed_before:])
        failures = [{"object": str(item.key), "reason": item.reason} for item in self.progress.failures[failed_before:]]
        await self._journal.note("step.finished", self._revision, **where, changed=changed, failures=failures)
        return written

    async def _kinds_come(self, step: Step) -> None:
        """Wait for kinds that somebody else defines, an operator of the same set, say, until the deadline."""
        made = [change for change in step.changes if isinstance(change, Create) and may_lack_kind(change.body)]
        while missing := [change for change in made if not await self._is_served(change)]:
            if self._deadline.is_over:
                for change in missing:
                    reason = f"nothing has defined kind {change.key.kind} in {change.body['apiVersion']} in time"
                    self._record(Failure(change.key, f"{change.origin}: {change.key}: {reason}"))
                return
            async with self._waiting():
                await self._clock.sleep(_KIND_POLL_SECONDS)
            await self._cluster.kinds(refresh=True)

    async def _is_served(self, change: Create) -> bool:
        kinds = await self._cluster.kinds()
        return kinds.find(change.key.group, change.key.kind, version_of(change.body["apiVersion"])) is not None

    async def _do_again(self, written: dict[ResourceKey, Body], hooks: dict[ResourceKey, Body]) -> None:
        """What wanted a port or an address of another Service of the step, as long as one of them gets through."""
        while self._taken:
            again, self._taken = self._taken, []
            done = len(self.progress.changed)
            for change, _ in again:
                await self._do(change, written, hooks)
            if len(self.progress.changed) == done:
                for change, error in again:
                    self._fail(change, error)
                self._taken = []

    async def _all(self, work: Iterable[Callable[[], Awaitable[None]]]) -> None:
        async def limited(item: Callable[[], Awaitable[None]]) -> None:
            async with self._places:
                await item()

        await _together(limited(item) for item in work)

    async def _try_out(self, change: Change) -> None:
        """Ask for creates that could not be asked for when the plan was made."""
        if isinstance(change, Create) and not change.tried:
            try:
                await self._writer.apply(change.key, change.body, dry_run=True)
            except ApiError as exc:
                if not is_taken(exc):
                    self._fail(change, exc)

    async def _do(self, change: Change, written: dict[ResourceKey, Body], hooks: dict[ResourceKey, Body]) -> None:
        self.progress.asked[change.key] = _VERBS[type(change)]
        try:
            match change:
                case Create():
                    written[change.key] = await self._writer.apply(change.key, change.body, force=self._force)
                    verb = "created"
                case Update():
                    written[change.key] = await self._writer.update(change)
                    verb = "updated"
                case Recreate():
                    written[change.key] = await self._recreate(change)
                    verb = "recreated"
                case Prune():
                    await self._cluster.delete(change.key, uid=change.uid)
                    verb = "pruned"
                case RunHook():
                    hooks[change.key] = await self._writer.start_hook(change, self._lost)
                    verb = "hook"
                case _:
                    assert_never(change)
        except ApiError as exc:
            del self.progress.asked[change.key]
            if is_taken(exc) and change.key.kind == "Service":
                self._taken.append((change, exc))
            else:
                self._fail(change, exc)
            return
        del self.progress.asked[change.key]
        if change.key in written:
            self._still.note({change.key: written[change.key]})
        done = Changed(change.key, verb)
        self.progress.changed.append(done)
        self._emit(events.Wrote(done))

    async def _recreate(self, change: Recreate) -> Body:
        """Where it cannot be made again it stays deleted: that too is a change, which a rollback has to undo."""
        async with self._waiting():
            await self._writer.remove(change.key, change.uid, orphan=change.orphan)
        try:
            return await self._cluster.apply(change.key, change.body)
        except ClusterError:
            self._lost(change.key)
            raise

    def _lost(self, key: ResourceKey) -> None:
        self.progress.changed.append(Changed(key, "deleted"))

    async def _gone(self, pruned: list[Prune]) -> None:
        """Wait until what one wave deleted is gone, finalizers and all, before the wave that it needed goes."""
        for change in pruned:
            try:
                async with self._waiting():
                    await self._writer.until_gone(change.key, change.uid)
            except ApiError as exc:
                self._fail(change, exc)
        pruned.clear()

    async def _healthy(
        self, live: dict[ResourceKey, Body], *, always: bool = False, to_end: bool = False, of_plan: bool = False
    ) -> None:
        """Wait for `live`, and record what did not become healthy as failures.

        `to_end` for what has to have run, `of_plan` for bodies that were seen when the plan was made: what changed
        since, by what this sync did, say, must show.
        """
        watched = {key: body for key, body in live.items() if not (ignores_health(body) or is_of_past_runs(key))}
        if not always:
            app, waits, others = self._request.app, self._request.wait, self._context.child_kinds
            watched = {
                key: body
                for key, body in watched.items()
                if waits and is_awaited(app, key) and (key.group, key.kind) not in others  # those are followed apart
            }
        if watched:
            await self._until_healthy(watched, self._labels, to_end=to_end, of_plan=of_plan)

    async def _checks_pass(self) -> None:
        """Wait for the objects of others that the Application's health checks name, until the deadline."""
        wanted = checked_keys(self._request.app, await self._cluster.kinds()) if self._request.wait else []
        apart = {kind for _, kind in self._context.child_kinds}
        others = [key for key in wanted if key not in self.progress.healths and key.kind not in apart]
        if self.progress.failures:
            return
        found, missing = await come(self._cluster, self._clock, others, lambda: self._deadline.is_over, self._waiting)
        for key in missing:
            self._record(Failure(key, f"sync.wait.checks: {key} is not there, and did not come in time"))
        if found and not missing:
            await self._until_healthy(found, "")

    async def _until_healthy(
        self, watched: dict[ResourceKey, Body], labels: str, *, to_end: bool = False, of_plan: bool = False
    ) -> None:
        left = self._deadline.left
        waiting = HealthWait(
            self._context,
            self._request.app,
            labels,
            self._diagnostics,
            self._free,
            to_end=to_end,
            changed=self._still.who_changed,
        )
        async with self._waiting():
            look = of_plan and self._clock.monotonic() - self._deadline.began > _FRESH_SECONDS
            healths = await waiting.until_settled(watched, max(left, 0.0), look=look)
        self._deadline.extend(waiting.away_seconds)
        self.progress.healths |= healths
        self.progress.has_waited = self.progress.has_waited or waiting.has_waited
        over = any(health.has_failed for health in healths.values())  # what was still on its way has not failed then
        for key, health in sorted(healths.items()):
            if key in waiting.overtaken:
                self._record(Failure(key, f"{key}: {health.message}", overtaken=True))
            elif not health.is_settled and (health.final or not over):
                reason = await self._diagnostics.reason_for(key, health)
                late = "" if health.final else "not healthy in time: "
                self._record(Failure(key, late + reason))

    async def _free(self, key: ResourceKey) -> None:
        """Delete the Pods that a StatefulSet waits for in vain, so that it makes them as they should be now."""
        for pod in await self._diagnostics.stuck_pods_of(key):
            found = key_of(pod)
            reason = f"{key} waits for it to become ready, and it is of an older revision"
            await self._journal.note("pod.deleted", self._revision, object=str(found), reason=reason)
            await self._cluster.delete(found, uid=pod["metadata"]["uid"])

    def _fail(self, change: Change, error: ClusterError) -> None:
        said = told(error) if isinstance(error, ApiError) else str(error)
        if not isinstance(change, Prune):
            said = f"{change.origin}: {scrubbed(said, change.body)}"
        self._record(failure_of(change.key, said, error))

    def _record(self, failure: Failure) -> None:
        self.progress.failures.append(failure)
        self._emit(events.Refused(failure))


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of it at the same time; when one raises, the others are ended before that is told: none goes on unseen."""
    items = list(work)
    if len(items) == 1:  # as most steps are: a task of its own would cost as much as what it does
        await items[0]
        return
    tasks = [asyncio.create_task(item) for item in items]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
