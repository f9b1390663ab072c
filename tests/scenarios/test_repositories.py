"""Repositories as they are read: with whose keys, how often, and what becomes of the others when one fails."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from gitops.controller import render_cache
from gitops.controller.queue import Priority
from gitops.controller.registry import Registration
from tests.scenarios.running import Running, of
from tests.scenarios.test_controller import application
from tests.scenarios.world import World, config_map


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder of programs that are found before the machine's; `git` is there, since ours looks beside it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def ssh(programs, tmp_path):
    """Runs git's command on this machine, whatever the host; the options of each call."""
    calls = tmp_path / "ssh-calls"
    calls.touch()
    script = f"""#!{sys.executable}
import os, sys
with open({str(calls)!r}, "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if "refused" in sys.argv[-1]:
    sys.exit("ssh: connect to host example.com port 22: Connection refused")
os.execvp("sh", ["sh", "-c", sys.argv[-1]])
"""
    (programs / "ssh").write_text(script)
    (programs / "ssh").chmod(0o755)
    return lambda: calls.read_text().splitlines()


def is_keyless(call):
    return "-F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o IdentityFile=none" in call


@pytest.fixture
def fetches(programs, tmp_path):
    """The commits and references of each `git fetch` so far; one from a path with `tarpit` ends with the test."""
    calls, over = tmp_path / "fetches", tmp_path / "over"
    calls.touch()
    real = (programs / "git").readlink()
    (programs / "git").unlink()
    (programs / "git").write_text(f"""#!/bin/sh
if [ "$1" = fetch ]; then
    echo "$*" >> {calls}
    case "$*" in *tarpit*) while [ -e {calls} ] && [ ! -e {over} ]; do sleep 0.2; done;; esac
fi
exec {real} "$@"
""")
    (programs / "git").chmod(0o755)
    yield lambda: calls.read_text().splitlines()
    over.touch()


def tenants(world, count, address):
    """So many Applications of another namespace, each of a repository of its own, looked at all the time."""
    return [
        application(world, f"theirs-{number}", namespace="tenant", repoURL=address(number)) for number in range(count)
    ]


def count_at_rest(calls):
    """How many calls there were once none has come for three intervals."""
    before, count = -1, len(calls())
    while count != before:
        time.sleep(1.0)
        before, count = count, len(calls())
    return count


def test_only_the_operators_applications_are_read_with_the_accounts_ssh_keys(world, ssh):
    sha = world.commit(settings=config_map("settings"))
    address = f"ssh://git@example.com{world.repository}"
    mine = application(world, "mine", repoURL=address)
    theirs = application(world, "theirs", repoURL=address, path=".")
    with Running(world, mine) as running:
        running.until_synced(sha, "gitops/mine")
        assert ssh()
        assert not any(map(is_keyless, ssh()))
        running.call(lambda: running.controller.registry.drop("test", "gitops/mine"))
        before = count_at_rest(ssh)  # a look that was under way may have to end first
        running.call(lambda: running.controller.registry.put("a tenant", Registration(theirs)))
        running.until(lambda: running.tracked("gitops/theirs").source.observed_revision)
        assert all(map(is_keyless, ssh()[before:]))
        running.call(lambda: running.controller.registry.put("test", Registration(mine, trusted=True)))
        running.until_synced(sha, "gitops/mine")
        newer = world.commit(settings=config_map("settings", a="2"))
        running.until_synced(newer, "gitops/mine")
        assert any(map(is_keyless, ssh()[before:]))
        assert not all(map(is_keyless, ssh()[before:]))


