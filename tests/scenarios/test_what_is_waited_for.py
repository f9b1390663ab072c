"""Whose health a sync waits for: all objects', those that are named, others', or nobody's."""

import threading
import time
from dataclasses import replace

from gitops.model.application import HealthCheck, Wait
from gitops.model.result import Outcome
from tests.scenarios.world import config_map, deployment, job


def waits(world, objects: str, *checks: HealthCheck, **sync):
    return replace(world.app, sync=replace(world.app.sync, wait=Wait(objects, checks), **sync))


def broken(name: str, replicas: int = 2):
    return deployment(name, image="web:broken", replicas=replicas)


def test_a_sync_that_waits_for_nobody_is_done_when_all_is_applied(world) -> None:
    world.commit(web=broken("web"))
    result = world.sync(waits(world, "none", rollback="never"))
    assert (result.outcome, result.failures) == (Outcome.SYNCED, ())


def test_only_what_is_listed_is_waited_for(world) -> None:
    world.commit(all=[deployment("good"), broken("bad")])
    good = HealthCheck("Deployment", "good", "apps/v1", world.namespace)
    result = world.sync(waits(world, "listed", good))
    assert result.outcome is Outcome.SYNCED
    assert [key.name for key, _ in result.health] == ["good"]
    bad = HealthCheck("Deployment", "bad", namespace=world.namespace)
    world.commit(all=[deployment("good"), broken("bad", replicas=3)])
    result = world.sync(waits(world, "listed", bad, timeout=3.0, rollback="never"))
    assert (result.outcome, [failure.key.name for failure in result.failures]) == (Outcome.FAILED, ["bad"])


def test_a_listed_object_of_somebody_else_is_waited_for_until_it_comes(world) -> None:
    world.commit(web=config_map("settings"))
    check = HealthCheck("Job", "theirs", "batch/v1", world.namespace)

    def make() -> None:
        time.sleep(2)
        world.request("POST", f"/apis/batch/v1/namespaces/{world.namespace}/jobs", job("theirs"))

    late = threading.Thread(target=make)
    late.start()
    result = world.sync(waits(world, "listed", check))
    late.join()
    assert result.outcome is Outcome.SYNCED
    assert [key.name for key, _ in result.health] == ["theirs"]


def test_a_listed_object_that_never_comes_is_named(world) -> None:
    world.commit(web=config_map("settings"))
    check = HealthCheck("Thing", "none", "x.example/v1", world.namespace)
    result = world.sync(waits(world, "listed", check, timeout=2.0, rollback="never"))
    assert "sync.wait.checks: x.example/Thing" in result.failures[0].reason
    assert "is not there, and did not come in time" in result.failures[0].reason
