"""Flux's Alerts and Providers: whom they tell of what, or the field that keeps them from it."""

from dataclasses import dataclass, field
from typing import Any, Final

import re2

from gitops.compat.fields import Fields
from gitops.compat.flux.answer import Answer, refused
from gitops.compat.flux.objects import Ref, ref_of
from gitops.compat.flux.shared import name_in
from gitops.manifests.key import Body
from gitops.model.application import Application
from gitops.model.notification import (
    COMMIT_FACTS,
    COMMIT_TYPES,
    FACTS,
    DestinationSpec,
    DestinationType,
    Notification,
    Place,
)

# Flux's types of providers, by the form that each wants.
TYPES: Final[dict[str, DestinationType]] = {
    "slack": "slack",
    "rocket": "slack",
    "discord": "discord",
    "msteams": "msteams",
    "googlechat": "googlechat",
    "telegram": "telegram",
    "webex": "webex",
    "matrix": "matrix",
    "generic": "webhook",
    "generic-hmac": "webhook",
    "alertmanager": "alertmanager",
    "grafana": "grafana",
    "github": "github",
    "gitlab": "gitlab",
    "gitea": "gitea",
    "bitbucket": "bitbucket",
    "bitbucketserver": "bitbucket-server",
    "azuredevops": "azure-devops",
}
_MOST_PATTERNS: Final = 32
_LONGEST_PATTERN: Final = 1024
# A room hears how a sync ended, not that it begins, nor that there was nothing to do.
_QUIET: Final = frozenset(("started", "unchanged"))
OF_SOURCES: Final = frozenset(("source-failed", "source-recovered"))
_APPLIED: Final = ("Kustomization", "HelmRelease")
_SOURCE_KINDS: Final = ("GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket")
_EVERY: Final = "every version of the kind is read"


@dataclass(frozen=True, slots=True)
class EventSource:
    """Which objects are told of; of the name `*` all with these labels."""

    kind: str
    namespace: str
    name: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """What an Alert says: which events of which objects its provider (in its namespace) is told."""

    ref: Ref
    provider: str
    sources: tuple[EventSource, ...]
    errors_only: bool = False
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    suspended: bool = False

    def wants(self, note: Notification, text: str, place: Place) -> bool:
        """Whether a notification of one of its objects is told, in these words."""
        if place.spec.type in COMMIT_TYPES and note.fact not in COMMIT_FACTS:
            return False
        if place.spec.type not in COMMIT_TYPES and note.fact in _QUIET:
            return False
        if self.errors_only and FACTS[note.fact].severity == "info":
            return False
        if self.included and not any(re2.search(pattern, text) for pattern in self.included):
            return False
        return not any(re2.search(pattern, text) for pattern in self.excluded)

    def is_about(self, note: Notification, app: Application, sources: frozenset[Ref]) -> bool:
        """Whether an Application is one of its objects; `sources` are those of Flux that it is made from."""
        kind, _, rest = note.object.partition("/")
        namespace, _, name = rest.partition("/")
        own = Ref(kind, namespace, name)
        return any(
            _fits(source, own) and all(app.labels.get(key) == value for key, value in source.labels.items())
            if source.kind in _APPLIED
            else note.fact in OF_SOURCES and any(_fits(source, each) for each in sources)
            for source in self.sources
        )


def _fits(source: EventSource, ref: Ref) -> bool:
    return (source.kind, source.namespace) == ref[:2] and source.name in ("*", ref.name)


def read_provider(body: Body) -> tuple[Place | None, Answer]:
    """Where a Provider tells, None where it is refused or suspended; what became of its fields."""
    told: dict[str, str] = {}
    ref, spec = ref_of(body), Fields(_map(body.get("spec")), "spec", told)
    flux_type = spec.text("type")
    if "type" not in spec:
        spec.missing("type")
    elif flux_type not in TYPES:
        spec.refuse("type", f"expected one of {', '.join(TYPES)}: gitops tells no {flux_type[:60]!r}")
    given = {name: spec.text(name) for name in ("address", "channel", "username", "proxy")}
    refs = {name: name_in(spec, name) for name in ("secretRef", "certSecretRef", "proxySecretRef")}
    spec.note("interval", "a Provider is read when it changes")
    spec.note("timeout", "each try may take ten seconds, and is repeated")
    spec.refuse("serviceAccountName", "gitops takes no identity of a cloud; name a secretRef")
    spec.refuse("commitStatusExpr", "a status is called KIND/NAME/UID, as Flux calls it by itself")
    suspended = spec.flag("suspend")
    spec.end()
    answer = refused(ref, told)
    if answer.reasons or suspended:
        return None, answer
    found = DestinationSpec(
        ref.name, TYPES[flux_type], given["address"], refs["secretRef"], channel=given["channel"], proxy=given["proxy"]
    )
    place = Place(
        found,
        secrets_in=ref.namespace,
        style="flux",
        uid=str(body["metadata"].get("uid") or ""),
        username=given["username"],
        trust_ref=refs["certSecretRef"],
        proxy_ref=refs["proxySecretRef"],
    )
    return place, answer


def read_alert(body: Body) -> tuple[Alert | None, Answer]:
    """What an Alert says, None where it is refused; what became of its fields."""
    told: dict[str, str] = {}
    ref, spec = ref_of(body), Fields(_map(body.get("spec")), "spec", told)
    provider = name_in(spec, "providerRef")
    if not provider:
        spec.missing("providerRef")
    sources = tuple(_event_source(item, ref.namespace) for item in spec.items("eventSources"))
    errors_only = spec.choice("eventSeverity", "info", "error") == "error"
    included, excluded = _patterns(spec, "inclusionList"), _patterns(spec, "exclusionList")
    metadata = _texts(spec, "eventMetadata")
    summary = spec.text("summary")
    suspended = spec.flag("suspend")
    spec.end()
    answer = refused(ref, told)
    if answer.reasons:
        return None, answer
    metadata |= {"summary": summary} if summary else {}
    return Alert(ref, provider, sources, errors_only, included, excluded, metadata, suspended), answer


def _event_source(item: Fields, namespace: str) -> EventSource:
    kind, name = item.text("kind"), item.text("name")
    if kind not in (*_APPLIED, *_SOURCE_KINDS):
        item.note("kind", f"gitops has no events of this kind; of {', '.join((*_APPLIED, *_SOURCE_KINDS))} it has")
    item.note("apiVersion", _EVERY)
    found = EventSource(kind, item.text("namespace") or namespace, name, _texts(item, "matchLabels"))
    item.refuse("filter", "gitops reads no expression here; use inclusionList")
    item.end()
    return found


def _patterns(spec: Fields, name: str) -> tuple[str, ...]:
    """Expressions in Go's syntax, which take linear time."""
    found = spec.texts(name)
    if len(found) > _MOST_PATTERNS or any(len(pattern) > _LONGEST_PATTERN for pattern in found):
        spec.refuse(name, f"expected at most {_MOST_PATTERNS} expressions of {_LONGEST_PATTERN} characters")
        return ()
    for pattern in found:
        try:
            re2.compile(pattern)
        except re2.error as exc:
            spec.refuse(name, f"{pattern[:100]!r} is no regular expression ({str(exc)[:100]})")
    return tuple(found)


def _texts(spec: Fields, name: str) -> dict[str, str]:
    found = spec.free(name)
    if not all(isinstance(value, str) for value in found.values()):
        spec.refuse(name, "expected a map of text")
        return {}
    return dict(found)


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
