"""What `gitops status` shows first, the command that it names next, and who did what in `gitops audit list`."""

import json
import shlex
import signal
import time

import pytest

from gitops.engine.inventory import parent_key, set_id
from tests.e2e.test_by_name import commit, live, on_terminal
from tests.e2e.test_by_name import shop as shop
from tests.e2e.test_told import until
from tests.e2e.test_wait import shared
from tests.scenarios.running import Running
from tests.scenarios.world import as_json, config_map, deployment

DONE, DIFFERENT, WRONG_INPUT, HELD, FAILED, ROLLED_BACK = range(6)


def head(shell):
    return shell.git("-C", "repository", "rev-parse", "HEAD").strip()


def status(shell, app="shop"):
    return shell.gitops("status", app, "-n", shell.namespace).stdout


def next_commands(shell, app="shop"):
    """The words of each command that the line `next:` of `gitops status APP` names."""
    line = status(shell, app).partition("\nnext: ")[2].splitlines()[0]
    found = [part.partition(" (")[0].split(",")[0] for part in line.split("gitops ")[1:]]
    return [shlex.split(part.removesuffix(", then").strip()) for part in found]


def data_of(shell, app="shop"):
    return json.loads(shell.gitops("status", app, "-n", shell.namespace, "-o", "json").stdout)


def test_what_is_as_it_should_be_is_told_in_one_line_and_is_no_problem(shop):
    sha = head(shop)[:12]
    told = status(shop)
    assert told.startswith("gitops/shop is Healthy\n")
    assert f"applied: {sha}\n" in told
    assert f"last sync: {sha} synced " in told
    assert "next:" not in told
    data = data_of(shop)
    assert (data["applied"], data["lastHealthy"], data["lastSync"]["outcome"]) == (head(shop), head(shop), "synced")
    rest = shop.gitops("status", "--problems", "-n", shop.namespace)
    assert "gitops/shop" not in rest.stdout


def test_a_commit_that_failed_leaves_the_last_healthy_one_and_names_the_way_on(shop):
    good = head(shop)
    shop.write("repository/a.yaml", as_json(deployment(image="nginx:broken")))
    shop.git("-C", "repository", "commit", "-qam", "bad")
    bad = head(shop)
    assert shop.gitops("sync", "-f", "app.yaml", "--timeout", "3s", "--confirm").returncode == ROLLED_BACK
    data = data_of(shop)
    assert (data["lastHealthy"], data["quarantine"]["revision"]) == (good, bad)
    assert data["lastSync"]["outcome"] == "rolled-back"
    assert f"revision {bad[:12]} is quarantined" in status(shop)
    assert shop.gitops("sync", "-f", "app.yaml", "--timeout", "3s").returncode == HELD
    (again,) = next_commands(shop)
    done = shop.gitops(*again, "--timeout", "3s")
    assert done.returncode == ROLLED_BACK, "it was tried once more"
    problems = shop.gitops("status", "--problems", "-n", shop.namespace)
    assert problems.returncode == DONE


def test_what_keeps_a_rollout_waiting_is_told_while_it_waits_and_what_failed_is_what_is_applied(shell):
    shell.write("k8s/web.yaml", as_json(deployment(image="nginx:broken")))
    done = shell.gitops("sync", "k8s", "-n", shell.namespace, "--name", "shop", "--timeout", "7s")
    assert done.returncode == FAILED
    waiting = [line for line in done.stderr.splitlines() if line.startswith("  waiting")]
    assert any("container web: ErrImagePull" in line or "ImagePullBackOff" in line for line in waiting)
    data, told = data_of(shell), status(shell)
    assert (data["applied"], data["lastHealthy"]) == (data["lastSync"]["revision"], "")
    assert told.splitlines()[0].endswith(f": the sync to {data['applied'][:12]} failed")
    (explain,) = next_commands(shell)
    explained = shell.gitops(*explain)
    assert (explained.returncode, "gitops explain" in explained.stdout) == (DONE, False)


def test_a_person_who_suspended_it_and_why_are_shown_and_the_next_command_ends_it(shop):
    shop.gitops("suspend", "gitops/shop", "--reason", "a migration")
    assert "a migration" in status(shop)
    assert data_of(shop)["suspended"] is True
    listing = shop.gitops("status", "--problems", "-n", shop.namespace)
    assert ("gitops/shop" in listing.stdout, "1 suspended" in listing.stderr) == (True, True)
    (resume,) = next_commands(shop)
    assert shop.gitops(*resume).returncode == DONE
    assert data_of(shop)["suspended"] is False


