"""`gitops notify`, `gitops sync --notifications`, and what the page about notifications shows."""

import re
import shlex
from pathlib import Path

import pytest

from gitops.model.notification import ALL_FACTS, FACTS
from gitops.notification_file import read_notifications
from tests.architecture.test_docs import commands, run
from tests.scenarios.listener import Listener

PAGE = (Path(__file__).parents[2] / "docs/notifications.md").read_text()
BLOCK = re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1]


@pytest.fixture
def listener():
    with Listener() as found:
        yield found


def write_rules(shell, listener):
    shell.write("notifications.yaml", re.sub(r"https://(github.com|hooks.example.com)", listener.url, BLOCK))
    shell.environment |= {"GITOPS_SECRET_HOOK": "token: canary-a", "GITOPS_SECRET_GITHUB": "canary-b"}
    shell.environment["GITOPS_SECRET_WEB_TEAM"] = f"{listener.url}/canary-c"


def test_the_file_of_the_page_is_read_and_its_table_names_every_fact(tmp_path):
    path = tmp_path / "notifications.yaml"
    path.write_text(BLOCK)
    assert [spec.name for spec in read_notifications(path).destinations] == ["web-team", "commits", "hook"]
    table = PAGE.partition("## What is told")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \| ([^|]*)\|", table, re.M)
    named, severities, states = [], [], []
    for names, severity, state in rows:
        facts = re.findall(r"`([\w-]+)`", names)
        named += facts
        severities += severity.strip().split(", ") * (len(facts) // len(severity.split(", ")))
        states += [item.removesuffix("none") for item in state.strip().split(", ")] * (
            len(facts) // len(state.split(","))
        )
    assert named == list(ALL_FACTS)
    assert dict(zip(named, severities, strict=True)) == {name: FACTS[name].severity for name in ALL_FACTS}
    assert dict(zip(named, states, strict=True)) == {name: FACTS[name].commit for name in ALL_FACTS}


def test_every_command_of_the_notifications_page_does_what_it_says(shell, listener, fresh_sandbox):
    Path(shell.environment["KUBECONFIG"]).write_text(fresh_sandbox(speed=4.0).kubeconfig())
    write_rules(shell, listener)
    shell.write("k8s/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n")
    found = commands(PAGE)
    assert {" ".join(shlex.split(line)[1:3]) for line in found} == {"notify list", "notify test", "sync ./k8s"}
    for command in found:
        done = run(shell, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert "canary" not in done.stdout + done.stderr
    assert [body["fact"] for body in listener.bodies() if "fact" in body] == ["degraded", "synced"]


def test_a_pipeline_sets_the_status_of_its_commit_and_no_destination_fails_it(shell, listener, fresh_sandbox):
    Path(shell.environment["KUBECONFIG"]).write_text(fresh_sandbox(speed=4.0).kubeconfig())
    write_rules(shell, listener)
    shell.write("repo/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n")
    for words in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", f"{listener.url}/acme/shop.git"],
        ["add", "-A"],
        ["commit", "-qm", "x"],
    ):
        shell.git("-C", "repo", *words)
    sha = shell.git("-C", "repo", "rev-parse", "HEAD").strip()
    sync = "gitops sync repo --name shop --namespace shop --notifications notifications.yaml"
    assert run(shell, sync).returncode == 0
    (status,) = [request for request in listener.requests if "/statuses/" in request.path]
    assert status.path == f"/api/v3/repos/acme/shop/statuses/{sha}"
    assert (status.json["state"], status.json["context"]) == ("success", "gitops/shop/shop")
    listener.status = 404
    done = run(shell, sync)  # nothing to change: the commit has its status all the same
    assert (done.returncode, "commits was not told: " in done.stderr) == (0, True)
    assert listener.requests[-1].json.get("fact", "unchanged") == "unchanged"


def test_a_destination_that_does_not_take_a_test_is_told_without_its_secrets(shell, listener):
    write_rules(shell, listener)
    listener.status, listener.answer = 403, b"not with canary-a"
    done = run(shell, "gitops notify test hook -f notifications.yaml")
    assert (done.returncode, "answered 403: not with ..." in done.stderr) == (4, True)
    done = run(shell, "gitops notify test room -f notifications.yaml")
    assert (done.returncode, "there are web-team, commits, hook" in done.stderr) == (2, True)
    shell.write("notifications.yaml", "destinations: [{name: a, type: smoke}]\n")
    done = run(shell, "gitops notify list -f notifications.yaml")
    assert (done.returncode, "notifications.yaml:1: destinations[0].type: expected one of" in done.stderr) == (2, True)
