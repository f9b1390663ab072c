"""`gitops wait`: a pipeline pushes a commit, and waits until the controller has brought that one."""

import threading
import time

import pytest

from gitops.crd import definition
from tests.e2e.shell import shell as shell
from tests.scenarios.api import Api
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application
from tests.scenarios.world import World, config_map, deployment

DONE, WRONG_INPUT, FAILED, ROLLED_BACK = 0, 2, 4, 5
BROKEN = deployment(image="nginx:broken")


@pytest.fixture
def world(sandbox, shell, tmp_path):
    return shared(sandbox, shell, tmp_path)


def shared(sandbox, shell, tmp_path):
    """A cluster, a repository and a state folder that the shell and the controller share."""
    (tmp_path / "kubeconfig").write_text(sandbox.kubeconfig())
    folder = tmp_path / "world"
    folder.mkdir()
    world = World(folder, sandbox.kubeconfig(), shell.namespace)
    world.state = tmp_path / "state"
    return world


def waited(shell, world, sha, timeout="60s"):
    done = shell.gitops("wait", "app", "--revision", sha, "--timeout", timeout, "-n", world.namespace)
    return done.returncode, done.stderr


def test_it_ends_when_the_revision_that_was_pushed_is_healthy(shell, world):
    first = world.commit(web=deployment(image="nginx:1.26"))
    with Running(world):
        assert waited(shell, world, first)[0] == DONE
        second = world.commit(web=deployment(image="nginx:1.27"))
        code, said = waited(shell, world, second[:7])
        assert (code, said.splitlines()[-1]) == (DONE, f"gitops/app {second[:7]}: synced: healthy")
        assert world.get("Deployment", "web", "apps")["status"]["updatedReplicas"] == 2
        assert world.inventory().healthy.revision == second


def test_it_fails_with_the_revision_that_is_rolled_back(shell, world):
    good = world.commit(web=deployment())
    with Running(world, timeout=3.0):
        assert waited(shell, world, good)[0] == DONE
        code, said = waited(shell, world, world.commit(web=BROKEN))
        assert code == ROLLED_BACK
        assert "rolled-back: " in said
        assert "ErrImagePull" in said or "not healthy" in said


def test_it_fails_with_a_first_revision_that_there_is_no_way_back_from(shell, world):
    bad = world.commit(web=BROKEN)
    with Running(world, timeout=2.0):
        code, said = waited(shell, world, bad)
        assert code == FAILED
        assert "Deployment" in said or "not healthy" in said


def test_it_says_what_it_waited_for_when_the_time_is_up(shell, world):
    world.commit(web=deployment())
    world.sync()
    other = "0123456789abcdef0123456789abcdef01234567"
    code, said = waited(shell, world, other, "1s")
    assert code == FAILED
    first, *_, last = said.splitlines()
    assert first.startswith(f"waiting for gitops/app {other[:12]}: the last healthy revision is main@")
    assert f"{other[:12]}: failed: not synced and healthy after 1s: the last healthy revision is main@" in last


def test_an_application_that_is_not_there_yet_is_waited_for(shell, world):
    sha = world.commit(web=deployment())
    code, said = waited(shell, world, sha, "1s")
    assert (code, "it has not been synced to this cluster" in said) == (FAILED, True)
    late = threading.Timer(1.0, world.sync)
    late.start()
    assert waited(shell, world, sha)[0] == DONE
    late.join()


def test_a_revision_that_the_controller_reached_without_a_sync_counts(shell, fresh_sandbox, tmp_path):
    """The custom resource's status says so; the inventory keeps the revision that was synced."""
    cluster = fresh_sandbox()
    world = shared(cluster, shell, tmp_path)
    world.commit(web=deployment())
    world.sync()
    api = Api(cluster)
    api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition())
    api.namespace("gitops")
    path = "/apis/gitops.dev/v1alpha1/namespaces/gitops/applications"
    api.until(path, lambda status, _: status == 200)
    spec = {"source": {"repoURL": world.repository.as_uri()}, "destination": {"namespace": world.namespace}}
    kind = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application"}
    api.create(path, {**kind, "metadata": {"name": "app"}, "spec": spec})
    later = world.commit("a word in the README")
    assert waited(shell, world, later, "1s")[0] == FAILED
    ready = {"type": "Ready", "status": "True", "reason": "Settled", "message": "", "observedGeneration": 1}
    ready["lastTransitionTime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    status = {"sync": {"status": "Synced", "revision": later}, "health": {"status": "Healthy"}, "conditions": [ready]}
    code, answer = api.apply(f"{path}/app/status", {**kind, "metadata": {"name": "app"}, "status": status})
    assert code == 200, answer
    assert waited(shell, world, later)[0] == DONE


@pytest.mark.parametrize("revision", ["main", "abc12", "HEAD~1"])
def test_what_is_no_sha_is_wrong_input(shell, world, revision):
    code, said = waited(shell, world, revision)
    assert code == WRONG_INPUT
    assert "first 7 digits" in said


def test_a_commit_that_does_not_touch_an_application_from_a_file_is_reached(shell, world):
    for folder in ("app", "other"):
        (world.repository / folder).mkdir()
    first = world.commit(**{"app/a": config_map("a"), "other/b": config_map("b")})
    with Running(world, application(world, "app", path="app")) as running:
        running.until_synced(first)
        code, said = waited(shell, world, world.commit(**{"other/b": config_map("b", a="2")}))
        assert (code, "synced" in said) == (DONE, True)


def test_it_says_what_keeps_the_controller_from_the_commit(shell, world):
    first = world.commit(web=deployment())
    with Running(world) as running:
        running.until_synced(first)
        bad = world.commit(broken="x: [\n")
        code, said = waited(shell, world, bad, "4s")
        assert code == FAILED
        assert f"the controller sees it Unknown at {bad[:12]}" in said
        assert "broken.yaml" in said
