"""The tree of errors; whoever catches one can tell by its class what happened to the cluster.

    GitopsError
    ├── ManifestError       a manifest cannot be read or breaks a rule                      exit 2
    │   └── UnknownKindError  ... because the cluster serves no such kind, yet              exit 2
    ├── ConfigError         an Application, an option or a kubeconfig is wrong              exit 2
    ├── SourceError         a repository, revision or path cannot be had                    exit 2
    │   └── HostUnreachableError  ... because its host does not answer, whatever is asked   exit 2
    ├── RenderError         the files are there, but make no manifests                      exit 2
    ├── HeldError           a guard, another owner or a policy stopped it before any write  exit 3
    ├── NotificationError   a destination did not take what it was told                     exit 4
    ├── StoreError          our own records cannot be read or written                       exit 4
    │   ├── AuditError      the audit chain is broken                                       exit 4
    │   └── LostStoreError  ... any more: whoever opens the store finds another one         exit 4
    └── ClusterError        the API server refused or cannot be reached
        ├── ApiError        it answered with a Status (409 conflict, 422 invalid, ...)      exit 4
        └── UnreachableError  no answer, none of an API server, or refused credentials      exit 6
            ├── AwayError     ... of one API group, whose own server is broken              exit 6
            └── LostClusterError  ... from the middle of a sync on: some of it is done      exit 4

Nothing was changed when an error of the first five reaches the caller.
"""

from gitops.manifests.errors import GitopsError, ManifestError
from gitops.manifests.key import Body

__all__ = [
    "ApiError",
    "AuditError",
    "AwayError",
    "ClusterError",
    "ConfigError",
    "GitopsError",
    "HeldError",
    "HostUnreachableError",
    "LostClusterError",
    "LostStoreError",
    "ManifestError",
    "NotificationError",
    "RenderError",
    "SourceError",
    "StoreError",
    "UnknownKindError",
    "UnreachableError",
]


class UnknownKindError(ManifestError):
    """A manifest is of a kind that the cluster does not serve, and the set does not define."""


class ConfigError(GitopsError):
    """An Application, an option, or a kubeconfig is wrong; the text names the file and the field."""


class SourceError(GitopsError):
    """A repository, a revision, or a path in it cannot be had; the text never holds a credential."""


class HostUnreachableError(SourceError):
    """The host of a repository gave no answer in time, none that can be trusted (TLS), or a 429 or 5xx."""


class RenderError(GitopsError):
    """Files were read but make no manifests; the text names the file and the line."""


class HeldError(GitopsError):
    """A guard, a policy, or another owner stopped a sync before its first write."""


class NotificationError(GitopsError):
    """A destination did not take a notification; the text holds neither its address nor a credential.

    One that `is_final` will not be taken another time either; the others may be sent again `after` so many seconds.
    """

    def __init__(self, text: str, *, is_final: bool = False, after: float = 0.0) -> None:
        super().__init__(text)
        self.is_final = is_final
        self.after = after


class StoreError(GitopsError):
    """The store cannot be read or written."""


class AuditError(StoreError):
    """The audit chain does not verify; the text names the first entry that is wrong."""


class LostStoreError(StoreError):
    """What is open here is not what others find in its place: what is written to it, nobody will read."""


class ClusterError(GitopsError):
    """The cluster did not do what it was asked."""


class UnreachableError(ClusterError):
    """No answer from the API server, none that an API server gives, or it refused our credentials (401).

    So it is where it, or a proxy before it, says that it cannot answer now: that tells nothing of any object.
    """


class AwayError(UnreachableError):
    """One API group cannot be reached, or tells what nobody can read; the others of its cluster are there."""


class LostClusterError(UnreachableError):
    """The API server stopped answering while a sync was under way: neither done nor failed."""


class LostLeaseError(UnreachableError):
    """This replica may not write any more: another may be running the Application. Nothing was sent, nothing failed."""


class ApiError(ClusterError):
    """The API server answered with a Status.

    `code` is the HTTP status, `reason` the Status' reason ("Conflict", "Invalid", ...), `status` its body.
    """

    def __init__(self, code: int, reason: str, message: str, status: Body | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.status: Body = status or {}

    @property
    def causes(self) -> list[Body]:
        """The Status' `details.causes`: {"field", "message", "reason"} each."""
        details = self.status.get("details") or {}
        return details.get("causes") or []