def test_a_remote_base_is_read_with_nobodys_keys_by_a_controller(world, ssh, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    (world.repository / "base").mkdir()
    (world.repository / "base/kustomization.yaml").write_text("resources: [settings.yaml]\n")
    base = f"ssh://git@example.com{world.repository}//base?ref=main"
    (world.repository / "kustomization.yaml").write_text(f"resources: ['{base}']\n")
    sha = world.commit(**{"base/settings": config_map("settings")})
    with Running(world, application(world, "app", path=".")) as running:
        running.until_synced(sha)
    assert ssh()
    assert all(map(is_keyless, ssh()))


def test_a_base_in_another_repository_is_read_anew_when_somebody_asks_and_in_time(world, ssh, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other", world.kubeconfig.read_text(), world.namespace)
    (other.repository / "base").mkdir()
    (other.repository / "base/kustomization.yaml").write_text("resources: [settings.yaml]\n")
    other.commit(**{"base/settings": config_map("settings")})
    base = f"ssh://git@example.com{other.repository}//base?ref=main"
    (world.repository / "kustomization.yaml").write_text(f"resources: ['{base}']\n")
    sha = world.commit()
    with Running(world, application(world, "app", path=".")) as running:
        running.until_synced(sha)
        other.commit(**{"base/settings": config_map("settings", a="2")})
        running.ask(running.controller.store.request("gitops/app", "refresh", {}, "ada", "2026-01-01T00:00:00Z"))
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "2"})
        running.until(lambda: running.tracked().schedule.task is None)
        monkeypatch.setattr(render_cache, "_OTHERS_SECONDS", 0.0)
        running.call(lambda: running.controller.renders.forget("gitops/app"))
        for text in ("3", "4"):
            other.commit(**{"base/settings": config_map("settings", a=text)})
            world.edit("core/configmaps/settings", {"data": {"a": "by hand"}})
            running.until(lambda text=text: world.get("ConfigMap", "settings")["data"] == {"a": text})


