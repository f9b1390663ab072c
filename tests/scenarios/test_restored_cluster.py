"""The cluster behind a controller's back: restored from a backup, or made anew at the same address."""

import re
import shutil
import sqlite3
import time

import pytest

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from tests.scenarios.running import Running
from tests.scenarios.test_controller import Forward
from tests.scenarios.world import World, config_map


class Behind:
    """An address, and the cluster that is reached there now."""

    def __init__(self, folder, fresh_sandbox):
        self._folder, self._start = folder, fresh_sandbox
        self._number = 0
        self.data = folder / "data-0"
        self.running = fresh_sandbox(data_dir=self.data)
        self.forward = Forward(0, self._port()).__enter__()
        real = self.running.kubeconfig()
        self.kubeconfig = re.sub(r"https://[\w.:]+", f"https://127.0.0.1:{self.forward.port}", real)

    def _port(self):
        return int(self.running.url.rpartition(":")[2])

    def backup(self):
        time.sleep(0.3)  # it is written shortly after each change
        self._number += 1
        copy = self._folder / f"data-{self._number}"
        shutil.copytree(self.data, copy)
        return copy

    def becomes(self, data):
        """Another cluster answers at the address from now on; whoever is connected loses that."""
        old, self.running = self.running, self._start(data_dir=data)
        self.forward.turn(self._port())
        old.stop()


@pytest.fixture
def behind(tmp_path, fresh_sandbox):
    return Behind(tmp_path, fresh_sandbox)


@pytest.fixture
def world(tmp_path, behind):
    return World(tmp_path, behind.kubeconfig, "restored")


def data_of(world):
    found = world.get("ConfigMap", "settings")
    return found and found["data"]


def test_a_cluster_that_was_restored_from_a_backup_is_brought_to_the_newest_commit_again(world, behind):
    first = world.commit(settings=config_map("settings", a="1"))
    with Running(world) as running:
        running.until_synced(first)
        backup = behind.backup()
        second = world.commit(settings=config_map("settings", a="2"))
        running.until_synced(second)
        behind.becomes(backup)
        running.until(lambda: data_of(world) == {"a": "2"}, 30)


def test_a_cluster_that_was_made_anew_at_the_same_address_is_filled_again(world, behind, monkeypatch):
    sha = world.commit(settings=config_map("settings", a="1"))
    monkeypatch.setattr("gitops.adapters.kubernetes.cluster._IDENTITY_SECONDS", 0.0)
    with Running(world) as running:
        running.until_synced(sha)
        copy = behind.backup()
        with sqlite3.connect(copy / "cluster.db") as database:
            database.execute("DELETE FROM objects")
        behind.becomes(copy)
        running.until(lambda: data_of(world) == {"a": "1"}, 30)


def test_another_cluster_is_told_by_its_identity_though_its_versions_are_higher(world, behind):
    async def ask(context):
        cluster = context.cluster
        assert isinstance(cluster, KubernetesCluster)
        identity = await cluster.identity()
        same = await cluster.has_gone_back("", "ConfigMap", "", "1", identity)
        other = await cluster.has_gone_back("", "ConfigMap", "", "1", "another")
        future = await cluster.has_gone_back("", "ConfigMap", "", "999999999", identity)
        return same, other, future

    assert world._context(ask) == (False, True, True)
