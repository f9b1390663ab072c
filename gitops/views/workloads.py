"""What an Application's objects made: ReplicaSets, Jobs and Pods, down to each container, as JSON values.

Kubernetes says who made an object by its `ownerReferences`; the one that controls it is followed, by uid. What cannot
be read is named in `unread`, and the rest is there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gitops.engine.health import health_of
from gitops.engine.inventory import Inventory
from gitops.engine.pod_failure import is_bad_wait
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.errors import ClusterError
from gitops.model.health import HealthWord
from gitops.ports import Cluster
from gitops.sync.live_state import read_by_name

Hide = Callable[[str], str]
MOST_PODS: Final = 300
_MOST_TEXT: Final = 1000
_DEEPEST: Final = 4  # CronJob, Job, Pod; and one for a kind that somebody defined
_POD, _SET, _JOB = ("", "Pod"), ("apps", "ReplicaSet"), ("batch", "Job")
# Which kinds may be made by which; a kind that somebody defined may make any.
_MAKES: Final[Mapping[tuple[str, str], tuple[tuple[str, str], ...]]] = {
    ("apps", "Deployment"): (_SET, _POD),
    _SET: (_POD,),
    ("apps", "StatefulSet"): (_POD,),
    ("apps", "DaemonSet"): (_POD,),
    ("", "ReplicationController"): (_POD,),
    _JOB: (_POD,),
    ("batch", "CronJob"): (_JOB, _POD),
    _POD: (),
}
_ANY: Final = (_SET, _JOB, _POD)
_BAD: Final = (HealthWord.DEGRADED.value, HealthWord.MISSING.value)


def makes(key: ResourceKey) -> tuple[tuple[str, str], ...] | None:
    """The kinds that an object may have made, of those that are shown; None for one that makes none."""
    is_defined = "." in key.group and not key.group.endswith(".k8s.io")
    return _MAKES.get((key.group, key.kind), _ANY if is_defined else None)


def is_made(key: ResourceKey) -> bool:
    """Whether it is of a kind that is made by others, and shown below them."""
    return (key.group, key.kind) in _ANY


async def workload_tree(cluster: Cluster, inventory: Inventory, hidden: Hide) -> dict[str, Any]:
    """Each workload of the Application with what it made; `hidden` takes values of Secrets out of what Pods say."""
    unread: list[str] = []
    makers = [key for key in sorted(inventory.keys) if makes(key) is not None]
    roots = await _roots(cluster, makers, unread)
    made = _Made(await _listed(cluster, makers, unread), hidden)
    objects = [made.node(body, 0) for body in roots]
    shown = [node for node in objects if node["children"] or node["containers"] or node["more"]]
    return {
        "application": inventory.application,
        "pods": made.pods,
        "more": made.left_out,
        "unread": unread,
        "objects": shown,
    }


async def pods_below(cluster: Cluster, root: Body) -> list[Body]:
    """The Pods that an object made, and those that what it made has made; a Pod itself. Raises ClusterError."""
    key = key_of(root)
    if (key.group, key.kind) == _POD:
        return [root]
    bodies = [
        body for group, kind in makes(key) or () for body in (await cluster.list(group, kind, key.namespace)).items
    ]
    level, found = [root], []
    for _ in range(_DEEPEST):
        uids = {str(body["metadata"].get("uid")) for body in level}
        level = [body for body in bodies if text_of((controller_of(body) or {}).get("uid")) in uids]
        found += [body for body in level if body["kind"] == "Pod"]
    return sorted(found, key=lambda body: str(body["metadata"]["name"]))


async def _roots(cluster: Cluster, makers: Iterable[ResourceKey], unread: list[str]) -> list[Body]:
    try:
        return list((await read_by_name(cluster, dict.fromkeys(makers, ""))).values())
    except ClusterError as exc:
        unread.append(f"its workloads cannot be read: {exc}")
        return []


async def _listed(cluster: Cluster, makers: Iterable[ResourceKey], unread: list[str]) -> list[Body]:
    """All that may have been made, of each namespace: one list for each kind."""
    wanted = sorted({(key.namespace, kind) for key in makers for kind in makes(key) or () if key.namespace})
    found: list[Body] = []
    for namespace, (group, kind) in wanted:
        try:
            found += (await cluster.list(group, kind, namespace)).items
        except ClusterError as exc:
            unread.append(f"the {kind}s in namespace {namespace} cannot be listed: {exc}")
    return found


@dataclass(slots=True)
class _Made:
    """What was listed, by the uid of who controls it; counts the Pods that are shown, and those that are too many."""

    bodies: list[Body]
    hidden: Hide
    pods: int = 0
    left_out: int = 0
    by_owner: dict[str, list[Body]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_owner = {}
        for body in self.bodies:
            if uid := _controller(body):
                self.by_owner.setdefault(uid, []).append(body)

    def node(self, body: Body, depth: int) -> dict[str, Any]:
        """An object with what it made, and what is not well first."""
        made = self.by_owner.get(str(body["metadata"].get("uid") or ""), []) if depth < _DEEPEST else []
        children, more = [], 0
        for child in sorted(made, key=_place):
            if self._is_over(child):
                continue
            if child["kind"] == "Pod" and self.pods >= MOST_PODS:
                more += 1
                continue
            self.pods += child["kind"] == "Pod"
            children.append(self.node(child, depth + 1))
        self.left_out += more
        return {**_facts(body, self.hidden), "children": children, "more": more}

    def _is_over(self, body: Body) -> bool:
        """Whether it is a ReplicaSet of an older revision, of which nothing is left."""
        is_empty = not self.by_owner.get(str(body["metadata"].get("uid") or ""))
        return body["kind"] == "ReplicaSet" and is_empty and _map(body.get("spec")).get("replicas", 1) == 0


def _controller(body: Body) -> str:
    return text_of((controller_of(body) or {}).get("uid"))


def controller_of(body: Body) -> Mapping[str, Any] | None:
    """The owner reference of who controls an object, or None."""
    return next((one for one in body["metadata"].get("ownerReferences") or [] if one.get("controller") is True), None)


def _place(body: Body) -> tuple[int, str]:
    return (0 if health_of(body).word.value in _BAD else 1), str(body["metadata"]["name"])


def _facts(body: Body, hidden: Hide) -> dict[str, Any]:
    key, health = key_of(body), health_of(body)
    containers = containers_of(body, hidden) if key.kind == "Pod" and not key.group else []
    return {
        "object": str(key),
        "group": key.group,
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
        "health": health.word.value,
        "message": hidden(health.message)[:_MOST_TEXT],
        "problem": health.word.value in _BAD,
        "createdAt": text_of(body["metadata"].get("creationTimestamp")),
        "restarts": sum(one["restarts"] for one in containers),
        "containers": containers,
    }


def containers_of(pod: Body, hidden: Hide) -> list[dict[str, Any]]:
    """The containers of a Pod in the order in which they run, each with its state, its restarts and since when."""
    spec, status, found = _map(pod.get("spec")), _map(pod.get("status")), []
    for role, specs, statuses in (
        ("init", "initContainers", "initContainerStatuses"),
        ("main", "containers", "containerStatuses"),
        ("ephemeral", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        known = {text_of(one.get("name")): one for one in _maps(status.get(statuses))}
        for one in _maps(spec.get(specs)):
            name = text_of(one.get("name"))
            found.append(_container(name, role, text_of(one.get("image")), known.get(name, {}), hidden))
    return found[:100]


def _container(name: str, role: str, image: str, status: Mapping[str, Any], hidden: Hide) -> dict[str, Any]:
    state, last = _map(status.get("state")), _map(_map(status.get("lastState")).get("terminated"))
    word = next((one for one in ("running", "waiting", "terminated") if one in state), "unknown")
    told = _map(state.get(word))
    exit_code = _number(told.get("exitCode")) if word == "terminated" else None
    reason = text_of(told.get("reason"))
    is_bad = bool(exit_code) or (word == "waiting" and is_bad_wait(reason))
    return {
        "name": name,
        "role": role,
        "image": image[:_MOST_TEXT],
        "state": word,
        "reason": reason[:_MOST_TEXT],
        "message": hidden(text_of(told.get("message")))[:_MOST_TEXT],
        "exitCode": exit_code,
        "since": text_of(told.get("finishedAt") or told.get("startedAt")),
        "ready": status.get("ready") is True,
        "restarts": max(_number(status.get("restartCount")) or 0, 0),
        "last": _last(last),
        "problem": is_bad,
    }


def _last(ended: Mapping[str, Any]) -> str:
    """How the run before the present one ended, "" where there was none."""
    if not ended:
        return ""
    return f"{text_of(ended.get('reason')) or 'ended'}, exit code {_number(ended.get('exitCode')) or 0}"[:_MOST_TEXT]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
