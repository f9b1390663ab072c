"""Renders what was not rendered before: a render is done again only when something that it read has another answer."""

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import NamedTuple

from gitops.model.application import Application
from gitops.model.revision import Tree
from gitops.sync.context import Render
from renderers.result import Live, Needs, Rendered

# As JSON; in memory it is some four times as much.
_MOST_BYTES = 16 * 1024 * 1024
# What holds files of other repositories is rendered again after this long: nobody tells when those move.
_OTHERS_SECONDS = 1800.0


class _Known(NamedTuple):
    app: Application
    is_trusted: bool
    reads: Mapping[str, str | None]
    live: Live
    answer: Rendered
    until: float
    size: int

    def needs(self, live: Live) -> Needs | None:
        """What has to be known of the cluster before it can be said whether this holds; None where all is."""
        looks = tuple(look for look in self.live.objects if look not in live.objects)
        seed, at = bool(self.live.seed and not live.seed), bool(self.live.at and not live.at)
        return Needs((), looks, seed, at) if looks or seed or at else None


class _UnderWay(NamedTuple):
    app: Application
    tree: Tree
    live: Live
    done: "Future[None]"

    def is_for(self, tree: Tree, app: Application, live: Live) -> bool:
        return _inputs(self.app) == _inputs(app) and tree.is_of_same_files(self.tree) and live == self.live


class RenderCache:
    """A `Render` that remembers the last ones, up to so many bytes in all; called in threads.

    A render that is under way already (whoever wanted it first may have been cancelled) is waited for, not begun anew.
    `is_trusted` tells whose Applications are the operator's own: what was decrypted with the operator's keys is for no
    other Application that comes by the same name.
    """

    def __init__(
        self, render: Render, most: int = _MOST_BYTES, is_trusted: Callable[[Application], bool] = lambda _: False
    ) -> None:
        self._render = render
        self._most = most
        self._is_trusted = is_trusted
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._under_way: dict[str, _UnderWay] = {}
        self._size = 0
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def __call__(self, tree: Tree, app: Application, *, live: Live) -> Rendered | Needs:
        with self._lock:
            known = self._known.get(app.identity)
        # What renders is the source, and the names that templates may use.
        is_known = known is not None and _inputs(known.app) == _inputs(app) and time.monotonic() < known.until
        is_known = is_known and known is not None and known.is_trusted == self._is_trusted(app)
        if known is not None and is_known and tree.answers_alike(known.reads):
            needs = known.needs(live)
            if needs is not None:
                return needs
            if live == known.live:
                self.hits += 1
                return known.answer
        with self._lock:
            other = self._under_way.get(app.identity)
            if other is None or not other.is_for(tree, app, live):
                mine = self._under_way[app.identity] = _UnderWay(app, tree, live, Future())
                other = None
        if other is not None:
            other.done.result()
            return self(tree, app, live=live)
        return self._rendered(mine)

    def _rendered(self, mine: _UnderWay) -> Rendered | Needs:
        self.misses += 1
        try:
            is_trusted = self._is_trusted(mine.app)
            answer = self._render(mine.tree, mine.app, live=mine.live)
            if isinstance(answer, Rendered):
                until = time.monotonic() + _OTHERS_SECONDS if mine.tree.names_others else math.inf
                known = _Known(
                    mine.app, is_trusted, mine.tree.reads, mine.live, answer, until, _size(answer, mine.live)
                )
                self._remember(mine.app.identity, known)
        except BaseException as exc:
            self._ended(mine)
            mine.done.set_exception(exc)
            raise
        self._ended(mine)
        mine.done.set_result(None)
        return answer

    def reads_cluster(self, identity: str) -> bool:
        """Whether objects of the cluster were read for the last render: they may change without a commit."""
        with self._lock:
            known = self._known.get(identity)
        return known is not None and bool(known.live.objects)

    def forget(self, identity: str) -> None:
        """Render the Application anew when it is wanted next: somebody wants to know how all of it is now."""
        with self._lock:
            known = self._known.pop(identity, None)
            self._size -= known.size if known else 0

    def _ended(self, mine: _UnderWay) -> None:
        with self._lock:
            if self._under_way.get(mine.app.identity) is mine:
                del self._under_way[mine.app.identity]

    def _remember(self, identity: str, known: _Known) -> None:
        with self._lock:
            before = self._known.pop(identity, None)
            self._size += known.size - (before.size if before else 0)
            self._known[identity] = known
            while self._size > self._most and len(self._known) > 1:
                _, oldest = self._known.popitem(last=False)
                self._size -= oldest.size


def _size(answer: Rendered, live: Live) -> int:
    """What is kept of a render: what it gave, and the objects of the cluster that it read for that."""
    kept = [manifest.body for manifest in answer.manifests] + list(live.objects.values())
    return sum(len(json.dumps(body)) for body in kept)


def _inputs(app: Application) -> object:
    return app.all_sources, app.name, app.destination.namespace
