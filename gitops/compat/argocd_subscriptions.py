"""Argo CD's annotations by which an Application subscribes to notifications, with the triggers of its catalogue."""

from collections.abc import Iterator, Mapping
from typing import Final

from gitops.manifests.names import LABEL_NAME
from gitops.model.application import Subscription
from gitops.model.fact import Fact

_PREFIX: Final = "notifications.argoproj.io/subscribe."
_MOST: Final = 64
TRIGGERS: Final[dict[str, tuple[Fact, ...]]] = {
    "on-deleted": ("deleted",),
    "on-deployed": ("synced",),
    "on-health-degraded": ("degraded",),
    "on-sync-failed": ("failed", "rolled-back", "rollback-failed", "overtaken", "terminated"),
    "on-sync-running": ("started",),
    "on-sync-status-unknown": ("error", "source-failed"),
    "on-sync-succeeded": ("synced",),
}


def subscriptions_of(annotations: Mapping[str, str]) -> tuple[Subscription, ...]:
    """`notifications.argoproj.io/subscribe.TRIGGER.SERVICE: RECIPIENT;RECIPIENT`, or without a trigger for all usual
    facts; a trigger that is not of Argo CD's catalogue is left out.

    The service names a destination; so does each recipient.
    """
    found = (each for name in sorted(annotations) for each in _of(name, annotations[name]))
    return tuple(dict.fromkeys(each for each, _ in zip(found, range(_MOST), strict=False)))


def _of(name: str, value: str) -> Iterator[Subscription]:
    if not name.startswith(_PREFIX):
        return
    trigger, dot, service = name.removeprefix(_PREFIX).partition(".")
    if not dot:
        trigger, service = "", trigger
    if (trigger and trigger not in TRIGGERS) or not LABEL_NAME.fits(service):
        return
    for recipient in value.split(";"):
        told = recipient.strip().lstrip("#").lower()
        yield Subscription(service, TRIGGERS.get(trigger, ()), told if told and LABEL_NAME.fits(told) else "")
