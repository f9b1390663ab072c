"""Commands that are given an Application's name, show what they would do, and ask a person on a terminal."""

import json
import os
import pty
import re
import select
import time

import pytest

from tests.scenarios.world import as_json, config_map

DONE, DIFFERENT, WRONG_INPUT, HELD, FAILED = 0, 1, 2, 3, 4


@pytest.fixture
def shop(shell):
    """Two releases of an Application of a repository."""
    shell.write("repository/a.yaml", as_json(config_map("a")))
    shell.git("init", "-q", "-b", "main", "repository")
    for number in "12":
        shell.write("repository/a.yaml", as_json(config_map("a", a=number)))
        shell.git("-C", "repository", "add", "-A")
        shell.git("-C", "repository", "commit", "-qm", number)
        if number == "1":
            spec = {
                "source": {"repoURL": (shell.folder / "repository").as_uri(), "targetRevision": "main"},
                "destination": {"namespace": shell.namespace},
                "sync": {"createNamespace": True, "prune": True},
            }
            body = {
                "apiVersion": "gitops.dev/v1alpha1",
                "kind": "Application",
                "metadata": {"name": "shop"},
                "spec": spec,
            }
            shell.write("app.yaml", as_json(body))
        assert shell.gitops("sync", "-f", "app.yaml").returncode == DONE
    return shell


def commit(shell, **data):
    shell.write("repository/a.yaml", as_json(config_map("a", **data)))
    shell.git("-C", "repository", "commit", "-qam", "change")


