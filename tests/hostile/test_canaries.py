"""A secret value is put in at every entrance, and looked for in everything that comes out."""

import base64
import gzip
import json
import logging
import sqlite3

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gitops import logs
from gitops.manifests.yaml_write import write_manifests
from gitops.server.metrics import Numbers
from tests.e2e.shell import shell
from tests.scenarios.running import Running
from tests.scenarios.test_clusters import cluster_secret, encoded, secrets
from tests.scenarios.test_controller import custom_resource, make_kind, resources, standing
from tests.scenarios.world import World, config_map, deployment

__all__ = ["shell"]


def canary(name):
    return f"cAnary{name}0f9e8d7c6b5a"


def forms(value):
    """The value as it may be written down: plain, in base64 (however it is aligned), quoted."""
    found = {value, value.lower(), base64.b64encode(value.encode()).decode()}
    for start in range(3):
        found.add(base64.b64encode(b"x" * start + value.encode()).decode()[4 * bool(start) : -4])
    return found


def searched(names, outputs):
    """Fail for each canary that is found, with where."""
    found = [
        (name, where)
        for name in names
        for where, text in outputs.items()
        if any(form in text for form in forms(canary(name)))
    ]
    assert not found, found


def stored(state):
    """All that the store holds, unpacked."""
    with sqlite3.connect(state / "gitops.db") as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    database.close()
    rendered = b"".join(gzip.decompress(row[1]) for row in rows.pop("rendered"))
    return {"store": repr(rows), "stored sets": rendered.decode()}


def secret(name="s", **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def test_no_command_lets_a_secret_out(shell):
    outputs = {}
    named = ["--name", "shop", "--namespace", shell.namespace]
    shell.environment |= {"GITOPS_SECRET_GIT": canary("Environment")}

    def run(*arguments, verbose=True):
        done = shell.gitops(*(["-v"] if verbose else []), *arguments)
        outputs[" ".join(arguments)] = done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    old = secret(password=canary("Old"), config=f"url: x\npassword: {canary('Nested')}\n")
    shell.write("k8s/s.yaml", write_manifests([old, config_map("c")]))
    assert run("sync", "./k8s", *named).returncode == 0
    new = secret(password=canary("New"), config=f"url: y\npassword: {canary('Nested')}\n")
    shell.write("k8s/s.yaml", write_manifests([new, config_map("c")]))
    run("diff", "./k8s", *named)
    run("diff", "./k8s", *named, "-o", "json")
    run("diff", "./k8s", *named, "--out", "plan.json")
    outputs["the plan file"] = (shell.folder / "plan.json").read_text()
    patch = json.dumps({"stringData": {"password": canary("ByHand")}})
    shell.kubectl("patch", "secret", "s", "-p", patch)
    run("drift", "shop", "-n", shell.namespace)
    run("sync", "./k8s", *named, "--plan", "plan.json")
    run("sync", "./k8s", *named)
    # What the API server says of a wrong one quotes it.
    wrong = [secret("t", **{"not a key!": canary("Refused")}), secret("u", ok=canary("Fine"))]
    wrong[0]["immutable"] = canary("Immutable")
    shell.write("k8s/t.yaml", write_manifests(wrong))
    run("sync", "./k8s", *named)
    shell.write(
        "k8s/t.yaml",
        f"kind: Secret\napiVersion: v1\nmetadata: {{name: t}}\nstringData: {{a: {{b: {canary('Map')}}}}}\n",
    )
    run("diff", "./k8s", *named)
    typed = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "data": {"a": canary("NotBase64") + "!"}}
    shell.write("k8s/t.yaml", write_manifests([typed]))
    run("sync", "./k8s", *named)
    shell.write(
        "k8s/t.yaml", f"kind: Secret\napiVersion: v1\nmetadata: {{name: t}}\nstringData: {{a: '{canary('Broken')}\n"
    )
    run("diff", "./k8s", *named)
    (shell.folder / "k8s/t.yaml").unlink()
    for command in ("status", "explain", "history"):
        run(command, "shop", "-n", shell.namespace, "-o", "json")
    run("audit", "list", "-o", "json")
    run("rollback", "shop", "-n", shell.namespace)
    run("diff", "./k8s", *named, "--file", f"https://user:{canary('Url')}@127.0.0.1:1/x.git")
    outputs |= stored(next(path.parent for path in shell.folder.parent.rglob("gitops.db")))
    outputs["events"] = shell.kubectl("get", "events", "-o", "json")
    outputs["config maps"] = shell.kubectl("get", "configmaps", "-o", "json")
    names = [
        "Old",
        "New",
        "Nested",
        "ByHand",
        "Refused",
        "Fine",
        "Immutable",
        "Map",
        "NotBase64",
        "Broken",
        "Url",
        "Environment",
    ]
    searched(names, outputs)


