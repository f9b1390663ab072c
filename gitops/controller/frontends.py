"""The custom resources that Applications come from, each kind with whoever reads it."""

from collections.abc import Callable
from typing import Protocol

from gitops.controller.app_of_apps import source_name
from gitops.controller.flux_alerts import FluxAlerts
from gitops.controller.flux_receivers import FluxReceivers
from gitops.controller.origin import Origin, maker_of
from gitops.controller.registry import ApplicationRegistry
from gitops.manifests.key import Body
from gitops.model.errors import ApiError


class ResourceFrontend(Protocol):
    """Whoever makes Applications of a kind of custom resource; `seen` is to hear of each whose resource was changed."""

    seen: Callable[[str], None]

    async def let_finish(self, identity: str) -> None:
        """Let the resource of an Application go, whose objects are gone. Raises ClusterError."""
        ...

    async def reason_to_stay(self, identity: str) -> str:
        """Why what a deleted Application owns stays for now, "" for no reason. Raises ClusterError."""
        ...

    async def resource(self, identity: str) -> Body | None:
        """The custom resource of an Application as it is now. Raises ClusterError."""
        ...

    async def delete(self, identity: str, *, prunes: bool, dry_run: bool = False) -> None:
        """Delete the custom resource of an Application, and with `prunes` what it owns first. Raises ClusterError."""
        ...

    def reason_to_keep(self, body: Body) -> str:
        """Why what a resource's Application owns stays when it is deleted, by its own spec; "" where it may go."""
        ...


class Frontends:
    """By the kind of the custom resource that an Application comes from; one from a file has none."""

    def __init__(self, registry: ApplicationRegistry, seen: Callable[[str], None]) -> None:
        self._registry = registry
        self._seen = seen
        self._by_kind: dict[str, ResourceFrontend] = {}
        self.receivers: FluxReceivers | None = None
        self.alerts: FluxAlerts | None = None

    def add(self, kind: str, frontend: ResourceFrontend) -> None:
        self._by_kind[kind] = frontend
        frontend.seen = self._seen

    async def let_finish(self, identity: str) -> None:
        found = self._of(identity)
        if found is not None:
            await found.let_finish(identity)

    async def reason_to_stay(self, identity: str) -> str:
        found = self._of(identity)
        return await found.reason_to_stay(identity) if found is not None else ""

    async def resource(self, identity: str) -> Body | None:
        """The custom resource of an Application as it is now, None where it has none. Raises ClusterError."""
        found = self._of(identity)
        return await found.resource(identity) if found is not None else None

    async def delete(self, identity: str, *, prunes: bool) -> None:
        """Delete the custom resource of an Application, if it has one. Raises ClusterError."""
        found = self._of(identity)
        if found is not None:
            await found.delete(identity, prunes=prunes)

    async def reason_not_to_delete(self, identity: str) -> str:
        """Why the API server does not let us delete the resource of an Application, or "". Raises ClusterError."""
        found = self._of(identity)
        try:
            if found is not None:
                await found.delete(identity, prunes=False, dry_run=True)
        except ApiError as exc:
            hint = " (the component deploy/components/deletion gives the controller that right)" * (exc.code == 403)
            return f"{exc}{hint}"
        return ""

    async def origin(self, identity: str) -> Origin:
        """Where an Application that is known comes from. Raises ClusterError."""
        entry = self._registry.entry(identity)
        children = tuple(sorted(self._registry.given_by(source_name(identity))))
        if entry is None or entry.key is None:
            parent = entry.parent if entry is not None else ""
            files = f"the controller's files ({self._registry.source_of(identity)})"
            place = f"the repository of Application {parent}" if parent else files
            return Origin(place, brought_back_by=place, children=children)
        body, found = await self.resource(identity), self._of(identity)
        return Origin(
            f"the {entry.key.kind} {entry.key.namespace}/{entry.key.name}",
            is_resource=True,
            brought_back_by=maker_of(body, entry.key) if body else "",
            stays=found.reason_to_keep(body) if found is not None and body else "",
            children=children,
        )

    def _of(self, identity: str) -> ResourceFrontend | None:
        entry = self._registry.entry(identity)
        return self._by_kind.get(entry.key.kind) if entry is not None and entry.key is not None else None
