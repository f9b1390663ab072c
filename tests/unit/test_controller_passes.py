"""What a controller does as time goes by, on a cluster and a repository in memory."""

import pytest

from tests.unit.controlled import Controlled
from tests.unit.desk import config_map

A = config_map("a", x="1")


@pytest.fixture
def controlled(tmp_path):
    made = Controlled(tmp_path)
    made.commit(A)
    made.begin()
    yield made
    made.end()


def test_a_commit_is_synced_when_it_is_seen(controlled):
    controlled.until(lambda: controlled.live(A) is not None)
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: controlled.live(A)["data"] == {"x": "2"})
    assert controlled.facts().count("sync.finished") == 2
