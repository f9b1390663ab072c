"""Claims and volumes: binding, provisioning by the simulated class, and the protection of what is in use."""

from gitops.manifests.key import Body
from gitops.manifests.quantity import parse
from gitops.sandbox.workloads.world import CLAIMS, PODS, VOLUMES, World, is_ended, is_going

SIMULATED = "sandbox.gitops.dev/simulated"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_CLASSES = ("storage.k8s.io", "storageclasses")
_CLAIM_FINALIZER, _VOLUME_FINALIZER = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


def reconcile_claim(world: World, namespace: str, name: str) -> None:
    """Binds a claim to a volume that fits, or provisions one; lets an unused claim go."""
    claim = world.get(CLAIMS, namespace, name)
    if claim is None:
        return
    if is_going(claim):
        _release_claim(world, claim)
        return
    if (claim.get("status") or {}).get("phase") == "Bound":
        _grow(world, claim)
        return
    volume = _fitting(world, claim) or _provisioned(world, claim)
    if volume is not None:
        _bind(world, claim, volume)


def _release_claim(world: World, claim: Body) -> None:
    namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
    for pod in world.all(PODS, namespace):
        used = [
            (entry.get("persistentVolumeClaim") or {}).get("claimName") for entry in pod["spec"].get("volumes") or ()
        ]
        if name in used and pod["spec"].get("nodeName") and not is_ended(pod):
            world.again(reconcile_claim, namespace, name, 0.5)
            return
    # The real controller acts a moment later as well, so that others see the claim terminating.
    uid = claim["metadata"]["uid"] + " going"
    if uid not in world.moments:
        world.moments[uid] = world.clock.time()
        world.again(reconcile_claim, namespace, name, 0.2)
        return
    _without_finalizer(world, CLAIMS, claim, _CLAIM_FINALIZER)


def _without_finalizer(world: World, resource: tuple[str, str], body: Body, finalizer: str) -> None:
    def change(live: Body) -> Body:
        left = [entry for entry in live["metadata"].get("finalizers") or () if entry != finalizer]
        metadata = {key: value for key, value in live["metadata"].items() if key != "finalizers"}
        return {**live, "metadata": {**metadata, "finalizers": left} if left else metadata}

    if finalizer in (body["metadata"].get("finalizers") or ()):
        world.update(resource, body, change)


def _requested(claim: Body) -> str:
    return str(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _fitting(world: World, claim: Body) -> Body | None:
    """The smallest free volume that the claim may have."""
    wanted = claim["spec"]
    fits = []
    for volume in world.all(VOLUMES):
        spec = volume["spec"]
        reference = spec.get("claimRef")
        ours = reference is not None and (reference.get("namespace"), reference.get("name")) == (
            claim["metadata"]["namespace"],
            claim["metadata"]["name"],
        )
        if is_going(volume) or (reference is not None and not ours):
            continue
        if wanted.get("volumeName") not in (None, "", volume["metadata"]["name"]):
            continue
        if (spec.get("storageClassName") or "") != (wanted.get("storageClassName") or ""):
            continue
        if not set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ()):
            continue
        size = parse((spec.get("capacity") or {}).get("storage", "0"))
        if size >= parse(_requested(claim)):
            fits.append((not ours, size, volume["metadata"]["name"], volume))
    return min(fits)[3] if fits else None


def _provisioned(world: World, claim: Body) -> Body | None:
    name = claim["spec"].get("storageClassName")
    storage_class = world.get(_CLASSES, "", name) if name else None
    if storage_class is None or storage_class["provisioner"] != SIMULATED:
        return None
    volume = f"pvc-{claim['metadata']['uid']}"
    body: Body = {
        "metadata": {"name": volume, "annotations": {_PROVISIONED_BY: SIMULATED}},
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": _requested(claim)},
            "hostPath": {"path": f"/simulated/{volume}"},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": name,
            "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
        },
    }
    world.event(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {volume}", SIMULATED)
    return world.get(VOLUMES, "", volume) or world.create(VOLUMES, "", body)


def _grow(world: World, claim: Body) -> None:
    """Makes the simulated volume of a claim as large as the claim asks by now."""
    volume = world.get(VOLUMES, "", claim["spec"].get("volumeName", ""))
    if volume is None or (volume["metadata"].get("annotations") or {}).get(_PROVISIONED_BY) != SIMULATED:
        return
    capacity = {"storage": _requested(claim)}
    if parse(capacity["storage"]) > parse((volume["spec"].get("capacity") or {}).get("storage", "0")):
        world.update(VOLUMES, volume, lambda body: {**body, "spec": {**body["spec"], "capacity": capacity}})
        world.set_status(CLAIMS, claim, {**claim["status"], "capacity": capacity})
        world.event(claim, "FileSystemResizeSuccessful", "MountVolume.NodeExpandVolume succeeded", "kubelet")


def _bind(world: World, claim: Body, volume: Body) -> None:
    metadata = claim["metadata"]
    reference = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        **{name: metadata[name] for name in ("namespace", "name", "uid", "resourceVersion")},
    }
    bound = world.update(VOLUMES, volume, lambda body: {**body, "spec": {**body["spec"], "claimRef": reference}})
    world.set_status(VOLUMES, bound, {**(bound.get("status") or {}), "phase": "Bound"})
    annotations = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}

    def change(body: Body) -> Body:
        merged = {**(body["metadata"].get("annotations") or {}), **annotations}
        return {
            **body,
            "metadata": {**body["metadata"], "annotations": merged},
            "spec": {**body["spec"], "volumeName": volume["metadata"]["name"]},
        }

    updated = world.update(CLAIMS, claim, change)
    status = {
        "phase": "Bound",
        "accessModes": volume["spec"]["accessModes"],
        "capacity": volume["spec"]["capacity"],
    }
    world.set_status(CLAIMS, updated, status)


def reconcile_volume(world: World, _namespace: str, name: str) -> None:
    """Marks a volume as available, releases it when its claim is gone, lets it go when it may."""
    volume = world.get(VOLUMES, "", name)
    if volume is None:
        return
    status, spec = volume.get("status") or {}, volume["spec"]
    reference = spec.get("claimRef")
    claim = world.get(CLAIMS, reference.get("namespace", ""), reference.get("name", "")) if reference else None
    held = claim is not None and reference is not None and claim["metadata"]["uid"] == reference.get("uid")
    if is_going(volume) and not held:
        _without_finalizer(world, VOLUMES, volume, _VOLUME_FINALIZER)
    elif reference is None and status.get("phase") != "Available":
        world.set_status(VOLUMES, volume, {**status, "phase": "Available"})
    elif reference is not None and reference.get("uid") and not held:
        if spec.get("persistentVolumeReclaimPolicy") == "Delete":
            world.delete(VOLUMES, volume)
        elif status.get("phase") != "Released":
            world.set_status(VOLUMES, volume, {**status, "phase": "Released"})
