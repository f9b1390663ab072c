"""Keeps this replica's Lease, sees the others', and says what this one may run and write (see `membership`)."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Awaitable, Callable

import structlog

from gitops.controller.membership import LEASE_SECONDS, RENEW_SECONDS, WRITE_SECONDS, Liveness, owner_of, runs
from gitops.logs import Trouble
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import ApiError, ClusterError, ConfigError
from gitops.ports import Clock, Cluster, Store

log = structlog.get_logger()
_VIEW = "gitops.dev/view"
_MEMBER = "gitops.dev/member"
_LABELS = f"{_MEMBER}=true"
_GROUP, _KIND = "coordination.k8s.io", "Lease"
# A Lease that nobody has renewed for so long is cleared away.
_FORGOTTEN_SECONDS = 600.0
_STAND_BY_SECONDS = 2.0


async def until_single(store: Store, stop: asyncio.Event) -> None:
    """Stand by while another process runs on a store that only one may use."""
    told = False
    while not stop.is_set() and not await store.claim_single():
        if not told:
            log.warning("controller.stands-by", reason="another gitops run uses this state folder")
            told = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STAND_BY_SECONDS):
                await stop.wait()


class Alone:
    """One process, no Leases: it runs everything."""

    actor = "gitops controller"

    def runs(self, application: str) -> bool:
        return True

    def may_write(self) -> bool:
        return True


class Replica:
    """One of several controllers over one set of Applications.

    `losing` is awaited with what decides whether an Application stays, before others are told that they may take it;
    `gained` is called when this one may run something that it could not before.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        namespace: str,
        *,
        single: bool,
        losing: Callable[[Callable[[str], bool]], Awaitable[None]],
        gained: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespace = namespace
        self._single = single
        self._losing = losing
        self._gained = gained
        host = "".join(letter if letter.isalnum() else "-" for letter in socket.gethostname().lower()).strip("-")
        started = int(clock.now().timestamp() * 1000)
        self.name = f"{started:013d}-{host[:40]}-{os.getpid()}-{secrets.token_hex(2)}"
        self.actor = f"gitops controller ({host[:40]}-{os.getpid()})"  # as the audit log has it
        self._own: list[frozenset[str]] = [frozenset()]  # what our Lease shows; two while that is not known
        self._views: dict[str, frozenset[str]] = {}  # what the others' show
        self._liveness = Liveness()
        self._written = -1e9  # monotonic start of the last renewal that succeeded
        self._stale: dict[str, float] = {}
        self._trouble = Trouble(log, "replica.cannot-renew", "replica.renews")

    def runs(self, application: str) -> bool:
        """Whether this replica may run the Application now."""
        alive = self._liveness.alive(self._clock.monotonic())
        others = {name: view for name, view in self._views.items() if name in alive}
        return self.may_write() and runs(application, self.name, self._own, others, single=self._single)

    def may_write(self) -> bool:
        """Whether the Lease was renewed recently enough that nobody can have taken it for dead."""
        return self._clock.monotonic() - self._written < WRITE_SECONDS

    @property
    def stands_by_for(self) -> str:
        """The replica that has everything, where only one may run; "" when it is this one."""
        first = owner_of("", self._own[0], single=True)
        return first if self._single and first != self.name else ""

    async def run(self) -> None:
        """Take part until cancelled. Raises ConfigError when Leases cannot be kept here at all."""
        await self._join()
        async with asyncio.TaskGroup() as both:  # the end of one is the end of both
            both.create_task(self._watch(), name="watch leases")
            both.create_task(self._renew_for_ever(), name="renew lease")

    async def _renew_for_ever(self) -> None:
        while True:
            started = self._clock.monotonic()
            try:
                await self._beat()
                self._trouble.is_over()
            except (ClusterError, TimeoutError) as exc:
                self._trouble.is_there(str(exc) or "no answer in time")
            await self._clock.sleep(max(0.1, RENEW_SECONDS - (self._clock.monotonic() - started)))

    async def leave(self) -> None:
        """Give up the Lease, so that the others need not wait for it; all passes must have ended."""
        self._written = -1e9
        with contextlib.suppress(ClusterError, TimeoutError):
            async with asyncio.timeout(1.5):
                await self._cluster.delete(self._key(self.name))

    async def _join(self) -> None:
        while True:
            try:
                await self._look()
                self._written = await self._renew(frozenset())  # nothing is claimed before the others are known
                await self._look()
                log.info("replica.joined", name=self.name, others=len(self._views))
                return
            except ApiError as exc:
                if exc.code in (403, 404):
                    raise ConfigError(
                        f"Leases cannot be kept in namespace {self._namespace}: {exc}; create the namespace and give "
                        "the controller the rights of deploy/, or run a single one with --no-leases"
                    ) from exc
                log.warning("replica.not-joined", error=str(exc))
            except (ClusterError, TimeoutError) as exc:
                log.warning("replica.not-joined", error=str(exc))
            await self._clock.sleep(RENEW_SECONDS)

    async def _beat(self) -> None:
        """Renew; where others came or went, give away first, publish, then take."""
        if not self.may_write():
            await self._start_over()
        alive = self._liveness.alive(self._clock.monotonic()) | {self.name}
        if self._own == [alive]:
            await self._keep(alive)
            await self._clear_forgotten()
            return
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self._losing(lambda application: owner_of(application, alive, single=self._single) == self.name)
        except TimeoutError:  # nothing is given away before its pass has ended; until then all stays as it is
            log.warning("replica.slow-to-give-away", name=self.name)
            if len(self._own) == 1:
                await self._keep(self._own[0])
            return
        self._own = [*self._own, alive]
        if await self._keep(alive):
            await self._look()
            self._own = [alive]
            log.info("replica.view", name=self.name, members=sorted(alive))
            self._gained()

    async def _keep(self, view: frozenset[str]) -> bool:
        """Renew the Lease; False when that came so late that others may have taken what was ours."""
        started = await self._renew(view)
        if not self.may_write():
            await self._start_over()
            return False
        self._written = started
        return True

    async def _start_over(self) -> None:
        """Others may have taken what was ours, and what we know of them is old: join anew, and claim nothing first."""
        started = await self._renew(frozenset())
        log.warning("replica.lapsed", name=self.name)
        await self._losing(lambda _: False)
        self._own = [frozenset()]
        self._written = started
        self._views, self._liveness = {}, Liveness()
        await self._look()

    async def _renew(self, view: frozenset[str]) -> float:
        """Write the Lease; the moment (monotonic) from which it counts."""
        started = self._clock.monotonic()
        key = self._key(self.name)
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body: Body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": _KIND,
            "metadata": {
                "name": key.name,
                "namespace": self._namespace,
                "labels": {_MEMBER: "true"},
                "annotations": {_VIEW: ",".join(sorted(view))},
            },
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": int(LEASE_SECONDS), "renewTime": now},
        }
        async with asyncio.timeout(LEASE_SECONDS / 2):
            await self._cluster.apply(key, body, force=True)
        return started

    async def _look(self) -> str:
        """Read all Leases as they are now; the version that they were read at."""
        listing = await self._cluster.list(_GROUP, _KIND, self._namespace, _LABELS)
        found = {self._saw(body) for body in listing.items}
        for name in set(self._views) - found:
            self._lost(name)
        return listing.version

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(ClusterError):
                before = dict(self._views)
                version = await self._look()
                if before != self._views:
                    self._gained()
                async with self._cluster.watch(_GROUP, _KIND, self._namespace, version, _LABELS) as events:
                    async for event in events:
                        if event.type == "BOOKMARK":
                            continue
                        before = dict(self._views)
                        name = self._saw(event.body)
                        if event.type == "DELETED" and name != self.name:
                            self._lost(name)
                        if before != self._views:
                            self._gained()
            await self._clock.sleep(RENEW_SECONDS / 2)

    def _saw(self, body: Body) -> str:
        spec = body.get("spec") or {}
        name = str(spec.get("holderIdentity") or "")
        if name and name != self.name:
            text = (body["metadata"].get("annotations") or {}).get(_VIEW, "")
            self._views[name] = frozenset(part for part in text.split(",") if part)
            self._liveness.saw(name, str(spec.get("renewTime") or ""), self._clock.monotonic())
        return name

    def _lost(self, name: str) -> None:
        self._views.pop(name, None)
        self._liveness.lost(name)

    async def _clear_forgotten(self) -> None:
        """Delete Leases of replicas that died long ago."""
        now = self._clock.monotonic()
        alive = self._liveness.alive(now)
        for name in [name for name in self._views if name not in alive]:
            if now - self._stale.setdefault(name, now) > _FORGOTTEN_SECONDS:
                await self._cluster.delete(self._key(name))
                self._stale.pop(name)

    def _key(self, name: str) -> ResourceKey:
        return ResourceKey(_GROUP, _KIND, self._namespace, f"gitops-{name}")
