"""What a controller knows of an Application is what the commands say, also where the cluster has nothing of it."""

import json
import re
import subprocess
import time
from dataclasses import replace
from itertools import zip_longest

import pytest

from gitops.model.record import CONTROLLER, SEEN
from tests.e2e.shell import shell as shell
from tests.e2e.test_wait import shared
from tests.scenarios.running import Running
from tests.scenarios.test_clusters import to
from tests.scenarios.test_controller import application, custom_resource, make_kind, resources
from tests.scenarios.world import config_map, deployment

WRONG_INPUT = 2


@pytest.fixture
def world(sandbox, shell, tmp_path):
    return shared(sandbox, shell, tmp_path)


def row(shell, world, name="app"):
    """The Application's row of `gitops status` by the columns' names, {} while it has none."""
    head, *lines = shell.gitops("status", "-n", world.namespace).stdout.splitlines() or [""]
    found = [line for line in lines if f"/{name} " in line]
    return dict(zip_longest(*(re.split(" {3,}", line) for line in (head, found[0])), fillvalue="")) if found else {}


def said(shell, world, *words):
    return " ".join(shell.gitops(*words, "-n", world.namespace).stdout.split())


def test_a_commit_that_cannot_be_rendered_shows_in_status_and_explain(shell, world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        running.until(lambda: (row(shell, world)["SYNC"], row(shell, world)["HEALTH"]) == ("Synced", "Healthy"))
        bad = world.commit(broken="x: [\n")
        running.until(lambda: row(shell, world)["NOTE"].startswith(bad[:12]))
        assert row(shell, world)["SYNC"] == "Unknown"
        assert "broken.yaml" in row(shell, world)["NOTE"]
        assert "broken.yaml" in said(shell, world, "status", "app")
        assert "the controller sees it Unknown" in said(shell, world, "explain", "app")
        data = json.loads(shell.gitops("status", "app", "-n", world.namespace, "-o", "json").stdout)
        assert (data["sync"], data["controller"]["head"]) == ("Unknown", bad)


def standing(shell, world, name):
    data = json.loads(shell.gitops("status", name, "-n", world.namespace, "-o", "json").stdout)
    return data["sync"], data["health"]


def test_what_was_never_synced_is_there_with_the_reason(shell, world):
    world.commit(settings=config_map("settings"))
    lost = replace(application(world, "lost"), source=replace(world.app.source, targetRevision="gone"))
    waits = replace(application(world, "waits"), sync=replace(world.app.sync, automated=False))
    with Running(world, waits, lost, to(application(world, "far"), "nowhere")) as running:
        running.until(lambda: row(shell, world, "waits") and row(shell, world, "far"))
        running.until(lambda: "wait" in row(shell, world, "waits")["NOTE"])
        assert row(shell, world, "waits")["SYNC"] != "Synced"
        assert "no branch or tag is called gone" in said(shell, world, "status", "lost")
        assert "nowhere" in said(shell, world, "explain", "far")
        running.until(lambda: standing(shell, world, "lost") == ("Unknown", "Missing"))


def test_only_the_plan_that_waits_can_be_approved_and_status_names_it(shell, world):
    world.commit(settings=config_map("settings"))
    with Running(world, automated=False) as running:
        running.until(lambda: "gitops approve" in said(shell, world, "status", "app"))
        digest = running.tracked().last.plan_id
        assert f"--plan {digest[:12]}" in said(shell, world, "status", "app")
        assert f"--plan {digest[:12]}" in said(shell, world, "explain", "app")
        wrong = shell.gitops("approve", "gitops/app", "--plan", "deadbeefdead")
        assert wrong.returncode == WRONG_INPUT
        assert digest[:12] in wrong.stderr
        assert shell.gitops("approve", "gitops/app", "--plan", digest[:12]).returncode == 0
        running.until(lambda: world.get("ConfigMap", "settings"))
        running.until(lambda: row(shell, world)["SYNC"] == "Synced")
        none = shell.gitops("approve", "gitops/app", "--plan", digest[:12])
        assert (none.returncode, "no plan of it waits" in none.stderr) == (WRONG_INPUT, True)


def test_a_suspended_application_says_so(shell, world):
    sha = world.commit(web=deployment())
    with Running(world) as running:
        running.until_synced(sha)
        shell.gitops("suspend", "gitops/app", "--reason", "testing")
        running.until(lambda: "suspended" in row(shell, world)["NOTE"])
        newer = world.commit(web=deployment(image="nginx:1.27"))
        running.until(lambda: newer[:12] in str(row(shell, world)))
        assert row(shell, world)["SYNC"] == "OutOfSync"


def test_a_custom_resource_is_there_without_the_controllers_store(shell, world, tmp_path):
    make_kind(world)
    world.commit(settings=config_map("settings"))
    gated = custom_resource(world, "gated", sync={"automated": False})
    with Running(world, resources=True, state=tmp_path / "elsewhere") as running:
        world.request("POST", resources(world), gated)
        running.until(lambda: "gitops approve" in said(shell, world, "status", "gated"))
        assert row(shell, world, "gated")
        assert "the cluster has nothing of it" in said(shell, world, "explain", "gated")


def test_at_rest_nothing_is_written_to_the_store_and_what_is_gone_leaves_it(shell, world):
    sha = world.commit(settings=config_map("settings"))
    app = application(world, "app")
    with Running(world, app) as running:
        running.until_synced(sha)
        running.until(lambda: row(shell, world)["SYNC"] == "Synced")
        writes = []
        store = running.controller.store
        whole = store.set_settings

        def counted(name, values):
            writes.extend([] if name == SEEN else [values])
            return whole(name, values)

        store.set_settings = counted
        world.commit()
        running.until(lambda: len(writes) == 1)
        running.until(lambda: running.tracked().schedule.task is None)
        looks = running.controller.poller.looks
        running.until(lambda: running.controller.poller.looks > looks + 8)
        assert len(writes) == 1
        running.call(lambda: running.controller.registry.keep_only("test", set()))
        running.until(lambda: row(shell, world)["SYNC"] == "-")


def test_where_no_controller_is_any_more_status_and_explain_say_so(shell, world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        running.until(lambda: row(shell, world)["SYNC"] == "Synced")
        running.until(lambda: running.ask(running.controller.store.setting(CONTROLLER, SEEN)))
    assert row(shell, world)["SYNC"] == "Synced"  # it may be on its way back
    world._context(lambda context: context.store.set_setting(CONTROLLER, SEEN, "2026-01-01T00:00:00Z"))
    assert [row(shell, world)[head] for head in ("SYNC", "HEALTH", "NOTE")] == [
        "Unknown",
        "Healthy",
        "no controller has been seen since 2026-01-01T00:00:00Z",
    ]
    assert "no controller has been seen since 2026-01-01T00:00:00Z" in said(shell, world, "explain", "app")
    data = json.loads(shell.gitops("status", "app", "-n", world.namespace, "-o", "json").stdout)
    assert (data["sync"], data["health"]) == ("Unknown", "Healthy")


def test_what_is_deleted_while_no_controller_is_there_is_no_longer_told(shell, world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        running.until(lambda: row(shell, world)["SYNC"] == "Synced")
    assert shell.gitops("delete", "app", "-n", world.namespace, "--keep").returncode == 0
    assert not row(shell, world)
    assert world.get("ConfigMap", "settings")


def application_file(folder, name, world, **sync):
    sync = {"automated": True, "createNamespace": True, **sync}
    body = {
        "apiVersion": "gitops.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {
            "source": {"repoURL": world.repository.as_uri(), "targetRevision": "main", "path": name},
            "destination": {"namespace": f"{world.namespace}-{name}"},
            "sync": sync,
            "interval": "300ms",
        },
    }
    (folder / f"{name}.yaml").write_text(json.dumps(body))


def applied(shell, name):
    """What is live of an Application's ConfigMap, "" while there is none."""
    done = subprocess.run(
        ["kubectl", "-n", f"{shell.namespace}-{name}", "get", "configmap", name, "-o", "jsonpath={.data.a}"],
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def until(holds, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_wrong_file_of_a_folder_stops_neither_the_others_nor_the_start(shell, world):
    folder = shell.folder / "apps"
    folder.mkdir()
    for name in ("one", "two"):
        (world.repository / name).mkdir()
        application_file(folder, name, world)
    world.commit(**{"one/a": config_map("one"), "two/a": config_map("two")})
    (folder / "broken.yaml").write_text("x: [\n")
    (folder / ".#one.yaml").symlink_to("somebody@a.host:42")  # an editor's lock on a file that it changes
    process = shell.start("run", "-f", "apps", "--no-applications")
    try:
        until(lambda: applied(shell, "one") == "1" and applied(shell, "two") == "1")
        (folder / "two.yaml").write_text("foo: bar\n")
        application_file(folder, "one", world, drift="correct")
        until(lambda: "two.yaml" in shell.gitops("status").stderr)
        world.commit(**{"two/a": config_map("two", a="2")})
        until(lambda: applied(shell, "two") == "2")  # by what was read of it before
        shell.kubectl("-n", f"{world.namespace}-one", "patch", "configmap", "one", "-p", '{"data":{"a":"by hand"}}')
        until(lambda: applied(shell, "one") == "1")
        application_file(folder, "two", world)
        (folder / "broken.yaml").unlink()
        until(lambda: "Warning" not in shell.gitops("status").stderr)
    finally:
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert log.count("configuration.wrong") == 2
    assert log.count("configuration.mended") == 2


@pytest.mark.parametrize("text", ["x: [\n", None])
def test_one_file_that_is_wrong_or_not_there_is_an_error(shell, text):
    if text:
        shell.write("wrong.yaml", text)
    done = shell.gitops("run", "-f", "wrong.yaml")
    assert done.returncode == WRONG_INPUT
    assert "Error: wrong.yaml" in done.stderr
    assert "RuntimeWarning" not in done.stderr


def test_a_rollout_under_way_is_no_drift_and_a_hand_edit_meanwhile_is(shell, world):
    first = world.commit(web=deployment(), settings=config_map("settings"))
    with Running(world, drift="report", timeout=60.0, rollback="never") as running:
        running.until_synced(first)
        second = world.commit(web=deployment(image="nginx:broken"), settings=config_map("settings", a="2"))
        running.until(
            lambda: "Progressing" in str(running.tracked().health.word) and world.inventory().partially_applied
        )
        done = shell.gitops("drift", "app", "-n", world.namespace)
        assert (done.returncode, done.stdout) == (0, "")
        assert f"a sync to main@{second[:12]} is under way" in done.stderr
        story = said(shell, world, "explain", "app")
        assert f"a sync to main@{second[:12]} is under way" in story
        assert "it has drifted" not in story
        world.edit("core/configmaps/settings", {"data": {"a": "by hand"}})
        done = shell.gitops("drift", "app", "-n", world.namespace)
        assert done.returncode == 1
        assert "kubectl-edit" in done.stdout
        world.commit(web=deployment(), settings=config_map("settings"))
