"""Renders what was not rendered before: a render is done again only when something that it read has another answer."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from gitops.controller.request import Render
from gitops.manifests.manifest import Manifest
from gitops.model.application import Application
from gitops.model.revision import Tree

_MOST_MANIFESTS = 4000


class _Known(NamedTuple):
    app: Application
    reads: Mapping[str, str | None]
    manifests: tuple[Manifest, ...]


class RenderCache:
    """A `Render` that remembers the last ones, up to so many manifests in all; called in threads."""

    def __init__(self, render: Render, most: int = _MOST_MANIFESTS) -> None:
        self._render = render
        self._most = most
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def __call__(self, tree: Tree, app: Application) -> tuple[Manifest, ...]:
        with self._lock:
            known = self._known.get(app.identity)
        # What renders is the source, and the names that templates may use.
        if known is not None and _inputs(known.app) == _inputs(app) and tree.answers_alike(known.reads):
            self.hits += 1
            return known.manifests
        self.misses += 1
        manifests = self._render(tree, app)
        self._remember(app.identity, _Known(app, tree.reads, manifests))
        return manifests

    def _remember(self, identity: str, known: _Known) -> None:
        with self._lock:
            before = self._known.pop(identity, None)
            self._count += len(known.manifests) - (len(before.manifests) if before else 0)
            self._known[identity] = known
            while self._count > self._most and len(self._known) > 1:
                _, oldest = self._known.popitem(last=False)
                self._count -= len(oldest.manifests)


def _inputs(app: Application) -> object:
    return app.source, app.name, app.destination.namespace
