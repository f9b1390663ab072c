"""The controller as deploy/ runs it: with its ServiceAccount's token and nothing else."""

import json
import shutil
import signal
import socket
import time
import urllib.request

import pytest

from tests import warm
from tests.e2e.recording import Recorder
from tests.e2e.test_deploy import TOKENS, install, of_kind
from tests.e2e.test_deploy import kustomization as kustomization
from tests.e2e.test_deploy import user as user
from tests.scenarios.api import Api

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

APPLICATION = "/apis/gitops.dev/v1alpha1/namespaces/shop/applications/web"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: '1'}\n"

# Asked for when an Application names credentials; none here does.
SELDOM = {("", "secrets", "get")}


@pytest.fixture
def cluster(fresh_sandbox):
    return fresh_sandbox(tokens=TOKENS, speed=4.0)


@pytest.fixture
def recorder(cluster):
    with Recorder(cluster) as recorder:
        yield recorder


@pytest.fixture
def controller(recorder, shell, tmp_path):
    """Starts what the Deployment of an overlay starts; `controller(overlay, folder)` gives the process and its port."""
    path = tmp_path / "kubeconfig-recorded"
    started = []

    def start(overlay, folder=""):
        path.write_text(recorder.kubeconfig("controller"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (deployment,) = of_kind(overlay, "Deployment")
        written = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        arguments = [argument.replace("/etc/gitops/applications", str(folder)) for argument in written]
        # What a pod finds out by itself.
        inside = ["--namespace", "gitops", "--leases", "--listen", f"127.0.0.1:{port}", "--local-repositories"]
        environment = {**shell.environment, "KUBECONFIG": str(path)}
        process = warm.start_afresh([*arguments, *inside], shell.folder, environment)
        started.append(process)
        return process, port

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def repository(shell):
    shell.write("repository/apps/web.yaml", CONFIG_MAP)
    shell.git("init", "-q", "-b", "main", "repository")
    shell.git("-C", "repository", "add", "-A")
    shell.git("-C", "repository", "commit", "-qm", "first")
    return (shell.folder / "repository").as_uri()


def application(url, namespace, **sync):
    return {
        "apiVersion": "gitops.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": namespace, "finalizers": ["gitops.dev/prune"]},
        "spec": {
            "source": {"repoURL": url, "path": "apps"},
            "destination": {"namespace": namespace},
            "sync": {"automated": True, "drift": "correct", **sync},
        },
    }


def deployer(api):
    """A ServiceAccount of the namespace shop that may edit it."""
    subjects = [{"kind": "ServiceAccount", "name": "deployer", "namespace": "shop"}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    api.create("/api/v1/namespaces/shop/serviceaccounts", {"metadata": {"name": "deployer"}})
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings"
    api.create(path, {"metadata": {"name": "deployer"}, "roleRef": role, "subjects": subjects})


def granted(overlay):
    """(group, resource, verb) of every rule of the base."""
    for body in of_kind(overlay, "Role") + of_kind(overlay, "ClusterRole"):
        for rule in body["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from ((group, resource, verb) for verb in rule["verbs"])


def used(recorder):
    """(group, resource, verb) of what the controller asked in its own name; an apply that creates is both."""
    for asked in recorder.asked:
        if not asked.user and asked.code < 400:
            yield asked.group, asked.resource, asked.verb
            if asked.verb == "patch" and asked.code == 201:
                yield asked.group, asked.resource, "create"


def is_synced(_, body):
    status = body.get("status") or {}
    return (status.get("sync") or {}).get("status") == "Synced" and status["health"]["status"] == "Healthy"


def test_it_syncs_as_others_with_no_right_too_few_and_none_too_many(
    cluster, user, kustomization, controller, recorder, repository
):
    install(cluster, user, kustomization("single", "impersonate"))
    admin = Api(cluster, "installer")
    deployer(admin)
    process, port = controller("single")
    wait_ready(port)
    admin.create(
        "/apis/gitops.dev/v1alpha1/namespaces/shop/applications",
        application(repository, "shop", serviceAccount="deployer"),
    )
    admin.until(APPLICATION, is_synced, 30)
    first = admin.get("/api/v1/namespaces/shop/configmaps/web")[1]
    admin("DELETE", "/api/v1/namespaces/shop/configmaps/web")
    admin.until(
        "/api/v1/namespaces/shop/configmaps/web",
        lambda status, body: status == 200 and body["metadata"]["uid"] != first["metadata"]["uid"],
    )
    admin.until("/api/v1/namespaces/shop/events", lambda _, body: body["items"])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert b"gitops_application_info" in answer.read()
    admin("DELETE", APPLICATION)
    admin.until(APPLICATION, lambda status, _: status == 404, 30)
    assert admin.get("/api/v1/namespaces/shop/configmaps/web")[0] == 404
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert admin.get("/apis/coordination.k8s.io/v1/namespaces/gitops/leases")[1]["items"] == []

    assert [asked for asked in recorder.asked if asked.code == 403] == []
    assert set(granted("single")) - set(used(recorder)) == SELDOM
    writes = {
        asked.user for asked in recorder.asked if asked.resource == "configmaps" and asked.verb in ("patch", "delete")
    }
    assert writes == {"system:serviceaccount:shop:deployer"}


def test_without_a_service_account_it_says_that_it_may_not_deploy(cluster, user, kustomization, controller, repository):
    install(cluster, user, kustomization("single"))
    admin = Api(cluster, "installer")
    _, port = controller("single")
    wait_ready(port)
    admin.create("/apis/gitops.dev/v1alpha1/namespaces/shop/applications", application(repository, "shop"))
    status = admin.until(APPLICATION, lambda _, body: "forbidden" in json.dumps(body.get("status") or {}), 30)
    assert admin.get("/api/v1/namespaces/shop/configmaps/web")[0] == 404, status


def test_namespaced_it_syncs_what_a_folder_holds(cluster, user, kustomization, controller, repository, shell):
    install(cluster, user, kustomization("namespaced"))
    admin = Api(cluster, "installer")
    shell.write("applications/web.yaml", json.dumps(application(repository, "gitops")))
    _, port = controller("namespaced", shell.folder / "applications")
    wait_ready(port)
    admin.until("/api/v1/namespaces/gitops/configmaps/web", lambda status, _: status == 200, 30)


def test_ha_the_replica_that_is_left_goes_on(cluster, user, kustomization, controller, repository, shell, postgresql):
    install(cluster, user, kustomization("ha", "impersonate"))
    admin = Api(cluster, "installer")
    deployer(admin)
    # What the Secret gitops-store gives to the pods.
    shell.environment["GITOPS_STORE"] = postgresql.url(postgresql.new_database())
    shell.environment["GITOPS_KEY"] = "A" * 43 + "="
    replicas = [controller("ha") for _ in range(2)]
    for _, port in replicas:
        wait_ready(port)
    wanted = application(repository, "shop", serviceAccount="deployer")
    wanted["spec"]["interval"] = "1s"
    admin.create("/apis/gitops.dev/v1alpha1/namespaces/shop/applications", wanted)
    admin.until(APPLICATION, is_synced, 30)
    for number, (process, _) in enumerate(replicas):
        shell.write("repository/apps/web.yaml", CONFIG_MAP.replace("'1'", f"'of {number}'"))
        shell.git("-C", "repository", "commit", "-qam", "next")
        web = "/api/v1/namespaces/shop/configmaps/web"
        admin.until(web, lambda _, body, text=f"of {number}": body["data"]["a"] == text, 30)
        process.kill()


def wait_ready(port):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("not ready")
