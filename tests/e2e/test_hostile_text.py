"""Text that a stranger wrote, in Git or in the cluster, is shown and not obeyed by the terminal."""

import json

import pytest

from gitops.manifests.yaml_write import write_manifests
from tests.scenarios.world import config_map

HOSTILE = "\x1b[2K\x1b[1A\rnothing\u202e to do"
SHOWN = r"\x1b[2K\x1b[1A\rnothing\u202e to do"


@pytest.fixture
def named(shell):
    return ["--name", "shop", "--namespace", shell.namespace]


def said(done):
    """All that a command printed, which must be what can be seen, and SHOWN among it."""
    text = done.stdout + done.stderr
    assert all(line.isprintable() for line in text.split("\n")), repr(text)
    assert SHOWN in text, text
    return text


def gauge(shell):
    """A custom kind, and an object of it that is not well and says why."""
    group = f"{shell.namespace}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gauges.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "gauges", "singular": "gauge", "kind": "Gauge", "listKind": "GaugeList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    body = {"apiVersion": f"{group}/v1", "kind": "Gauge", "metadata": {"name": "g"}}
    return definition, body


def test_a_diff_shows_what_a_branch_hides(shell, named):
    shell.write("k8s/c.yaml", write_manifests([config_map("c", a="1")]))
    shell.gitops("sync", "./k8s", *named)
    shell.write("k8s/c.yaml", write_manifests([config_map("c", a=HOSTILE)]))
    found = shell.gitops("diff", "./k8s", *named)
    assert found.returncode == 1
    assert f"    data.a: 1 → {SHOWN}" in said(found)
    whole = json.loads(shell.gitops("diff", "./k8s", *named, "-o", "json").stdout)
    assert whole["steps"][0]["changes"][0]["fields"][0]["desired"] == HOSTILE


def test_the_name_of_a_file_is_shown_as_it_is(shell, named):
    shell.write(f"k8s/{HOSTILE}.yaml", write_manifests([config_map("c")]))
    assert f"({SHOWN}.yaml:1)" in said(shell.gitops("diff", "./k8s", *named))
    shell.write(f"k8s/{HOSTILE}.yaml", "a: [")
    assert said(shell.gitops("diff", "./k8s", *named)).startswith("Error: ")
    assert said(shell.gitops("render", "./k8s")).startswith("Error: ")


def test_what_an_object_says_of_itself_is_shown_as_it_is(shell, named):
    definition, body = gauge(shell)
    shell.write("k8s/g.yaml", write_manifests([definition, body]))
    assert shell.gitops("sync", "./k8s", *named).returncode == 0
    ready = {"type": "Ready", "status": "False", "reason": "Lost", "message": HOSTILE}
    patch = json.dumps({"status": {"conditions": [ready]}})
    shell.kubectl("patch", f"gauges.{shell.namespace}.example.com/g", "--type=merge", "-p", patch)
    for command in ("status", "explain"):
        said(shell.gitops(command, "shop", "-n", shell.namespace))
    told = json.loads(shell.gitops("status", "shop", "-n", shell.namespace, "-o", "json").stdout)
    assert any(HOSTILE in one["message"] for one in told["objects"])
