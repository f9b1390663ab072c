"""The controller through bad days: faults for minutes, and kills without end; a share of each in every run."""

import gc
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from gitops.model.application import Backoff, Retry
from tests.scenarios.running import Running
from tests.scenarios.world import World, config_map, deployment, job
from tests.soak import SHARE

FAULTS = "error=429:10%,500:5%,reset:5%,watch-close=5s,compact=20s"
NAMES = ["one", "two", "three"]


def owned(world, kind, group=""):
    """The names of a kind's objects that carry our label."""
    root = f"/apis/{group}/v1" if group else "/api/v1"
    path = f"{root}/namespaces/{world.namespace}/{kind}"
    found = world.request("GET", path, labelSelector="gitops.dev/managed-by=gitops")["items"]
    return {body["metadata"]["name"] for body in found}


def files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_minutes_of_faults_end_converged_with_nothing_leaked_and_no_drift_missed(fresh_sandbox, tmp_path):
    random.seed(11)
    sandbox = fresh_sandbox(nodes=1, speed=8.0)
    world = World(tmp_path, sandbox.kubeconfig(), "storm")
    values = dict.fromkeys(NAMES, "0")
    world.commit(web=deployment(replicas=1), **{name: config_map(name, value="0") for name in NAMES})
    with Running(world, retry=Retry(1000, Backoff(0.5, 2.0, 2.0))) as running:
        running.until(lambda: running.tracked().sync == "Synced", 30)
        tasks, open_files = len(running.tasks()), None
        sandbox.set_faults(FAULTS)
        began, number = time.monotonic(), 0
        while time.monotonic() - began < max(5.0, 600.0 * SHARE):
            number += 1
            name = random.choice(NAMES)
            if random.random() < 0.5:
                values[name] = str(number)
                world.commit(**{name: config_map(name, value=str(number))})
            else:
                edit = {"data": {"value": "by hand"}}
                world.edit(f"core/configmaps/{name}", edit, manager=f"kubectl-{number}")
            time.sleep(random.uniform(0.1, 1.0))
            if open_files is None and number > 10:
                open_files = files()
        sandbox.set_faults("")
        running.until(lambda: {name: world.get("ConfigMap", name)["data"]["value"] for name in NAMES} == values, 60)
        running.until(lambda: running.tracked().sync == "Synced" and running.tracked().schedule.task is None, 60)
        time.sleep(3)
        gc.collect()
        assert len(running.tasks()) <= tasks + 2
        assert files() <= (open_files or files()) + 40
    assert owned(world, "configmaps") == {*NAMES, "gitops-app"}
    assert world.check_audit()


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_however_often_it_is_killed_it_converges_and_hooks_run_once(fresh_sandbox, tmp_path):
    random.seed(13)
    sandbox = fresh_sandbox(nodes=1, speed=20.0)
    world = World(tmp_path, sandbox.kubeconfig(), "killed")
    (world.repository / "extra").mkdir()
    kills = max(4, int(500 * SHARE))
    for number in range(kills):
        hook = job(f"migrate-{number}", **{"gitops.dev/hook": "pre-sync"})
        extra = {f"extra/{number % 5}": config_map(f"extra-{number % 5}", value=str(number))}
        leaving = f"extra/{(number + 2) % 5}"
        gone = {leaving: None} if (world.repository / f"{leaving}.yaml").exists() else {}
        world.commit(settings=config_map("settings", value=str(number)), migrate=hook, **extra, **gone)
        with controller(world) as process:
            time.sleep(random.uniform(0.5, 2.5))
            process.send_signal(signal.SIGKILL)
            process.wait()
    wanted = {path.stem for path in (world.repository / "extra").iterdir()}
    with controller(world):
        deadline = time.monotonic() + 60
        expected = {"settings", "gitops-app", *(f"extra-{name}" for name in wanted)}
        while not (has_ended(world, str(kills - 1)) and owned(world, "configmaps") == expected):
            assert time.monotonic() < deadline, (owned(world, "configmaps"), wanted, log_of(world))
            time.sleep(0.2)
    events = world.request("GET", f"/api/v1/namespaces/{world.namespace}/events")["items"]
    runs: dict[str, set[str]] = {}
    for event in events:
        subject = event["involvedObject"]
        if event["reason"] == "SuccessfulCreate" and subject["kind"] == "Job":
            runs.setdefault(subject["name"], set()).add(subject["uid"])
    assert f"migrate-{kills - 1}" in runs
    assert {name: uids for name, uids in runs.items() if len(uids) > 1} == {}
    world.check_audit()


def has_ended(world, value):
    """Whether the last commit is live, healthy and recorded."""
    settings = world.get("ConfigMap", "settings") or {}
    if settings.get("data") != {"value": value}:
        return False
    found = world.inventory()
    return bool(found.synced and found.healthy and found.healthy.digest == found.synced)


def log_of(world):
    return (world.folder / "log").read_text()[-3000:]


class controller:
    """`gitops run` over the world's Application, as a process."""

    def __init__(self, world):
        app = world.folder / "app.yaml"
        source = f"{{repoURL: '{world.repository.as_uri()}', targetRevision: main}}"
        app.write_text(
            "apiVersion: gitops.dev/v1alpha1\nkind: Application\nmetadata: {name: app}\nspec:\n"
            f"  source: {source}\n  destination: {{namespace: {world.namespace}}}\n  interval: 1s\n"
            "  sync: {automated: true, drift: correct, prune: true, createNamespace: true}\n"
        )
        environment = {
            **os.environ,
            "KUBECONFIG": str(world.kubeconfig),
            "GITOPS_STATE": str(world.state),
            "XDG_CACHE_HOME": str(world.folder / "cache"),
        }
        command = [sys.executable, "-m", "gitops.cli", "run", "-f", str(app), "--no-applications"]
        with (world.folder / "log").open("a") as log:
            self._process = subprocess.Popen(command, env=environment, stderr=log)

    def __enter__(self):
        return self._process

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.terminate()
            # One that is still starting has not taken the signal over yet.
            assert self._process.wait(15) in (0, -signal.SIGTERM)
