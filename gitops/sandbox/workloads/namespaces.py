"""Namespaces: what each holds from the start, and emptying one that is being deleted."""

from gitops.manifests.key import Body
from gitops.sandbox.storage import ResourceKey
from gitops.sandbox.workloads.apiservices import unavailable
from gitops.sandbox.workloads.world import NAMESPACES, World, is_going

# How soon an emptied namespace is looked at again, in seconds; the conditions stay as they were found until then.
_AGAIN = 10.0
_SOON = 0.25


def reconcile_namespace(world: World, _namespace: str, name: str) -> None:
    """Gives a namespace its service account and root certificate, or empties it."""
    body = world.get(NAMESPACES, "", name)
    if body is None:
        return
    if is_going(body):
        _empty(world, body)
        return
    if world.get(("", "serviceaccounts"), name, "default") is None:
        world.create(("", "serviceaccounts"), name, {"metadata": {"name": "default", "namespace": name}})
    if world.get(("", "configmaps"), name, "kube-root-ca.crt") is None:
        note = (
            "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as "
            "the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
            "Kubernetes clusters."
        )
        metadata = {"name": "kube-root-ca.crt", "namespace": name, "annotations": {"kubernetes.io/description": note}}
        world.create(("", "configmaps"), name, {"metadata": metadata, "data": {"ca.crt": world.ca_pem}})


def _empty(world: World, namespace: Body) -> None:
    name = namespace["metadata"]["name"]
    for resource, body in _content(world, name):
        if not is_going(body):
            world.delete(resource, body, propagationPolicy="Background")
    left, broken = _content(world, name), unavailable(world)
    if not left and not broken:
        finalized = {**namespace, "spec": {}}
        stored = world.get(NAMESPACES, "", name)
        if stored is not None:
            world.cluster.storage.delete(NAMESPACES, "", name, finalized)
        return
    uid = namespace["metadata"]["uid"]
    if world.clock.time() - world.moments.get(uid, -_AGAIN) >= _AGAIN:
        world.moments[uid] = world.clock.time()
        _report(world, namespace, left, broken)
    world.again(reconcile_namespace, "", name, _SOON)


def _content(world: World, name: str) -> list[tuple[ResourceKey, Body]]:
    return [
        (resource.key, body)
        for resource in world.cluster.registry.stored()
        if resource.namespaced and resource.key != ("", "events")
        for body in world.all(resource.key, name)
    ] + [(("", "events"), body) for body in world.all(("", "events"), name)]


def _report(world: World, namespace: Body, left: list[tuple[ResourceKey, Body]], broken: list[str]) -> None:
    counts: dict[str, int] = {}
    finalizers: dict[str, int] = {}
    for (group, plural), body in left:
        shown = f"{plural}.{group}"
        counts[shown] = counts.get(shown, 0) + 1
        for finalizer in body["metadata"].get("finalizers") or ():
            finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
    remaining = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(counts.items()))
    holding = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    stale = ", ".join(f"{version}: stale GroupVersion discovery: {version}" for version in broken)
    now = world.clock.stamp()
    conditions = [
        {
            "type": f"Namespace{kind}",
            "status": "True" if trouble else "False",
            "lastTransitionTime": now,
            "reason": reasons[bool(trouble)],
            "message": words[1] + trouble if trouble else words[0],
        }
        for kind, reasons, words, trouble in (
            (
                *_DISCOVERY,
                stale and f"{len(broken)} failing: unable to retrieve the complete list of server APIs: {stale}",
            ),
            (*_PARSING, ""),
            (*_CONTENT, ""),
            (*_REMAINING, remaining),
            (*_FINALIZERS, holding),
        )
    ]
    world.set_status(NAMESPACES, namespace, {"phase": "Terminating", "conditions": conditions})


# Each condition of a namespace that is going: its type, its reasons without and with trouble, and its words.
_DISCOVERY = (
    "DeletionDiscoveryFailure",
    ("ResourcesDiscovered", "DiscoveryFailed"),
    ("All resources successfully discovered", "Discovery failed for some groups, "),
)
_PARSING = (
    "DeletionGroupVersionParsingFailure",
    ("ParsedGroupVersions", "GroupVersionParsingFailed"),
    ("All legacy kube types successfully parsed", ""),
)
_CONTENT = (
    "DeletionContentFailure",
    ("ContentDeleted", "ContentDeletionFailed"),
    ("All content successfully deleted, may be waiting on finalization", ""),
)
_REMAINING = (
    "ContentRemaining",
    ("ContentRemoved", "SomeResourcesRemain"),
    ("All content successfully removed", "Some resources are remaining: "),
)
_FINALIZERS = (
    "FinalizersRemaining",
    ("ContentHasNoFinalizers", "SomeFinalizersRemain"),
    ("All content-preserving finalizers finished", "Some content in the namespace has finalizers remaining: "),
)
