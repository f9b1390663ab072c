"""What an Application with a service account is told of a cluster without asking in that one's name."""

from dataclasses import replace

from gitops.engine.inventory import Inventory, parent_key, with_ownership
from gitops.engine.inventory_parent import parent_body
from gitops.manifests.key import key_of
from gitops.model.application import Application, Destination, SyncOptions
from gitops.sync.context import account_view
from gitops.testing.cluster import MemoryCluster
from tests.unit.desk import config_map

APP = Application(
    "app", namespace="team", destination=Destination(namespace="shop"), sync=SyncOptions(serviceAccount="deployer")
)
OURS, OTHERS = (Inventory(name, parent_key(name.partition("/")[2], "shop")) for name in ("team/app", "team/other"))


class Acting(MemoryCluster):
    def acting_as(self, user, sees):
        self.user, self.sees = user, sees
        return self


def marked(inventory, **without):
    body = config_map("a")
    found = with_ownership(body, key_of(body), inventory)
    return {**found, "metadata": {**found["metadata"], **without}}


def told(body):
    return account_view(Acting(), APP).sees(key_of(body), body)


def test_it_is_told_of_its_own_objects_and_inventory_and_of_nobody_elses():
    assert account_view(Acting(), APP).user == "system:serviceaccount:team:deployer"
    assert told(marked(OURS))
    assert told(marked(OURS, annotations={}))  # which lost the name of the Application, and has its set's label
    assert not told(marked(OTHERS))
    assert not told(marked(OTHERS, annotations={}))
    assert not told(marked(OTHERS, labels=marked(OURS)["metadata"]["labels"]))
    assert not told(config_map("a"))
    assert told(parent_body(replace(OURS, exists=True), "1"))
    assert not told(parent_body(replace(OTHERS, exists=True), "1"))