@pytest.fixture
def whole_log(lines, monkeypatch):
    monkeypatch.setattr(logs._now, "level", logging.DEBUG)
    return lines


def test_no_controller_lets_a_secret_out(sandbox, tmp_path, whole_log):
    world = World(tmp_path, sandbox.kubeconfig(), "canaries")
    make_kind(world)
    token = json.loads(sandbox.kubeconfig())["users"][0]["user"]["token"]
    world.request("POST", secrets(world), cluster_secret(sandbox.kubeconfig(), "far", bearerToken=canary("Cluster")))
    git = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git"}, "data": encoded(token=canary("Git"))}
    world.request("POST", secrets(world), git)
    broken = deployment("broken", image="busybox", replicas=1)
    world.commit(s=secret(password=canary("Synced")), c=config_map("c"), broken=broken)
    apps = {
        "app": {},
        "token": {"source": {"repoURL": "https://127.0.0.1:1/x.git", "credentials": {"secretRef": "git"}}},
        "url": {"source": {"repoURL": f"https://u:{canary('Url')}@127.0.0.1:1/x.git"}},
        "proxy": {
            "source": {
                "repoURL": "https://127.0.0.1:1/y.git",
                "credentials": {"proxy": f"http://u:{canary('Proxy')}@127.0.0.1:1"},
            }
        },
        "far": {"destination": {"namespace": world.namespace, "cluster": "far"}},
        "values": {"source": {"template": {"values": {"password": canary("Value")}}, "renderer": "template"}},
    }
    outputs = {}
    with Running(world, resources=True) as running:
        for name, spec in apps.items():
            world.request("POST", resources(world), custom_resource(world, name, **spec))
        running.until(lambda: world.get("ConfigMap", "c"), seconds=30)
        world.commit(s=secret(password=canary("Changed")))
        patch = {"stringData": {"password": canary("ByHand")}}
        for name in ("token", "url", "proxy", "far", "values"):
            running.until(lambda name=name: standing(world, name).get("conditions"), seconds=40)
        world.edit("core/secrets/s", patch)
        running.until(
            lambda: (
                world.get("Secret", "s")["data"]["password"] == base64.b64encode(canary("Changed").encode()).decode()
            ),
            30,
        )
        registry = CollectorRegistry()
        registry.register(Numbers(running.controller))
        outputs["metrics"] = running.call(lambda: generate_latest(registry)).decode()
        outputs["fleet"] = str(
            [
                (item.problem, item.last.message, item.last.error, item.source.look_error)
                for item in running.controller.index
            ]
        )
        outputs["poller"] = str([known.error for known in running.controller.poller._known.values()])
    outputs["log"] = repr(whole_log)
    outputs |= stored(world.state)
    listed = world.request("GET", resources(world))
    outputs["statuses"] = json.dumps([one.get("status") for one in listed["items"]])
    outputs["events"] = json.dumps(world.request("GET", f"/api/v1/namespaces/{world.namespace}/events"))
    outputs["inventories"] = json.dumps(world.request("GET", f"/api/v1/namespaces/{world.namespace}/configmaps"))
    assert len(whole_log) > 50
    assert "kubernetes.request" in outputs["log"]
    searched(["Synced", "Changed", "ByHand", "Cluster", "Git", "Url", "Proxy", "Value"], outputs)
    assert all(token not in text for text in outputs.values())


def test_what_is_looked_for_would_be_found():
    for text in (
        canary("Git"),
        base64.b64encode(f"x: {canary('Git')}".encode()).decode(),
        f"https://u:{canary('Git')}@h",
    ):
        with pytest.raises(AssertionError, match="Git"):
            searched(["Git"], {"somewhere": f"before {text} after"})


def test_no_plan_holds_a_secret_in_what_it_shows(world):
    world.commit(s=secret(password=canary("First")))
    world.sync()
    world.commit(s=secret(password=canary("Second")))
    (change,) = world.plan().plan.changes
    searched(["First", "Second"], {"fields": repr(change.fields)})
