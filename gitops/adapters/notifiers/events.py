"""Programs that are told: webhooks, CloudEvents, Alertmanager, Grafana; for an object of Flux, in Flux's form."""

import hmac
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from gitops.adapters.notifiers.message import JSON_TYPE, Message, Post, bearer, encoded, posted

_REPORTER: Final = "gitops"
_REASONS: Final = {
    "started": "Progressing",
    "synced": "ReconciliationSucceeded",
    "unchanged": "ReconciliationSucceeded",
    "degraded": "HealthCheckFailed",
    "drifted": "DriftDetected",
    "overtaken": "ReconciliationFailed",
    "terminated": "ReconciliationFailed",
    "failed": "ReconciliationFailed",
    "error": "ReconciliationFailed",
    "source-failed": "ArtifactFailed",
}
# The alerts that a fact is the end of.
_ENDS: Final = {
    "synced": ("failed", "rolled-back", "rollback-failed", "overtaken", "terminated", "held"),
    "healthy": ("degraded",),
    "source-recovered": ("source-failed",),
    "error-over": ("error",),
    "tests-passed": ("tests-failed",),
    "deleted": ("delete-failed",),
}
# How long an alert fires whose end is never told.
_LONGEST: Final = timedelta(hours=24)


def webhook(message: Message) -> tuple[Post, ...]:
    """JSON, signed with the token as our own generic webhook wants it: `X-Signature: sha256=HMAC`."""
    data = encoded(flux_event(message) if message.is_of_flux else event_data(message))
    headers = {"Content-Type": JSON_TYPE, "Idempotency-Key": message.note.id, **message.login.headers}
    if message.is_of_flux:
        headers["Gotk-Component"] = _REPORTER
    if message.login.token:
        headers["X-Signature"] = "sha256=" + hmac.new(message.login.token.encode(), data, "sha256").hexdigest()
    return (Post(message.address, data, headers),)


def cloudevents(message: Message) -> tuple[Post, ...]:
    """CloudEvents 1.0, structured: the whole event is the body."""
    note = message.note
    value = {
        "specversion": "1.0",
        "id": note.id,
        "source": f"/gitops/{quote(note.cluster, safe='')}",
        "type": f"dev.gitops.application.{note.fact}",
        "time": note.at,
        "datacontenttype": JSON_TYPE,
        "data": event_data(message),
        **({"subject": note.application} if note.application else {}),
    }
    headers = {**bearer(message.login), **message.login.headers}
    return (Post(message.address, encoded(value), {"Content-Type": "application/cloudevents+json", **headers}),)


def event_data(message: Message) -> dict[str, Any]:
    """What a program is told of a notification."""
    note = message.note
    return {
        "id": note.id,
        "fact": note.fact,
        "severity": note.severity,
        "at": note.at,
        "application": {"namespace": note.namespace, "name": note.name},
        "cluster": note.cluster,
        "source": note.source,
        "revision": note.revision,
        "actor": note.actor,
        "reason": note.reason,
        "url": note.url,
        "text": message.text,
    }


def flux_event(message: Message) -> dict[str, Any]:
    """The same as an event of Flux's controllers (events.toolkit.fluxcd.io)."""
    note = message.note
    kind, namespace, name = message.object
    group = "helm.toolkit.fluxcd.io/v2" if kind == "HelmRelease" else "kustomize.toolkit.fluxcd.io/v1"
    revision = {"revision": f"sha1:{note.revision}" if len(note.revision) == 40 else note.revision}
    return {
        "involvedObject": {"apiVersion": group, "kind": kind, "namespace": namespace, "name": name},
        "severity": flux_severity(message),
        "timestamp": note.at,
        "message": message.text,
        "reason": flux_reason(note.fact),
        "metadata": {**(revision if note.revision else {}), **message.place.metadata},
        "reportingController": _REPORTER,
    }


def flux_reason(fact: str) -> str:
    """A fact as Flux's reasons are written."""
    return _REASONS.get(fact) or "".join(part.capitalize() for part in fact.split("-"))


def flux_severity(message: Message) -> str:
    """Flux has two: what is a warning here is an error there."""
    return "info" if message.note.severity == "info" else "error"


def alertmanager(message: Message) -> tuple[Post, ...]:
    """One alert that fires, or the end of those that this fact is the end of."""
    url = _with_path(message.address, "/api/v2/alerts")
    alerts = [_flux_alert(message)] if message.is_of_flux else _alerts(message)
    return (posted(url, alerts, bearer(message.login)),) if alerts else ()


def _alerts(message: Message) -> list[dict[str, Any]]:
    note = message.note
    at = datetime.fromisoformat(note.at)
    if note.severity == "info" and note.fact not in _ENDS:
        return []
    annotations = {"summary": message.text, "description": note.reason, "revision": note.revision}
    found = []
    for fact in _ENDS.get(note.fact, (note.fact,)):
        labels = {"fact": fact, "namespace": note.namespace, "application": note.name, "cluster": note.cluster}
        alert: dict[str, Any] = {"labels": {"alertname": f"Gitops{_camel(fact)}", **labels}}
        over = {"endsAt": note.at} if note.fact in _ENDS else {"endsAt": _rfc3339(at + _LONGEST), "startsAt": note.at}
        found.append({**alert, **over, "annotations": annotations, "generatorURL": note.url})
    return found


def _camel(fact: str) -> str:
    return "".join(part.capitalize() for part in fact.split("-"))


def _rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _flux_alert(message: Message) -> dict[str, Any]:
    kind, namespace, name = message.object
    metadata = dict(message.place.metadata)
    summary, reason = metadata.pop("summary", ""), flux_reason(message.note.fact)
    labels = {**metadata, "alertname": f"Flux{kind}{reason.capitalize()}", "severity": flux_severity(message)}
    labels |= {"reason": reason, "kind": kind, "name": name, "namespace": namespace, "reportingcontroller": _REPORTER}
    labels |= {"revision": message.note.revision} if message.note.revision else {}
    annotations = {"message": message.text, **({"summary": summary} if summary else {})}
    return {"labels": labels, "annotations": annotations, "startsAt": message.note.at}


def grafana(message: Message) -> tuple[Post, ...]:
    """An annotation of Grafana's HTTP API, found again by its tags."""
    note = message.note
    tags = ["gitops", note.fact, note.severity, *([f"application: {note.application}"] if note.application else [])]
    tags += [f"{name}: {value}".replace(",", " ") for name, value in sorted(message.place.metadata.items())]
    at = int(datetime.fromisoformat(note.at).timestamp() * 1000)
    value = {"time": at, "tags": tags, "text": message.text}
    return (posted(_with_path(message.address, "/api/annotations"), value, bearer(message.login)),)


def _with_path(address: str, path: str) -> str:
    """An address with the path of an API, where it has none."""
    parts = urlsplit(address)
    return address if parts.path.strip("/") else parts._replace(path=path).geturl()
