"""The status of ResourceQuotas: what a namespace uses of each resource that one limits."""

from gitops.sandbox.quotas import QUOTAS, shown, used_of
from gitops.sandbox.workloads.world import World, is_going


def reconcile_quota(world: World, namespace: str, name: str) -> None:
    """Counts what is used."""
    quota = world.get(QUOTAS, namespace, name)
    if quota is None or is_going(quota):
        return
    used = {item: shown(item, amount) for item, amount in used_of(world.cluster, quota).items()}
    world.set_status(QUOTAS, quota, {"hard": quota["spec"].get("hard") or {}, "used": used})
