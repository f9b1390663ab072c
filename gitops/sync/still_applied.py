"""What a sync has applied, or found as it should be, held against what is live while it waits and when it ends.

And whether it is still the last word about its Application: a person may have said another one meanwhile.
"""

from collections.abc import Iterable, Mapping

from gitops.engine.annotations import hook_phases_of
from gitops.engine.diff import is_same
from gitops.engine.hooks import removes_itself
from gitops.engine.inventory import Inventory
from gitops.engine.inventory_parent import read_parent
from gitops.engine.order import is_namespace
from gitops.engine.overtaken import overtaken_by, overtaken_fields, overtaken_inventory
from gitops.engine.plan_input import PlanInput
from gitops.engine.predict import predict
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.errors import ApiError
from gitops.ports import Cluster
from gitops.sync.live_state import live_state


class StillApplied:
    """Who has changed the objects of one sync since it applied them; hooks are not compared: each runs once."""

    def __init__(self, cluster: Cluster, at: PlanInput, inventory: Inventory, pruned: Iterable[ResourceKey]) -> None:
        """`pruned` is what the sync itself deletes; a Namespace takes the inventory in it along."""
        self._loses_inventory = any(is_namespace(key) and key.name == inventory.parent.namespace for key in pruned)
        self._cluster = cluster
        self._at = at
        self._inventory = inventory
        self._manifests = {found.key: found for found in at.rendered.manifests if not hook_phases_of(found)}
        self._applied: dict[ResourceKey, Body] = {}

    async def other_word(self, app: Application, digest: str) -> str:
        """Another sync of the Application that came in between, in words, whatever its objects look like, or "".

        Raises ClusterError.
        """
        parent = self._inventory.parent
        try:
            now = read_parent(await self._cluster.get(parent, fresh=True), app.identity, parent)
        except ManifestError as exc:
            return f"its inventory cannot be read any more ({exc})"
        if now.exists:
            return overtaken_inventory(self._inventory, digest, now)
        return "" if self._loses_inventory else "the Application was deleted"

    def note(self, bodies: Mapping[ResourceKey, Body]) -> None:
        """These are as the sync wants them: as the API server stored them for us, or as they were found."""
        self._applied |= {key: body for key, body in bodies.items() if key in self._manifests}

    def who_changed(self, key: ResourceKey, live: Body) -> str:
        """Who has changed what we want of an object, in words; "" while nobody has, or it is none of ours."""
        applied = self._applied.get(key)
        if applied is None or is_same(applied, live):
            return ""
        fields = overtaken_fields(self._at, self._manifests[key], applied, live, predict)
        # The next event is compared with this; what a change of the spec comes to shows only later.
        if not fields and applied["metadata"].get("generation") == live["metadata"].get("generation"):
            self._applied[key] = live
        return overtaken_by(fields)

    async def look(self) -> dict[ResourceKey, str]:
        """Every object that is not what was applied any more, and who changed it. Raises ClusterError."""
        manifests = [self._manifests[key] for key in self._applied]
        try:
            live = await live_state(self._cluster, manifests, (), self._inventory)
        except ApiError:  # what may not be read again is taken as it was answered
            return {}
        changed = {key: self.who_changed(key, body) for key, body in live.items()}
        gone = {
            key: "it was deleted" for key, body in self._applied.items() if key not in live and not removes_itself(body)
        }
        return {key: who for key, who in (changed | gone).items() if who}
