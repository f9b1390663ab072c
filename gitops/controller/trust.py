"""What an Application may use that is the operator's: credentials of the environment, contexts of the kubeconfig."""

from collections.abc import Callable
from typing import Protocol

from gitops.controller.registry import Registration
from gitops.model.application import Application


class ClusterSecrets(Protocol):
    """Secrets of the controller's own cluster: those that register clusters, and those that hold credentials."""

    def knows(self, name: str) -> bool: ...

    def credentials(self, namespace: str, reference: str) -> str: ...


class Trust:
    """Decides by who gave an Application; `entry` tells that, by its identity.

    `environment` is what the operator's environment says a secretRef means, or "". With `contexts` every Application
    may name a context of the kubeconfig.
    """

    def __init__(
        self,
        entry: Callable[[str], Registration | None],
        secrets: ClusterSecrets,
        environment: Callable[[str], str],
        *,
        contexts: bool,
    ) -> None:
        self._entry = entry
        self._secrets = secrets
        self._environment = environment
        self._contexts = contexts

    def is_trusted(self, app: Application) -> bool:
        """Whether the controller's operator wrote it."""
        entry = self._entry(app.identity)
        return entry is not None and entry.trusted

    def secret(self, app: Application, reference: str) -> str:
        """The text of a secretRef: what the operator did not write has only its own namespace's Secrets."""
        own = self._environment(reference) if self.is_trusted(app) else ""
        return own or self._secrets.credentials(self.secrets_in(app), reference)

    def secrets_in(self, app: Application) -> str:
        """The namespace of its Secrets with credentials."""
        entry = self._entry(app.identity)
        return entry.secrets_in if entry is not None and entry.secrets_in else app.namespace

    def cluster_refused(self, app: Application) -> str:
        """Why it may not go to the cluster that it names, or ""."""
        name = app.cluster
        if (
            not name
            or app.destination.kubeConfig.secretRef
            or self._contexts
            or self._secrets.knows(name)
            or self._is_operators(app)
        ):
            return ""
        return (
            f"destination.cluster: no Secret registers a cluster {name}; the contexts of the controller's kubeconfig "
            "are its operator's own (`gitops run --contexts` opens them to custom resources)"
        )

    def _is_operators(self, app: Application) -> bool:
        """Whether the operator named its cluster: in a file, or in that of the Application which brought it."""
        entry = self._entry(app.identity)
        above = self._entry(entry.parent) if entry is not None and entry.parent else None
        if above is not None:
            return above.app.cluster == app.cluster and self._is_operators(above.app)
        return entry is not None and entry.trusted and not entry.parent
