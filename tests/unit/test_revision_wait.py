"""Whether an Application has arrived at a revision: told by the cluster, a controller, a resource or the audit log."""

from dataclasses import replace

import pytest

from gitops.engine.inventory_parent import parent_body
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.errors import ApiError, ConfigError
from gitops.model.release import Quarantine
from gitops.model.result import Outcome
from gitops.model.revision import short
from gitops.ports import Fact
from gitops.views.revision_wait import arrival_at
from tests.unit.desk import SPACE, Desk, config_map
from tests.unit.test_status import APP, AT, SHA, WEB, A, B, broken, resource, running, tell

NOWHERE = "f" * 40
UNWELL = "apps/Deployment shop/web: not healthy in time: Progressing: 0 of 1 new replicas have been updated"


@pytest.fixture
def rolling(tmp_path):
    """A Deployment that runs, and a ConfigMap."""
    return running(tmp_path)


@pytest.fixture
def bare(tmp_path):
    """A cluster that has nothing of the Application."""
    return Desk(tmp_path)


def arrival(desk, sha, name="app", namespace=""):
    return desk.run(lambda context: arrival_at(context, name, namespace, sha))


def noted(desk, fact, revision=SHA, **detail):
    """An audit entry that a sync wrote."""
    entry = Fact(APP, "memory", "ada", AT, fact, revision, detail)
    desk.run(lambda context: context.store.append(entry, None))


def test_a_revision_that_is_healthy_has_arrived_by_its_first_letters(rolling):
    found = arrival(rolling, rolling.good[:7])
    assert (found.application, found.outcome, found.where) == (APP, Outcome.SYNCED, "healthy")
    assert arrival(rolling, rolling.good, APP, "shop").outcome is Outcome.SYNCED


def test_another_revision_is_open_and_what_is_there_is_told(rolling):
    found = arrival(rolling, NOWHERE)
    here = f"the last healthy revision is main@{short(rolling.good)}"
    assert (found.outcome, found.where) == (None, here)
    for body in (A, WEB):
        rolling.cluster.take(key_of(body))
    assert arrival(rolling, NOWHERE).where == (
        f"{here}; ConfigMap shop/a is Missing; apps/Deployment shop/web is Missing"
    )


def test_no_more_than_three_objects_are_named(bare):
    bodies = [config_map(name) for name in "abcde"]
    bare.commit(*bodies)
    bare.sync()
    for body in bodies:
        bare.cluster.take(key_of(body))
    assert arrival(bare, NOWHERE).where.count("is Missing") == 3


def test_of_one_that_nobody_knows_it_is_said_that_it_was_not_synced(bare):
    found = arrival(bare, NOWHERE)
    assert (found.application, found.outcome) == ("app", None)
    assert found.where == "it has not been synced to this cluster"


def test_one_that_was_rolled_back_has_not_arrived_and_one_that_is_broken_since_has_failed(rolling):
    sha = broken(rolling)
    found = arrival(rolling, sha)
    assert (found.outcome, found.where) == (Outcome.ROLLED_BACK, UNWELL)
    rolling.cluster.take(key_of(A))
    assert arrival(rolling, sha).outcome is Outcome.FAILED


def test_a_rollback_that_is_under_way_is_open(rolling):
    left = Quarantine(SHA, "d" * 64, "it broke", AT)
    inventory = rolling.inventory()
    there = replace(inventory, quarantine=left)
    rolling.cluster.put(parent_body(there, "test"))
    assert arrival(rolling, SHA).where == "it broke"
    rolling.cluster.put(parent_body(replace(there, rollback_target=inventory.healthy), "test"))
    assert arrival(rolling, SHA).outcome is None


def test_a_sync_that_failed_says_why_by_the_audit_log(rolling):
    sha = broken(rolling, rolling.with_sync(rollback="never"))
    found = arrival(rolling, sha)
    assert (found.outcome, found.where) == (Outcome.FAILED, UNWELL)


@pytest.mark.parametrize("fact", ["sync.failed", "sync.overtaken", "sync.terminated", "rollback.failed"])
def test_a_fact_that_ends_a_sync_ends_the_wait(bare, fact):
    noted(bare, fact, reason="ada has said so")
    tell(bare, sync="OutOfSync")
    found = arrival(bare, SHA[:9])
    assert (found.outcome, found.where) == (Outcome.FAILED, "ada has said so")
    noted(bare, "sync.started")
    assert arrival(bare, SHA[:9]).outcome is None


def test_the_failures_of_a_fact_are_its_reason_and_those_of_other_revisions_are_not(bare):
    tell(bare, sync="OutOfSync")
    failures = [{"object": "ConfigMap shop/a", "reason": "it is refused"}]
    noted(bare, "sync.failed", failures=failures)
    assert arrival(bare, SHA).where == "ConfigMap shop/a: it is refused"
    assert arrival(bare, NOWHERE).outcome is None


