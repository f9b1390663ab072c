"""A controller's Applications that are custom resources, in the cluster where it is at home."""

import contextlib
from collections.abc import Callable
from typing import Any

import structlog

from gitops.controller.origin import delete_resource
from gitops.controller.registry import ApplicationRegistry, Registration
from gitops.controller.resource_follower import Heard, ResourceFollower
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import GROUP, KIND, Application
from gitops.model.errors import ApiError, ConfigError
from gitops.ports import Clock, Cluster

log = structlog.get_logger()
FINALIZER = "gitops.dev/prune"
# What says that an object means something else now: all of its metadata but what each write changes.
MEANT = ("uid", "generation", "deletionTimestamp", "finalizers", "labels", "annotations")
_CLUSTER = "the cluster"
# Stands for a source that is not read any more.
_NOWHERE = "https://nowhere.invalid/"
_DEFINITION = ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", f"applications.{GROUP}")


class CustomResources:
    """Applications as custom resources, by list and watch; where the kind is not served, it is looked for in time.

    `wrong` is told of one whose spec cannot be read, with the reason, `gone` of each that is deleted; `seen` hears of
    each that was changed.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        namespace: str,
        read: Callable[[Body], Application],
        registry: ApplicationRegistry,
        wrong: Callable[[ResourceKey, int, str], None],
    ) -> None:
        self._cluster = cluster
        self._read = read
        self._registry = registry
        self._wrong = wrong
        self.gone: Callable[[ResourceKey], None] = lambda key: None
        self.seen: Callable[[str], None] = lambda identity: None
        self._heads: dict[str, tuple[Any, ...]] = {}  # an Application → that of its object when it was read
        self._follower = ResourceFollower(
            cluster,
            clock,
            (GROUP, KIND),
            namespace,
            Heard(self._listed, self._changed, self._gone),
        )

    async def let_finish(self, identity: str) -> None:
        """Take our finalizer off the custom resource, if it is one, whose objects are gone. Raises ClusterError."""
        key = self._key_of(identity)
        body = await self._cluster.get(key) if key is not None else None
        finalizers = ((body or {}).get("metadata") or {}).get("finalizers") or []
        if key is not None and body is not None and FINALIZER in finalizers:
            left = [name for name in finalizers if name != FINALIZER]
            await self._cluster.replace_finalizers(key, left, body["metadata"]["resourceVersion"])

    async def delete(self, identity: str, *, prunes: bool, dry_run: bool = False) -> None:
        """Delete the custom resource; our finalizer says whether what it owns goes first. Raises ClusterError."""
        key = self._key_of(identity)
        if key is not None:
            await delete_resource(self._cluster, key, FINALIZER, prunes=prunes, dry_run=dry_run)

    async def reason_to_stay(self, identity: str) -> str:
        """Why what a deleted Application owns stays for now: it goes since its kind does. "" for no reason.

        Who takes the controller away with all of its manifests does not mean what was deployed. Raises ClusterError.
        """
        if self._key_of(identity) is None:
            return ""
        with contextlib.suppress(ApiError):  # without the right to look, a deletion is what it says
            definition = await self._cluster.get(_DEFINITION)
            if definition is not None and definition["metadata"].get("deletionTimestamp"):
                return (
                    f"its deletion waits: every {KIND} is being deleted, since {_DEFINITION} is; "
                    f"take the finalizer {FINALIZER} off to leave what it owns as it is"
                )
        return ""

    def reason_to_keep(self, body: Body) -> str:
        """Nothing: a person says whether what it owns goes, by the finalizer."""
        return ""

    async def resource(self, identity: str) -> Body | None:
        """The custom resource of an Application as it is now. Raises ClusterError."""
        key = self._key_of(identity)
        return await self._cluster.get(key, fresh=True) if key is not None else None

    def _key_of(self, identity: str) -> ResourceKey | None:
        entry = self._registry.entry(identity)
        return entry.key if entry is not None else None

    async def run(self) -> None:
        await self._follower.run()

    def _listed(self, bodies: list[Body]) -> None:
        present = {_identity(body): _head(body)[0] for body in bodies}
        for identity, (uid, *_) in list(self._heads.items()):
            if present.get(identity) != uid:  # deleted, and maybe made again, while nobody watched
                self._forget(identity)
        self._registry.keep_only(_CLUSTER, {self._took(body) for body in bodies})

    def _gone(self, body: Body) -> None:
        self._registry.drop(_CLUSTER, _identity(body))
        self._forget(_identity(body))

    def _forget(self, identity: str) -> None:
        self._heads.pop(identity, None)
        self.gone(ResourceKey(GROUP, KIND, *identity.split("/", 1)))

    def _changed(self, body: Body) -> None:
        identity = _identity(body)
        entry = self._registry.entry(identity)
        is_taken = entry is not None and entry.key == _key(body) and not entry.wrong
        # Most changes are of a status that we write ourselves.
        self.seen(identity if is_taken and self._heads.get(identity) == _head(body) else self._took(body))

    def _took(self, body: Body) -> str:
        metadata = body["metadata"]
        key = _key(body)
        self._heads[_identity(body)] = _head(body)
        generation = int(metadata.get("generation") or 0)
        leaving = bool(metadata.get("deletionTimestamp"))
        if leaving and FINALIZER not in (metadata.get("finalizers") or []):
            return _identity(body)
        try:
            app = self._read_to_leave(body) if leaving else self._read(body)
        except ConfigError as exc:
            self._wrong(key, generation, f"{'its deletion waits: ' if leaving else ''}{exc}")
            self._registry.spoil(_CLUSTER, _identity(body), str(exc))
            return _identity(body)
        except Exception:
            # One that nobody expected must not keep the others from being run.
            log.exception("application.not-understood", application=_identity(body))
            self._wrong(key, generation, "it cannot be read, by a fault in the controller; see its log")
            return _identity(body)
        holder = self._registry.put(
            _CLUSTER, Registration(app, key, generation, leaving, uid=str(metadata.get("uid") or ""))
        )
        if holder != _CLUSTER:
            self._wrong(key, generation, f"an Application of this name comes from {holder}; take it out there")
        return app.identity

    def _read_to_leave(self, body: Body) -> Application:
        """As much of a spec as a deletion needs: the rest of it may be wrong. Raises ConfigError."""
        try:
            return self._read(body)
        except ConfigError:
            spec = _map(body.get("spec"))
            needed = {"source": {"repoURL": _NOWHERE}, "destination": spec.get("destination")}
            account = _map(spec.get("sync")).get("serviceAccount")
            return self._read({**body, "spec": {**needed, "sync": {"serviceAccount": account}}})


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _key(body: Body) -> ResourceKey:
    return ResourceKey(GROUP, KIND, body["metadata"].get("namespace") or "", body["metadata"]["name"])


def _head(body: Body) -> tuple[Any, ...]:
    """What changes with everything but the status: an API server counts the specs of one object (generation)."""
    return tuple(body["metadata"].get(name) for name in MEANT)


def _identity(body: Body) -> str:
    return f"{body['metadata'].get('namespace') or ''}/{body['metadata']['name']}"
