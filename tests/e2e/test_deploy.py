"""What runs us in a cluster: our own renderer, policies and syncs on our own manifests, and what rights they give."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gitops.manifests.yaml import load_all
from gitops.sandbox.cluster import User
from tests import warm
from tests.e2e.shell import Shell
from tests.scenarios.api import MERGE, Api

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
OVERLAYS = ("single", "ha", "namespaced")
COMPONENTS = ("impersonate", "cluster-admin")
OPTIONAL = ("page", "page-rights", "deletion", "notifications", "monitoring")
CONTROLLER = "system:serviceaccount:gitops:gitops"
TOKENS = {
    "installer": User("ada", ("system:masters",)),
    "controller": User(CONTROLLER, ("system:serviceaccounts", "system:serviceaccounts:gitops")),
}
STORE_SECRET = {
    "metadata": {"name": "gitops-store"},
    "stringData": {"url": "postgresql://gitops@database/gitops", "key": "A" * 43 + "="},
}
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: '1'}\n"


@pytest.fixture
def kustomization(tmp_path):
    """The folder of an overlay with components, as users compose them."""

    def make(overlay, *components):
        folder = tmp_path / "-".join((overlay, *components))
        shutil.copytree(DEPLOY, folder / "deploy")
        parts = ", ".join(f"deploy/components/{name}" for name in components)
        (folder / "kustomization.yaml").write_text(f"resources: [deploy/overlays/{overlay}]\ncomponents: [{parts}]\n")
        return folder

    return make


@pytest.fixture
def cluster(fresh_sandbox):
    return fresh_sandbox(tokens=TOKENS, speed=4.0)


@pytest.fixture
def user(cluster, shell, tmp_path):
    """`user(TOKEN)`: `gitops` and `kubectl` against that cluster, as whom the token names."""

    def make(token):
        kubeconfig = json.loads(cluster.kubeconfig())
        kubeconfig["users"][0]["user"]["token"] = token
        path = tmp_path / f"kubeconfig-{token}"
        path.write_text(json.dumps(kubeconfig))
        return Shell(shell.folder, "gitops", {**shell.environment, "KUBECONFIG": str(path)})

    return make


def gitops(*arguments):
    return warm.run([*map(str, arguments)], Path.cwd(), os.environ)


def objects(overlay):
    done = gitops("render", DEPLOY / "overlays" / overlay)
    assert done.returncode == 0, done.stderr
    return [document.value for document in load_all(done.stdout.encode(), overlay)]


def of_kind(overlay, kind):
    return [body for body in objects(overlay) if body["kind"] == kind]


@pytest.mark.parametrize("components", [(), ("impersonate",), COMPONENTS, OPTIONAL, ("access", "projects")], ids=str)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_renders_as_kubectl_renders_it(kustomization, overlay, components):
    folder = kustomization(overlay, *components)
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    theirs = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, check=True, timeout=60).stdout
    done = gitops("render", folder)
    assert done.stdout.encode() == theirs, done.stderr


def test_the_kustomization_of_the_documentation_renders(tmp_path):
    whole, rights, patch = re.findall(r"```yaml\n(.*?)```", (DEPLOY.parent / "docs/deploy.md").read_text(), re.S)
    shutil.copytree(DEPLOY, tmp_path / "gitops/deploy")
    (tmp_path / "kustomization.yaml").write_text(whole + patch)
    done = gitops("render", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "image: registry.example.com/gitops:0.1.0" in done.stdout
    assert "port: 7999" in done.stdout
    assert [document.value["kind"] for document in load_all(rights.encode(), "deploy.md")] == ["Role", "RoleBinding"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_keeps_our_own_policies(overlay):
    done = gitops("policy", "check", DEPLOY / "overlays" / overlay)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_says_what_it_belongs_to(overlay):
    for body in objects(overlay):
        labels = body["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == labels["app.kubernetes.io/part-of"] == "gitops"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pod_keeps_to_the_restricted_level(overlay):
    (deployment,) = of_kind(overlay, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)


def test_only_the_namespaced_overlay_stays_in_its_namespace():
    scoped = {overlay: all("namespace" in body["metadata"] for body in objects(overlay)) for overlay in OVERLAYS}
    assert scoped == {"single": False, "ha": False, "namespaced": True}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_synced_and_becomes_healthy(cluster, user, overlay):
    api = Api(cluster, "installer")
    api.namespace("gitops")
    api.create("/api/v1/namespaces/gitops/secrets", STORE_SECRET)
    by_default = {"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
    api("PATCH", "/apis/storage.k8s.io/v1/storageclasses/standard", by_default, type=MERGE)
    options = ["--name", "gitops", "--namespace", "gitops", "--timeout", "40s"]
    done = user("installer").gitops("sync", str(DEPLOY / "overlays" / overlay), *options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_applies_an_overlay(cluster, user, overlay):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    Api(cluster, "installer").namespace("gitops")
    done = user("installer").kubectl("apply", "--server-side", "--force-conflicts", "-k", DEPLOY / "overlays" / overlay)
    assert "deployment.apps/gitops serverside-applied" in done


def install(cluster, user, folder):
    api = Api(cluster, "installer")
    api.namespace("gitops")
    api.namespace("shop")
    user("installer").kubectl("apply", "--server-side", "--force-conflicts", "-k", folder)
    return Api(cluster, "controller")


def may(api, verb, resource, namespace="", name=""):
    """Whether the controller may: `resource` is GROUP/RESOURCE[/SUBRESOURCE]."""
    group, resource, *sub = resource.split("/")
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name}
    if sub:
        attributes["subresource"] = sub[0]
    body = {"spec": {"resourceAttributes": attributes}}
    status, answer = api("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert status == 201, answer
    return answer["status"]["allowed"]


def test_the_base_lets_the_controller_do_its_own_work_and_deploy_nothing(cluster, user, kustomization):
    api = install(cluster, user, kustomization("single"))
    for verb, resource, namespace in [
        ("watch", "gitops.dev/applications", ""),
        ("patch", "gitops.dev/applications", "shop"),
        ("patch", "gitops.dev/applications/status", "shop"),
        ("create", "/events", "shop"),
        ("patch", "coordination.k8s.io/leases", "gitops"),
        ("watch", "/secrets", "gitops"),
    ]:
        assert may(api, verb, resource, namespace), (verb, resource, namespace)
    for verb, resource, namespace in [
        ("create", "apps/deployments", "shop"),
        ("create", "/configmaps", "shop"),
        ("get", "/secrets", "shop"),
        ("list", "/secrets", ""),
        ("create", "/secrets", "gitops"),
        ("patch", "coordination.k8s.io/leases", "kube-system"),
        ("impersonate", "/serviceaccounts", "shop"),
        ("create", "gitops.dev/applications", "shop"),
        ("delete", "gitops.dev/applications", "shop"),
        ("create", "rbac.authorization.k8s.io/clusterrolebindings", ""),
    ]:
        assert not may(api, verb, resource, namespace), (verb, resource, namespace)


def test_with_deletion_it_deletes_applications_and_nothing_else(cluster, user, kustomization):
    api = install(cluster, user, kustomization("single", "deletion"))
    assert may(api, "delete", "gitops.dev/applications", "shop")
    assert may(api, "delete", "kustomize.toolkit.fluxcd.io/kustomizations", "shop")
    assert not may(api, "create", "gitops.dev/applications", "shop")
    assert not may(api, "delete", "/configmaps", "shop")


def test_with_impersonate_it_sees_all_but_secrets_and_writes_as_others(cluster, user, kustomization):
    api = install(cluster, user, kustomization("single", "impersonate"))
    assert may(api, "impersonate", "/serviceaccounts", "shop", "deployer")
    assert may(api, "watch", "apps/deployments")
    assert may(api, "list", "/configmaps")
    assert not may(api, "impersonate", "/users", "", "ada")
    assert not may(api, "impersonate", "/groups", "", "system:masters")
    assert not may(api, "create", "apps/deployments", "shop")
    assert not may(api, "get", "/secrets", "shop")


def test_with_cluster_admin_its_token_syncs_anywhere(cluster, user, kustomization):
    install(cluster, user, kustomization("single", "cluster-admin"))
    controller = user("controller")
    controller.write("web/web.yaml", CONFIG_MAP)
    done = controller.gitops("sync", "web", "--name", "web", "--namespace", "anywhere")
    assert done.returncode == 0, done.stdout + done.stderr


def test_namespaced_its_token_syncs_into_its_own_namespace_only(cluster, user, kustomization):
    api = install(cluster, user, kustomization("namespaced"))
    controller = user("controller")
    controller.write("web/web.yaml", CONFIG_MAP)
    done = controller.gitops("sync", "web", "--name", "web", "--namespace", "gitops")
    assert done.returncode == 0, done.stdout + done.stderr
    refused = controller.gitops("sync", "web", "--name", "web", "--namespace", "shop")
    assert refused.returncode != 0
    assert not may(api, "list", "/secrets", "shop")
    assert not may(api, "watch", "gitops.dev/applications")
