"""Whom Flux's Alerts have told of what: `gitops.controller.notifications.Routes` of a cluster's objects.

A destination is an Alert with its Provider. Both are their namespace's: they reach no Secret elsewhere, and nothing on
the controller's own machine.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from gitops.compat.flux.alerts import OF_SOURCES, Alert, read_alert, read_provider
from gitops.compat.flux.objects import GROUP_OF, Ref, ref_of
from gitops.engine.notifications import told
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.notification import Notification, Place

_PREFIX: Final = "alert/"
# What one namespace may have the controller do.
_MOST: Final = 256


class FluxAlerts:
    """`sources_of` gives the objects of Flux that an Application is made from; `said` hears of each object with the
    reason why it is refused, or "". Without `cross_namespace` an Alert is told of its own namespace alone.
    """

    def __init__(
        self,
        sources_of: Callable[[str], frozenset[Ref]],
        said: Callable[[ResourceKey, int, str], None],
        *,
        cross_namespace: bool,
    ) -> None:
        self._sources_of = sources_of
        self._said = said
        self._cross_namespace = cross_namespace
        self._alerts: dict[str, Alert] = {}
        self._providers: dict[tuple[str, str], Place] = {}

    def put(self, bodies: list[Body]) -> None:
        """These are all Alerts and Providers that there are."""
        alerts, providers = dict[str, Alert](), dict[tuple[str, str], Place]()
        refused: dict[tuple[str, str], str] = {}
        for body in sorted((each for each in bodies if each["kind"] == "Provider"), key=ref_of):
            place, answer = read_provider(body)
            if place is not None:
                providers[answer.ref[1:]] = place
            refused[answer.ref[1:]] = "; ".join(answer.reasons)
            self._tell(body, refused[answer.ref[1:]])
        count: dict[str, int] = {}
        for body in sorted((each for each in bodies if each["kind"] == "Alert"), key=ref_of):
            alert, answer = read_alert(body)
            reasons = list(answer.reasons)
            space = answer.ref.namespace
            if alert is not None:
                reasons += self._refused(alert, refused)
                count[space] = count.get(space, 0) + 1
                reasons += [f"more than {_MOST} Alerts in one namespace"] if count[space] > _MOST else []
            if alert is not None and not reasons:
                alerts[f"{_PREFIX}{space}/{answer.ref.name}"] = alert
            self._tell(body, "; ".join(reasons))
        self._alerts, self._providers = alerts, providers

    def texts(self, app: Application, note: Notification) -> Mapping[str, str]:
        """Destination → the text for it."""
        text, found = told(note), dict[str, str]()
        sources = self._sources_of(app.identity) if note.fact in OF_SOURCES else frozenset[Ref]()
        for name, alert in self._alerts.items():
            place = self.place(name)
            if place is None or alert.suspended or not alert.is_about(note, app, sources):
                continue
            if alert.wants(note, text, place):
                found[name] = text
        return found

    def place(self, name: str) -> Place | None:
        """The Provider of the Alert of that name, None where either is not there, is refused, or is suspended."""
        alert = self._alerts.get(name)
        found = self._providers.get((alert.ref.namespace, alert.provider)) if alert is not None else None
        if alert is None or found is None:
            return None
        return replace(found, metadata=alert.metadata)

    def _refused(self, alert: Alert, providers: Mapping[tuple[str, str], str]) -> list[str]:
        """Why an Alert that can be read is not acted on."""
        reason = providers.get((alert.ref.namespace, alert.provider))
        if reason is None:
            return [f"spec.providerRef: no Provider {alert.provider} is in this namespace"]
        if reason:
            return [f"spec.providerRef: the Provider {alert.provider} is refused: {reason}"]
        abroad = any(source.namespace != alert.ref.namespace for source in alert.sources)
        if abroad and not self._cross_namespace:
            return ["spec.eventSources: objects of other namespaces may not be named here (--no-cross-namespace-refs)"]
        return []

    def _tell(self, body: Body, reason: str) -> None:
        ref = ref_of(body)
        key = ResourceKey(GROUP_OF[ref.kind], ref.kind, ref.namespace, ref.name)
        self._said(key, int(body["metadata"].get("generation") or 0), reason)