def test_the_way_back_from_a_revision_is_about_it(bare):
    tell(bare, sync="OutOfSync")
    noted(bare, "sync.failed", failures=[])
    noted(bare, "rollback.started", "a" * 40, failed=SHA)
    assert arrival(bare, SHA).outcome is None
    noted(bare, "rollback.failed", "a" * 40, failed=SHA, reason="no way back")
    assert arrival(bare, SHA).where == "no way back"


# ── what a controller told ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_commit_that_touched_nothing_has_arrived_when_the_controller_says_so(bare):
    tell(bare, sync="Synced", health="Healthy", head=SHA)
    found = arrival(bare, SHA)
    assert (found.application, found.outcome) == (APP, Outcome.SYNCED)
    assert arrival(bare, NOWHERE).where == f"the controller sees it Synced at {short(SHA)}"


@pytest.mark.parametrize(("sync", "health"), [("Synced", "Progressing"), ("OutOfSync", "Healthy")])
def test_what_is_not_synced_and_healthy_has_not_arrived(bare, sync, health):
    tell(bare, sync=sync, health=health, head=SHA, problem="the host is away", reason="it waits")
    found = arrival(bare, SHA)
    assert (found.outcome, found.where) == (
        None,
        f"the controller sees it {sync} at {short(SHA)} the host is away",
    )
    tell(bare, sync=sync, health=health, reason="it waits")
    assert arrival(bare, SHA).where == f"the controller sees it {sync} it waits"


def test_several_of_one_name_have_to_be_told_apart(rolling):
    rolling.cluster.put({**SPACE, "metadata": {"name": "other"}})
    second = replace(rolling.app, namespace="blue", destination=replace(rolling.app.destination, namespace="other"))
    rolling.commit(config_map("b", namespace="other"))
    rolling.sync(second)
    with pytest.raises(ConfigError, match="there are several Applications called app"):
        arrival(rolling, NOWHERE)
    assert arrival(rolling, NOWHERE, namespace="other").application == "blue/app"


# ── what a custom resource says ──────────────────────────────────────────────────────────────────────────────────────


def ready(word, message="", revision=SHA, reconciling="False", **status):
    conditions = [
        {"type": "Reconciling", "status": reconciling},
        {"type": "Ready", "status": word, "message": message},
    ]
    return {"sync": {"status": "Synced", "revision": revision}, "conditions": conditions, **status}


def test_a_resource_that_is_ready_at_a_revision_has_arrived(bare):
    resource(bare, ready("True"))
    assert arrival(bare, SHA, APP).outcome is Outcome.SYNCED
    assert arrival(bare, NOWHERE, APP).where == "the controller sees it Synced"
    resource(bare, ready("False", "2 of 3 run"))
    found = arrival(bare, SHA, APP)
    assert (found.outcome, found.where) == (None, "the controller sees it Synced 2 of 3 run")


def test_a_status_that_says_nothing_of_a_sync_is_open_and_not_known(bare):
    resource(bare, {"conditions": ready("False", "2 of 3 run")["conditions"]})
    found = arrival(bare, SHA, APP)
    assert (found.outcome, found.where) == (None, "the controller sees it Unknown 2 of 3 run")


def test_a_resource_tells_before_the_record_of_the_store(bare):
    tell(bare, sync="OutOfSync", reason="it waits", is_resource=True)
    resource(bare, ready("False", "2 of 3 run"))
    assert arrival(bare, SHA).where == "the controller sees it Synced 2 of 3 run"


@pytest.mark.parametrize(("word", "outcome"), [("failed", Outcome.FAILED), ("rolled-back", Outcome.ROLLED_BACK)])
def test_the_last_sync_of_a_resource_ends_the_wait_unless_another_try_is_under_way(bare, word, outcome):
    last = {"revision": SHA, "outcome": word, "message": "it broke"}
    resource(bare, ready("False", lastSync=last))
    found = arrival(bare, SHA, APP)
    assert (found.outcome, found.where) == (outcome, "it broke")
    assert arrival(bare, NOWHERE, APP).outcome is None
    resource(bare, ready("False", reconciling="True", lastSync=last))
    assert arrival(bare, SHA, APP).outcome is None
    resource(bare, ready("False", lastSync={**last, "outcome": "synced"}))
    assert arrival(bare, SHA, APP).outcome is None


def test_without_the_right_to_read_resources_the_inventory_tells(rolling):
    place = ResourceKey("gitops.dev", "Application", "gitops", "app")
    rolling.cluster.refuse("get", place, 403, "Forbidden")
    assert arrival(rolling, rolling.good).outcome is Outcome.SYNCED
    rolling.cluster.refuse("get", place, 500, "InternalError")
    with pytest.raises(ApiError):
        arrival(rolling, rolling.good)


def test_a_part_that_was_synced_has_not_arrived(rolling):
    sha = rolling.commit(WEB, config_map("a", x="2"), B)
    rolling.sync(resources=("ConfigMap/b",))
    assert arrival(rolling, sha).outcome is None