def on_terminal(shell, answer, *arguments):
    """Run a command on a terminal and answer its question; (exit code, what was shown)."""
    import subprocess
    import sys

    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "gitops.cli", *arguments]
    process = subprocess.Popen(
        command, cwd=shell.folder, env=shell.environment, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    shown, answered, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                data = os.read(leader, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            shown += data
        if b"[y/N]" in shown and not answered:
            os.write(leader, answer.encode() + b"\n")
            answered = True
        if process.poll() is not None and not select.select([leader], [], [], 0.1)[0]:
            break
    os.close(leader)
    return process.wait(20), shown.decode(errors="replace")


def live(shell):
    return json.loads(shell.kubectl("get", "configmap", "a", "-o", "json"))["data"]["a"]


def test_an_application_is_diffed_and_synced_by_its_name(shop):
    commit(shop, a="3")
    done = shop.gitops("diff", "shop", "-n", shop.namespace)
    assert (done.returncode, "data.a: 2 → 3" in done.stdout) == (DIFFERENT, True), done.stderr
    assert "(plan " in done.stderr
    assert shop.gitops("sync", "gitops/shop", "-n", shop.namespace).returncode == DONE
    assert live(shop) == "3"


def test_a_name_that_is_neither_a_folder_nor_an_application_says_so(shop):
    wrong = shop.gitops("diff", "shoop", "-n", shop.namespace)
    assert wrong.returncode == WRONG_INPUT
    assert "shoop: there is no such folder, and no Application shoop on this cluster (did you mean" in wrong.stderr


@pytest.mark.parametrize(
    "words", [["status"], ["history"], ["rollback", "-y"], ["delete", "-y"], ["audit", "list"], ["explain"]]
)
def test_a_mistyped_name_is_told_which_application_was_meant(shop, words):
    shell = shop
    for name in ("shoop", "gitops/shpo"):
        wrong = shell.gitops(*words, name)
        assert (wrong.returncode, wrong.stdout) == (WRONG_INPUT, ""), words
        assert "did you mean gitops/shop" in wrong.stderr
    assert shell.gitops("audit", "list", "zzz").returncode == WRONG_INPUT
    none_fit = shell.gitops("audit", "list", "shop", "--fact", "none.*")
    assert none_fit.returncode == DONE


def test_a_folder_that_is_called_as_an_application_is_told_apart(shop):
    shop.write("shop/a.yaml", as_json(config_map("a", a="1")))
    for command in ("diff", "sync"):
        either = shop.gitops(command, "shop")
        assert either.returncode == WRONG_INPUT
        assert "shop is a folder here: the Application of that name on the cluster is NAMESPACE/shop" in either.stderr
    assert shop.gitops("diff", "gitops/shop", "-n", shop.namespace).returncode == DONE


def test_what_going_back_would_change_is_shown_and_what_a_release_was(shop):
    back = shop.gitops("diff", "shop", "-n", shop.namespace, "--release", "1")
    assert (back.returncode, "data.a: 2 → 1" in back.stdout) == (DIFFERENT, True), back.stderr
    assert 'a: "1"' in shop.gitops("render", "shop", "-n", shop.namespace, "--release", "1").stdout
    none = shop.gitops("diff", "shop", "-n", shop.namespace, "--release", "9")
    assert (none.returncode, "has no release 9 (known: 2, 1)" in none.stderr) == (WRONG_INPUT, True)


def test_a_rollback_goes_to_the_release_of_a_commit(shop):
    first = shop.git("-C", "repository", "rev-parse", "HEAD~1").strip()
    done = shop.gitops("rollback", "shop", "-n", shop.namespace, "--revision", first[:10])
    assert done.returncode == DONE, done.stderr
    assert live(shop) == "1"
    wrong = shop.gitops("rollback", "shop", "-n", shop.namespace, "--revision", "abcdef1")
    assert "names no single release" in wrong.stderr


@pytest.mark.parametrize("command", [["delete", "shop"], ["rollback", "shop"], ["sync", "shop", "--ask"]])
def test_what_destroys_shows_its_plan_and_asks_on_a_terminal(shop, command):
    commit(shop, a="3")
    words = [*command, "-n", shop.namespace]
    code, shown = on_terminal(shop, "n", *words)
    assert code == DONE, shown
    assert "ConfigMap" in shown
    assert live(shop) == "2"
    code, shown = on_terminal(shop, "y", *words)
    assert code == DONE, shown
    if command[0] == "delete":
        assert "no Application" in shop.gitops("status", "shop", "-n", shop.namespace).stderr
    else:
        assert live(shop) == ("1" if command[0] == "rollback" else "3")


@pytest.mark.parametrize("command", ["delete", "rollback"])
def test_a_dry_run_shows_the_plan_alone(shop, command):
    done = shop.gitops(command, "shop", "-n", shop.namespace, "--dry-run")
    assert done.returncode == DONE, done.stderr
    assert "ConfigMap" in done.stdout
    assert live(shop) == "2"


def test_a_review_shows_the_change_and_no_secret(shop):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    shop.write("repository/s.yaml", as_json(secret))
    commit(shop, a="```<b>@team</b>")
    shop.git("-C", "repository", "add", "-A")
    shop.git("-C", "repository", "commit", "-qm", "secret")
    unified = shop.gitops("diff", "-f", "app.yaml", "-o", "unified")
    assert unified.returncode == DIFFERENT
    assert '-  a: "2"' in unified.stdout
    assert unified.stdout.count("\n-") == unified.stdout.count("\n---") + 1
    assert "hunter2" not in unified.stdout + unified.stderr
    assert "aHVudGVyMg==" not in unified.stdout
    review = shop.gitops("diff", "-f", "app.yaml", "-o", "markdown").stdout
    assert "1 to create, 1 to update" in review
    assert review.count("<details>") == review.count("</details>") == 2
    assert "````diff" in review
    assert "hunter2" not in review
    assert "aHVudGVyMg==" not in review
    assert shop.gitops("sync", "-f", "app.yaml").returncode == DONE
    shop.write("repository/s.yaml", as_json({**secret, "stringData": {"password": "hunter3"}}))
    shop.git("-C", "repository", "commit", "-qam", "another")
    for form in ("unified", "markdown"):
        changed = shop.gitops("diff", "-f", "app.yaml", "-o", form).stdout
        assert "-  password: (hidden) before\n+  password: (hidden) after" in changed


def test_diff_says_by_its_code_what_a_sync_would_meet(shop):
    commit(shop, a="3")
    shop.kubectl("create", "configmap", "b")
    shop.kubectl("annotate", "configmap", "b", "gitops.dev/tracking=team/x:/ConfigMap:" + shop.namespace + "/b")
    shop.write("repository/b.yaml", as_json(config_map("b")))
    shop.git("-C", "repository", "add", "-A")
    shop.git("-C", "repository", "commit", "-qm", "b")
    assert shop.gitops("diff", "shop", "-n", shop.namespace).returncode == HELD
    wrong = {**config_map("b"), "data": {"a/b": "x"}}
    shop.write("repository/b.yaml", as_json({**wrong, "metadata": {"name": "c"}}))
    shop.git("-C", "repository", "commit", "-qam", "wrong")
    assert shop.gitops("diff", "shop", "-n", shop.namespace).returncode == FAILED


def test_two_of_one_name_are_told_apart_as_the_message_says(shop):
    for space in ("one", "two"):
        place = f"{shop.namespace}-{space}"
        shop.write(f"{space}/x.yaml", as_json(config_map("x")))
        assert shop.gitops("sync", f"./{space}", "--name", "both", "-n", place).returncode == DONE
    for command in ("drift", "explain", "history", "rollback", "suspend", "delete"):
        wrong = shop.gitops(command, "both")
        assert wrong.returncode == WRONG_INPUT, command
        assert "there are several Applications called both" in wrong.stderr, command
    place = f"{shop.namespace}-one"
    for words in (["drift", f"{place}/both"], ["drift", "both", "-n", place], ["history", f"{place}/both"]):
        assert shop.gitops(*words).returncode == DONE, words


@pytest.mark.parametrize(("words", "meant"), [(["aply"], "sync"), (["stauts"], "status"), (["uninstall"], "delete")])
def test_a_mistyped_command_is_told_what_was_meant(shell, words, meant):
    wrong = shell.gitops(*words)
    assert (wrong.returncode, f"Did you mean '{meant}'?" in wrong.stderr) == (WRONG_INPUT, True)


@pytest.mark.parametrize(
    ("environment", "words", "coloured"),
    [({}, [], True), ({"NO_COLOR": "1"}, [], False), ({}, ["--color", "never"], False)],
)
def test_colours_are_left_out_where_nobody_wants_them(shop, environment, words, coloured):
    commit(shop, a="3")
    shop.environment |= environment
    _, shown = on_terminal(shop, "n", *words, "diff", "shop", "-n", shop.namespace)
    assert ("\x1b[3" in shown) == coloured
    piped = shop.gitops("--color", "always", "diff", "shop", "-n", shop.namespace)
    assert "\x1b[3" in piped.stdout


def test_the_advice_of_a_machine_without_a_cluster_leads_to_a_sync(shell, tmp_path):
    del shell.environment["KUBECONFIG"]
    shell.write("k8s/a.yaml", as_json(config_map("a")))
    words = ("sync", "./k8s", "--name", "shop", "-n", "shop")
    wrong = shell.gitops(*words)
    assert wrong.returncode == WRONG_INPUT
    assert "gitops sandbox up --detach" in wrong.stderr
    started = shell.gitops("sandbox", "up", "--detach", "--port", "0")
    try:
        assert started.returncode == DONE, started.stderr
        (advice,) = re.findall(r"export KUBECONFIG=(\S+)", started.stdout)
        shell.environment["KUBECONFIG"] = advice
        again = shell.gitops(*words)
        assert again.returncode == DONE, again.stderr
    finally:
        shell.gitops("sandbox", "down")
