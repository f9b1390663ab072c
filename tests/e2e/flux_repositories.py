"""Repositories of the shapes that people deliver with Flux (`tests/data/flux-repositories`), on a cluster of their own.

Their addresses are placeholders: git.example is a repository of the test, charts.example and registry.example are
servers of it.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import yaml

from gitops.model.application import Application
from tests.chart_servers import FILES_LAYER, ChartRepository, OciRegistry, chart_files, packed
from tests.e2e.shell import Shell
from tests.scenarios.running import Running

DATA = Path(__file__).parents[1] / "data"
DEFINITIONS = Path(__file__).parents[2] / "deploy/components/flux/crds.yaml"
WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec:
      containers: [{name: main, image: "{{ .Values.image }}"}]
"""
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-settings"}
data:
  hostnames: "{{ join "," .Values.hostnames }}"
  zone: "{{ .Values.zone }}"
  storage: "{{ .Values.storage }}"
  chart: "{{ .Chart.Version }}"
"""
VALUES = "replicas: 1\nimage: nginx:1.26\nhostnames: []\nzone: UTC\nstorage: slow\n"
SHOP = {"values.yaml": VALUES, "templates/greeting.yaml": SETTINGS, "templates/workload.yaml": WORKLOAD}


def definition(group: str, kind: str) -> str:
    """The definition of a kind that belongs to no namespace."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    spec = {"group": group, "scope": "Cluster", "names": names, "versions": [version]}
    metadata = {"name": f"{plural}.{group}"}
    body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata}
    return yaml.safe_dump({**body, "spec": spec})


ISSUER = definition("certs.example.com", "Issuer")
CERTS = {
    "values.yaml": f"{VALUES}crds: {{enabled: false}}\n",
    "templates/greeting.yaml": WORKLOAD,
    "templates/crds.yaml": "{{- if .Values.crds.enabled }}\n"
    + definition("certs.example.com", "Issuer")
    + "{{- end }}\n",
}


class Fleet:
    """A repository of one shape, and the cluster that it is to become."""

    def __init__(self, shell: Shell, charts: ChartRepository, registry: OciRegistry) -> None:
        self.shell = shell
        self.charts, self.registry = charts, registry
        charts.add("shop", "1.0.0", SHOP)
        charts.add("shop", "1.1.0-alpha.1", SHOP)
        for path, version, files in (("charts/shop", "1.0.0", SHOP), ("charts/certs", "1.4.0", CERTS)):
            name = path.rpartition("/")[2]
            registry.push(path, version, packed(name, chart_files(name, version, files)))
        rules = {"crd.yaml": definition("rules.example.com", "ClusterRule"), "kyverno.yaml": _controller("rules")}
        registry.push("manifests/rules", "v1.14.4", packed("", rules), FILES_LAYER)

    def make(self, shape: str, *branches: str) -> None:
        """Fill the repository with a shape, and others of its branches (SHAPE-BRANCH)."""
        for branch in branches:
            self._copy(f"{shape}-{branch}")
            self.shell.git("init", "-q", "-b", branch) if not (self.shell.folder / ".git").exists() else None
            self.commit(branch)
            for path in self.shell.folder.iterdir():
                if path.name != ".git":
                    shutil.rmtree(path)
        self.shell.git(*(("checkout", "-q", "--orphan", "main") if branches else ("init", "-q", "-b", "main")))
        self._copy(shape)
        self.commit("all")

    def _copy(self, shape: str) -> None:
        top = DATA / "flux-repositories" / shape
        for path in top.rglob("*.yaml"):
            self.shell.write(str(path.relative_to(top)), self._placed(path.read_text()))

    def _placed(self, text: str) -> str:
        for placeholder, address in (
            ("https://charts.example", self.charts.url),
            ("oci://registry.example", self.registry.address),
            ("https://git.example/fleet", self.shell.folder.as_uri()),
            ("https://git.example/team-a", self.shell.folder.as_uri()),
        ):
            text = text.replace(placeholder, address)
        return text

    def commit(self, message: str = "change") -> str:
        self.shell.git("add", "-A")
        self.shell.git("commit", "-qm", message)
        return self.shell.git("rev-parse", "HEAD").strip()

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.shell.folder / name).read_text()
        assert old in text, text
        self.shell.write(name, text.replace(old, new))

    def get(self, kind: str, name: str, namespace: str = "flux-system") -> dict | None:
        found = self.shell.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found else None

    def data(self, name: str, namespace: str) -> dict | None:
        found = self.get("configmap", name, namespace)
        return found and found["data"]

    def ready(self, kind: str, name: str, namespace: str = "flux-system") -> tuple[str, str]:
        """The word of its condition Ready, and the message."""
        conditions = ((self.get(kind, name, namespace) or {}).get("status") or {}).get("conditions") or []
        found = next((item for item in conditions if item["type"] == "Ready"), {})
        return found.get("status", ""), found.get("message", "")

    def all_ready(self) -> bool:
        """Whether there are Kustomizations and HelmReleases, and each is ready."""
        kinds = "kustomizations.kustomize.toolkit.fluxcd.io,helmreleases.helm.toolkit.fluxcd.io"
        found = json.loads(self.shell.kubectl("get", kinds, "-A", "-o", "json"))["items"]
        names = [(item["kind"].lower(), item["metadata"]["name"], item["metadata"]["namespace"]) for item in found]
        return bool(names) and all(self.ready(*name)[0] == "True" for name in names)

    def until(self, holds: Callable[[], object], seconds: float = 40.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.2)

    def told(self) -> str:
        """How all of it stands, for who reads why a test failed."""
        kinds = "kustomizations.kustomize.toolkit.fluxcd.io,helmreleases.helm.toolkit.fluxcd.io"
        return self.shell.kubectl("get", kinds, "-A")

    def bootstrap(self, folder: str) -> None:
        """As `flux bootstrap` does: the definitions, and the objects of a folder."""
        self.shell.kubectl("apply", "--server-side", "-f", str(DEFINITIONS))
        self.shell.kubectl("apply", "--server-side", "-k", folder)

    def running(self, *, cross_namespace: bool = True) -> Running:
        """`gitops run --compat flux`, for all namespaces."""
        top = self.shell.folder.parent
        places = {"folder": top, "kubeconfig": top / "kubeconfig", "state": top / "state"}
        world = SimpleNamespace(**places, namespace="", app=Application("none"))
        return Running(world, flux="all" if cross_namespace else "own")


def _controller(name: str) -> str:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "nginx:1.26"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": name}, "spec": spec}
    return yaml.safe_dump_all([space, body])