def test_a_persons_own_command_reads_with_that_persons_keys(world, ssh, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    (world.repository / "base").mkdir()
    (world.repository / "base/kustomization.yaml").write_text("resources: [settings.yaml]\n")
    world.commit(**{"base/settings": config_map("settings")})
    (tmp_path / "over").mkdir()
    base = f"ssh://git@example.com{world.repository}//base?ref=main"
    (tmp_path / "over/kustomization.yaml").write_text(f"resources: ['{base}']\n")
    command = [sys.executable, "-m", "gitops.cli", "render", str(tmp_path / "over")]
    assert "settings" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert ssh()
    assert not any(map(is_keyless, ssh()))


def test_a_wish_that_comes_while_a_look_is_under_way_hides_no_later_one(world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world, replace(application(world, "app"), interval=300.0)) as running:
        running.until_synced(sha)
        poller, tracked = running.controller.poller, running.tracked()
        (known,) = poller._known.values()

        async def wake_twice():
            poller.wake(tracked)
            while not known.is_looked_at:
                await asyncio.sleep(0)
            poller.wake(tracked)
            while known.is_looked_at:
                await asyncio.sleep(0.01)

        running.ask(wake_twice())
        newer = world.commit(settings=config_map("settings", a="2"))
        running.call(lambda: poller.wake(tracked))
        running.until_synced(newer)


def test_a_mirror_that_lost_an_object_heals_while_the_controller_runs(world):
    world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until(lambda: world.get("ConfigMap", "settings"))
    (mirror,) = (world.folder / "cache/mirrors").glob("*.git")
    name = world._git("rev-parse", "HEAD:settings.yaml").strip()
    file = mirror / "objects" / name[:2] / name[2:]
    file.chmod(0o600)
    file.write_bytes(b"")
    with Running(world) as running:
        running.until_synced(world.commit(other=config_map("other")))


# ── what one cannot read, and the others ─────────────────────────────────────────────────────────────────────────────


def test_wrong_addresses_on_a_host_keep_no_other_of_that_host_from_being_looked_at(world, ssh):
    sha = world.commit(settings=config_map("settings"))
    good = application(world, "good", repoURL=f"ssh://git@example.com{world.repository}")
    with Running(world, good, *tenants(world, 6, lambda n: f"ssh://git@example.com/nowhere/{n}")) as running:
        running.until_synced(sha, "gitops/good")
        running.until(lambda: all(running.tracked(f"tenant/theirs-{number}").problem for number in range(6)))
        for text in "23":
            newer = world.commit(settings=config_map("settings", a=text))
            assert running.until_synced(newer, "gitops/good") < 5


def test_a_host_that_fails_is_left_alone_and_what_was_read_of_it_before_has_its_turn_first(
    world, ssh, lines, monkeypatch
):
    monkeypatch.setattr("gitops.controller.git_hosts._FIRST_SECONDS", 1.0)
    sha = world.commit(settings=config_map("settings"))
    good = replace(application(world, "good", repoURL=f"ssh://git@example.com{world.repository}"), interval=4.0)
    with Running(world, good) as running:
        running.until_synced(sha, "gitops/good")
        for app in tenants(world, 6, lambda n: f"ssh://git@example.com/refused/{n}"):
            running.call(lambda app=app: running.controller.registry.put("test", Registration(app)))
        running.until(lambda: of(lines, "host.unreachable"))
        newer = world.commit(settings=config_map("settings", a="2"))
        assert running.until_synced(newer, "gitops/good") < 15
        running.until(lambda: of(lines, "host.reachable"))
        assert "Connection refused" in str(of(lines, "host.unreachable")[0]["error"])


def test_what_is_not_looked_at_for_its_hosts_sake_is_not_called_synced_for_long(world, ssh, monkeypatch):
    monkeypatch.setattr("gitops.controller.git_hosts._FIRST_SECONDS", 4.0)
    monkeypatch.setattr("gitops.controller.poller._TOLD_AFTER", 1.0)
    sha = world.commit(settings=config_map("settings"))
    good = replace(application(world, "good", repoURL=f"ssh://git@example.com{world.repository}"), interval=4.0)
    with Running(world, good) as running:
        running.until_synced(sha, "gitops/good")
        for app in tenants(world, 3, lambda n: f"ssh://git@example.com/refused/{n}"):
            running.call(lambda app=app: running.controller.registry.put("test", Registration(app)))
        running.until(lambda: "its Git host is left alone" in running.tracked("gitops/good").problem)
        assert running.tracked("gitops/good").sync == "Unknown"
        running.until(lambda: running.tracked("gitops/good").sync == "Synced")


def test_fetches_that_never_end_of_one_tenant_hold_up_no_other(world, fetches, caplog):
    sha = world.commit(settings=config_map("settings"))
    for number in range(70):
        (world.folder / f"tarpit-{number}").symlink_to(world.repository)
    with Running(world, application(world, "good")) as running:
        running.until_synced(sha, "gitops/good")
        for app in tenants(world, 70, lambda n: (world.folder / f"tarpit-{n}").as_uri()):
            running.call(lambda app=app: running.controller.registry.put("test", Registration(app)))
        running.until(lambda: len([call for call in fetches() if "tarpit" in call]) >= 10)
        time.sleep(5)
        newer = world.commit(settings=config_map("settings", a="2"))
        assert running.until_synced(newer, "gitops/good") < 10
        (world.folder / "over").touch()
    assert not [record for record in caplog.records if record.name.startswith("apscheduler")]


def test_a_commit_that_cannot_be_fetched_is_not_asked_for_at_every_look(world, fetches):
    sha = world.commit(settings=config_map("settings"))
    nowhere = application(world, "nowhere", targetRevision="0" * 40)
    with Running(world, application(world, "good"), nowhere) as running:
        running.until_synced(sha, "gitops/good")
        running.until(lambda: "no commit" in running.tracked("gitops/nowhere").problem)
        before, looks = len(fetches()), running.controller.poller.looks
        running.until(lambda: running.controller.poller.looks > looks + 8)
        assert len(fetches()) == before
        assert "no commit" in running.tracked("gitops/nowhere").problem
        newer = world.commit(settings=config_map("settings", a="2"))
        assert running.until_synced(newer, "gitops/good") < 5


# ── renders without end ──────────────────────────────────────────────────────────────────────────────────────────────


def commit_slow(world, numbers):
    """A plain file of which each million numbers takes two seconds to read."""
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: [" + "1," * numbers + "]}\n"
    return world.commit(slow=body)