def test_a_plan_that_waits_is_shown_and_approved_by_the_commands_that_it_names(sandbox, shell, tmp_path):
    world = shared(sandbox, shell, tmp_path)
    world.commit(a=config_map("a"))
    with Running(world, automated=False):
        until(lambda: "next: gitops diff" in status(shell, "app"))
        assert "is OutOfSync" in status(shell, "app").splitlines()[0]
        _, approve = next_commands(shell, "app")  # what was never synced only its file can show
        assert shell.gitops(*approve).returncode == DONE
        until(lambda: status(shell, "app").startswith("gitops/app is Healthy\n"))
        world.commit(a=config_map("a", a="2"))
        until(lambda: "next: gitops diff" in status(shell, "app"))
        diff, approve = next_commands(shell, "app")
        shown = shell.gitops(*diff, "-n", world.namespace)
        assert (shown.returncode, approve[-1] in shown.stdout + shown.stderr) == (DIFFERENT, True)
        assert shell.gitops(*approve).returncode == DONE
        until(lambda: status(shell, "app").startswith("gitops/app is Healthy\n"))


def test_problems_stand_first_and_all_are_counted(shop):
    shop.write("other/a.yaml", as_json(config_map("b")))
    assert shop.gitops("sync", "other", "-n", shop.namespace, "--name", "a-first").returncode == DONE
    shop.gitops("suspend", "gitops/shop")
    done = shop.gitops("status", "-n", shop.namespace)
    rows = done.stdout.splitlines()[1:]
    assert [row.split()[0].rpartition("/")[2] for row in rows] == ["shop", "a-first"]
    assert "2 Applications: 2 Healthy; " in done.stderr


def test_what_is_not_committed_is_dirty_wherever_it_is_told(shop):
    sha = head(shop)
    shop.write("repository/a.yaml", as_json(config_map("a", a="not committed")))
    assert shop.gitops("sync", "repository", "-n", shop.namespace, "--name", "loose", "--adopt").returncode == DONE
    dirty = f"{sha[:12]}-dirty"
    for words in (("status", "loose"), ("history", "loose"), ("audit", "list", "loose")):
        assert dirty in shop.gitops(*words, "-n", shop.namespace).stdout, words
    assert data_of(shop, "loose")["applied"] == f"{sha}-dirty"


def test_an_audit_log_is_asked_by_time_person_and_fact(shop):
    commit(shop, a="3")
    shop.gitops("diff", "-f", "app.yaml")
    listed = shop.gitops("audit", "list", "shop", "--fact", "sync.*").stdout
    assert "sync.finished" in listed
    assert all("   sync." in line for line in listed.splitlines()[1:])
    assert "sync.finished" not in shop.gitops("audit", "list", "shop", "--fact", "drift.*").stdout
    assert "sync.finished" in shop.gitops("audit", "list", "shop", "--since", "90m").stdout
    assert "sync.finished" not in shop.gitops("audit", "list", "shop", "--since", "2090-01-01T00:00:00Z").stdout
    assert "sync.finished" not in shop.gitops("audit", "list", "shop", "--actor", "nobody-of-that-name").stdout
    wrong = shop.gitops("audit", "list", "shop", "--since", "yesterday")
    assert (wrong.returncode, "--since yesterday: expected 90m, 7d or a time" in wrong.stderr) == (WRONG_INPUT, True)


def test_a_sync_that_somebody_else_runs_is_under_way_and_nobody_is_told_to_begin_another(shell):
    shell.write("k8s/web.yaml", as_json(deployment(image="nginx:broken")))
    running = shell.start("sync", "k8s", "-n", shell.namespace, "--name", "shop", "--timeout", "20s")
    try:
        until(lambda: "is under way" in status(shell))
        assert "interrupted" not in status(shell)
        assert "next:" not in status(shell)
    finally:
        running.terminate()
        running.communicate(timeout=30)


