"""Pods that controllers make: what the API refuses is told in an Event, and tried again, later each time."""

from gitops.manifests.key import Body
from gitops.sandbox.statuses import ApiFailure
from gitops.sandbox.workloads.world import PODS, Reconcile, World

# How long after a first refusal a controller tries again, doubled with each, and the longest wait, in seconds.
_FIRST, _LONGEST = 0.005, 1000.0
# A timer may come this much too early.
_EARLY = 0.001

_WORDS = ("Created pod: {}", "Error creating: {}")


def create_pod(
    world: World, reconcile: Reconcile, owner: Body, body: Body, component: str, words: tuple[str, str] = _WORDS
) -> bool:
    """Makes a Pod of `owner`; False where the API refuses it, and then `reconcile` is called again.

    `words` are the Events' texts: with the name of what was made, with the API's message.
    """
    made, refused = words
    namespace, uid = owner["metadata"]["namespace"], owner["metadata"]["uid"]
    try:
        created = world.try_to_create(PODS, namespace, body)
    except ApiFailure as failure:
        if not _is_going(failure):  # the owner goes with its namespace
            world.failures[uid] = str(failure)
            world.event(owner, "FailedCreate", refused.format(failure), component, "Warning")
            _try_again(world, reconcile, owner)
        return False
    world.refusals.pop(uid, None)
    world.event(owner, "SuccessfulCreate", made.format(created["metadata"]["name"]), component)
    return True


def _is_going(failure: ApiFailure) -> bool:
    causes = (failure.status.get("details") or {}).get("causes") or ()
    return failure.code == 404 or any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _try_again(world: World, reconcile: Reconcile, owner: Body) -> None:
    metadata, now = owner["metadata"], world.clock.time()
    count, due = world.refusals.get(metadata["uid"], (0, now))
    if due > now + _EARLY:  # something else called the controller meanwhile
        return
    wait = min(_FIRST * 2**count, _LONGEST)
    world.refusals[metadata["uid"]] = (count + 1, now + wait)
    world.again(reconcile, metadata["namespace"], metadata["name"], wait)
