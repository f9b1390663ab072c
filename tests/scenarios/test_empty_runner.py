"""A runner that starts with nothing (no store, no mirrors) knows from the cluster what was, and can go back to it."""

import itertools
import json
import os
import shutil
from dataclasses import replace

from gitops.model.application import PlainOptions, TemplateOptions
from gitops.model.result import Outcome
from tests import warm
from tests.scenarios.running import Running
from tests.scenarios.world import config_map, deployment

DONE, DIFFERENT, WRONG_INPUT, FAILED = 0, 1, 2, 4
_numbers = itertools.count(1)


def elsewhere(world, *words, folder=None):
    """`gitops` on a machine that was never used before; (exit code, stdout, stderr)."""
    new = world.folder / f"runner-{next(_numbers)}"
    places = {"KUBECONFIG": str(world.kubeconfig), "GITOPS_STATE": str(new), "XDG_CACHE_HOME": str(new / "cache")}
    done = warm.run(words, folder or world.folder, {**os.environ, **places})
    return done.returncode, done.stdout, done.stderr


def two_releases(world, app=None):
    first = world.commit(web=config_map("web"))
    world.sync(app)
    second = world.commit(web=config_map("web", a="2"))
    assert world.sync(app).outcome is Outcome.SYNCED
    return first, second


def live(world):
    return world.get("ConfigMap", "web")["data"]["a"]


def test_history_is_told_from_the_cluster(world):
    first, second = two_releases(world)
    code, out, err = elsewhere(world, "history", "app", "-n", world.namespace, "-o", "json")
    assert code == DONE, err
    told = json.loads(out)
    assert [(one["number"], one["revision"], one["ref"]) for one in told] == [(2, second, "main"), (1, first, "main")]
    assert all(one["at"] and one["actor"] == "ada" and one["digest"] for one in told)


def test_a_rollback_renders_the_release_again_from_its_commit(world):
    app = replace(world.app, source=replace(world.app.source, plain=PlainOptions(include="web.yaml")))
    world.commit(other=config_map("other"))
    first, _ = two_releases(world, app)
    code, _, err = elsewhere(world, "rollback", "app", "-n", world.namespace, "--confirm")
    assert code == DONE, err
    assert f"release 1 ({first[:12]}): synced" in err
    assert live(world) == "1"
    assert world.get("ConfigMap", "other") is None
    assert [one.number for one in world.inventory().releases] == [3, 2, 1]
    _, out, _ = elsewhere(world, "history", "app", "-n", world.namespace, "-o", "json")
    assert json.loads(out)[0]["revision"] == first


def test_releases_are_numbered_on_by_whoever_syncs_next(world):
    two_releases(world)
    shutil.rmtree(world.state)
    world.commit(web=config_map("web", a="3"))
    world.sync()
    assert [one.number for one in world.inventory().releases] == [3, 2, 1]


def test_the_cluster_remembers_the_last_ten_and_the_store_all(world):
    for number in range(12):
        world.commit(web=config_map("web", a=str(number)))
        world.sync()
    assert [one.number for one in world.inventory().releases] == list(range(12, 2, -1))
    done = world.gitops("history", "app", "-n", world.namespace, "-o", "json")
    assert [one["number"] for one in json.loads(done.stdout)] == list(range(12, 0, -1))


def test_a_release_that_cannot_be_rendered_as_it_was_is_refused(world):
    values = TemplateOptions(values={"word": "one"})  # not kept in the cluster: it may be a secret
    app = replace(world.app, source=replace(world.app.source, template=values))
    (world.repository / "t.yaml.j2").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: t}\ndata: {a: '{{ values.word or \"none\" }}'}\n"
    )
    two_releases(world, app)
    code, _, err = elsewhere(world, "rollback", "app", "-n", world.namespace, "--confirm")
    assert code == WRONG_INPUT
    assert "this store does not hold" in err
    assert live(world) == "2"


def test_a_release_of_a_folder_that_is_not_there_is_refused(world):
    two_releases(world)
    world.repository.rename(world.folder / "moved")
    code, _, err = elsewhere(world, "rollback", "app", "-n", world.namespace, "--confirm")
    assert code == WRONG_INPUT
    assert "this store does not hold" in err
    assert "cannot be read" in err
    assert live(world) == "2"


