"""What the API does to one object of an Application: restart, scale, delete.

With the rights that the Application is deployed with, on what the Application owns and on Pods that its workloads made.
"""

from collections.abc import Mapping
from typing import Any, Final

from gitops.engine.inventory import Inventory, owner_of
from gitops.engine.object_acts import DELETE, MOST_REPLICAS, RESTART, SCALE, acts_of, obstruction
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.errors import ConfigError, HeldError
from gitops.ports import Cluster
from gitops.server.api.acts import REASON
from gitops.server.api.objects import OBJECT_QUERY, key_in, reached
from gitops.server.api.objects import key_of as named_key
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import Parameter, flag
from gitops.server.auth import policy
from gitops.server.problems import Problem
from gitops.sync.object_acts import Delete, ObjectAct, Restart, Scale, do_to_object, uid_of
from gitops.sync.operator_acts import Operator
from gitops.views.one_object import live_object


async def restart(call: Call) -> dict[str, Any]:
    return await _act(call, RESTART)


async def scale(call: Call) -> dict[str, Any]:
    return await _act(call, SCALE)


async def delete(call: Call) -> dict[str, Any]:
    return await _act(call, DELETE)


async def _act(call: Call, act: str) -> dict[str, Any]:
    key = named_key(call)
    context, inventory = await reached(call)
    live, is_made = await _owned(context.cluster, inventory, key)
    if act not in acts_of(key, is_made=is_made):
        raise Problem(409, "Not as it stands", f"{key}: {_NONE[act]}")
    found = obstruction(act, key, live)
    if found is not None and not (found.confirmable and call["confirm"]):
        raise HeldError(f"{key}: {found.why}" + ("; confirm it all the same" if found.confirmable else ""))
    operator = Operator(call.person.name, context, inventory)
    await do_to_object(operator, key, _what(call, act, live, confirmed=found is not None), call["reason"] or "")
    call.served.recent.forget(call.application)
    return {
        "application": call.application,
        "act": act,
        "by": call.person.name,
        "object": str(key),
        "note": _note(call, act, is_made=is_made),
    }


async def _owned(cluster: Cluster, inventory: Inventory, key: ResourceKey) -> tuple[Body, bool]:
    """The object as it is now, and whether one that the Application owns made it. Raises Problem.

    That an inventory names an object is not enough to act on it: its annotation has to say whose it is.
    """
    try:
        live, maker = await live_object(cluster, inventory, key)
    except ConfigError as exc:
        raise Problem(404, "No such object", str(exc)) from exc
    live = await cluster.get(key, fresh=True) if live else None
    if live is None:
        raise Problem(404, "No such object", f"{key} is not in the cluster")
    owned = maker or live
    if owner_of(owned, key_of(owned)) != inventory.application:
        why = f"{key_of(owned)} is not marked as {inventory.application}'s: nothing is done to it"
        raise Problem(409, "Not as it stands", why)
    return live, maker is not None


def _what(call: Call, act: str, live: Body, *, confirmed: bool) -> ObjectAct:
    match act:
        case "restart":
            return Restart(uid_of(live))
        case "scale":
            return Scale(call["replicas"], uid_of(live))
    return Delete(uid_of(live), {"confirmed": True} if confirmed else {})


def known_act(name: str) -> Operation:
    """The act on an object that a page's form names. Raises Problem for none."""
    found = next((one for one in OPERATIONS if one.id == name), None)
    if found is None:
        raise Problem(404, "No such act", f"there is no act {name[:40]}")
    return found


def _note(call: Call, act: str, *, is_made: bool) -> str:
    """What comes of it."""
    sync = call.served.overview.state(call.application).app.sync
    if act == RESTART:
        return "its Pods are made anew, as its strategy says"
    if act == SCALE:
        return "Git does not say how many; so it stays until somebody changes it"
    if is_made:
        return "who made it makes another one"
    return "it is in Git: " + ("the controller makes it again" if sync.drift == "correct" else "a sync makes it again")


_NONE: Final = {
    RESTART: "a Deployment, a StatefulSet or a DaemonSet can be restarted",
    SCALE: "a Deployment, a StatefulSet, a ReplicaSet or a ReplicationController can be scaled",
    DELETE: "of what its workloads made, Pods can be deleted",
}


def action_of(act: str, key: ResourceKey) -> str:
    """What the policy has to allow, as Argo CD names it."""
    if act == DELETE:
        return f"{policy.DELETE}/{key.group}/{key.kind}/{key.namespace}/{key.name}"
    return f"{policy.ACTION}/{key.group}/{key.kind}/{act}"


def _operation(act: str, about: str, carry_out: Any, *more: Parameter) -> Operation:
    def needs(values: Mapping[str, Any]) -> str:
        return action_of(act, key_in(values))  # an action is taken apart at its slashes, which no name has

    path = f"/applications/{{namespace}}/{{name}}/object/{act}"
    return Operation(act, path, about, "ObjectDone", carry_out, body=(*OBJECT_QUERY, *more, REASON), needs=needs)


_REPLICAS: Final = Parameter(
    "replicas", "How many.", {"type": "integer", "minimum": 0, "maximum": MOST_REPLICAS}, required=True
)
OPERATIONS: Final = (
    _operation(RESTART, "Have a workload's Pods made anew, as `kubectl rollout restart` does.", restart),
    _operation(SCALE, "Have so many replicas of a workload, where Git does not say how many.", scale, _REPLICAS),
    _operation(
        DELETE,
        "Delete one object; what is in Git is made again.",
        delete,
        flag("confirm", "Also what takes data or other objects along."),
    ),
)
