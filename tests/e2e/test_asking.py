"""`gitops refresh` and `delete` beside a controller: they end when it has, with the code for how."""

from dataclasses import replace

import pytest

from tests.e2e.shell import shell as shell
from tests.e2e.test_told import until
from tests.e2e.test_wait import shared
from tests.scenarios.running import Running
from tests.scenarios.test_clusters import cluster_secret, secrets, to
from tests.scenarios.test_controller import application, make_kind
from tests.scenarios.world import World, config_map, deployment

DONE, WRONG_INPUT, HELD, FAILED, ROLLED_BACK = 0, 2, 3, 4, 5


@pytest.fixture
def world(sandbox, shell, tmp_path):
    return shared(sandbox, shell, tmp_path)


def test_a_look_that_could_not_be_done_is_a_failure_with_its_reason(shell, world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        assert shell.gitops("refresh", "gitops/app").returncode == DONE
        world._git("branch", "-m", "main", "trunk")
        done = shell.gitops("refresh", "gitops/app")
        assert (done.returncode, "did you mean trunk?" in done.stderr) == (FAILED, True)
        world.repository.rename(world.folder / "elsewhere")
        done = shell.gitops("refresh", "gitops/app")
        assert (done.returncode, "cannot be read" in done.stderr) == (FAILED, True)


def test_a_sync_that_is_asked_for_ends_with_how_it_ended(shell, world):
    world.commit(web=deployment())
    with Running(world, automated=False, timeout=3.0) as running:
        done = shell.gitops("refresh", "gitops/app")
        assert (done.returncode, "approval" in done.stderr) == (HELD, True)
        assert shell.gitops("refresh", "gitops/app", "--sync").returncode == DONE
        assert running.tracked().sync == "Synced"
        world.commit(web=deployment(image="nginx:broken"))
        done = shell.gitops("refresh", "gitops/app", "--sync")
        assert (done.returncode, "rolled-back: " in done.stderr) == (ROLLED_BACK, True)
        done = shell.gitops("refresh", "gitops/app", "--sync")
        assert done.returncode == HELD
        running.until(lambda: running.tracked().schedule.task is None)


def test_a_refresh_brings_the_newest_commit_and_ends_when_that_is_done(shell, world):
    first = world.commit(web=deployment())
    app = replace(application(world, "app"), interval=300.0)
    with Running(world, replace(app, sync=replace(app.sync, timeout=3.0))) as running:
        running.until_synced(first)
        world.commit(web=deployment(image="nginx:broken"))
        assert shell.gitops("refresh", "gitops/app").returncode == ROLLED_BACK
        sha = world.commit(web=deployment(image="nginx:1.27"))
        assert shell.gitops("refresh", "gitops/app").returncode == DONE
        assert world.inventory().healthy.revision == sha


def test_what_a_controller_runs_is_not_deleted_under_it(shell, world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        running.until(lambda: running.ask(running.controller.store.setting("gitops/app", "record")))
        done = shell.gitops("delete", "app", "-n", world.namespace)
        assert done.returncode == HELD
        assert "take its file away first" in done.stderr
        assert world.get("ConfigMap", "settings")
    shell.gitops("suspend", "gitops/app")
    done = shell.gitops("delete", "app", "-n", world.namespace)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (DONE, "gitops/app: deleted")
    assert world.get("ConfigMap", "settings") is None
    assert world._context(lambda context: context.store.setting("gitops/app", "suspended")) is None


def test_an_application_on_another_cluster_is_told_as_the_controller_sees_it(shell, world, fresh_sandbox):
    """Its own cluster may be one that only the controller knows how to reach."""
    (shell.folder / "far").mkdir()
    far = World(shell.folder / "far", fresh_sandbox().kubeconfig(), world.namespace)
    make_kind(world)
    world.request("POST", secrets(world), cluster_secret(far.kubeconfig.read_text(), "far"))
    sha = world.commit(settings=config_map("settings"))
    with Running(world, to(application(world, "app"), "far")) as running:
        running.until_synced(sha)
        here = ("-n", world.namespace)
        until(lambda: "Healthy" in shell.gitops("status", *here).stdout)
        row = shell.gitops("status", *here).stdout.splitlines()[-1]
        for word in (sha[:12], "Synced", "Healthy", "on cluster far, as the controller saw it"):
            assert word in row
        told = shell.gitops("explain", "app", *here).stdout
        assert "it goes to cluster far" in told
        assert "Missing" not in told
        waited = shell.gitops("wait", "app", *here, "--revision", sha, "--timeout", "5s")
        assert (waited.returncode, "healthy" in waited.stderr) == (DONE, True)


@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_a_word_about_an_application_that_nobody_knows_is_a_mistake(shell, world, verb):
    done = shell.gitops(verb, "gitops/nobody")
    assert (done.returncode, done.stdout) == (WRONG_INPUT, "")
    assert "neither this cluster nor this store knows an Application gitops/nobody" in done.stderr


def test_a_word_that_no_controller_hears_is_kept_and_says_so(shell, world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        heard = shell.gitops("suspend", "gitops/app")
        assert (heard.returncode, heard.stderr) == (DONE, "gitops/app: suspended\n")
        elsewhere = shell.gitops("--state", str(shell.folder / "another"), "suspend", "gitops/app")
        assert (elsewhere.returncode, "no controller that shares this store runs it" in elsewhere.stderr) == (
            DONE,
            True,
        )
    assert "the word stands for when one does" in shell.gitops("resume", "gitops/app").stderr