def test_a_release_of_files_in_no_commit_is_refused(world):
    (world.folder / "plain").mkdir()
    app = replace(
        world.app, source=replace(world.app.source, repoURL="", path=str(world.folder / "plain"), targetRevision="")
    )
    for number in "12":
        (world.folder / "plain/web.yaml").write_text(json.dumps(config_map("web", a=number)))
        world.sync(app)
    code, _, err = elsewhere(world, "rollback", "app", "-n", world.namespace, "--confirm")
    assert code == WRONG_INPUT
    assert "files that were in no commit" in err


def test_a_commit_of_the_work_tree_around_us_needs_no_remote(world):
    """A CI job has its checkout, and often no credentials beside it."""
    world._git("remote", "add", "origin", "https://git.invalid/team/shop.git")
    app = replace(
        world.app, source=replace(world.app.source, repoURL="", path=str(world.repository), targetRevision="")
    )
    two_releases(world, app)
    assert world.inventory().source == "https://git.invalid/team/shop.git"
    code, _, err = elsewhere(world, "rollback", "app", "-n", world.namespace, folder=world.repository)
    assert code == DONE, err
    assert live(world) == "1"


def test_drift_is_known_without_a_store(world):
    _, second = two_releases(world)
    code, _, err = elsewhere(world, "drift", "app", "-n", world.namespace)
    assert (code, "no drift" in err) == (DONE, True)
    world.edit("core/configmaps/web", {"data": {"a": "by hand"}})
    code, out, _ = elsewhere(world, "drift", "app", "-n", world.namespace)
    assert code == DIFFERENT
    assert f"drifted from main@{second[:12]}" in out
    _, out, _ = elsewhere(world, "explain", "app", "-n", world.namespace)
    assert "it has drifted: ConfigMap" in out


def test_drift_that_cannot_be_known_is_a_failure_and_is_explained(world):
    two_releases(world)
    world.repository.rename(world.folder / "moved")
    code, _, err = elsewhere(world, "drift", "app", "-n", world.namespace)
    assert code == FAILED
    assert "cannot be told" in err
    code, out, _ = elsewhere(world, "drift", "app", "-n", world.namespace, "-o", "json")
    assert code == FAILED
    assert json.loads(out)[0]["drift"] is None
    _, out, _ = elsewhere(world, "explain", "app", "-n", world.namespace)
    assert "whether it has drifted cannot be told: " in out


def test_a_rollback_names_the_commit_that_it_goes_back_to(world):
    """Another commit that renders to the same must not be named instead."""
    world.commit(web=config_map("web"))
    world.sync()
    world.commit(web=config_map("web", a="2"))
    world.sync()
    again = world.commit(web=config_map("web"))
    world.sync()
    world.commit(web=config_map("web", a="3"))
    world.sync()
    assert world.gitops("rollback", "app", "-n", world.namespace).returncode == DONE
    assert world.inventory().healthy.revision == again
    assert world.check_audit()[-1].revision == again


def test_a_controller_without_a_store_mends_drift_from_the_release_that_was_gone_back_to(world):
    good = world.commit(web=config_map("web"))
    world.sync()
    world.commit(web=config_map("web", a="2"), bad=deployment(image="nginx:broken"))
    assert world.sync(world.with_sync(timeout=2.0)).outcome is Outcome.ROLLED_BACK
    with Running(world, state=world.folder / "empty") as running:
        running.until(lambda: running.tracked() and running.tracked().last.quarantine)
        world.edit("core/configmaps/web", {"data": {"a": "by hand"}})
        running.until(lambda: live(world) == "1")
    assert world.inventory().healthy.revision == good


def test_what_failed_here_long_ago_does_not_count_after_others_have_synced(world):
    world.commit(web=config_map("web"))
    world.sync()
    world.commit(bad=deployment(image="nginx:broken"))
    assert world.sync(world.with_sync(timeout=2.0, rollback="never")).outcome is Outcome.FAILED
    ours, world.state = world.state, world.folder / "another"
    for number in "34":
        world.commit(bad=None if number == "3" else config_map("bad"), web=config_map("web", a=number))
        assert world.sync().outcome is Outcome.SYNCED
    assert world.gitops("rollback", "app", "-n", world.namespace, GITOPS_STATE=str(ours)).returncode == DONE
    assert live(world) == "3"