def test_a_render_that_computes_for_long_does_not_keep_the_controller_from_ending(world):
    commit_slow(world, 8_300_000)
    source, log = world.app.source.repoURL, world.folder / "log"
    (world.folder / "app.yaml").write_text(
        "apiVersion: gitops.dev/v1alpha1\nkind: Application\nmetadata: {name: app}\nspec:\n"
        f"  source: {{repoURL: '{source}', targetRevision: main}}\n  destination: {{namespace: {world.namespace}}}\n"
    )
    environment = {
        **os.environ,
        "KUBECONFIG": str(world.kubeconfig),
        "XDG_CACHE_HOME": str(world.folder / "cache"),
        "XDG_STATE_HOME": str(world.folder / "states"),
    }
    command = [sys.executable, "-m", "gitops.cli", "run", "-f", str(world.folder / "app.yaml"), "--no-applications"]
    with log.open("w") as file, subprocess.Popen(command, env=environment, stderr=file) as process:
        try:
            deadline = time.monotonic() + 20
            while "commit.seen" not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.1)
            time.sleep(1)
            started = time.monotonic()
            process.terminate()
            assert process.wait(30) == 0
            assert time.monotonic() - started < 8
        finally:
            process.kill()
    assert "controller.stopped" in log.read_text()
    assert "pass." not in log.read_text().replace("pass.cancelled", "")


def test_a_pass_that_is_begun_again_waits_for_the_render_under_way(world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        commit_slow(world, 1_500_000)
        running.until(lambda: running.tracked().schedule.task)
        for _ in range(8):
            misses = running.controller.renders.misses
            running.call(lambda: running.tracked().schedule.task and running.tracked().schedule.task.cancel())
            running.call(lambda: running.controller.workers.put(running.tracked(), Priority.PERSON))
            running.until(lambda: running.tracked().schedule.task)
            time.sleep(0.2)
        render_cache = [thread for thread in threading.enumerate() if thread.name == "render"]
        assert running.controller.renders.misses == misses
        assert 1 <= len(render_cache) <= 4
    for thread in render_cache:
        thread.join()


# ── how often ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_longer_interval_holds_at_once(world):
    sha = world.commit(settings=config_map("settings"))
    often = application(world, "app")
    with Running(world, often) as running:
        running.until_synced(sha)
        seldom = replace(often, interval=600.0)
        looks = running.controller.poller.looks
        running.call(lambda: running.controller.registry.put("test", Registration(seldom, trusted=True)))
        time.sleep(3)
        assert running.controller.poller.looks <= looks + 2


def test_no_interval_is_so_short_that_looks_never_end(world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world, replace(application(world, "app"), interval=0.001)) as running:
        running.until_synced(sha)
        looks = running.controller.poller.looks
        time.sleep(2)
        assert running.controller.poller.looks - looks <= 12


def test_who_stands_by_asks_no_repository_and_looks_at_once_when_it_takes_over(world):
    sha = world.commit(settings=config_map("settings"))
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    state = world.folder / "state-2"
    with Running(world, leases=world.namespace) as first:
        first.until_synced(sha)
        with Running(world, leases=world.namespace, state=state) as second:
            second.until(lambda: second.tracked() and second.controller.replica.stands_by_for)
            second.until(lambda: second.controller.is_ready)
            time.sleep(1.5)
            assert second.controller.poller.looks == 0
            first.stop()
            newer = world.commit(settings=config_map("settings", a="2"))
            second.until_synced(newer)


def test_the_mirror_of_a_repository_that_no_application_names_is_removed(world):
    world.commit(web=config_map("web"))
    (world.folder / "other").mkdir()
    other = World(world.folder / "other", world.kubeconfig.read_text(), f"{world.namespace}-other")
    other.commit(web=config_map("web"))
    moved = replace(other.app, name="other", sync=replace(other.app.sync, automated=True), interval=0.3)
    mirrors = world.folder / "cache" / "mirrors"
    with Running(world, replace(world.app, interval=0.3), moved) as running:
        running.until(lambda: len(list(mirrors.glob("*.git"))) == 2)
        running.until(lambda: running.tracked("gitops/other").sync == "Synced")
        running.call(lambda: running.controller.registry.drop("test", "gitops/other"))
        running.until(lambda: len(list(mirrors.glob("*.git"))) == 1)
        running.call(lambda: running.controller.registry.put("test", Registration(moved, trusted=True)))
        running.until(lambda: len(list(mirrors.glob("*.git"))) == 2)
