"""What people type, what they see, and the exit codes."""

import json
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitops.manifests.yaml_write import write_manifests
from tests.scenarios.world import config_map, deployment, job

APPLICATION = """\
apiVersion: gitops.dev/v1alpha1
kind: Application
metadata: {{name: shop}}
spec:
  source: {{repoURL: "{url}", targetRevision: main, path: k8s}}
  destination: {{namespace: {namespace}}}
  sync: {{createNamespace: true, prune: true, timeout: 30s}}
"""


@pytest.fixture
def named(shell):
    """The options that name this test's Application."""
    return ["--name", "shop", "--namespace", shell.namespace]


def test_any_folder_of_manifests_is_synced_with_no_other_file(shell, named):
    shell.write("k8s/web.yaml", write_manifests([deployment(), config_map("settings")]))
    first = shell.gitops("sync", "./k8s", *named)
    assert first.returncode == 0, first.stderr
    assert "3 created" in first.stderr
    again = shell.gitops("sync", "./k8s", *named, "-v")
    assert again.returncode == 0
    assert "nothing to do" in again.stderr
    assert " 0 writes" in again.stderr
    assert "method=PATCH" not in again.stderr
    assert {path.name for path in shell.folder.iterdir()} == {"k8s"}


def test_a_diff_prints_each_field_with_who_set_it_and_exits_1(shell, named):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "hunter2"}}
    shell.write("k8s/all.yaml", write_manifests([deployment(), secret]))
    shell.gitops("sync", "./k8s", *named)
    shell.kubectl("scale", "deployment/web", "--replicas=5")
    shell.write("k8s/all.yaml", write_manifests([deployment(), {**secret, "stringData": {"p": "sesame-open"}}]))
    found = shell.gitops("diff", "./k8s", *named)
    assert found.returncode == 1
    assert "spec.replicas: 5 → 2   set by kubectl (Update)" in found.stdout
    assert "data.p: (hidden) → (hidden)" in found.stdout
    for value in ("hunter2", "aHVudGVyMg", "sesame-open", "c2VzYW1l"):
        assert value not in found.stdout + found.stderr
    assert shell.gitops("sync", "./k8s", *named).returncode == 0
    assert shell.gitops("diff", "./k8s", *named).returncode == 0


def test_results_are_printed_for_programs(shell, named):
    shell.write("k8s/web.yaml", write_manifests([config_map("settings")]))
    planned = json.loads(shell.gitops("diff", "./k8s", *named, "-o", "json").stdout)
    assert planned["steps"][0]["changes"] == [{"change": "create", "object": f"ConfigMap {shell.namespace}/settings"}]
    result = json.loads(shell.gitops("sync", "./k8s", *named, "-o", "json").stdout)
    assert (result["outcome"], result["failures"]) == ("synced", [])
    status = json.loads(shell.gitops("status", "shop", "-n", shell.namespace, "-o", "json").stdout)
    assert (status["application"], status["health"]) == (f"{shell.namespace}/shop", "Healthy")


def test_status_history_and_rollback_tell_and_undo(shell, named):
    for image in ("nginx:1.26", "nginx:1.27"):
        shell.write("k8s/web.yaml", write_manifests([deployment(image=image)]))
        assert shell.gitops("sync", "./k8s", *named).returncode == 0
    history = shell.gitops("history", "shop", "-n", shell.namespace)
    assert [line.split()[0] for line in history.stdout.splitlines()] == ["RELEASE", "2", "1"]
    back = shell.gitops("rollback", "shop", "-n", shell.namespace)
    assert back.returncode == 0, back.stderr
    image = shell.kubectl("get", "deployment/web", "-o", "jsonpath={..image}")
    assert image == "nginx:1.26"
    held = shell.gitops("sync", "./k8s", *named)
    assert held.returncode == 3
    assert "rolled back" in held.stderr
    status = shell.gitops("status", "shop", "-n", shell.namespace)
    assert "quarantined" in status.stdout
    assert "apps/Deployment" in status.stdout


