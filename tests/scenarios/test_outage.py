"""A cluster that goes away, says nothing about what runs on it, and comes back: nothing is undone, nothing given up."""

import re
import threading
import time

import pytest

from gitops.model.application import Retry
from gitops.model.errors import LostClusterError
from tests.scenarios.running import Running, of
from tests.scenarios.test_controller import Forward
from tests.scenarios.world import deployment
from tests.soak import only_at_leisure


class Way:
    """The way to a world's cluster, which can be cut and mended."""

    def __init__(self, world):
        real = world.kubeconfig.read_text()
        (server,) = re.findall(r"https://[\w.:]+", real)
        self._target = int(server.rpartition(":")[2])
        self._forward = Forward(0, self._target)
        self._port = self._forward.port
        world.kubeconfig.write_text(real.replace(server, f"https://127.0.0.1:{self._port}"))
        self._forward.__enter__()

    def cut(self):
        self._forward.__exit__()

    def mend(self):
        self._forward = Forward(self._port, self._target)
        self._forward.__enter__()


@pytest.fixture
def way(world):
    way = Way(world)
    yield way
    way.cut()


def slow(seconds=20, **options):
    """A Deployment whose pods have to be ready for so long (of the cluster's time, which runs four times as fast)."""
    body = deployment(**options)
    return {**body, "spec": {**body["spec"], "minReadySeconds": seconds}}


def facts(world):
    return [event.fact for event in world.audit()]


@only_at_leisure
def test_a_good_commit_outlives_a_cluster_that_is_away_for_longer_than_its_timeout(world, way, lines):
    good = world.commit(web=deployment())
    with Running(world, timeout=6.0, retry=Retry(limit=1)) as running:
        running.until_synced(good)
        better = world.commit(web=slow(image="nginx:1.27", replicas=3))
        running.until(lambda: world.get("Deployment", "web", "apps")["spec"]["replicas"] == 3)
        way.cut()
        running.until(lambda: running.tracked().last.is_away, 30)
        assert running.tracked().health.word == "Unknown"
        time.sleep(7)
        way.mend()
        running.until_synced(better, seconds=40)
        assert not running.tracked().last.quarantine
    assert "rollback.started" not in facts(world)
    assert "sync.failed" not in facts(world)
    assert len(of(lines, "cluster.unreachable")) == len(of(lines, "cluster.reachable")) == 1


@only_at_leisure
def test_the_time_that_a_cluster_is_away_does_not_count_for_a_rollout(world, way):
    world.commit(web=deployment(replicas=1))
    world.sync()
    world.commit(web=slow(48, image="nginx:1.27", replicas=1))
    mending = threading.Timer(9.0, way.mend)
    cutting = threading.Timer(2.0, way.cut)
    for timer in (cutting, mending):
        timer.start()
    result = world.sync(world.with_sync(timeout=10.0))
    mending.join()
    assert result.outcome == "synced"


def test_a_sync_by_hand_whose_cluster_goes_away_says_so_and_rolls_nothing_back(world, way):
    world.commit(web=deployment())
    world.sync()
    world.commit(web=deployment(image="nginx:broken"))
    timer = threading.Timer(1.5, way.cut)
    timer.start()
    with pytest.raises(LostClusterError, match="the sync was cut short and nothing was rolled back"):
        world.sync(world.with_sync(timeout=5.0))
    timer.join()
    way.mend()
    assert "rollback.started" not in facts(world)
    assert facts(world)[-1] == "sync.interrupted"


def test_a_rollback_whose_cluster_goes_away_is_gone_on_with(world, way):
    good = world.commit(web=deployment())
    with Running(world, timeout=3.0) as running:
        running.until_synced(good)
        world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: "rollback.started" in facts(world), 30)
        way.cut()
        time.sleep(3)
        way.mend()
        running.until(lambda: running.tracked().last.quarantine and running.tracked().schedule.task is None, 60)
    image = world.get("Deployment", "web", "apps")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "nginx:1.26"
    assert not world.inventory().quarantine.stuck
