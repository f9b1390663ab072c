"""What the server puts aside of a set, by a webhook say, is asked for once in a while and not at each look."""

import asyncio

import pytest

from gitops.manifests.key import key_of
from gitops.testing.cluster import MemoryCluster
from tests.unit.desk import SPACE, Desk, config_map

KEY = key_of(config_map("settings"))


class Corrected(MemoryCluster):
    """With a webhook that has every word in lower-case letters."""

    async def apply(self, key, body, *, force=False, dry_run=False):
        if "data" in body:
            body = {**body, "data": {name: value.lower() for name, value in body["data"].items()}}
        return await super().apply(key, body, force=force, dry_run=dry_run)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.cluster = Corrected([SPACE])
    desk.commit(config_map("settings", word="Loud"))
    desk.sync()
    desk.cluster.calls.clear()
    return desk


def test_what_the_server_called_equal_is_no_change_and_is_not_asked_for_again(desk):
    assert not desk.plan().plan.steps
    assert desk.cluster.calls.count(("apply", KEY)) <= 1
    desk.cluster.calls.clear()
    assert not desk.plan().plan.steps
    assert desk.cluster.calls == []


def test_it_is_asked_for_again_after_a_while_for_the_webhook_may_be_gone(desk):
    desk.plan()
    desk.cluster.calls.clear()
    asyncio.run(desk.clock.step(7200))
    assert not desk.plan().plan.steps
    assert desk.cluster.calls == [("apply", KEY)]


def test_what_the_server_refuses_is_not_called_equal(desk):
    desk.commit(config_map("settings", word="Louder"))
    desk.cluster.refuse("apply", KEY, 422, "Invalid")
    assert [one.key for one in desk.plan().plan.obstacles] == [KEY]
    assert [one.key for one in desk.plan().plan.obstacles] == [KEY]
