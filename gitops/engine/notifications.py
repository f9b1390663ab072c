"""Which facts there are to tell, of whom they are told, and in which words. Pure: who sends them is elsewhere."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from gitops.model.application import Application
from gitops.model.audit import AuditEvent
from gitops.model.errors import ConfigError
from gitops.model.notification import (
    ALL_FACTS,
    COMMIT_FACTS,
    COMMIT_TYPES,
    SUMMARY,
    USUAL_FACTS,
    DestinationSpec,
    Mailbox,
    Notification,
    NotificationSettings,
    Selector,
    Standing,
)
from gitops.model.revision import short

MOST_TEXT: Final = 4000
_MOST_REASON: Final = 1024
_MOST_NAMED: Final = 10
_FIELD: Final = re.compile(r"\{([A-Za-z]*)\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_FIELDS: Final = (
    *("application", "namespace", "name", "fact", "words", "severity", "at", "cluster", "source"),
    *("revision", "short", "actor", "reason", "url"),
)
# Entries of the audit log that are told as they are. What a sync and a rollback come to is told together.
_AS_THEY_ARE: Final = {
    "drift.detected": "drifted",
    "application.suspended": "suspended",
    "application.resumed": "resumed",
    "application.approved": "approved",
    "application.deleted": "deleted",
    "delete.failed": "delete-failed",
    "test.passed": "tests-passed",
    "test.failed": "tests-failed",
}
_ENDS: Final = {"sync.failed": "failed", "sync.overtaken": "overtaken", "sync.terminated": "terminated"}


@dataclass(frozen=True, slots=True)
class Seen:
    """How an Application stands now; None where that is not known, so that nothing is said of it."""

    degraded: bool | None = None
    problem: str | None = None
    waiting: str | None = None
    revision: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)  # fact → why


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def facts_of(box: Mailbox, events: Iterable[AuditEvent]) -> tuple[Mailbox, list[Notification]]:
    """What entries of an Application's audit log tell, and the mailbox that has taken them in.

    An entry that the mailbox has had already tells nothing.
    """
    heads, rollbacks, at, found = dict(box.heads), dict(box.rollbacks), box.at, list[Notification]()
    revision = box.standing.revision
    for event in sorted(events, key=lambda event: event.seq):  # whatever the clocks of those who wrote them showed
        if event.seq <= heads.get(event.cluster, 0):
            continue
        heads[event.cluster], at = event.seq, max(at, event.at)
        fact, reason = _fact_of(event, rollbacks)
        if fact:
            found.append(_notification(event, fact, reason))
        if fact in ("synced", *_ENDS.values()):
            revision = event.revision
    standing = replace(box.standing, revision=revision)
    return replace(box, heads=heads, rollbacks=rollbacks, at=at, standing=standing), found


def _fact_of(event: AuditEvent, rollbacks: dict[str, str]) -> tuple[str, str]:
    """The fact ("" for none) and its reason; `rollbacks` is kept at what is under way."""
    reason = _reason(event)
    if event.fact == "rollback.started":
        rollbacks[event.cluster] = reason
        return "", ""
    if event.fact == "rollback.failed":
        before = rollbacks.pop(event.cluster, "")
        return "rollback-failed", reason or before
    is_back = event.cluster in rollbacks
    if event.fact == "sync.started":
        return ("", "") if is_back else ("started", reason)
    if event.fact == "sync.finished":
        return ("rolled-back", rollbacks.pop(event.cluster)) if is_back else ("synced", reason)
    if event.fact in _ENDS:
        return ("", "") if is_back else (_ENDS[event.fact], reason)
    return _AS_THEY_ARE.get(event.fact, ""), reason


def _reason(event: AuditEvent) -> str:
    told, failures = event.detail.get("reason"), event.detail.get("failures")
    if not told and isinstance(failures, list):
        some = [one for one in failures[:5] if isinstance(one, dict)]
        told = "; ".join(f"{one.get('object')}: {one.get('reason')}" for one in some)
    if event.fact == "sync.terminated" and event.detail.get("namespace"):
        told = f"{told}; it was on its way to namespace {event.detail['namespace']} of {event.detail.get('cluster')}"
    return plain(str(told or ""), _MOST_REASON)


def _notification(event: AuditEvent, fact: str, reason: str) -> Notification:
    return Notification(
        event.hash[:32],
        fact,
        event.at,
        event.application,
        cluster=event.cluster,
        revision=event.revision,
        actor=event.actor,
        reason=reason,
    )


def changes_since(before: Standing, now: Seen) -> tuple[Standing, list[tuple[str, str]]]:
    """What an Application's standing tells now that it did not before: facts with their reasons, and the new standing.

    A commit that it comes to without a sync is told of, but not the first one that is ever seen.
    """
    after, facts = before, list[str]()
    if now.degraded is not None and now.degraded != before.degraded:
        facts.append("degraded" if now.degraded else "healthy")
        after = replace(after, degraded=now.degraded)
    if now.problem is not None and now.problem != before.problem:
        facts += [f"{_OVER[before.problem]}"] if before.problem and not now.problem else []
        facts += [now.problem] if now.problem else []
        after = replace(after, problem=now.problem)
    if now.waiting is not None and now.waiting != before.waiting:
        facts += [now.waiting.partition(" ")[0]] if now.waiting else []
        after = replace(after, waiting=now.waiting)
    if now.revision and now.revision != before.revision:
        facts += ["unchanged"] if before.revision else []
        after = replace(after, revision=now.revision)
    return after, [(fact, plain(now.reasons.get(fact, ""), _MOST_REASON)) for fact in facts]


_OVER: Final = {"source-failed": "source-recovered", "error": "error-over"}


def id_of(*parts: str) -> str:
    """A name for a fact that no entry of the audit log stands for."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