def test_a_changed_byte_in_the_audit_log_is_found_and_the_entry_named(shell, named):
    shell.write("k8s/web.yaml", write_manifests([config_map("settings")]))
    shell.gitops("sync", "./k8s", *named)
    assert shell.gitops("audit", "verify").returncode == 0
    listed = shell.gitops("audit", "list", "shop")
    assert "step.started" in listed.stdout
    database = sqlite3.connect(Path(shell.environment["GITOPS_STATE"]) / "gitops.db")
    database.execute("UPDATE audit SET detail = replace(detail, 'create', 'Create') WHERE seq = 2")
    database.commit()
    database.close()
    found = shell.gitops("audit", "verify")
    assert found.returncode == 4
    assert f"audit entry 2 of {shell.namespace}/shop" in found.stderr


def test_a_cut_off_tail_of_the_audit_log_is_found_by_the_clusters_anchor(shell, named):
    shell.write("k8s/web.yaml", write_manifests([config_map("settings")]))
    shell.gitops("sync", "./k8s", *named)
    database = sqlite3.connect(Path(shell.environment["GITOPS_STATE"]) / "gitops.db")
    database.execute("DELETE FROM audit WHERE seq > 2")
    database.commit()
    database.close()
    found = shell.gitops("audit", "verify")
    assert found.returncode == 4
    assert "tail was cut off" in found.stderr


def test_verifying_a_store_that_has_none_of_the_entries_is_a_failure(shell, named):
    shell.write("k8s/web.yaml", write_manifests([config_map("settings")]))
    shell.gitops("sync", "./k8s", *named)
    app = f"{shell.namespace}/shop"
    for words in ([], [app]):
        found = shell.gitops("--state", "empty", "audit", "verify", *words)
        assert found.returncode == 4
        assert re.search(r"the cluster anchors \d+ entries of store \w+, and this store \(\w+\) has none", found.stderr)
    assert f"{app} on " in found.stderr
    assert shell.gitops("--state", "empty", "audit", "verify", "--offline").returncode == 4
    assert shell.gitops("audit", "verify", "nobody").returncode == 4


def test_a_store_that_is_wrongly_configured_is_wrong_input(shell):
    shared = ["--store", "postgresql://gitops@localhost:1/gitops", "history", "shop"]
    without = shell.gitops(*shared)
    assert (without.returncode, "GITOPS_KEY is not set" in without.stderr) == (2, True)
    shell.environment["GITOPS_KEY"] = "short"
    wrong = shell.gitops(*shared)
    assert (wrong.returncode, "GITOPS_KEY: expected 32 bytes in base64" in wrong.stderr) == (2, True)


def test_a_saved_plan_is_carried_out_as_it_is_or_not_at_all(shell, named):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "hunter2"}}
    shell.write("k8s/all.yaml", write_manifests([config_map("settings"), secret]))
    assert shell.gitops("diff", "./k8s", *named, "--out", "plan.json").returncode == 1
    assert "hunter2" not in (shell.folder / "plan.json").read_text()
    shell.write("k8s/all.yaml", write_manifests([config_map("settings", a="2"), secret]))
    held = shell.gitops("sync", "./k8s", *named, "--plan", "plan.json")
    assert held.returncode == 3
    assert f"ConfigMap {shell.namespace}/settings has changed" in held.stderr
    assert f"Secret {shell.namespace}/s has" not in held.stderr
    shell.write("k8s/all.yaml", write_manifests([config_map("settings"), secret]))
    assert shell.gitops("sync", "./k8s", *named, "--plan", "plan.json").returncode == 0
    gone = shell.gitops("sync", "./k8s", *named, "--plan", "plan.json")
    assert gone.returncode == 3
    assert "would no longer be changed" in gone.stderr
    assert shell.gitops("sync", "./k8s", *named, "--plan", "none.json").returncode == 2


