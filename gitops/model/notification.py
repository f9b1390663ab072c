"""What is told to the outside, of which Applications, and where: frozen data, the same for controller and command line.

FACTS is the one list of what can be told. A fact comes from the audit log (what was done) or from how an Application
stands (its health, its source, what it waits for); `gitops.engine.notifications` says which from what.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, Final, Literal, get_args

from gitops.manifests.names import LABEL_NAME
from gitops.model.fact import Fact
from gitops.model.reading import read_as

Severity = Literal["info", "warning", "error"]
CommitState = Literal["", "pending", "success", "failure"]
DestinationType = Literal[
    "webhook",
    "cloudevents",
    "slack",
    "msteams",
    "discord",
    "googlechat",
    "telegram",
    "webex",
    "matrix",
    "alertmanager",
    "grafana",
    "github",
    "gitlab",
    "gitea",
    "bitbucket",
    "bitbucket-server",
    "azure-devops",
    "apprise",
]
COMMIT_TYPES: Final = frozenset(("github", "gitlab", "gitea", "bitbucket", "bitbucket-server", "azure-devops"))


@dataclass(frozen=True, slots=True)
class FactKind:
    """How a fact is told: in words, how bad it is, and what it makes of a commit's status ("" says nothing of one)."""

    words: str
    severity: Severity = "info"
    commit: CommitState = ""


FACTS: Final[dict[str, FactKind]] = {
    "started": FactKind("a sync began", commit="pending"),
    "synced": FactKind("was synced", commit="success"),
    "unchanged": FactKind("is not changed by this commit", commit="success"),
    "failed": FactKind("could not be synced", "error", "failure"),
    "rolled-back": FactKind("was rolled back", "error"),
    "rollback-failed": FactKind("could not be rolled back", "error"),
    "overtaken": FactKind("was changed by others during its sync", "error", "failure"),
    "terminated": FactKind("had its sync terminated", "warning", "failure"),
    "held": FactKind("is held until a person confirms", "warning", "pending"),
    "approval": FactKind("waits for an approval or a sync", "info", "pending"),
    "drifted": FactKind("was changed by hand", "warning"),
    "degraded": FactKind("is degraded", "error"),
    "healthy": FactKind("is healthy again"),
    "source-failed": FactKind("has a source that cannot be read", "error"),
    "source-recovered": FactKind("has a source that can be read again"),
    "error": FactKind("cannot be planned", "error", "failure"),
    "error-over": FactKind("can be planned again"),
    "suspended": FactKind("was suspended"),
    "resumed": FactKind("was resumed"),
    "approved": FactKind("had a plan approved"),
    "deleted": FactKind("was deleted"),
    "delete-failed": FactKind("could not be deleted", "error"),
    "tests-passed": FactKind("passed its tests"),
    "tests-failed": FactKind("failed its tests", "error"),
}
# Of several at once; nobody subscribes to it.
SUMMARY: Final = "summary"
ALL_FACTS: Final[tuple[str, ...]] = get_args(Fact)
# What is told where nobody says which facts: what went wrong, and that it is over.
USUAL_FACTS: Final = tuple(
    name for name in ALL_FACTS if FACTS[name].severity != "info" or name in ("synced", "healthy", "source-recovered")
)
COMMIT_FACTS: Final = tuple(name for name in ALL_FACTS if FACTS[name].commit)


@dataclass(frozen=True, slots=True)
class Notification:
    """One fact of one Application (NAMESPACE/NAME). `id` stays the same however often it is sent.

    `object` is the custom resource that the Application is (KIND/NAMESPACE/NAME).
    """

    id: str
    fact: str
    at: str
    application: str
    cluster: str = ""
    source: str = ""
    revision: str = ""
    actor: str = ""
    reason: str = ""
    url: str = ""
    object: str = ""

    @property
    def severity(self) -> Severity:
        return FACTS[self.fact].severity if self.fact in FACTS else "warning"

    @property
    def words(self) -> str:
        return FACTS[self.fact].words if self.fact in FACTS else self.fact

    @property
    def namespace(self) -> str:
        return self.application.partition("/")[0]

    @property
    def name(self) -> str:
        return self.application.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Letter:
    """A notification on its way: destination → the text for it, of those that have not had it yet."""

    note: Notification
    to: dict[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """How an Application stood when that was told last; `waiting` and `problem` name what they are about."""

    degraded: bool = False
    problem: str = ""
    waiting: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What of one Application has been taken in, and what is still to be delivered.

    `heads` is the newest entry taken in of each chain of its audit log (by cluster), `at` the newest time of one;
    `rollbacks` are the clusters where a rollback is under way, with its reason.
    """

    at: str = ""
    heads: dict[str, int] = field(default_factory=dict)
    rollbacks: dict[str, str] = field(default_factory=dict)
    standing: Standing = Standing()
    letters: tuple[Letter, ...] = ()

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False)


def mailbox_in(text: str) -> Mailbox:
    """What `Mailbox.text` gave. Raises ValueError for anything else."""
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("letters"), list):
        raise ValueError("expected a mailbox")
    letters = tuple(Letter(read_as(Notification, one["note"]), _texts(one["to"])) for one in found["letters"])
    heads = {str(name): int(number) for name, number in dict(found.get("heads") or {}).items()}
    standing = read_as(Standing, found.get("standing"))
    return Mailbox(str(found.get("at")), heads, _texts(found.get("rollbacks")), standing, letters)


def _texts(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class DestinationSpec:
    """A place that is told: what its operator wrote, without its credentials.

    `secretRef` names those. Applications of `namespaces` (globs) may subscribe to it themselves. `rate` is how many
    messages a minute it gets at the most; what is beyond is told in one summary.
    """

    name: Annotated[str, LABEL_NAME]
    type: DestinationType
    url: str = ""
    secretRef: str = ""
    namespaces: tuple[str, ...] = ()
    template: str = ""
    channel: str = ""
    rate: int = 60
    proxy: str = ""
    caFile: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which Applications: all that fit each of these; globs, and labels with exactly these values."""

    names: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ("*",)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which facts of which Applications go where; "" of `template` is the destination's."""

    destinations: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    applications: Selector = Selector()
    template: str = ""


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """All that an operator says of notifications; `page` is the address that links lead to."""

    destinations: tuple[DestinationSpec, ...] = ()
    rules: tuple[Rule, ...] = ()
    page: str = ""

    def destination(self, name: str) -> DestinationSpec | None:
        return next((one for one in self.destinations if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Place:
    """A destination with who opened it: the controller's operator, or somebody who may write objects of Flux.

    `secrets_in` is the namespace of the Secret with its credentials, "" where they are the operator's. A place of
    Flux's `style` is a tenant's: it is reached on the network alone. There `metadata` is what an Alert adds to each
    notification, `uid` the Provider's, and `username` what it is shown as; `trust_ref` and `proxy_ref` name Secrets
    with authorities and a proxy.
    """

    spec: DestinationSpec
    secrets_in: str = ""
    style: Literal["own", "flux"] = "own"
    uid: str = ""
    username: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    trust_ref: str = ""
    proxy_ref: str = ""
