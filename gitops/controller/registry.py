"""The Applications of a controller, by the source that gives each: a file, a custom resource, another Application.

`file_source`, `crd_source` and `app_of_apps` read these sources.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.errors import ConfigError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Registration:
    """One Application as a source gives it; `key` is its custom resource, None for one from a file.

    `leaving` when the custom resource is deleted and waits for us to prune what it owns. `trusted` when
    the controller's operator wrote it, whose environment holds credentials for it. `wrong` is why the
    spec that stands there now cannot be read: `app` is the one before, and is held. `parent` is the Application whose
    repository brought it.
    """

    app: Application
    key: ResourceKey | None = None
    generation: int = 0
    leaving: bool = False
    trusted: bool = False
    wrong: str = ""
    parent: str = ""
    uid: str = ""  # of the custom resource
    secrets_in: str = ""  # the namespace of its credentials, where that is not its own


class ApplicationRegistry:
    """Tells `changed` of each Application that is new or other, `gone` of each that is no more, by identity.

    Of the sources that name one Application the first keeps it; when it lets go, the next has it.
    """

    def __init__(self, changed: Callable[[Registration], None], gone: Callable[[str], None]) -> None:
        self._changed = changed
        self._gone = gone
        self._offers: dict[str, dict[str, Registration]] = {}  # identity → source → what it says; the first has it
        self._given: dict[str, set[str]] = {}  # source → the identities that it gives

    def put(self, source: str, entry: Registration) -> str:
        """An Application from `source`; the source that keeps it: another one, if that was first."""
        identity = entry.app.identity
        offers = self._offers.setdefault(identity, {})
        known, offers[source] = offers.get(source), entry
        self._given.setdefault(source, set()).add(identity)
        holder = next(iter(offers))
        if known != entry and holder == source:
            self._take(entry)
        elif known is None:
            log.error("application.twice", application=identity, kept=holder, ignored=source)
        return holder

    def spoil(self, source: str, identity: str, wrong: str) -> None:
        """What `source` says of an Application now cannot be read."""
        known = self._offers.get(identity, {}).get(source)
        if known is not None and known.wrong != wrong:
            log.warning("application.wrong", application=identity, error=wrong)
            self.put(source, replace(known, wrong=wrong))

    def drop(self, source: str, identity: str) -> None:
        offers = self._offers.get(identity, {})
        holder = next(iter(offers), "")
        if offers.pop(source, None) is None:
            return
        self._given[source].discard(identity)
        if not offers:
            del self._offers[identity]
            self._gone(identity)
        elif holder == source:
            holder, entry = next(iter(offers.items()))
            log.info("application.moved", application=identity, before=source, now=holder)
            self._take(entry)

    def keep_only(self, source: str, identities: set[str]) -> None:
        """Whatever else `source` gave before is gone."""
        for identity in sorted(self._given.get(source, set()) - identities):
            self.drop(source, identity)

    def given_by(self, source: str) -> frozenset[str]:
        """The identities that a source names."""
        return frozenset(self._given.get(source, ()))

    def source_of(self, identity: str) -> str:
        """The source that keeps the Application, "" for one that is not known."""
        return next(iter(self._offers.get(identity, {})), "")

    def entry(self, identity: str) -> Registration | None:
        return next(iter(self._offers.get(identity, {}).values()), None)

    def _take(self, entry: Registration) -> None:
        try:
            self._changed(entry)
        except Exception:
            # One Application that we did not expect must not end all the others.
            log.exception("application.not-taken", application=entry.app.identity)


def local_refused(read: Callable[[Body], Application]) -> Callable[[Body], Application]:
    """`read`, for Applications of people who may not read this machine's files."""

    def checked(body: Body) -> Application:
        app = read(body)
        for source in app.all_sources:
            if not _REMOTE.match(source.repoURL):
                raise ConfigError(
                    f"spec.source.repoURL: {source.address} is on the controller's machine; name a repository by "
                    "https, ssh, oci or s3"
                )
            if source.credentials.caFile:
                raise ConfigError("spec.source.credentials.caFile: is a file of the controller's machine; leave it out")
        return app

    return checked


def account_required(read: Callable[[Body], Application]) -> Callable[[Body], Application]:
    """`read`, for Applications of people who may not act with the controller's own rights."""

    def checked(body: Body) -> Application:
        app = read(body)
        if not app.sync.serviceAccount:
            raise ConfigError(
                "spec.sync.serviceAccount: this controller syncs in the name of an account only; name one"
            )
        return app

    return checked


# https, ssh, and git's short form of ssh (user@host:path).
_REMOTE = re.compile(r"https://|ssh://|oci://|s3://|[\w.-]+@[\w.-]+:(?!/)", re.ASCII)
