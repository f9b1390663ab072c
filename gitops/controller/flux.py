"""Joins what runs Flux's custom resources: their reading, their statuses, Receivers and Alerts."""

from collections.abc import Awaitable, Callable
from functools import partial

from gitops.compat.flux.objects import DELIVERED
from gitops.controller.app import Controller
from gitops.controller.flux_alerts import FluxAlerts
from gitops.controller.flux_history import ReleaseHistories
from gitops.controller.flux_receivers import FluxReceivers
from gitops.controller.flux_source import FluxResources
from gitops.controller.flux_sources import FluxSources
from gitops.controller.flux_status import flux_status, read_status, refused_status
from gitops.controller.snapshot import ApplicationSnapshot
from gitops.controller.status_writer import StatusWriter
from gitops.manifests.key import Body, ResourceKey
from gitops.model.operator_command import REFRESH


def flux_parts(
    flux: FluxResources,
    controller: Controller,
    writer: StatusWriter,
    entries: Callable[[str, str], dict[str, bytes] | None],
) -> list[tuple[str, Awaitable[None]]]:
    """What has to run, with names; `entries` gives, in a thread, what the entries of a Secret hold."""

    sources = FluxSources(writer.told_of, controller.clock)
    status_as = _statuses(flux, sources)

    def told(key: ResourceKey, generation: int, reason: str) -> None:
        writer.told_of(key, refused_status(key.kind, generation, reason) if reason else read_status(generation))

    def wake(identity: str) -> bool:
        state = controller.index.get(identity)
        if state is not None:
            controller.poller.wake(state)
        return state is not None

    async def look_again(identity: str) -> None:
        """As a person's `refresh` does."""
        at = controller.clock.now().isoformat(timespec="seconds")
        await controller.store.request(identity, REFRESH, {}, "its custom resource", at)

    flux.wrong = lambda key, generation, reason: writer.told_of(key, refused_status(key.kind, generation, reason))
    flux.source_read, flux.source_gone, flux.gone = sources.read, sources.gone, writer.gone
    flux.asked = look_again
    for kind in DELIVERED:
        controller.resources.add(kind, flux)
        writer.formats[kind] = partial(status_as, kind)
    receivers = FluxReceivers(flux, controller.clock, partial(_token, entries), wake, writer.told_of)
    flux.receivers = receivers.put
    controller.resources.receivers = receivers
    alerts = FluxAlerts(flux.sources_of, told, cross_namespace=flux.crosses_namespaces)
    flux.alerts = alerts.put
    controller.resources.alerts = alerts
    return [*flux.followers(), ("flux receivers", receivers.run())]


def _statuses(flux: FluxResources, sources: FluxSources) -> Callable[[str, ApplicationSnapshot, int], Body]:
    """How the object of an Application is told; its sources hear of it."""
    histories = ReleaseHistories()

    def status_as(kind: str, seen: ApplicationSnapshot, generation: int) -> Body:
        sources.seen(flux.revision_of(seen.app.identity), seen)
        requested_at, before = flux.before(seen.app.identity)
        status = flux_status(kind, seen, generation, requested_at, before)
        return histories.with_history(status, seen, before) if kind == "HelmRelease" else status

    return status_as


def _token(entries: Callable[[str, str], dict[str, bytes] | None], namespace: str, name: str) -> str:
    return (entries(namespace, name) or {}).get("token", b"").decode("utf-8", "replace").strip()
