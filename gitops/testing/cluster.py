"""A cluster in memory, for tests of what is asked of one: server-side apply as Kubernetes has it, and no HTTP.

Nothing runs in it: no defaults, no admission, no controllers. The embedded cluster (`gitops sandbox`) has all of that.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from gitops.engine.annotations import labels_of
from gitops.manifests.json_patch import merge_patch
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.manifests.schema import builtin_kinds, type_of
from gitops.manifests.strategic_merge import strategic_merge
from gitops.manifests.structured_merge import apply, conflict_message, update
from gitops.model.errors import ApiError, ClusterError
from gitops.model.kinds import KindInfo, Kinds
from gitops.model.log_part import LogPart
from gitops.ports import Listing, WatchEvent

_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete"})
_AT = "2026-01-01T00:00:00Z"


class MemoryCluster:
    """`gitops.ports.Cluster` over a dictionary.

    `calls` are the verb and the key of each write that was asked for, a dry-run among them; `refuse` has the next ones
    of a verb answered by an error.
    """

    def __init__(self, bodies: Iterable[Body] = (), kinds: Iterable[KindInfo] = ()) -> None:
        self.calls: list[tuple[str, ResourceKey]] = []
        self._served = [*_built_in(), *kinds]
        self._kinds = Kinds(self._served)
        self._bodies: dict[ResourceKey, Body] = {}
        self._refused: dict[tuple[str, ResourceKey], ClusterError] = {}
        self._history: list[_Step] = []  # the version of each is its place, from 1 on
        self._watchers: list[asyncio.Future[bool]] = []
        self._counts = [0, 0]
        for body in bodies:
            self.put(body)

    # ── what a test does ─────────────────────────────────────────────────────────────────────────────────────────

    def put(self, body: Body, manager: str = "kubectl-edit") -> Body:
        """Write an object as somebody else does; the stored one."""
        key = key_of(body)
        live = self._bodies.get(key, {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {}})
        return self._store(key, update(live, body, manager=manager, now=_AT))

    def serve(self, kind: KindInfo) -> None:
        """A definition has come; who was told the kinds before has to ask anew."""
        self._served.append(kind)

    def take(self, key: ResourceKey) -> None:
        """Delete an object as somebody else does; it goes when nobody holds it by a finalizer."""
        self._delete(key, self._found(key))

    def end_watches(self) -> None:
        """End all that is watched, as a server does now and then; who goes on asks again."""
        self._wake(is_over=True)

    def body(self, key: ResourceKey) -> Body | None:
        return self._bodies.get(key)

    def refuse(self, verb: str, key: ResourceKey, code: int, reason: str = "", message: str = "it is refused") -> None:
        """Answer each call of `verb` (the name of a method here) for this object so; `code` 0 ends that."""
        self._refused.pop((verb, key), None)
        if code:
            self.refuse_with(verb, key, ApiError(code, reason, message))

    def refuse_with(self, verb: str, key: ResourceKey, error: ClusterError) -> None:
        self._refused[verb, key] = error

    # ── what is asked of it ──────────────────────────────────────────────────────────────────────────────────────

    name = "memory"

    @property
    def requests(self) -> tuple[int, int]:
        return self._counts[0], self._counts[1]

    def acting_as(self, user: str, sees: Callable[[ResourceKey, Body], bool]) -> "MemoryCluster":
        return self

    async def kinds(self, *, refresh: bool = False) -> Kinds:
        if refresh:
            self._kinds = Kinds(self._served)
        return self._kinds

    async def get(self, key: ResourceKey, version: str = "", *, fresh: bool = False) -> Body | None:
        self._read("get", key)
        return self._bodies.get(key)

    async def is_absent(self, key: ResourceKey) -> bool:
        return key not in self._bodies

    async def list(
        self, group: str, kind: str, namespace: str, labels: str = "", version: str = "", fields: str = ""
    ) -> Listing:
        self._read("list", ResourceKey(group, kind, namespace, ""))
        items = (
            body
            for key, body in sorted(self._bodies.items())
            if (key.group, key.kind) == (group, kind)
            and namespace in ("", key.namespace)
            and _are_of(body, labels)
            and _has_fields(body, fields)
        )
        return Listing(tuple(items), str(len(self._history)))

    async def identity(self) -> str:
        return "memory"

    async def has_gone_back(self, group: str, kind: str, namespace: str, version: str, identity: str) -> bool:
        return False

    async def logs(self, pod: ResourceKey, container: str, *, lines: int) -> str:
        return ""

    async def log(self, pod: ResourceKey, container: str, part: LogPart) -> str:
        return ""

    async def apply(self, key: ResourceKey, body: Body, *, force: bool = False, dry_run: bool = False) -> Body:
        self._written("apply", key)
        live = self._bodies.get(key)
        _check_uid(body, live)
        outcome = apply(live, body, manager="gitops", now=_AT, force=force)
        if outcome.conflicts:
            causes = [
                {"message": f"conflict with {each.manager.shown}", "field": each.field} for each in outcome.conflicts
            ]
            status = {"details": {"causes": causes}}
            raise ApiError(409, "Conflict", conflict_message(outcome.conflicts), status)
        return outcome.body if dry_run else self._store(key, outcome.body)

    async def dry_run_replace(self, key: ResourceKey, live: Body, body: Body) -> Body:
        self._written("dry_run_replace", key)
        return update(live, body, manager="gitops", now=_AT)

    async def apply_status(self, key: ResourceKey, status: Body) -> None:
        self._written("apply_status", key)
        self._store(key, {**self._found(key), "status": status})

    async def remove_marks(self, key: ResourceKey, labels: Sequence[str], annotations: Sequence[str]) -> None:
        self._written("remove_marks", key)
        marks = {"labels": dict.fromkeys(labels), "annotations": dict.fromkeys(annotations)}
        self._patched(key, {"metadata": marks}, "gitops")

    async def merge(self, key: ResourceKey, change: Body) -> None:
        self._written("merge", key)
        self._patched(key, change, "gitops-takeover")

    async def patch_by_hand(self, key: ResourceKey, change: Body, *, subresource: str = "") -> None:
        self._written("patch_by_hand", key)
        self._patched(key, change, "kubectl-gitops")

    async def merge_strategic(self, key: ResourceKey, change: Body) -> Body:
        self._written("merge_strategic", key)
        live = self._found(key)
        merged = strategic_merge(live, change, type_of(live["apiVersion"], live["kind"]))
        return self._store(key, update(live, merged, manager="gitops", now=_AT))

    async def replace_owners(self, key: ResourceKey, owners: tuple[Body, ...], version: str) -> None:
        self._written("replace_owners", key)
        self._replaced(key, "managedFields", [*owners], version)

    async def replace_finalizers(self, key: ResourceKey, finalizers: Sequence[str], version: str) -> None:
        self._written("replace_finalizers", key)
        self._replaced(key, "finalizers", [*finalizers], version)

    async def create(self, key: ResourceKey, body: Body, *, dry_run: bool = False) -> Body:
        self._written("create", key)
        name = body["metadata"].get("name") or f"{body['metadata']['generateName']}{len(self._history):05}"
        made = {**body, "metadata": {**body["metadata"], "name": name, "namespace": key.namespace}}
        return made if dry_run else self._store(key._replace(name=name), made)

    async def delete(self, key: ResourceKey, *, uid: str = "", orphan: bool = False, dry_run: bool = False) -> None:
        self._written("delete", key)
        live = self._bodies.get(key)
        if not dry_run and live is not None and uid in ("", live["metadata"]["uid"]):
            self._delete(key, live)

    @asynccontextmanager
    async def watch(
        self, group: str, kind: str, namespace: str, version: str, labels: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        self._read("watch", ResourceKey(group, kind, namespace, ""))
        yield self._events((group, kind, namespace), int(version or len(self._history)), labels)

    async def close(self) -> None:
        self._bodies.clear()

    # ── how ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, verb: str, key: ResourceKey) -> None:
        self._counts[0] += 1
        self._answer(verb, key)

    def _written(self, verb: str, key: ResourceKey) -> None:
        self._counts[1] += 1
        self.calls.append((verb, key))
        self._answer(verb, key)

    def _answer(self, verb: str, key: ResourceKey) -> None:
        error = self._refused.get((verb, key))
        if error is not None:
            raise error

    def _found(self, key: ResourceKey) -> Body:
        live = self._bodies.get(key)
        if live is None:
            raise ApiError(404, "NotFound", f"{key} not found")
        return live

    def _patched(self, key: ResourceKey, change: Body, manager: str) -> None:
        live = self._found(key)
        self._store(key, update(live, merge_patch(live, change), manager=manager, now=_AT))

    def _replaced(self, key: ResourceKey, field: str, value: Any, version: str) -> None:
        live = self._found(key)
        if live["metadata"]["resourceVersion"] != version:
            raise ApiError(409, "Conflict", f"{key} has been modified")
        self._store(key, {**live, "metadata": {**live["metadata"], field: value}})

    def _delete(self, key: ResourceKey, live: Body) -> None:
        self._store(key, {**live, "metadata": {**live["metadata"], "deletionTimestamp": _AT}})

    def _store(self, key: ResourceKey, body: Body) -> Body:
        version = len(self._history) + 1
        live = self._bodies.get(key)
        before = {} if live is None else live["metadata"]
        generation = before.get("generation", 0) + (live is None or live.get("spec") != body.get("spec"))
        uid = before.get("uid") or str(uuid.UUID(int=version))
        metadata = {**body["metadata"], "uid": uid, "resourceVersion": str(version), "generation": generation}
        stored = {**body, "metadata": metadata}
        if (
            live is not None
            and {**stored, "metadata": {**metadata, "resourceVersion": before["resourceVersion"]}} == live
        ):
            return live  # nothing changes, as in a real one
        self._bodies[key] = stored
        is_gone = bool(metadata.get("deletionTimestamp") and not metadata.get("finalizers"))
        if is_gone:
            del self._bodies[key]
        self._history.append(_Step(key, live, stored, is_gone))
        self._wake(is_over=False)
        return stored

    def _wake(self, *, is_over: bool) -> None:
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(is_over)

    async def _events(self, place: tuple[str, str, str], seen: int, labels: str) -> AsyncIterator[WatchEvent]:
        while True:
            for step in self._history[seen:]:
                seen += 1
                if (step.key.group, step.key.kind) == place[:2] and place[2] in ("", step.key.namespace):
                    event = step.told(labels)
                    if event is not None:
                        yield event
            if seen == len(self._history):
                more = asyncio.get_running_loop().create_future()
                self._watchers.append(more)
                try:
                    if await more:
                        return
                finally:
                    self._watchers.remove(more)


class _Step(NamedTuple):
    """A write: the object before, if there was one, and as it is stored; or as it was when it went."""

    key: ResourceKey
    before: Body | None
    body: Body
    is_gone: bool

    def told(self, labels: str) -> WatchEvent | None:
        """What a watch hears of the objects that have these labels; of one that has them no more, as it was before."""
        before = self.before if self.before is not None and _are_of(self.before, labels) else None
        if not self.is_gone and _are_of(self.body, labels):
            return WatchEvent("MODIFIED" if before is not None else "ADDED", self.body)
        if before is None:
            return None
        version = self.body["metadata"]["resourceVersion"]
        return WatchEvent("DELETED", {**before, "metadata": {**before["metadata"], "resourceVersion": version}})


def _are_of(body: Body, labels: str) -> bool:
    return all(_fits(labels_of(body), term) for term in labels.split(",") if term)


def _has_fields(body: Body, fields: str) -> bool:
    """Whether an object has what a field selector names (`metadata.name=web,involvedObject.uid=1`)."""
    return all(
        _field(body, path) == value for path, _, value in (term.partition("=") for term in fields.split(",") if term)
    )


def _field(body: Body, path: str) -> Any:
    found: Any = body
    for name in path.split("."):
        found = found.get(name, "") if isinstance(found, dict) else ""
    return found


def _built_in() -> list[KindInfo]:
    infos = []
    for name, entry in builtin_kinds().items():
        group, version, kind = name.split("/")
        if "plural" in entry:
            infos.append(KindInfo(group, version, kind, entry["plural"], entry["scope"] == "Namespaced", _VERBS))
    return infos


def _fits(labels: Body, term: str) -> bool:
    """Whether labels fit one term of a selector: `name=value`, or `name`."""
    name, equals, value = term.partition("=")
    return labels.get(name) == value if equals else name in labels


def _check_uid(body: Body, live: Body | None) -> None:
    uid = body["metadata"].get("uid")
    if uid and live is None:
        raise ApiError(409, "Conflict", f"uid mismatch: the provided object specified uid {uid}, and there is none")
    if uid and live is not None and live["metadata"]["uid"] != uid:
        cause = {"field": "metadata.uid", "message": f'Invalid value: "{uid}": field is immutable'}
        raise ApiError(422, "Invalid", "metadata.uid: field is immutable", {"details": {"causes": [cause]}})
