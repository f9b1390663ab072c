"""What people do with kubectl works on the embedded cluster, with the oldest and the newest kubectl we have."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gitops.sandbox.server import SandboxThread
from tests.soak import at_leisure

_numbers = itertools.count(1)

FOUND = {
    name: path
    for name, path in (("path", shutil.which("kubectl")), ("newest", os.environ.get("NEWEST_KUBECTL")))
    if path
}
if "newest" not in FOUND and (installed := Path(sys.prefix, "bin", "kubectl")).exists():
    FOUND["newest"] = str(installed)

pytestmark = pytest.mark.skipif(not FOUND, reason="no kubectl is installed")

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1.25"}]}
"""


@pytest.fixture(scope="module")
def cluster():
    with SandboxThread(nodes=3, speed=8.0) as running:
        yield running


@pytest.fixture(params=at_leisure(sorted(FOUND)))
def kubectl(request, cluster, tmp_path):
    config = tmp_path / "config"
    config.write_text(cluster.kubeconfig())
    environment = {**os.environ, "KUBECONFIG": str(config), "HOME": str(tmp_path), "KUBECTL_APPLYSET": "true"}
    name = f"kubectl-{next(_numbers)}"

    def run(*arguments, stdin=None, code=0, **more):
        command = [FOUND[request.param], "--namespace", name, *arguments]
        done = subprocess.run(
            command,
            env={**environment, **more},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("create", "namespace", name)
    return run


def test_a_manifest_is_applied_from_the_client_and_shown(kubectl):
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", stdin=WEB)
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=WEB)
    shown = kubectl("get", "all")
    assert "pod/web-" in shown
    assert "2/2" in shown
    assert "Replicas:" in kubectl("describe", "deployment", "web")


def test_a_custom_resource_is_applied_from_the_client_again_and_again(kubectl):
    kubectl("apply", "-f", str(Path(__file__).parents[2] / "deploy/base/crd.yaml"))
    resource = """
apiVersion: gitops.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec: {source: {repoURL: "https://git.example.com/shop.git", path: one}, destination: {namespace: shop}}
"""
    kubectl("apply", "-f", "-", stdin=resource)
    assert "configured" in kubectl("apply", "-f", "-", stdin=resource.replace("one", "two"))
    assert kubectl("get", "applications.gitops.dev", "shop", "-o", "jsonpath={.spec.source.path}") == "two"


def test_a_manifest_is_applied_on_the_server_and_a_conflict_names_the_manager(kubectl):
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=WEB)
    other = WEB.replace("1.25", "1.26")
    said = kubectl("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=other, code=1)
    assert 'conflict with "one": .spec.template.spec.containers[name="web"].image' in said
    kubectl("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=other)


def test_kubectl_takes_over_its_own_client_side_apply(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=WEB.replace("1.25", "1.26"))


def test_a_difference_is_shown_and_nothing_is_changed(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    said = kubectl("diff", "-f", "-", stdin=WEB.replace("replicas: 2", "replicas: 3"), code=1)
    assert "-  replicas: 2" in said
    assert "+  replicas: 3" in said
    kubectl("diff", "-f", "-", stdin=WEB)


def test_what_left_the_set_is_pruned(kubectl, tmp_path):
    maps = "\n---\n".join(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}" for name in ("a", "b"))
    prune = ("apply", "--prune", "--applyset=mine", "-f", "-")
    kubectl(*prune, stdin=maps)
    assert "configmap/b pruned" in kubectl(*prune, stdin=maps.split("\n---\n")[0])


def test_a_rollout_is_undone_restarted_and_scaled(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("set", "image", "deployment/web", "web=nginx:1.26")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("rollout", "undo", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "nginx:1.25" in kubectl("get", "deployment", "web", "-o", "wide")
    kubectl("rollout", "restart", "deployment/web")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=30s")


def test_objects_are_labelled_annotated_patched_and_edited(kubectl):
    kubectl("create", "configmap", "x", "--from-literal=a=b")
    kubectl("label", "configmap", "x", "team=red")
    kubectl("annotate", "configmap", "x", "note=hi")
    kubectl("patch", "configmap", "x", "-p", '{"data":{"c":"d"}}')
    kubectl("patch", "configmap", "x", "--type=json", "-p", '[{"op":"remove","path":"/data/a"}]')
    kubectl("edit", "configmap", "x", KUBE_EDITOR="sed -i s/hi/edited/")
    body = yaml.safe_load(kubectl("get", "configmap", "x", "-o", "yaml"))
    assert body["data"] == {"c": "d"}
    assert body["metadata"]["labels"] == {"team": "red"}
    assert body["metadata"]["annotations"] == {"note": "edited"}


def test_logs_events_and_explanations_can_be_read(kubectl):
    kubectl("create", "job", "hello", "--image=busybox", "--", "true")
    kubectl("wait", "--for=condition=complete", "job/hello", "--timeout=30s")
    assert "busybox" in kubectl("logs", "job/hello")
    stamped = kubectl("logs", "job/hello", "--timestamps", "--tail=1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z busybox: exited with code 0\n", stamped)
    assert "previous terminated container" in kubectl("logs", "job/hello", "--previous", code=1)
    assert "SuccessfulCreate" in kubectl("get", "events")
    assert "Number of desired pods" in kubectl("explain", "deployment.spec.replicas")
    assert "deployments" in kubectl("api-resources")


def test_rights_can_be_asked_for(kubectl):
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "reader", "--verb=get", "--resource=pods")
    account = f"{kubectl('get', 'sa', 'reader', '-o', 'jsonpath={.metadata.namespace}')}:reader"
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={account}")
    user = f"--as=system:serviceaccount:{account}"
    assert kubectl("auth", "can-i", "get", "pods", user).strip() == "yes"
    assert "no" in kubectl("auth", "can-i", "delete", "pods", user, code=1)


@pytest.mark.parametrize(("policy", "left"), [("background", 0), ("foreground", 0), ("orphan", 1)])
def test_children_go_or_stay_as_the_deletion_says(kubectl, policy, left):
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("delete", "deployment", "web", f"--cascade={policy}")
    if left:
        assert kubectl("get", "replicasets", "-o", "name").count("replicaset.apps/") == left
        kubectl("delete", "replicasets", "--all")
    else:
        kubectl("wait", "--for=delete", "pods", "-l", "app=web", "--timeout=30s")


def test_a_namespace_goes_with_all_that_is_in_it(kubectl):
    kubectl("create", "namespace", "doomed")
    kubectl("apply", "-n", "doomed", "-f", "-", stdin=WEB)
    kubectl("delete", "namespace", "doomed", "--timeout=30s")
    assert "NotFound" in kubectl("get", "namespace", "doomed", code=1)


def test_a_mistake_is_told_in_the_servers_words(kubectl):
    said = kubectl("apply", "-f", "-", stdin=WEB.replace("replicas: 2", "replicas: -1"), code=1)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in said
    said = kubectl("apply", "-f", "-", stdin=WEB.replace("replicas: 2", "replcas: 2"), code=1)
    assert 'unknown field "spec.replcas"' in said
