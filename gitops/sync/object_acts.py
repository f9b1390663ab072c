"""What a person has done to one object: recorded first, done with the Application's own rights, and recorded again."""

from dataclasses import dataclass, field
from typing import Any, assert_never

from gitops.engine.object_acts import restart_patch, scale_patch
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import ClusterError
from gitops.sync.operator_acts import Operator, told_reason


@dataclass(frozen=True, slots=True)
class Restart:
    """Make its Pods anew, some at a time, as its strategy says."""

    uid: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Have so many replicas of it."""

    replicas: int
    uid: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete it."""

    uid: str
    said: dict[str, Any] = field(default_factory=dict)


# Each is done if the object is still the one of this uid, which was looked at.
ObjectAct = Restart | Scale | Delete


async def do_to_object(operator: Operator, key: ResourceKey, act: ObjectAct, reason: str = "") -> None:
    """Raises ClusterError where the API server refuses, which is recorded then; StoreError before anything is done."""
    name, detail = type(act).__name__.lower(), {"object": str(key)}
    said = {"replicas": act.replicas} if isinstance(act, Scale) else act.said if isinstance(act, Delete) else {}
    await operator.record(f"object.{name}.requested", **detail, **said, **told_reason(reason))
    try:
        await _done(operator, key, act)
    except ClusterError as exc:
        await operator.record(f"object.{name}.failed", **detail, reason=str(exc))
        raise
    await operator.record(f"object.{name}.done", **detail, **said)


async def _done(operator: Operator, key: ResourceKey, act: ObjectAct) -> None:
    cluster = operator.context.cluster
    match act:
        case Restart(uid):
            at = operator.context.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
            await cluster.patch_by_hand(key, restart_patch(at, uid))
        case Scale(replicas, uid):
            await cluster.patch_by_hand(key, scale_patch(replicas, uid), subresource="scale")
        case Delete(uid):
            await cluster.delete(key, uid=uid)
        case _:
            assert_never(act)


def uid_of(live: Body) -> str:
    """The uid of a live object."""
    return str(live["metadata"].get("uid") or "")
