"""Objects of one kind in the cluster where a controller is at home, by list and watch, for as long as it runs."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gitops.logs import Trouble
from gitops.manifests.key import Body
from gitops.model.errors import ApiError, ClusterError
from gitops.ports import Clock, Cluster

log = structlog.get_logger()
# A kind that is not served yet is looked for again after this long: its CRD may come.
_AGAIN_SECONDS = 30.0
_FIRST_SECONDS, _LONGEST_SECONDS = 5.0, 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """Who hears of all objects of a kind, then of each that is other or no more; and that the kind is not served."""

    listed: Callable[[list[Body]], None]
    changed: Callable[[Body], None]
    gone: Callable[[Body], None]
    absent: Callable[[], None] = lambda: None


class ResourceFollower:
    """Follows the objects of a kind; where it is not served, it is looked for in time."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        kind: tuple[str, str],
        namespace: str,
        heard: Heard,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._kind = kind
        self._namespace = namespace
        self._heard = heard
        self._trouble = Trouble(log, "applications.unreachable", "applications.reachable")
        self._pause = _FIRST_SECONDS

    async def run(self) -> None:
        while True:
            pause = 1.0
            try:
                if (await self._cluster.kinds()).find(*self._kind) is None:
                    self._heard.absent()
                    pause = _AGAIN_SECONDS
                    await self._clock.sleep(pause)
                    await self._cluster.kinds(refresh=True)
                    continue
                await self._follow()
            except ApiError as exc:
                if exc.code == 403 and not self._namespace:
                    log.warning("applications.forbidden", kind=self._kind[1], error=str(exc))
                pause = _AGAIN_SECONDS if exc.code in (403, 404) else 1.0
            except ClusterError as exc:
                self._trouble.is_there(exc)
                self._pause = pause = min(self._pause * 1.5, _LONGEST_SECONDS)
            await self._clock.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret

    async def _follow(self) -> None:
        place = (*self._kind, self._namespace)
        identity = await self._cluster.identity()
        listing = await self._cluster.list(*place)
        self._trouble.is_over()
        self._pause = _FIRST_SECONDS
        self._heard.listed(list(listing.items))
        version = listing.version
        while True:
            async with self._cluster.watch(*place, version) as events:
                async for event in events:
                    version = event.body["metadata"]["resourceVersion"]
                    if event.type == "DELETED":
                        self._heard.gone(event.body)
                    elif event.type != "BOOKMARK":
                        self._heard.changed(event.body)
            await asyncio.sleep(0.2)
            if await self._cluster.has_gone_back(*place, version, identity):
                return  # and list again
