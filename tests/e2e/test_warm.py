"""A command that is started from the helper does what a fresh process does: the other tests may stand on it."""

import os
import signal
import subprocess

import pytest

from gitops.manifests.yaml_write import write_manifests
from tests import warm
from tests.scenarios.world import config_map, deployment

WAYS = [warm.Command, warm.start_afresh]


def ended(way, arguments, shell, **environment):
    process = way(arguments, shell.folder, {**shell.environment, **environment}, subprocess.PIPE, subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_both_ways_print_the_same_and_end_alike(shell):
    shell.write("k8s/web.yaml", write_manifests([deployment(replicas=1), config_map("settings")]))
    named = ["--name", "shop", "--namespace", shell.namespace]
    assert shell.gitops("sync", "./k8s", *named).returncode == 0
    shell.write("k8s/web.yaml", write_manifests([deployment(replicas=3)]))
    codes = set()
    for arguments in [
        ["--help"],
        ["sync", "--help"],
        ["nonsense"],
        ["render", "./k8s"],
        ["render", "./none"],
        ["diff", "./k8s", *named, "--prune"],
        ["--color", "always", "diff", "./k8s", *named],
        ["status", "-n", shell.namespace, "-o", "json"],
        ["history", "shop", "-n", shell.namespace],
        ["policy", "check", "k8s", "-o", "sarif"],
        ["audit", "verify", "nobody"],
        ["--kubeconfig", "none", "status"],
    ]:
        warmly, afresh = (ended(way, arguments, shell) for way in WAYS)
        assert warmly == afresh, arguments
        codes.add(warmly[0])
    assert codes == {0, 1, 2, 3, 4}


def test_nothing_of_one_command_is_left_to_the_next(shell):
    """Neither what another was told, nor what it set up while it ran, nor what the helper has."""
    shell.write("k8s/web.yaml", write_manifests([config_map("settings")]))
    words = ["diff", "./k8s", "-n", shell.namespace, "--name", "shop"]
    plain = ended(warm.Command, words, shell)
    loudly = ["-v", "--log-format", "json", "--color", "always", *words]
    assert '"event"' in ended(warm.Command, loudly, shell, TZ="Asia/Tokyo")[2]
    assert ended(warm.Command, words, shell) == plain
    before = os.getcwd(), dict(os.environ)
    assert ended(warm.Command, ["diff", "./k8s"], shell, KUBECONFIG="none")[0] == 2
    assert (os.getcwd(), dict(os.environ)) == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0), (signal.SIGINT, 0)])
def test_signals_end_it_as_they_end_any_other(shell, way, how, code):
    shell.write("k8s/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    assert shell.gitops("sync", "./k8s", "-n", shell.namespace, "--name", "shop").returncode == 0
    process = way(["status", "--watch"], shell.folder, shell.environment, subprocess.PIPE, subprocess.PIPE)
    assert "APPLICATION" in process.stdout.readline()
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.2)
    process.send_signal(how)
    process.communicate(timeout=20)
    assert (process.returncode, process.poll(), process.wait()) == (code, code, code)
    process.send_signal(how)  # it has ended: nobody else is meant
