"""What a render asks of the cluster, found out and given to it: objects (`lookup`, `valuesFrom`), a seed, the time.

A chart may draw passwords and certificates by chance. So that it draws the same each time, the chance comes from a
seed of 32 bytes, in a Secret that is part of what the Application renders to from then on: applied, owned, rolled back
and deleted with all the rest. Until it is there, the seed is made of the key of our store, so that what a plan shows is
what a sync does. The time stands still too, as long as the chart and its values stay what they are.
"""

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from gitops.manifests.key import Body, ResourceKey, group_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.application import Application
from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from gitops.sync.context import SyncContext
from renderers.result import Live, Look, Needs, Rendered

_ROUNDS = 16
_SEED_BYTES = 32
_FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)
_CLOCKS_DIFFER: Final = timedelta(days=1)
_TIME = "rendered-at"  # what our store calls the time at which the present inputs were rendered first


async def render_live(context: SyncContext, tree: Tree, app: Application) -> tuple[Manifest, ...]:
    """The manifests, with what they need of the cluster; the Secret of the seed among them if one was needed.

    Raises RenderError also for a render that asks for more and more.
    """
    live, seed = Live(), _Seed(context, app)
    for _ in range(_ROUNDS):
        known = live
        answer = await context.callbacks.rendering(lambda: context.render(tree, app, live=known))  # noqa: B023
        if isinstance(answer, Rendered):
            return (*answer.manifests, *seed.manifests)
        live = await _found_out(context, answer, live, seed, tree)
    raise RenderError(
        f"{app.identity}: each render of it looks up other objects of the cluster; after {_ROUNDS} it ends"
    )


async def _found_out(context: SyncContext, needs: Needs, live: Live, seed: "_Seed", tree: Tree) -> Live:
    objects = dict(live.objects)
    for look in needs.looks:
        objects[look] = await _looked_up(context, look)
    if needs.seed or needs.time:
        await seed.read()
    at = await seed.time(tree) if needs.time else live.at
    return Live(objects, seed.value if needs.seed else live.seed, at)


async def _looked_up(context: SyncContext, look: Look) -> Body | None:
    """The object, or the list of all; None where there is none, or the cluster knows no such kind."""
    group, version = group_of(look.api_version), look.api_version.rpartition("/")[2]
    info = (await context.cluster.kinds()).find(group, look.kind, version)
    namespace = "" if info is not None and not info.namespaced else look.namespace  # which Helm leaves out there too
    if look.name:
        return await context.cluster.get(ResourceKey(group, look.kind, namespace, look.name), version)
    found = await context.cluster.list(group, look.kind, namespace, version=version)
    head = {"apiVersion": look.api_version, "kind": f"{look.kind}List", "metadata": {}}
    return {**head, "items": list(found.items)}


class _Seed:
    """The seed of one Application, and the time that its render is told."""

    def __init__(self, context: SyncContext, app: Application) -> None:
        self._context = context
        self._app = app
        self._data: dict[str, str] | None = None  # of the Secret that is to be, decoded
        self._live: dict[str, str] = {}
        self.value = b""

    async def read(self) -> None:
        """The live one, else one that is the same as long as our store has the same key."""
        if self._data is not None:
            return
        body = await self._context.cluster.get(self._key)
        self._live = _decoded(body)
        try:
            self.value = bytes.fromhex(self._live.get("seed", ""))
        except ValueError:
            self.value = b""
        if len(self.value) != _SEED_BYTES:
            name = f"seed {self._app.identity} {self._key.namespace} {self._context.cluster.name}"
            sealed = self._context.store.seal(hashlib.sha256(name.encode()).hexdigest())
            self.value = hashlib.sha256(sealed.encode()).digest()
        self._data = {"seed": self.value.hex()}

    async def time(self, tree: Tree) -> str:
        """When what is rendered now was rendered first, RFC 3339: by the live Secret, or as our store remembers it."""
        assert self._data is not None
        inputs = hashlib.sha256(repr((sorted(tree.reads.items()), self._app.all_sources)).encode()).hexdigest()
        store, identity = self._context.store, self._app.identity
        now = self._context.clock.now().astimezone(UTC)
        at = self._live.get("at", "") if self._live.get("inputs") == inputs else ""
        if not _is_past(at, now):
            known, _, when = (await store.setting(identity, _TIME) or "").partition(" ")
            at = when if known == inputs else ""
        if not _is_past(at, now):
            at = now.isoformat(timespec="seconds")
            await store.set_setting(identity, _TIME, f"{inputs} {at}")
        self._data |= {"at": at, "inputs": inputs}
        return at

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """The Secret, if it was asked for."""
        if self._data is None:
            return ()
        key = self._key
        body: Body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "type": "Opaque",
            "data": {name: base64.b64encode(text.encode()).decode() for name, text in self._data.items()},
        }
        return (Manifest(key, body, Origin("the seed of what charts draw by chance", 0)),)

    @property
    def _key(self) -> ResourceKey:
        return ResourceKey("", "Secret", self._app.destination.namespace, f"gitops-{self._app.name}-seed")


def _is_past(at: str, now: datetime) -> bool:
    """Whether a text that anybody may have edited is a moment at which something may have been rendered."""
    try:
        return _FIRST <= datetime.fromisoformat(at).astimezone(UTC) <= now + _CLOCKS_DIFFER and at.endswith("+00:00")
    except (ValueError, OverflowError):
        return False


def _decoded(body: Body | None) -> dict[str, str]:
    data = (body or {}).get("data")
    found: dict[str, str] = {}
    for name, text in data.items() if isinstance(data, dict) else ():
        try:
            found[name] = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError, TypeError):
            continue
    return found
