"""The history of a HelmRelease of Flux, in which `flux get` and dashboards look for its chart and version.

Helm's own history is not written, so an entry tells of what was applied here. Until something else is applied than what
Flux left, all entries stay as they are: when Flux comes back, it finds its release as it was.
"""

import hashlib
import posixpath
from typing import Any, Final

import orjson

from gitops.controller.snapshot import ApplicationSnapshot
from gitops.manifests.key import Body

_OURS: Final = "gitops.dev/v1alpha1"
_MOST: Final = 5


class ReleaseHistories:
    """Remembers what Flux left of each release, for as long as the controller runs."""

    def __init__(self) -> None:
        self._left: dict[str, str] = {}

    def with_history(self, status: Body, seen: ApplicationSnapshot, before: Body) -> Body:
        """A status with the entries, newest first; `before` is the status as it was last seen."""
        known = before.get("history")
        entries = [entry for entry in known if isinstance(entry, dict)] if isinstance(known, list) else []
        digest = seen.last.digest
        is_done = status["conditions"][0]["status"] == "True" and digest and seen.synced_at
        if is_done and not self._is_told(entries, seen.app.identity, f"sha256:{digest}"):
            older = [{**entry, "status": "superseded"} if entry is entries[0] else entry for entry in entries]
            entries = [_entry(seen, status.get("lastAttemptedRevision", ""), entries), *older][:_MOST]
        return {**status, "history": entries} if entries else status

    def _is_told(self, entries: list[Body], identity: str, digest: str) -> bool:
        if not entries:
            return False
        if entries[0].get("apiVersion") == _OURS:
            return bool(entries[0].get("digest") == digest)
        return self._left.setdefault(identity, digest) == digest


def _entry(seen: ApplicationSnapshot, chart_version: str, entries: list[Body]) -> Body:
    source, at = seen.app.source, seen.synced_at
    values = orjson.dumps(source.helm.values, option=orjson.OPT_SORT_KEYS)
    return {
        "apiVersion": _OURS,
        "name": source.helm.releaseName or seen.app.name,
        "namespace": seen.app.destination.namespace,
        "version": (_number(entries[0].get("version")) if entries else 0) + 1,
        "status": "deployed",
        "chartName": source.chart or posixpath.basename(source.path),
        "chartVersion": chart_version,
        "digest": f"sha256:{seen.last.digest}",
        "configDigest": f"sha256:{hashlib.sha256(values).hexdigest()}",
        "firstDeployed": entries[-1].get("firstDeployed", at) if entries else at,
        "lastDeployed": at,
    }


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
