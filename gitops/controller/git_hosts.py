"""When a repository, or all of a Git host, is left alone for a while because it cannot be read.

What is wrong with one repository (it is not there, it wants other credentials) is that one's trouble. Only what is the
host's own (no connection, no answer in time, TLS, 429, 5xx) counts against the host, once several repositories met it.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog

from gitops.engine.retry import pause_after
from gitops.logs import Trouble
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import HostUnreachableError

log = structlog.get_logger()
_FIRST_SECONDS, _LONGEST_SECONDS = 5.0, 300.0
# One address that leads nowhere may be wrong; so many in a row without one that can be read are the host's.
_HOST_FAILS_FROM = 3


@dataclass(slots=True)
class Backoff:
    """Longer and longer waits, from one failure to the next."""

    failures: int = 0
    not_before: float = 0.0

    def failed(self, now: float) -> float:
        """The seconds to wait."""
        self.failures += 1
        wait = pause_after(self.failures, 2 * _FIRST_SECONDS, _LONGEST_SECONDS)
        self.not_before = now + wait
        return wait

    def worked(self) -> None:
        self.failures, self.not_before = 0, 0.0


@dataclass(slots=True)
class Host:
    """One Git host, by one way; `error` is the last one that was its own."""

    name: str
    backoff: Backoff = field(default_factory=Backoff)
    error: str = ""
    failing: set[str] = field(default_factory=set)  # the repositories that failed since one was read
    trouble: Trouble | None = None

    def failed(self, repository: str, error: Exception, now: float) -> None:
        """One of its repositories could not be read; whether that is its own fault is told by the error."""
        if not isinstance(error, HostUnreachableError):
            return
        self.error = str(error)
        self.failing.add(repository)
        if len(self.failing) >= _HOST_FAILS_FROM and now >= self.backoff.not_before:  # looks that fail together are one
            self.backoff.failed(now)
            self.trouble = self.trouble or Trouble(log, "host.unreachable", "host.reachable", host=self.name)
            self.trouble.is_there(error)

    def worked(self) -> None:
        """One of its repositories was read."""
        self.try_again()
        if self.trouble is not None:
            self.trouble.is_over()

    def try_again(self) -> None:
        """Somebody wants it to be asked now."""
        self.backoff.worked()
        self.failing.clear()


def host_of(app: Application) -> str:
    """The hosts of an Application's repositories, and the way to each: who names a wrong proxy harms nobody else."""
    return " + ".join(dict.fromkeys(map(_host_of, app.all_sources)))


def _host_of(source: SourceSpec) -> str:
    url, by = source.repoURL, source.credentials
    try:
        name = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        name = ""
    if "://" not in url and not url.startswith("/"):  # git's short form of ssh, user@host:path
        name = url.partition(":")[0].rpartition("@")[2]
    way = f" by {by.proxy.rpartition('@')[2]} {by.caFile}" if by.proxy or by.caFile else ""
    return name + way
