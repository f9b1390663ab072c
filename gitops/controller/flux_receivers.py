"""Flux's Receivers: each has a path of its own for webhooks, which have what it names looked at.

The path is made of the receiver's token, as notification-controller makes it, so hosts go on calling the one they know.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from gitops.compat.flux.objects import GROUP_OF, Ref
from gitops.controller.flux_source import FluxResources
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import GitopsError
from gitops.ports import Clock

UNSIGNED: Final = "unsigned"
_TOKEN_SECONDS: Final = 60.0
# What proves who sent a webhook, by the receiver's type; Flux takes the path alone for those that are not signed.
_KINDS: Final = {
    "github": "github",
    "gitlab": "gitlab",
    "bitbucket": "bitbucket",
    "harbor": "harbor",
    "generic-hmac": "generic",
    **dict.fromkeys(("generic", "dockerhub", "quay", "acr"), UNSIGNED),
}


@dataclass(frozen=True, slots=True)
class Receiver:
    """A place of its own for webhooks of one kind; `wake` has what it is for looked at, and says how much that is."""

    kind: str
    secret: str = field(repr=False)
    wake: Callable[[], int]


class FluxReceivers:
    """`token` gives, in a thread, the token in a Secret (namespace, name); `wake` has an Application looked at.

    `told` hears what the status of a Receiver is.
    """

    def __init__(
        self,
        resources: FluxResources,
        clock: Clock,
        token: Callable[[str, str], str],
        wake: Callable[[str], bool],
        told: Callable[[ResourceKey, Body], None],
    ) -> None:
        self._resources = resources
        self._clock = clock
        self._token = token
        self._wake = wake
        self._told = told
        self._bodies: list[Body] = []
        self._paths: dict[str, Receiver] = {}
        self._until = 0.0

    def put(self, bodies: list[Body]) -> None:
        """These are all that there are."""
        self._bodies, self._until = bodies, 0.0

    async def run(self) -> None:
        """Keep paths and statuses at what the Receivers and their tokens are."""
        while True:
            if self._clock.monotonic() >= self._until:
                self._until = self._clock.monotonic() + _TOKEN_SECONDS
                await self._read_all()
            await self._clock.sleep(1.0)

    def find(self, path: str) -> Receiver | None:
        return self._paths.get(path)

    async def _read_all(self) -> None:
        found: dict[str, Receiver] = {}
        for body in self._bodies:
            metadata, spec = body["metadata"], _map(body.get("spec"))
            namespace, name = str(metadata.get("namespace") or ""), str(metadata["name"])
            kind = _KINDS.get(str(spec.get("type")))
            reason = "" if kind else f"spec.type: {str(spec.get('type'))[:100]} is not taken here"
            token = ""
            if not reason:
                try:
                    token = await asyncio.to_thread(self._token, namespace, _map(spec.get("secretRef")).get("name", ""))
                    reason = "" if token else "spec.secretRef: that Secret has no token"
                except GitopsError as exc:
                    reason = str(exc)
            path = hashlib.sha256(f"{token}{name}{namespace}".encode()).hexdigest() if token else ""
            if path and kind and not spec.get("suspend"):
                found[path] = Receiver(kind, token, _Wake(self, namespace, spec))
            self._told(ResourceKey(GROUP_OF["Receiver"], "Receiver", namespace, name), _status(metadata, path, reason))
        self._paths = found

    def wake_all(self, namespace: str, spec: Body) -> int:
        """Have what a Receiver names looked at; how many Applications that is for."""
        resources = spec.get("resources")
        found: set[str] = set()
        for resource in resources if isinstance(resources, list) else ():
            named = _map(resource)
            space = str(named.get("namespace") or namespace)
            found |= self._resources.made_from(Ref(str(named.get("kind")), space, str(named.get("name"))))
        return sum(self._wake(identity) for identity in sorted(found))


@dataclass(frozen=True, slots=True)
class _Wake:
    receivers: FluxReceivers
    namespace: str
    spec: Body

    def __call__(self) -> int:
        return self.receivers.wake_all(self.namespace, self.spec)


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _status(metadata: Body, path: str, reason: str) -> Body:
    generation = int(metadata.get("generation") or 0)
    word, why = ("False", reason) if reason else ("True", f"Receiver initialized for path: /hook/{path}")
    ready = {"type": "Ready", "status": word, "reason": "Refused" if reason else "Succeeded", "message": why[:1024]}
    status: Body = {"observedGeneration": generation, "conditions": [{**ready, "observedGeneration": generation}]}
    return {**status, **({"webhookPath": f"/hook/{path}"} if path else {})}
