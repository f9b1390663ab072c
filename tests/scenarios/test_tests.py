"""`gitops test`: the tests of a chart run when somebody asks, and never with a sync."""

import json
import time

from tests.scenarios.running import Running
from tests.scenarios.test_charts import chart
from tests.scenarios.world import World, config_map, deployment

TEST = """\
apiVersion: batch/v1
kind: Job
metadata: {name: %s, annotations: {helm.sh/hook: test, helm.sh/hook-weight: "%d"}}
spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: "%s"}]}}}
"""


def asked(world: World, *options: str) -> tuple[int, str, str]:
    done = world.gitops("test", "app", "-n", world.namespace, *options)
    return done.returncode, done.stdout, done.stderr


def test_tests_run_when_asked_and_not_with_a_sync(world: World) -> None:
    chart(world, **{"templates/one": TEST % ("one", 1, "ok"), "templates/two": TEST % ("two", 0, "ok")})
    world.sync()
    assert world.get("Job", "one", "batch") is None
    code, out, err = asked(world, "-o", "json")
    assert (code, json.loads(out)["failures"], "passed (2 tests)" in err) == (0, [], True)
    first = world.get("Job", "one", "batch")["metadata"]
    assert first["creationTimestamp"] >= world.get("Job", "two", "batch")["metadata"]["creationTimestamp"]
    assert world.plan().plan.changes == ()
    assert asked(world)[0] == 0
    assert world.get("Job", "one", "batch")["metadata"]["uid"] != first["uid"]
    assert [event.fact for event in world.check_audit()].count("test.passed") == 2


def test_a_test_that_fails_is_named_and_ends_the_others(world: World) -> None:
    chart(world, **{"templates/one": TEST % ("one", 0, "fails"), "templates/two": TEST % ("two", 1, "ok")})
    world.sync()
    code, _, err = asked(world)
    assert (code, "Job" in err, "failed (2 tests)" in err) == (4, True, True)
    assert world.get("Job", "two", "batch") is None
    assert "test.failed" in [event.fact for event in world.check_audit()]


def test_a_failed_test_does_not_make_its_application_ill(world: World) -> None:
    chart(world, **{"templates/one": TEST % ("one", 0, "fails")})
    world.sync()
    asked(world)
    told = json.loads(world.gitops("status", "app", "-n", world.namespace, "-o", "json").stdout)
    assert "Degraded" not in json.dumps(told)


def test_a_failed_test_beside_a_controller_is_no_fault_of_what_is_synced(world: World) -> None:
    sha = chart(world, **{"templates/one": TEST % ("one", 0, "fails")})
    with Running(world) as running:
        running.until_synced(sha)
        assert asked(world)[0] == 4
        sha = world.commit(values="colour: blue\n")
        running.until_synced(sha)
        assert running.tracked().health.word.value == "Healthy"


def test_what_asks_to_be_left_out_of_health_is_so_when_an_event_tells_of_it_too(world: World) -> None:
    ignored = deployment("ill", image="nginx:broken")
    ignored["metadata"]["annotations"] = {"gitops.dev/health": "ignore"}
    sha = world.commit(ill=ignored, settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        running.until(lambda: world.get("Deployment", "ill", "apps")["status"].get("unavailableReplicas"))
        world.edit("apps/deployments/ill/status", {"status": {"collisionCount": 1}}, manager="kube-controller-manager")
        time.sleep(0.5)
        assert running.tracked().health.word.value == "Healthy"


def test_where_there_is_nothing_to_test_that_is_said(world: World) -> None:
    assert asked(world)[0] == 2
    chart(world)
    world.sync()
    code, _, err = asked(world)
    assert (code, "has no tests" in err) == (2, True)


def test_a_test_that_left_the_chart_is_pruned(world: World) -> None:
    chart(world, **{"templates/one": TEST % ("one", 0, "ok")})
    world.sync()
    asked(world)
    world.commit(**{"templates/one": None})
    world.sync(prune=True)
    assert world.get("Job", "one", "batch") is None
