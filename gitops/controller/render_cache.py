"""Renders what was not rendered before: a render is done again only when something that it read has another answer."""

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from typing import NamedTuple

from gitops.manifests.manifest import Manifest
from gitops.model.application import Application
from gitops.model.revision import Tree
from gitops.sync.context import Render

# As JSON; in memory it is some four times as much.
_MOST_BYTES = 16 * 1024 * 1024
# What holds files of other repositories is rendered again after this long: nobody tells when those move.
_OTHERS_SECONDS = 1800.0


class _Known(NamedTuple):
    app: Application
    reads: Mapping[str, str | None]
    manifests: tuple[Manifest, ...]
    until: float
    size: int


class _UnderWay(NamedTuple):
    app: Application
    tree: Tree
    done: "Future[None]"


class RenderCache:
    """A `Render` that remembers the last ones, up to so many bytes in all; called in threads.

    A render that is under way already (whoever wanted it first may have been cancelled) is waited for, not begun anew.
    """

    def __init__(self, render: Render, most: int = _MOST_BYTES) -> None:
        self._render = render
        self._most = most
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._under_way: dict[str, _UnderWay] = {}
        self._size = 0
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def __call__(self, tree: Tree, app: Application) -> tuple[Manifest, ...]:
        with self._lock:
            known = self._known.get(app.identity)
        # What renders is the source, and the names that templates may use.
        is_known = known is not None and _inputs(known.app) == _inputs(app) and time.monotonic() < known.until
        if known is not None and is_known and tree.answers_alike(known.reads):
            self.hits += 1
            return known.manifests
        with self._lock:
            other = self._under_way.get(app.identity)
            if other is None or _inputs(other.app) != _inputs(app) or not tree.is_of_same_files(other.tree):
                mine = self._under_way[app.identity] = _UnderWay(app, tree, Future())
                other = None
        if other is not None:
            other.done.result()
            return self(tree, app)
        return self._rendered(mine)

    def _rendered(self, mine: _UnderWay) -> tuple[Manifest, ...]:
        self.misses += 1
        try:
            manifests = self._render(mine.tree, mine.app)
            until = time.monotonic() + _OTHERS_SECONDS if mine.tree.names_others else math.inf
            self._remember(mine.app.identity, _Known(mine.app, mine.tree.reads, manifests, until, _size(manifests)))
        except BaseException as exc:
            self._ended(mine)
            mine.done.set_exception(exc)
            raise
        self._ended(mine)
        mine.done.set_result(None)
        return manifests

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


def _size(manifests: tuple[Manifest, ...]) -> int:
    return sum(len(json.dumps(manifest.body)) for manifest in manifests)


def _inputs(app: Application) -> object:
    return app.all_sources, app.name, app.destination.namespace
