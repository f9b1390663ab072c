"""Whether a sync that finds the inventory gone was overtaken by a deletion, or took the inventory along itself."""

import asyncio

import pytest

from gitops.manifests.key import ResourceKey
from gitops.sync.still_applied import StillApplied
from gitops.testing.cluster import MemoryCluster
from tests.unit.desk import SPACE, Desk, config_map


@pytest.fixture
def planned(tmp_path):
    desk = Desk(tmp_path)
    desk.commit(config_map("a"))
    return desk.app, desk.plan()


@pytest.mark.parametrize(
    ("pruned", "word"),
    [
        ((), "the Application was deleted"),
        ((ResourceKey("", "Namespace", "", "shop"),), ""),
        ((ResourceKey("", "Namespace", "", "bank"),), "the Application was deleted"),
        ((ResourceKey("", "ConfigMap", "shop", "shop"),), "the Application was deleted"),
    ],
)
def test_an_inventory_that_is_gone_was_deleted_but_where_the_sync_deletes_its_namespace(planned, pruned, word):
    app, plan = planned
    still = StillApplied(MemoryCluster([SPACE]), plan.at, plan.at.inventory, pruned)
    assert asyncio.run(still.other_word(app, plan.plan.digest)) == word
