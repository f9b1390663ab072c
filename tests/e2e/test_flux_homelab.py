"""The shape of most public repositories of Flux: one Kustomization for all, patched children, charts of registries,
secrets of SOPS, and variables of the cluster. Delivered from a checkout, as it is.
"""

import json
from pathlib import Path

import pytest
import yaml

from tests.chart_servers import OciRegistry, served

registry = served(OciRegistry)
SOPS = Path(__file__).parents[1] / "data/sops"

CLUSTER = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: cluster-apps, namespace: %(space)s}
spec:
  interval: 1h
  path: ./kubernetes/apps
  prune: true
  wait: false
  sourceRef: {kind: GitRepository, name: flux-system}
  decryption: {provider: sops}
  postBuild:
    substituteFrom: [{kind: ConfigMap, name: cluster-settings}, {kind: Secret, name: none, optional: true}]
  patches:
    - patch: |
        apiVersion: kustomize.toolkit.fluxcd.io/v1
        kind: Kustomization
        metadata: {name: _}
        spec:
          decryption: {provider: sops}
          postBuild:
            substituteFrom: [{kind: ConfigMap, name: cluster-settings}]
      target: {group: kustomize.toolkit.fluxcd.io, kind: Kustomization}
"""
SPACE = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: %(space)s
components: [../../components/common]
resources: [./echo/ks.yaml]
"""
COMMON = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
resources: [./namespace.yaml]
"""
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata: {name: _, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}
"""
CHILD = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: &app echo}
spec:
  commonMetadata: {labels: {app.kubernetes.io/name: *app}}
  interval: 1h
  path: ./kubernetes/apps/default/echo/app
  prune: true
  sourceRef: {kind: GitRepository, name: flux-system}
  targetNamespace: %(space)s
  timeout: 1m
  wait: true
  postBuild: {substitute: {APP: *app}}
"""
APP = "resources: [helmrelease.yaml, secret.sops.yaml]\n"
RELEASE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: echo}
spec:
  interval: 15m
  layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}
  ref: {tag: 1.2.3}
  url: %(registry)s/charts/greeter
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: echo}
spec:
  interval: 1h
  chartRef: {kind: OCIRepository, name: echo}
  install: {remediation: {retries: -1}}
  upgrade: {cleanupOnFail: true, remediation: {retries: 3}}
  values: {greeting: "${APP}.${SECRET_DOMAIN:=nowhere}"}
"""


@pytest.fixture
def homelab(shell, registry):
    names = {"space": shell.namespace, "registry": registry.address}
    registry.add_chart("charts/greeter", "1.2.3")
    for place, text in {
        "flux/cluster/ks.yaml": CLUSTER,
        "components/common/kustomization.yaml": COMMON,
        "components/common/namespace.yaml": NAMESPACE,
        "apps/kustomization.yaml": "resources: [./default]\n",
        "apps/default/kustomization.yaml": SPACE,
        "apps/default/echo/ks.yaml": CHILD,
        "apps/default/echo/app/kustomization.yaml": APP,
        "apps/default/echo/app/helmrelease.yaml": RELEASE,
    }.items():
        shell.write(f"kubernetes/{place}", text % names if "%(" in text else text)
    shell.write("kubernetes/apps/default/echo/app/secret.sops.yaml", (SOPS / "secret.yaml").read_text())
    shell.git("init", "-q", "-b", "main")
    shell.git("add", "-A")
    shell.git("commit", "-qm", "all")
    shell.kubectl("create", "namespace", shell.namespace)
    shell.kubectl("create", "configmap", "cluster-settings", "--from-literal=SECRET_DOMAIN=example.net")
    shell.environment["SOPS_AGE_KEY_FILE"] = str(SOPS / "one.agekey")
    return shell


def live(shell, kind: str, name: str) -> dict:
    return json.loads(shell.kubectl("get", kind, name, "-o", "json"))


def test_an_empty_cluster_becomes_what_the_repository_says(homelab):
    done = homelab.gitops("sync", "-f", "kubernetes/flux/cluster")
    assert done.returncode == 0, done.stderr
    assert "GitRepository" in done.stderr
    assert live(homelab, "configmap", "echo-greeter")["data"] == {"text": "echo.example.net", "version": "1.2.3"}
    secret = live(homelab, "secret", "db")
    assert secret["metadata"]["labels"]["app.kubernetes.io/name"] == "echo"
    assert "cAnary" not in done.stdout + done.stderr
    again = homelab.gitops("sync", "-f", "kubernetes/flux/cluster")
    assert [line for line in again.stderr.splitlines() if "synced" in line and "in-sync" not in line] == []


def test_a_variable_of_the_cluster_that_changes_is_a_difference(homelab):
    homelab.gitops("sync", "-f", "kubernetes/flux/cluster")
    homelab.kubectl("patch", "configmap", "cluster-settings", "-p", '{"data": {"SECRET_DOMAIN": "example.org"}}')
    found = homelab.gitops("diff", "-f", "kubernetes/flux/cluster")
    assert found.returncode == 1
    assert "echo.example.net → echo.example.org" in found.stdout


def test_a_bad_commit_of_a_release_is_rolled_back_and_the_rest_stays(homelab):
    homelab.gitops("sync", "-f", "kubernetes/flux/cluster")
    place = "kubernetes/apps/default/echo/app/helmrelease.yaml"
    text = (homelab.folder / place).read_text()
    homelab.write(place, text.replace("  values: {", "  values: {nonsense: [}, "))
    done = homelab.gitops("sync", "-f", "kubernetes/flux/cluster")
    assert done.returncode == 2
    assert "helmrelease.yaml" in done.stderr
    assert live(homelab, "configmap", "echo-greeter")["data"]["text"] == "echo.example.net"


def test_a_suspended_branch_is_left_alone(homelab):
    place = "kubernetes/apps/default/echo/ks.yaml"
    text = yaml.safe_load((homelab.folder / place).read_text())
    text["spec"]["suspend"] = True
    homelab.write(place, yaml.safe_dump(text))
    done = homelab.gitops("sync", "-f", "kubernetes/flux/cluster")
    assert done.returncode == 0, done.stderr
    assert "suspended" in done.stderr
    assert "echo-greeter" not in homelab.kubectl("get", "configmaps", "-o", "name")


def test_without_the_key_nothing_of_that_application_is_changed(homelab):
    del homelab.environment["SOPS_AGE_KEY_FILE"]
    done = homelab.gitops("sync", "-f", "kubernetes/flux/cluster")
    assert done.returncode == 2
    assert "secret.sops.yaml" in done.stderr
    assert "age16rtswv66suft9yy7crd4stz5hs9ygv33yms487dmzdhdjrm7qets39fq7y" in done.stderr
    assert "secret/db" not in homelab.kubectl("get", "secrets", "-o", "name")
