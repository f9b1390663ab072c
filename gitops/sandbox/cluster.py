"""The state of one embedded cluster, and the request that a write carries through it."""

import itertools
import random
from dataclasses import dataclass, field

from gitops.manifests.key import Body
from gitops.sandbox import conversions
from gitops.sandbox.clock import Clock
from gitops.sandbox.resources import Registry, Resource
from gitops.sandbox.statuses import not_found
from gitops.sandbox.storage import Storage, Stored

# The letters that generated names end in: no vowels, nothing that reads as another letter.
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: a name and groups."""

    name: str
    groups: tuple[str, ...] = ()


# Whom a token is for that says nothing else: the API server itself.
API_AUDIENCE = "https://kubernetes.default.svc"
ADMIN = User("system:apiserver", ("system:masters",))


@dataclass(slots=True)
class Write:
    """One write under way: what it is aimed at, how, and the warnings it collects."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    user: User = ADMIN
    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    field_validation: str = "Warn"
    warnings: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)


class Cluster:
    """Objects, what is served, and what is handed out (addresses, ports, names)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.storage = Storage()
        self.registry = Registry()
        self._addresses = itertools.count(1)
        self._ports = itertools.count(30000)
        self._pod_addresses = itertools.count(1)
        self.tokens: dict[str, User] = {}
        self.bound_tokens: dict[str, tuple[User, tuple[str, ...]]] = {}  # of service accounts, with their audiences

    def find(self, resource: Resource, namespace: str, name: str) -> Stored | None:
        """The object in the version that `resource` serves."""
        stored = self.storage.get(resource.key, namespace if resource.namespaced else "", name)
        if stored is None or not conversions.needed(resource):
            return stored
        return Stored(conversions.to_version(resource, stored.body), stored.revision)

    def get(self, resource: Resource, namespace: str, name: str) -> Stored:
        """The object, or 404."""
        stored = self.find(resource, namespace, name)
        if stored is None:
            raise not_found(resource.group, resource.plural, name)
        return stored

    def put(self, resource: Resource, body: Body) -> Body:
        """Stores a new version of an object, given and answered in the version that `resource` serves."""
        stored = self.storage.put(resource.key, conversions.to_stored(resource, body))
        return conversions.to_version(resource, stored.body)

    def namespace(self, name: str) -> Body | None:
        stored = self.storage.get(("", "namespaces"), "", name)
        return stored.body if stored else None

    def next_service_address(self) -> str:
        """A free address for a Service, out of 10.96.0.0/12."""
        taken = {stored.body["spec"].get("clusterIP") for stored in self.storage.objects(("", "services"))}
        while True:
            number = next(self._addresses)
            address = f"10.{96 + (number >> 16) % 16}.{(number >> 8) & 255}.{number & 255}"
            if address not in taken and number & 255 not in (0, 255):
                return address

    def next_node_port(self) -> int:
        """A free node port."""
        specs = [stored.body["spec"] for stored in self.storage.objects(("", "services"))]
        taken = {port.get("nodePort") for spec in specs for port in spec.get("ports") or []}
        taken |= {spec.get("healthCheckNodePort") for spec in specs}
        return next(port for port in self._ports if port not in taken)

    def next_pod_address(self) -> str:
        number = next(self._pod_addresses)
        return f"10.244.{(number >> 8) & 255}.{number & 255}"

    def issue_token(self, token: str, account: str, audiences: tuple[str, ...] = (API_AUDIENCE,)) -> None:
        """Lets `token` stand for a service account, given as its user name, to who is one of `audiences`."""
        namespace = account.split(":")[2]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        self.bound_tokens[token] = (User(account, groups), audiences)
        if API_AUDIENCE in audiences:
            self.tokens[token] = User(account, groups)

    @staticmethod
    def name_suffix() -> str:
        return "".join(random.choices(_SUFFIX_LETTERS, k=5))  # noqa: S311 - a name, not a secret
