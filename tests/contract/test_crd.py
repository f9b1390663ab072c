"""The CustomResourceDefinition: what the cluster takes as an Application is what `gitops.config` reads."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitops.config import read_application
from gitops.crd import definition
from gitops.fields_reader import DURATION, parse_duration
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from tests.scenarios.api import APPLY, Api

WRITTEN = Path(__file__).resolve().parents[2] / "deploy/base/crd.yaml"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPLICATIONS = "/apis/gitops.dev/v1alpha1/namespaces/{}/applications"
SMALLEST = {"source": {"repoURL": "https://git.example.com/shop.git"}, "destination": {"namespace": "shop"}}


@pytest.fixture(scope="module")
def api(sandbox):
    api = Api(sandbox)
    found = definition()
    api.apply(f"{DEFINITIONS}/{found['metadata']['name']}", found)
    api.until(
        f"{DEFINITIONS}/{found['metadata']['name']}",
        lambda _, body: any(one["type"] == "Established" and one["status"] == "True" for one in conditions(body)),
    )
    api.namespace("crd")
    return api


def conditions(body):
    return (body.get("status") or {}).get("conditions") or []


def application(spec, name="shop"):
    return {
        "apiVersion": "gitops.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "crd"},
        "spec": spec,
    }


def spec_schema():
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema["properties"]["spec"]


_CHECKED = {
    "jsonPointers": ["/spec/replicas"],
    "jqPathExpressions": [".spec.replicas"],
    "schedule": "@daily",
    "readyExpr": {"some-text": "true"},
    "verify": {"provider": "", "secretRef": ""},
    "bucket": {"region": "", "prefix": "", "insecure": False},
    "timeZone": "Europe/Amsterdam",
    "kubernetes": "1.32",
    "repoURL": "https://git.example.com/other.git",
}


def unusual(schema, name=""):
    """A value that no default is, for every field there is."""
    if name in ("degraded", "suspended", "progressing", "healthy"):
        return "object.metadata.name == 'x'"
    if name in _CHECKED:
        return _CHECKED[name]
    kind = schema["type"]
    if kind == "object":
        if "additionalProperties" in schema:
            return {"a": unusual(schema["additionalProperties"])}
        properties = schema.get("properties")
        return {key: unusual(one, key) for key, one in properties.items()} if properties else {"a": {"b": [1, None]}}
    if kind == "array":
        if name == "include":  # it names another source
            return []
        return [unusual(schema["items"])]
    if kind == "boolean":
        return not schema.get("default", False)
    if kind == "string":
        return schema["enum"][-1] if "enum" in schema else "1h7m" if is_duration(schema) else "some-text"
    return schema.get("default", 0) + 1


def in_seconds(value, schema):
    """What the reader makes of a spec."""
    if "properties" in schema:
        return {key: in_seconds(value[key], one) for key, one in schema["properties"].items()}
    if "items" in schema:
        return tuple(in_seconds(item, schema["items"]) for item in value)
    return parse_duration(value) if is_duration(schema) else value


def is_duration(schema):
    return DURATION.pattern in schema.get("pattern", "")


def read(folder, body):
    path = folder / "application.yaml"
    path.write_text(write_manifests([body]))
    return read_application(path)


def test_the_file_is_what_is_made_from_the_model():
    made = subprocess.run([sys.executable, "-m", "gitops.crd"], capture_output=True, text=True, check=True).stdout
    assert made == WRITTEN.read_text(), "run `make crd`"


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("leaves_out", ["chart", "path"])
def test_every_field_comes_back_from_the_cluster_and_is_read(api, tmp_path, several, leaves_out):
    spec, name = unusual(spec_schema()), f"every-{leaves_out}-{several}".lower()
    for source in (spec["source"], *spec["sources"]):
        source[leaves_out] = {"chart": "", "path": "."}[leaves_out]  # a source has one of them
        source["repoURL"] = "https://git.example.com/some.git"
    destination = spec["destination"]
    if leaves_out == "chart":  # it has a cluster, or a kubeconfig
        destination["cluster"] = ""
    else:
        destination["kubeConfig"] = {"secretRef": "", "key": ""}
    if several:
        del spec["source"]
    else:
        spec["sources"] = []
    created = api.create(APPLICATIONS.format("crd"), application(spec, name), fieldValidation="Strict")
    assert created["spec"] == spec
    app = dataclasses.asdict(read(tmp_path, api.get(f"{APPLICATIONS.format('crd')}/{name}")[1]))
    assert (app.pop("name"), app.pop("namespace"), app.pop("labels")) == (name, "crd", {})
    expected = in_seconds({"source": (spec["sources"] or [None])[0], **spec}, spec_schema())
    assert app == {**expected, "sources": ()}  # one of them is as `source`
    plain = dataclasses.asdict(Application("shop"))
    assert [name for name, value in app.items() if value == plain[name]] == ["sources"]


def test_the_defaults_of_the_cluster_are_those_of_the_model(api, tmp_path):
    parts = {"sync": {"retry": {"backoff": {}}, "pruneLimit": {}}, "policies": {}, "ignoreDifferences": [{}]}
    source = {**SMALLEST["source"], "plain": {}, "kustomize": {}, "template": {}, "credentials": {}}
    sent = application({**SMALLEST, **parts, "source": source}, "defaults")
    stored = api.create(APPLICATIONS.format("crd"), sent)
    assert stored["spec"]["sync"]["timeout"] == "10m"
    assert read(tmp_path, stored) == read(tmp_path, sent)


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": {"path": "apps"}},
        {"source": {"repoURL": ""}},
        {"source": None},
        {"destination": {}},
        {"destination": {"namespace": ""}},
        {"source": {"repoURL": "x", "renderer": "Make it"}},
        {"source": {"repoURL": 1}},
        {"source": {"repoURL": "x", "template": {"values": []}}},
        {"sync": {"timeout": "10 minutes"}},
        {"sync": {"timeout": 600}},
        {"sync": {"timeout": "600"}},
        {"sync": {"prune": "yes"}},
        {"sync": {"drift": "Report"}},
        {"sync": {"prun": True}},
        {"sync": {"retry": {"limit": 1.5}}},
        {"sync": {"retry": {"limit": "5"}}},
        {"sync": []},
        {"interval": "3 m"},
        {"dependsOn": "database"},
        {"dependsOn": [1]},
        {"dependsOn": ["a/b/c"]},
        {"dependsOn": ["../a"]},
        {"dependsOn": ["a"], "readyExpr": {"b": "true"}},
        {"readyExpr": {"b": "true"}},
        {"dependsOn": ["a"], "readyExpr": {"a": ""}},
        {"source": {"repoURL": "x", "credentials": {"secretRef": "../../gitops/secrets/deploy-key"}}},
        {"source": {"repoURL": "x", "credentials": {"secretRef": "Deploy Key"}}},
        {"destination": {"namespace": "../kube-system"}},
        {"destination": {"namespace": "a", "cluster": "b", "kubeConfig": {"secretRef": "c"}}},
        {"destination": {"namespace": "a", "kubeConfig": {"key": "c"}}},
        {"sync": {"serviceAccount": "tenant:admin"}},
        {"sync": {"serviceAccount": "x\r\nImpersonate-Group: system:masters"}},
        {"ignoreDifferences": {"kind": "Deployment"}},
        {"windows": [{"kind": "allow", "schedule": "0 9 * * *"}]},
        {"windows": [{"kind": "maybe", "schedule": "0 9 * * *", "duration": "8h"}]},
        {"nonsense": 1},
    ],
    ids=json.dumps,
)
def test_what_the_cluster_refuses_is_no_application_either(api, tmp_path, wrong):
    body = application({**SMALLEST, **wrong}, "wrong")
    status, answer = api("POST", APPLICATIONS.format("crd"), body, fieldValidation="Strict")
    assert status in (400, 422), answer
    with pytest.raises(ConfigError):
        read(tmp_path, body)


def test_kubectl_shows_where_an_application_stands(api, sandbox, tmp_path):
    api.create(APPLICATIONS.format("crd"), application(SMALLEST, "shown"))
    status = {
        "observedGeneration": 1,
        "sync": {"status": "Synced", "revision": "0c4e6f1", "ref": "main"},
        "health": {"status": "Degraded", "message": "web: 0 of 2 pods are ready"},
        "lastSync": {"outcome": "done", "revision": "0c4e6f1", "at": "2026-01-01T00:00:00Z", "message": "2 changes"},
        "drift": 1,
        "suspended": False,
        "quarantine": {"revision": "9d1c2a0", "reason": "not healthy in time"},
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Degraded",
                "message": "web is not ready",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "observedGeneration": 1,
            }
        ],
    }
    path = APPLICATIONS.format("crd") + "/shown"
    sent = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": {"name": "shown"}, "status": status}
    code, answer = api("PATCH", f"{path}/status", sent, type=APPLY, fieldManager="gitops", fieldValidation="Strict")
    assert (code, answer["status"]) == (200, status)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(sandbox.kubeconfig())
    command = ["kubectl", "--kubeconfig", str(kubeconfig), "get", "gapp", "shown", "--namespace", "crd"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()
    except FileNotFoundError:
        pytest.skip("kubectl is not installed")
    assert shown[0].split() == ["NAME", "SYNC", "HEALTH", "REVISION", "AGE", "MESSAGE"]
    assert shown[1].split()[:4] == ["shown", "Synced", "Degraded", "0c4e6f1"]
    assert shown[1].endswith("web is not ready")


def test_a_status_of_other_words_is_refused(api):
    api.create(APPLICATIONS.format("crd"), application(SMALLEST, "words"))
    path = APPLICATIONS.format("crd") + "/words/status"
    wrong = {"status": {"sync": {"status": "Drifted"}}}
    status, answer = api("PATCH", path, wrong, type="application/merge-patch+json")
    assert status == 422, answer
    assert "status.sync.status" in answer["message"]
