"""Applications that an Application's repository holds, where its cluster does not know that kind itself.

They come, change and go as its other objects do: not while it is suspended, held, or waits for somebody's word. A
replica runs those of the Applications that it runs, however deep.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import structlog

from gitops.controller.fleet import Tracked
from gitops.controller.planning import render_source
from gitops.controller.request import Outside, Planned, Render, Request
from gitops.controller.roster import Entry, Roster
from gitops.engine.drift import Word
from gitops.manifests.key import Body
from gitops.manifests.manifest import Manifest
from gitops.model.application import GROUP, KIND, Application
from gitops.model.errors import ConfigError, SourceError
from gitops.model.result import Hold
from gitops.model.revision import Tree
from policies.windows import reason_to_wait

log = structlog.get_logger()
_DEEPEST = 32


def _takes_none(_: Body) -> Application:
    raise ConfigError("this controller takes no Applications from repositories")


class Children:
    """What repositories brought into a roster; `read` makes an Application of a manifest, or raises ConfigError."""

    def __init__(self, roster: Roster, read: Callable[[Body], Application] = _takes_none) -> None:
        self._roster = roster
        self.read = read
        self._taken: dict[str, str] = {}  # parent → the digest of what was taken in last

    def root_of(self, identity: str) -> str:
        """The Application at the top of those that brought this one: itself, if none did."""
        for _ in range(_DEEPEST):
            entry = self._roster.entry(identity)
            if entry is None or not entry.parent:
                break
            identity = entry.parent
        return identity

    def are_known(self, parent: Tracked) -> bool:
        return parent.identity in self._taken

    def are_as_taken(self, parent: Tracked, bodies: list[Body]) -> bool:
        return self._taken.get(parent.identity) == _digest(bodies)

    def take(self, parent: Tracked, bodies: list[Body]) -> None:
        """Have the roster know these and no others of `parent`. Raises ConfigError, and then nothing has changed.

        Whoever may write to a repository is not the operator: of the operator's credentials a child has its parent's
        for the repository of its parent, no others.
        """
        namespace, entry = parent.app.namespace, self._roster.entry(parent.identity)
        apps = [self.read({**body, "metadata": {"namespace": namespace, **body["metadata"]}}) for body in bodies]
        for app in apps:
            if app.namespace != namespace:
                raise ConfigError(f"Application {app.identity}: has to be in namespace {namespace}, as its parent")
        source = _source(parent.identity)
        for app in apps:
            own, given = app.source, parent.app.source
            is_same = (own.repoURL, own.credentials) == (given.repoURL, given.credentials)
            trusted = entry is not None and entry.trusted and is_same
            self._roster.put(source, Entry(app, trusted=trusted, parent=parent.identity))
        self._roster.keep_only(source, {app.identity for app in apps})
        self._taken[parent.identity] = _digest(bodies)

    def gone(self, parent: str) -> None:
        """The parent is no more, and with it all that it brought."""
        self._taken.pop(parent, None)
        self._roster.keep_only(_source(parent), set())


def put_aside(render: Render, found: list[Body]) -> Render:
    """`render`, with the Applications of each rendering put into `found` instead."""

    def rendered(tree: Tree, app: Application) -> tuple[Manifest, ...]:
        manifests = render(tree, app)
        found[:] = [one.body for one in manifests if (one.key.group, one.key.kind) == (GROUP, KIND)]
        return tuple(one for one in manifests if (one.key.group, one.key.kind) != (GROUP, KIND))

    return rendered


async def take_in(
    children: Children,
    tracked: Tracked,
    request: Request,
    outside: Outside,
    planned: Planned,
    word: Word,
    found: list[Body],
) -> str:
    """Take in what the parent's last rendering put into `found`, if it may change now; why it may not, or "".

    A controller that begins in a freeze takes in what the last sync held.
    """
    reason = _reason_to_hold(children, tracked, request, outside, planned, word, found)
    if not reason:
        children.take(tracked, found)
    elif not children.are_known(tracked):
        release = next(iter(planned.at.inventory.releases), None)
        try:
            if release is not None:
                await render_source(request, outside, release.revision)
                children.take(tracked, found)
        except SourceError as exc:
            log.warning("applications.not-known", application=tracked.identity, error=str(exc))
    return reason


def _reason_to_hold(
    children: Children,
    tracked: Tracked,
    request: Request,
    outside: Outside,
    planned: Planned,
    word: Word,
    found: list[Body],
) -> str:
    app, asked = request.app, word.asked
    if children.are_as_taken(tracked, found):
        return ""
    if isinstance(planned.decision, Hold):
        return planned.decision.reason
    if word.suspended and not asked:
        return "suspended"
    if not app.sync.automated and not asked:
        return "its Applications have changed; they wait for gitops refresh --sync"
    if request.options.confirm:
        return ""
    if not found and children.are_known(tracked) and not planned.at.rendered.manifests:
        return "the source renders to nothing at all while it holds Applications; confirm with --confirm"
    waiting = reason_to_wait(app.windows, outside.clock.now()) if app.windows and children.are_known(tracked) else ""
    return f"{waiting}; its Applications have changed" if waiting else ""


def without_applications(outside: Outside, found: list[Body]) -> Outside:
    """`outside`, where Applications are no objects of the cluster but put into `found`."""
    return replace(outside, render=put_aside(outside.render, found))


def _source(parent: str) -> str:
    return f"Application {parent}"


def _digest(bodies: list[Body]) -> str:
    return hashlib.sha256(json.dumps(bodies, sort_keys=True).encode()).hexdigest()