def test_a_part_that_was_synced_is_told_as_a_part(shop):
    shop.write("repository/b.yaml", as_json(config_map("b")))
    commit(shop, a="3")
    shop.git("-C", "repository", "add", "-A")
    shop.git("-C", "repository", "commit", "-qm", "b")
    assert shop.gitops("sync", "shop", "-n", shop.namespace, "--resource", "ConfigMap/a").returncode == DONE
    first = status(shop).splitlines()[0]
    assert first.endswith(f": only a part of {head(shop)[:12]} was synced"), first
    assert "under way" not in shop.gitops("explain", "shop", "-n", shop.namespace).stdout
    (again,) = next_commands(shop)
    assert shop.gitops(*again).returncode == DONE
    assert status(shop).startswith("gitops/shop is Healthy\n")


def test_what_nobody_waited_for_is_not_called_healthy_alone(shop):
    commit(shop, a="3")
    assert shop.gitops("sync", "shop", "-n", shop.namespace, "--no-wait").returncode == DONE
    assert "has not been seen healthy" in status(shop).splitlines()[0]
    (again,) = next_commands(shop)
    assert shop.gitops(*again).returncode == DONE
    assert "has not been seen healthy" not in status(shop)


def test_what_comes_from_a_folder_is_tried_again_from_the_folder(shell):
    words = ("sync", "k8s", "-n", shell.namespace, "--name", "shop")
    shell.write("k8s/web.yaml", as_json(deployment()))
    assert shell.gitops(*words).returncode == DONE
    shell.write("k8s/web.yaml", as_json(deployment(image="nginx:broken")))
    assert shell.gitops(*words, "--timeout", "3s").returncode == ROLLED_BACK
    (again,) = next_commands(shell)
    assert shell.gitops(*again, "--timeout", "3s").returncode == ROLLED_BACK, "it was tried once more"


def test_a_copy_of_an_inventory_takes_no_name_away(shop):
    space = f"{shop.namespace}-evil"
    shop.kubectl("create", "namespace", space)
    copy = json.loads(shop.kubectl("get", "configmap", "gitops-shop", "-o", "json"))
    labels = {**copy["metadata"]["labels"], "applyset.kubernetes.io/id": set_id(parent_key("shop", space))}
    copy["metadata"] = {"name": "gitops-shop", "namespace": space, "labels": labels}
    shop.write("copy.json", json.dumps(copy))
    shop.kubectl("create", "-n", space, "-f", "copy.json")
    mine = ["-n", shop.namespace]
    for command in ("status", "explain", "diff", "history", "drift"):
        done = shop.gitops(command, "gitops/shop", *(mine if command in ("diff", "drift") else ()))
        assert "several" not in done.stderr, command
        assert done.returncode == DONE, (command, done.stderr)

    row = next(line for line in shop.gitops("status").stdout.splitlines() if f" {space} " in line)
    assert row.endswith("it says that it is gitops/shop, and bears no seal of ours")
    dry = shop.gitops("delete", "gitops/shop", "-n", space, "--dry-run", "--confirm")
    assert "it belongs to another inventory" in dry.stdout + dry.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_status_that_is_watched_ends_when_it_is_told_to(shop, how):
    watching = shop.start("status", "--watch", "-n", shop.namespace)
    assert "APPLICATION" in watching.stdout.readline()
    time.sleep(0.5)
    watching.send_signal(how)
    _, said = watching.communicate(timeout=20)
    assert (watching.returncode, "interrupted" in said) == (DONE, False)


@pytest.mark.parametrize("command", ["delete", "rollback"])
def test_ctrl_c_at_a_question_is_a_no_at_once(shop, command):
    code, shown = on_terminal(shop, "\x03", command, "shop", "-n", shop.namespace)
    assert code == DONE, shown
    assert "what was applied so far" not in shown
    assert live(shop) == "2"


def test_there_is_no_release_zero(shop):
    for command in ("diff", "render"):
        done = shop.gitops(command, "shop", "-n", shop.namespace, "--release", "0")
        assert (done.returncode, "--release" in done.stderr) == (WRONG_INPUT, True)


def test_a_dry_run_of_what_would_be_held_says_so(shop):
    shop.kubectl("create", "configmap", "b")
    tracking = f"gitops.dev/tracking=team/x:/ConfigMap:{shop.namespace}/b"
    shop.kubectl("annotate", "configmap", "b", tracking)
    shop.write("repository/b.yaml", as_json(config_map("b")))
    shop.git("-C", "repository", "add", "-A")
    shop.git("-C", "repository", "commit", "-qm", "b")
    done = shop.gitops("sync", "shop", "-n", shop.namespace, "--dry-run")
    assert (done.returncode, "it would be held" in done.stdout + done.stderr) == (DONE, True)
