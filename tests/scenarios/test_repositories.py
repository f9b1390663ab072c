"""Repositories as they are read: with whose keys, how often, and what becomes of the others when one fails."""

import os
import shutil
import subprocess
import sys

import pytest

from gitops.controller.roster import Entry
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application
from tests.scenarios.world import config_map


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
os.execvp("sh", ["sh", "-c", sys.argv[-1]])
"""
    (programs / "ssh").write_text(script)
    (programs / "ssh").chmod(0o755)
    return lambda: calls.read_text().splitlines()


def is_keyless(call):
    return "-F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o IdentityFile=none" in call


def test_only_the_operators_applications_are_read_with_the_accounts_ssh_keys(world, ssh):
    sha = world.commit(settings=config_map("settings"))
    address = f"ssh://git@example.com{world.repository}"
    mine = application(world, "mine", repoURL=address)
    theirs = application(world, "theirs", repoURL=address, path=".")
    with Running(world, mine) as running:
        running.until_synced(sha, "gitops/mine")
        assert ssh()
        assert not any(map(is_keyless, ssh()))
        before = len(ssh())
        running.call(lambda: running.controller.roster.drop("test", "gitops/mine"))
        running.call(lambda: running.controller.roster.put("a tenant", Entry(theirs)))
        running.until(lambda: running.tracked("gitops/theirs").head)
        assert all(map(is_keyless, ssh()[before + 1 :]))
        running.call(lambda: running.controller.roster.put("test", Entry(mine, trusted=True)))
        running.until_synced(sha, "gitops/mine")
        newer = world.commit(settings=config_map("settings", a="2"))
        running.until_synced(newer, "gitops/mine")
        assert any(map(is_keyless, ssh()[before + 1 :]))
        assert not all(map(is_keyless, ssh()[before + 1 :]))


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