# ── who is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


def texts_for(settings: NotificationSettings, app: Application, note: Notification) -> dict[str, str]:
    """Destination → text: what the operator's rules say, and what the Application itself subscribed to.

    An Application reaches no destination that the operator did not open to its namespace.
    """
    found: dict[str, str] = {}
    for rule in settings.rules:
        if not fits(rule.applications, app):
            continue
        for name in rule.destinations:
            spec = settings.destination(name)
            if spec is not None and note.fact in (rule.facts or usual_facts(spec)):
                found.setdefault(name, told(note, rule.template or spec.template))
    for asked in app.notifications:
        names = (asked.recipient, asked.destination)
        specs = [spec for spec in map(settings.destination, names) if spec is not None and is_open(spec, app)]
        if specs and note.fact in (asked.facts or usual_facts(specs[0])):
            found.setdefault(specs[0].name, told(note, specs[0].template))
    return found


def usual_facts(spec: DestinationSpec) -> Sequence[str]:
    """What a destination is told where nobody says which facts."""
    return COMMIT_FACTS if spec.type in COMMIT_TYPES else USUAL_FACTS


def is_open(spec: DestinationSpec, app: Application) -> bool:
    """Whether the operator lets the Application subscribe to the destination itself."""
    return any(fnmatchcase(app.namespace, pattern) for pattern in spec.namespaces)


def fits(selector: Selector, app: Application) -> bool:
    """Whether an Application is one of those that a rule is for."""
    return (
        any(fnmatchcase(app.name, pattern) for pattern in selector.names)
        and any(fnmatchcase(app.namespace, pattern) for pattern in selector.namespaces)
        and all(app.labels.get(name) == value for name, value in selector.labels.items())
    )


def check_settings(settings: NotificationSettings) -> None:
    """Raise ConfigError for what no single field shows: names that are not there or twice, unknown fields of texts."""
    names = [spec.name for spec in settings.destinations]
    for number, spec in enumerate(settings.destinations):
        if names.count(spec.name) > 1:
            raise ConfigError(f"destinations[{number}].name: another one is called {spec.name} too")
        check_template(spec.template, f"destinations[{number}].template")
        if not 1 <= spec.rate <= 6000:
            raise ConfigError(f"destinations[{number}].rate: expected 1 to 6000 a minute, got {spec.rate}")
    for number, rule in enumerate(settings.rules):
        for place, name in enumerate(rule.destinations):
            if name not in names:
                raise ConfigError(f"rules[{number}].destinations[{place}]: no destination is called {name}")
        check_template(rule.template, f"rules[{number}].template")


def check_template(template: str, place: str) -> None:
    """Raise ConfigError for a name that no notification has."""
    for name in _FIELD.findall(template):
        if name not in _FIELDS:
            raise ConfigError(f"{place}: no field {{{name}}}; there are {', '.join(_FIELDS)}")


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def told(note: Notification, template: str = "") -> str:
    """The text of a notification; without a template, one line. What a field holds is never read as a template."""
    if note.fact == SUMMARY:
        return note.reason
    if not template:
        at = f" at {short(note.revision)}" if note.revision else ""
        return plain(f"{note.application} {note.words}{at}{': ' + note.reason if note.reason else ''}", MOST_TEXT)
    values = {name: getattr(note, name) for name in _FIELDS if name != "short"} | {"short": short(note.revision)}
    return _FIELD.sub(lambda found: plain(str(values.get(found[1], "")), _MOST_REASON), template)[:MOST_TEXT]


def plain(text: str, most: int) -> str:
    """Text of a stranger on one line: no control characters, none that turn the direction of what follows."""
    return _CONTROL.sub(" ", text[: 2 * most]).strip()[:most]


def summary_of(notes: Sequence[Notification]) -> Notification:
    """One notification that stands for many: how many of each fact, and the first few Applications."""
    parts = []
    for fact in sorted({note.fact for note in notes}, key=ALL_FACTS.index):
        names = sorted({note.application for note in notes if note.fact == fact})
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        parts.append(f"{fact}: {', '.join(names[:_MOST_NAMED])}{more}")
    reason = plain(f"{len(notes)} notifications at once. {'. '.join(parts)}", MOST_TEXT)
    newest = max(note.at for note in notes)
    return Notification(id_of(*(note.id for note in notes)), SUMMARY, newest, "", reason=reason)
