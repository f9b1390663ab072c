"""A controller's Applications that are custom resources, in the cluster where it is at home."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import structlog

from gitops.controller.registry import ApplicationRegistry, Registration
from gitops.logs import Trouble
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import GROUP, KIND, Application
from gitops.model.errors import ApiError, ClusterError, ConfigError
from gitops.ports import Clock, Cluster

log = structlog.get_logger()
FINALIZER = "gitops.dev/prune"
# A kind that is not served yet is looked for again after this long: its CRD may come.
_AGAIN_SECONDS = 30.0
_FIRST_SECONDS, _LONGEST_SECONDS = 5.0, 30.0
_CLUSTER = "the cluster"
# Stands for a source that is not read any more.
_NOWHERE = "https://nowhere.invalid/"
_DEFINITION = ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", f"applications.{GROUP}")


class CustomResources:
    """Applications as custom resources, by list and watch; where the kind is not served, it is looked for in time.

    `wrong` is told of one whose spec cannot be read, with the reason.
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
        self._clock = clock
        self._namespace = namespace
        self._read = read
        self._registry = registry
        self._wrong = wrong
        self._trouble = Trouble(log, "applications.unreachable", "applications.reachable")
        self._pause = _FIRST_SECONDS

    async def let_finish(self, identity: str) -> None:
        """Take our finalizer off the custom resource, if it is one, whose objects are gone. Raises ClusterError."""
        key = self._key_of(identity)
        body = await self._cluster.get(key) if key is not None else None
        finalizers = ((body or {}).get("metadata") or {}).get("finalizers") or []
        if key is not None and body is not None and FINALIZER in finalizers:
            left = [name for name in finalizers if name != FINALIZER]
            await self._cluster.replace_finalizers(key, left, body["metadata"]["resourceVersion"])

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

    def _key_of(self, identity: str) -> ResourceKey | None:
        entry = self._registry.entry(identity)
        return entry.key if entry is not None else None

    async def run(self) -> None:
        while True:
            pause = 1.0
            try:
                if (await self._cluster.kinds()).find(GROUP, KIND) is None:
                    pause = _AGAIN_SECONDS
                    await self._clock.sleep(pause)
                    await self._cluster.kinds(refresh=True)
                    continue
                await self._follow()
            except ApiError as exc:
                if exc.code == 403 and not self._namespace:
                    log.warning("applications.forbidden", error=str(exc))
                pause = _AGAIN_SECONDS if exc.code in (403, 404) else 1.0
            except ClusterError as exc:
                self._trouble.is_there(exc)
                self._pause = pause = min(self._pause * 1.5, _LONGEST_SECONDS)
            await self._clock.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret

    async def _follow(self) -> None:
        identity = await self._cluster.identity()
        listing = await self._cluster.list(GROUP, KIND, self._namespace)
        self._trouble.is_over()
        self._pause = _FIRST_SECONDS
        present = {self._took(body) for body in listing.items}
        self._registry.keep_only(_CLUSTER, present)
        version = listing.version
        while True:
            async with self._cluster.watch(GROUP, KIND, self._namespace, version) as events:
                async for event in events:
                    version = event.body["metadata"]["resourceVersion"]
                    if event.type == "DELETED":
                        self._registry.drop(_CLUSTER, _identity(event.body))
                    elif event.type != "BOOKMARK":
                        self._took(event.body)
            await asyncio.sleep(0.2)
            if await self._cluster.has_gone_back(GROUP, KIND, self._namespace, version, identity):
                return  # and list again

    def _took(self, body: Body) -> str:
        metadata = body["metadata"]
        key = ResourceKey(GROUP, KIND, metadata.get("namespace") or "", metadata["name"])
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


def _identity(body: Body) -> str:
    return f"{body['metadata'].get('namespace') or ''}/{body['metadata']['name']}"
