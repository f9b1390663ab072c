"""The workers of all clusters: each is started when an Application first needs it, and anew when its cluster moves.

One that no Application names any more is let go, but for the one of the cluster that we are at home in. How many
clusters the kubeconfigs in a namespace may lead to is bounded: whoever writes there decides what they are.

Getting at a cluster may take long (a credential plug-in is asked) or fail: then its own Applications wait, no others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

import structlog

from gitops.controller.cluster_worker import ClusterWorker, Connected
from gitops.controller.queue import Priority
from gitops.controller.state import ApplicationIndex, ApplicationState
from gitops.controller.supervisor import TaskSupervisor
from gitops.model.application import OF_SECRET
from gitops.model.errors import ConfigError
from gitops.ports import Clock

log = structlog.get_logger()
_FIRST_SECONDS, _LONGEST_SECONDS = 5.0, 60.0
_MOST_OF_NAMESPACE = 100


class ClusterWorkers:
    """`connect` gets at a cluster by its name, `worker_of` makes its worker, `unknown` hears why one cannot be had.

    `refused` says why an Application may not go to the cluster that it names, "" where it may.
    """

    def __init__(
        self,
        index: ApplicationIndex,
        clock: Clock,
        parts: TaskSupervisor,
        *,
        connect: Callable[[str], Awaitable[Connected]],
        worker_of: Callable[[str, Connected], ClusterWorker],
        unknown: Callable[[ApplicationState, str], None],
        refused: Callable[[ApplicationState], str],
    ) -> None:
        self._index = index
        self._clock = clock
        self._parts = parts
        self._connect = connect
        self._worker_of = worker_of
        self._unknown = unknown
        self._refused = refused
        self._open: dict[str, tuple[ClusterWorker, Connected, asyncio.Future[None]]] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._wrong: dict[str, str] = {}  # why a cluster could not be had when it was last tried

    def __iter__(self) -> Iterator[ClusterWorker]:
        return (worker for worker, _, _ in self._open.values())

    def get(self, name: str) -> ClusterWorker | None:
        """The worker of a cluster, if it has one."""
        found = self._open.get(name)
        return None if found is None else found[0]

    def put(self, state: ApplicationState, priority: Priority) -> None:
        """Have the Application passed over, now or when its cluster can be had."""
        name, refused = state.cluster, self._refused(state)
        if refused:
            self._unknown(state, refused)
            return
        worker = self.get(name)
        if worker is not None:
            worker.put(state, priority)
            return
        if name in self._wrong:
            self._unknown(state, self._wrong[name])
        if self._is_full(name):
            self._unknown(
                state,
                f"destination.kubeConfig: {_MOST_OF_NAMESPACE} clusters are open by kubeconfigs of namespace "
                f"{state.app.namespace}, and no more are (register clusters, or use more namespaces)",
            )
            return
        if name not in self._opening:
            self._opening[name] = self._parts.once(self._begin(name))

    def drop(self, name: str, identity: str) -> None:
        """An Application does not go there any more."""
        worker = self.get(name)
        if worker is not None:
            worker.queue.drop(identity)
            if name and not self._members(name):
                self._parts.once(self._let_go(name))

    def reconnect(self, name: str) -> None:
        """The cluster is reached in another way from now on, or has become known: begin anew with it."""
        self._parts.once(self._reconnect(name))

    def request_counts(self) -> dict[str, Mapping[tuple[str, int], int]]:
        """For each cluster: (method, HTTP status) → how many answers."""
        return {name: connected.counts for name, (_, connected, _) in self._open.items()}

    async def close(self) -> None:
        for _, connected, _ in self._open.values():
            await connected.cluster.close()

    async def _begin(self, name: str) -> None:
        pause = _FIRST_SECONDS
        try:
            while members := [state for state in self._members(name) if not self._refused(state)]:
                try:
                    connected = await self._connect(name)
                except Exception as exc:
                    # Whatever it is that cannot be understood of one cluster, the others go on.
                    if not isinstance(exc, ConfigError):
                        log.exception("cluster.not-understood", cluster=name)
                    self._wrong[name] = str(exc)
                    for state in members:
                        self._unknown(state, str(exc))
                    await self._clock.sleep(pause)
                    pause = min(pause * 2, _LONGEST_SECONDS)
                    continue
                worker = self._worker_of(name, connected)
                self._open[name] = worker, connected, self._parts.begin(f"cluster {name or 'home'}", worker.run())
                break
        finally:
            self._wrong.pop(name, None)
            self._opening.pop(name, None)
        self._wake(name)

    def _is_full(self, name: str) -> bool:
        """Whether a cluster is one too many of those that kubeconfigs in its namespace lead to."""
        if not name.startswith(OF_SECRET) or name in self._opening:
            return False
        start = name[: name.index("/") + 1]
        return sum(each.startswith(start) for each in {*self._open, *self._opening}) >= _MOST_OF_NAMESPACE

    async def _let_go(self, name: str) -> None:
        if self._members(name) or name not in self._open:
            return
        log.info("cluster.let-go", cluster=name)
        self._open[name][1].closed()
        await self._close(name)
        self._wake(name)  # somebody may have come meanwhile
        if name.startswith(OF_SECRET):
            start = name[: name.index("/") + 1]
            waiting = {state.cluster for state in self._index if state.cluster.startswith(start)}
            for other in sorted(waiting - self._open.keys()):
                self._wake(other)

    async def _close(self, name: str) -> None:
        _, connected, running = self._open.pop(name)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)  # its passes have ended before others begin
        await connected.cluster.close()

    async def _reconnect(self, name: str) -> None:
        opening = self._opening.get(name)
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            self._opening.pop(name, None)  # it may not even have begun
        if name in self._open:
            log.info("cluster.reconnect", cluster=name)
            await self._close(name)
        self._wake(name)

    def _wake(self, name: str) -> None:
        for state in self._members(name):
            if state.has_work:
                self.put(state, Priority.COMMIT)

    def _members(self, name: str) -> list[ApplicationState]:
        return [state for state in self._index if state.cluster == name]
