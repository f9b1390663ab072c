"""What does not exist in a namespace, by one list of names for all who ask at about the same time.

Very many first syncs ask for object after object that is not there yet. What is ours is on a shelf; so the names of
what is not, as they were a moment ago, tell the rest. An object that goes from the shelf may have lost only its label:
what was listed before that tells nothing any more.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.engine.inventory import INSTANCE, MANAGED_BY
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ClusterError

_OF_OTHERS = f"{MANAGED_BY}!={INSTANCE}"
# How long a list holds: about as long as a plan is on its way from what was read for it to its first write.
_HOLDS_SECONDS = 1.0
# So many questions within so many seconds make a list cheaper; where many names are others', it is not.
_LIST_FROM, _WINDOW_SECONDS, _MOST_NAMES = 4, 2.0, 500
_REFUSED_SECONDS = 60.0

Place = tuple[str, str, str]  # group, kind, namespace


@dataclass(slots=True)
class _Names:
    """`names` of a place as of `at` (monotonic), when so much had `gone` from its shelf; None where nobody can tell."""

    at: float
    gone: int
    names: frozenset[str] | None


class Absences:
    """Of one cluster, as one user may see it."""

    def __init__(self, cluster: KubernetesCluster, gone: Callable[[ResourceKey], int]) -> None:
        """`gone` counts what has gone from the shelf of an object's kind."""
        self._cluster = cluster
        self._gone = gone
        self._known: dict[Place, _Names] = {}
        self._asked: dict[Place, tuple[float, int]] = {}  # since when (monotonic), how often
        self._listing: dict[Place, asyncio.Lock] = {}

    async def told(self, key: ResourceKey) -> bool:
        """Whether a list of a moment ago tells that nobody else's object has this name; False says nothing."""
        place = (key.group, key.kind, key.namespace)
        if self._is_seldom_asked(place):
            return False
        async with self._listing.setdefault(place, asyncio.Lock()):
            known = self._known.get(place)
            if known is None or not self._holds(key, known):
                known = self._known[place] = await self._listed(key)
        return known.names is not None and key.name not in known.names and self._holds(key, known)

    def _is_seldom_asked(self, place: Place) -> bool:
        now = time.monotonic()
        since, times = self._asked.get(place, (now, 0))
        if now - since > _WINDOW_SECONDS:
            if len(self._asked) > 10 * _MOST_NAMES:
                self._asked.clear()
                self._known.clear()
            since, times = now, times // 2 if times >= _LIST_FROM else 0
        self._asked[place] = (since, times + 1)
        return times < _LIST_FROM

    def _holds(self, key: ResourceKey, known: _Names) -> bool:
        seconds = _HOLDS_SECONDS if known.names is not None else _REFUSED_SECONDS
        return time.monotonic() - known.at < seconds and (known.names is None or known.gone == self._gone(key))

    async def _listed(self, key: ResourceKey) -> _Names:
        began, gone = time.monotonic(), self._gone(key)
        try:
            names = await self._cluster.names(key.group, key.kind, key.namespace, _OF_OTHERS, _MOST_NAMES)
        except ClusterError:  # whoever asks by name is told what is wrong
            names = None
        return _Names(began, gone, names)