def _repository(shell):
    shell.git("init", "-q", "-b", "main")
    shell.write("k8s/web.yaml", write_manifests([config_map("settings")]))
    shell.git("add", "-A")
    shell.git("commit", "-qm", "first")
    shell.write("../app.yaml", APPLICATION.format(url=shell.folder.as_uri(), namespace=shell.namespace))


def _alias_bomb() -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(rows) + "\n"


WRONG = {
    "an unreadable repository": ("app", ("shop", "none"), r"none: the repository cannot be read"),
    "an unknown branch": ("app", ("targetRevision: main", "targetRevision: mian"), "did you mean main"),
    "a path that is not in the tree": ("app", ("path: k8s", "path: deploy"), "deploy: no such path"),
    "an unknown field": ("app", ("prune:", "prun:"), "app.yaml:7: spec.sync.prun: unknown field; did you mean prune?"),
    "a wrong type": ("app", ("prune: true", "prune: 1"), "app.yaml:7: spec.sync.prune: expected true or false"),
    "an empty path": ("file", None, "nothing to render there"),
    "no YAML": ("file", "a: [\n", "k8s/web.yaml:2: not YAML"),
    "no kind": ("file", "apiVersion: v1\nmetadata: {name: x}\n", "k8s/web.yaml:1: kind"),
    "one identity twice": ("file", write_manifests([config_map("x")] * 2), "k8s/web.yaml:8: ConfigMap"),
    "an unknown kind": (
        "file",
        "apiVersion: v1\nkind: Gadget\nmetadata: {name: x}\n",
        "k8s/web.yaml:1: kind Gadget in v1 is not known",
    ),
    "an alias bomb": ("file", _alias_bomb(), "k8s/web.yaml:"),
    "a link out of the repository": ("link", None, "k8s/web.yaml: the symbolic link leads out of the repository"),
    "a file of 200 MB": ("large", None, "k8s/web.yaml: 209,715,200 bytes, more than the 16 MiB"),
    "a bad kubeconfig": ("kubeconfig", "clusters: [\n", "kubeconfig"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_exits_2_at_once_and_names_the_place_and_the_way_out(shell, what):
    where, how, message = WRONG[what]
    _repository(shell)
    app = shell.folder.parent / "app.yaml"
    web = shell.folder / "k8s/web.yaml"
    match where:
        case "app" if what == "an unreadable repository":
            app.write_text(app.read_text().replace(shell.folder.as_uri(), shell.folder.as_uri() + "/none"))
        case "app":
            app.write_text(app.read_text().replace(*how))
        case "file" if how is None:
            web.rename(web.with_suffix(".txt"))
        case "file":
            web.write_text(how)
        case "link":
            web.unlink()
            web.symlink_to("/etc/passwd")
        case "large":
            os.truncate(web, 200 * 1024 * 1024)
        case "kubeconfig":
            Path(shell.environment["KUBECONFIG"]).write_text(how)
    if where in ("file", "link"):
        shell.git("add", "-A")
        shell.git("commit", "-qm", "wrong")
    arguments = ["-f", str(app)] if where != "large" else ["./k8s", "--name", "shop", "--namespace", shell.namespace]
    found = shell.gitops("sync", *arguments)
    assert found.returncode == 2, found.stderr
    assert message in found.stderr
    assert found.stderr.count("\n") == 1, found.stderr
    assert "Traceback" not in found.stderr
    assert shell.seconds < 10, "well under a second on a quiet machine; here tests run side by side"
    if where != "kubeconfig":
        listed = shell.gitops("status", "shop", "-n", shell.namespace)
        assert "no Application shop" in listed.stderr


def test_a_cluster_that_does_not_answer_exits_6(shell, named):
    shell.write("k8s/web.yaml", write_manifests([config_map("settings")]))
    path = Path(shell.environment["KUBECONFIG"])
    path.write_text(re.sub(r"https://127\.0\.0\.1:\d+", "https://127.0.0.1:9", path.read_text()))
    found = shell.gitops("sync", "./k8s", *named)
    assert found.returncode == 6, found.stderr
    assert "127.0.0.1:9" in found.stderr


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_equal_to_the_commit_when_run_again(shell, named):
    names = [f"c{number}" for number in range(12)]
    first = [*(config_map(name) for name in names), deployment("old"), deployment("web")]
    shell.write("k8s/all.yaml", write_manifests(first))
    assert shell.gitops("sync", "./k8s", *named).returncode == 0
    started = time.monotonic()
    second = [*(config_map(name, b="2") for name in names), *(deployment(f"new{n}") for n in range(3))]
    second.append(deployment("web", image="nginx:1.27"))
    shell.write("k8s/all.yaml", write_manifests(second))
    for _ in range(10):
        process = shell.start("sync", "./k8s", *named, "--prune")
        time.sleep(random.uniform(0.3, 1.6))
        process.kill()
        process.communicate()
        verified = shell.gitops("audit", "verify")
        assert verified.returncode == 0, verified.stderr
    done = shell.gitops("sync", "./k8s", *named, "--prune")
    assert done.returncode == 0, done.stderr
    assert shell.gitops("diff", "./k8s", *named, "--prune").returncode == 0
    assert shell.gitops("audit", "verify").returncode == 0
    live = shell.kubectl("get", "configmaps,deployments", "-o", "name", "-l", "gitops.dev/managed-by=gitops").split()
    wanted = {f"configmap/{name}" for name in names} | {f"deployment.apps/new{n}" for n in range(3)}
    assert set(live) == wanted | {"deployment.apps/web", "configmap/gitops-shop"}
    assert time.monotonic() - started < 100


def test_policies_are_checked_without_a_cluster_in_every_format(shell):
    shell.write("k8s/web.yaml", write_manifests([deployment(image="nginx")]))
    for output, mark in (
        ("table", "error: k8s/web.yaml:1: apps/Deployment web: "),
        ("json", '"rule": "pinned-images"'),
        ("junit", "<testsuite"),
        ("sarif", '"version": "2.1.0"'),
        ("markdown", "| error |"),
    ):
        shell.git("init", "-q")
        found = shell.gitops("policy", "check", "k8s", "-o", output)
        assert found.returncode == 3
        assert mark in found.stdout
    assert shell.gitops("policy", "check", "k8s", "--warn", "pinned-images").returncode == 0
    assert "no-cluster-admin" in shell.gitops("policy", "list").stdout


def test_the_sample_repository_keeps_every_policy(shell):
    sample = Path(__file__).resolve().parents[2] / "sample-repo/apps/shop"
    found = shell.gitops("policy", "check", str(sample))
    assert found.returncode == 0, found.stdout


def test_a_rollback_after_a_failed_sync_goes_to_the_last_healthy_release(shell, named):
    """Nothing rolled it back by itself: the release before the last healthy one would be one step too far."""
    application = APPLICATION.replace("timeout: 30s", "timeout: 5s, rollback: never")
    shell.git("init", "-q", "-b", "main")
    for number in ("1", "2", "3"):
        broken = [job("bad", image="sandbox/fail")] if number == "3" else []
        shell.write("k8s/all.yaml", write_manifests([config_map("settings", number=number), *broken]))
        shell.git("add", "k8s")
        shell.git("commit", "-qm", number)
        shell.write("app.yaml", application.format(url=shell.folder.as_uri(), namespace=shell.namespace))
        code = shell.gitops("sync", "-f", "app.yaml").returncode
    assert code == 4
    back = shell.gitops("rollback", "shop", "-n", shell.namespace)
    assert back.returncode == 0, back.stderr
    assert "release 2" in back.stderr
    assert 'number: "2"' in shell.kubectl("get", "configmap", "settings", "-o", "yaml")
    held = shell.gitops("sync", "-f", "app.yaml")
    assert held.returncode == 3
    assert "rolled back by" in held.stderr


def test_a_rollbacks_timeout_that_is_none_is_one_line(shell, named):
    for number in ("1", "2"):
        shell.write("k8s/all.yaml", write_manifests([config_map("settings", number=number)]))
        shell.gitops("sync", "./k8s", *named)
    wrong = shell.gitops("rollback", "shop", "-n", shell.namespace, "--timeout", "banana")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("Error: --timeout: ")


def test_a_resource_that_the_source_does_not_hold_is_an_error(shell, named):
    shell.write("k8s/all.yaml", write_manifests([config_map("settings")]))
    wrong = shell.gitops("sync", "./k8s", *named, "--resource", "ConfigMap/setings")
    assert wrong.returncode == 2
    assert "ConfigMap/setings: the source holds no such object" in wrong.stderr


def test_a_dry_run_as_json_is_json_alone(shell, named):
    shell.write("k8s/all.yaml", write_manifests([config_map("settings")]))
    found = shell.gitops("sync", "./k8s", *named, "--dry-run", "-o", "json")
    assert json.loads(found.stdout)["outcome"] == "planned"


def test_the_controller_stops_in_time_although_a_fetch_and_a_render_hang(shell):
    listener = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing
    shell.write(
        "repository/endless/a.yaml.j2", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )
    shell.git("init", "-q", "-b", "main", "repository")
    shell.git("-C", "repository", "add", "-A")
    shell.git("-C", "repository", "commit", "-qm", "first")
    for name, url in (
        ("endless", (shell.folder / "repository").as_uri()),
        ("slow", f"https://127.0.0.1:{listener.getsockname()[1]}/a.git"),
    ):
        text = APPLICATION.format(url=url, namespace=shell.namespace).replace("name: shop", f"name: {name}")
        shell.write(f"apps/{name}.yaml", text.replace("path: k8s", "path: endless"))
    with (shell.folder / "log").open("w") as log:
        command = [sys.executable, "-m", "gitops.cli", "run", "-f", "apps"]
        process = subprocess.Popen(command, cwd=shell.folder, env=shell.environment, stderr=log)
    time.sleep(4)
    began = time.monotonic()
    process.terminate()
    assert process.wait(20) == 0
    assert time.monotonic() - began < 10
    listener.close()


def test_objects_of_flux_are_read_and_written_as_applications(shell):
    shell.write(
        "clusters/apps.yaml",
        """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {interval: 10m, path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: repo}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: repo, namespace: flux-system}
spec: {interval: 1m, url: https://git.example/team/repo, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: odd, namespace: flux-system}
spec: {interval: 10m, prune: true, sourceRef: {kind: HelmRepository, name: repo}}
""",
    )
    shell.write("clusters/chart.yaml", "{{ if .Values.x }}\n")
    version = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
    shell.write("clusters/part.yaml", f"{version}metadata: {{name: apps}}\nspec: {{suspend: true}}\n")
    shell.write("clusters/kustomization.yaml", "resources: [apps.yaml]\npatches: [{path: ./part.yaml}]\n")
    found = shell.gitops("import", "flux", "clusters", "--out", "made")
    assert found.returncode == 1
    assert "spec.sourceRef.kind: files come from a GitRepository, an OCIRepository or a Bucket" in found.stdout
    assert "3 objects of Flux: 1 Applications, 1 refused" in found.stderr
    assert "left out: chart.yaml:1: " in found.stderr
    assert "left out: part.yaml: a patch in kustomization.yaml" in found.stderr
    assert "targetRevision: main" in (shell.folder / "made/flux-system/apps.yaml").read_text()
    again = shell.gitops("import", "flux", "clusters", "--out", "made")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    data = json.loads(shell.gitops("import", "flux", "clusters", "-o", "json").stdout)
    assert {(one["name"], one["outcome"]) for one in data} == {("apps", "run"), ("repo", "run"), ("odd", "refused")}
