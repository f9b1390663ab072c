"""What people have done: each act is in the audit log before it is done, and again when it is done or refused."""

import asyncio
from dataclasses import replace

import pytest

from gitops.engine.object_acts import RESTARTED_AT
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.errors import ApiError, ConfigError
from gitops.model.plan import ObstacleKind
from gitops.sync.context import Request
from gitops.sync.dependencies import unready
from gitops.sync.helm_release import forget_release, release_secrets, releases_of
from gitops.sync.object_acts import Delete, Restart, Scale, do_to_object, uid_of
from gitops.sync.operator_acts import Operator, check_waits
from tests.unit.desk import config_map
from tests.unit.test_status import APP, WEB, A, broken, running

PLAN = "f" * 64


@pytest.fixture
def desk(tmp_path):
    """A Deployment that runs, and a ConfigMap; what was written before is forgotten."""
    made = running(tmp_path)
    made.seen = len(made.audit())
    return made


def acted(desk, work):
    """What an operator does (Operator → coroutine)."""
    inventory = desk.inventory()
    return desk.run(lambda context: work(Operator("ada", context, inventory)))


def entries(desk):
    """The facts and details since the first sync."""
    found = desk.audit()[desk.seen :]
    assert all(event.actor == "ada" and event.application == APP for event in found)
    return [(event.fact, event.detail) for event in found]


def settings(desk):
    async def read(context):
        return {name: await context.store.setting(APP, name) for name in ("suspended", "approved")}

    return desk.run(read)


# ── about an Application ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_suspension_is_recorded_with_who_and_why_and_lifted(desk):
    acted(desk, lambda operator: operator.suspend("of the fair"))
    assert settings(desk)["suspended"] == "by ada because of the fair"
    acted(desk, lambda operator: operator.resume())
    assert settings(desk)["suspended"] is None
    acted(desk, lambda operator: operator.suspend())
    assert settings(desk)["suspended"] == "by ada"
    assert entries(desk) == [
        ("application.suspended", {"reason": "of the fair"}),
        ("application.resumed", {}),
        ("application.suspended", {}),
    ]


def test_an_approval_names_its_plan(desk):
    acted(desk, lambda operator: operator.approve(PLAN, "it was read"))
    assert settings(desk)["approved"] == PLAN
    assert entries(desk) == [("application.approved", {"plan": PLAN, "reason": "it was read"})]


def test_the_cluster_keeps_the_head_of_what_was_recorded(desk):
    acted(desk, lambda operator: operator.suspend())
    last = desk.audit()[-1]
    assert (desk.inventory().anchor.seq, desk.inventory().anchor.hash) == (last.seq, last.hash)


def test_how_the_last_sync_ended_is_still_known_after_another_act_was_recorded(desk):
    last = desk.inventory().last
    acted(desk, lambda operator: operator.suspend())
    assert (last.outcome, desk.inventory().last) == ("synced", last)


def test_what_is_asked_of_the_controller_is_recorded_but_for_a_look(desk):
    first = acted(desk, lambda operator: operator.ask("refresh"))
    assert entries(desk) == []
    second = acted(desk, lambda operator: operator.ask("sync", confirm=True))
    third = acted(desk, lambda operator: operator.ask("refresh", "it is late"))
    assert entries(desk) == [
        ("sync.requested", {"confirmed": True}),
        ("refresh.requested", {"reason": "it is late"}),
    ]
    asked = desk.run(lambda context: context.store.requests())
    assert [(one.number, one.application, one.verb, one.detail, one.actor) for one in asked] == [
        (first, APP, "refresh", {}, "ada"),
        (second, APP, "sync", {"confirm": True}, "ada"),
        (third, APP, "refresh", {"reason": "it is late"}, "ada"),
    ]
    assert asked[0].at.endswith("Z")


def test_only_the_plan_that_waits_is_approved():
    with pytest.raises(ConfigError, match="gitops/app: no plan of it waits for an approval"):
        check_waits(APP, "", PLAN)
    for other in ("a" * 64, "f" * 11, ""):
        with pytest.raises(ConfigError, match=f"--plan {other}: the plan of gitops/app that waits is {'f' * 12}$"):
            check_waits(APP, PLAN, other)
    check_waits(APP, PLAN, "f" * 12)
    check_waits(APP, PLAN, PLAN)


# ── to one object ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_restart_marks_the_template_and_is_recorded_before_and_after(desk):
    uid = uid_of(desk.live(WEB))
    acted(desk, lambda operator: do_to_object(operator, key_of(WEB), Restart(uid), "it hangs"))
    marks = desk.live(WEB)["spec"]["template"]["metadata"]["annotations"]
    assert marks[RESTARTED_AT].startswith("2026-01-01T00:0")
    assert marks[RESTARTED_AT].endswith("Z")
    where = {"object": "apps/Deployment shop/web"}
    assert entries(desk) == [
        ("object.restart.requested", {**where, "reason": "it hangs"}),
        ("object.restart.done", where),
    ]


def test_a_scale_sets_the_replicas_and_tells_how_many(desk):
    uid = uid_of(desk.live(WEB))
    acted(desk, lambda operator: do_to_object(operator, key_of(WEB), Scale(4, uid)))
    assert desk.live(WEB)["spec"]["replicas"] == 4
    where = {"object": "apps/Deployment shop/web", "replicas": 4}
    assert entries(desk) == [("object.scale.requested", where), ("object.scale.done", where)]


def test_a_delete_deletes_the_one_that_was_looked_at(desk):
    stale = Delete("of-one-before", {"confirmed": "yes"})
    acted(desk, lambda operator: do_to_object(operator, key_of(A), stale))
    assert desk.live(A) is not None
    uid = uid_of(desk.live(A))
    acted(desk, lambda operator: do_to_object(operator, key_of(A), Delete(uid)))
    assert desk.live(A) is None
    where = {"object": "ConfigMap shop/a"}
    assert entries(desk)[:2] == [
        ("object.delete.requested", {**where, "confirmed": "yes"}),
        ("object.delete.done", {**where, "confirmed": "yes"}),
    ]


def test_an_act_that_is_refused_is_recorded_as_failed(desk):
    desk.cluster.refuse("patch_by_hand", key_of(WEB), 403, "Forbidden", "no right to it")
    with pytest.raises(ApiError, match="no right to it"):
        acted(desk, lambda operator: do_to_object(operator, key_of(WEB), Scale(4, uid_of(desk.live(WEB)))))
    where = {"object": "apps/Deployment shop/web"}
    assert entries(desk) == [
        ("object.scale.requested", {**where, "replicas": 4}),
        ("object.scale.failed", {**where, "reason": "no right to it"}),
    ]
    assert desk.live(WEB)["spec"]["replicas"] == 1


def test_an_object_without_a_uid_has_none():
    assert uid_of({"metadata": {}}) == ""


# ── what Helm remembers ──────────────────────────────────────────────────────────────────────────────────────────────


def helm_secret(name, release="app", kind="helm.sh/release.v1", **labels):
    metadata = {"name": name, "namespace": "shop", "labels": {"owner": "helm", "name": release, **labels}}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata}


def test_the_secrets_of_a_release_are_found_by_their_labels_and_type(desk):
    for secret in (
        helm_secret("v2"),
        helm_secret("v1"),
        helm_secret("other", "web"),
        helm_secret("opaque", kind="Opaque"),
    ):
        desk.cluster.put(secret)
    found = desk.run(lambda context: release_secrets(context, ("shop", "app")))
    assert [key.name for key in found] == ["v1", "v2"]
    assert desk.run(lambda context: release_secrets(context, ("elsewhere", "app"))) == ()


def test_the_releases_are_those_of_the_chart_and_of_what_was_taken_over(desk):
    planned = desk.plan()
    assert releases_of(desk.app, planned.at) == (("shop", "app"),)
    marks = {"meta.helm.sh/release-name": "old", "meta.helm.sh/release-namespace": "elsewhere"}
    body = {
        **A,
        "metadata": {**A["metadata"], "annotations": marks, "labels": {"app.kubernetes.io/managed-by": "Helm"}},
    }
    taken = replace(planned.at, live={key_of(A): body, key_of(WEB): WEB})
    assert releases_of(desk.app, taken) == (("elsewhere", "old"), ("shop", "app"))
    named = replace(desk.app.source, helm=replace(desk.app.source.helm, releaseName="mine"))
    assert releases_of(desk.app.with_sources((named,)), planned.at) == (("shop", "mine"),)


def test_a_release_is_forgotten_after_it_was_recorded(desk):
    desk.cluster.put(helm_secret("v1"))
    key = ResourceKey("", "Secret", "shop", "v1")
    desk.run(lambda context: forget_release(Request(desk.app, "ada"), context, "r1", (key,)))
    assert desk.cluster.body(key) is None
    assert entries(desk) == [("helm.forgotten", {"changed": ["deleted Secret shop/v1"]})]
    assert desk.inventory().anchor.seq == desk.audit()[-1].seq


# ── what another Application has to be first ─────────────────────────────────────────────────────────────────────────


def depending(desk, name="app", expression="", **context):
    """The obstacles of an Application that depends on one."""
    ready = {name: expression} if expression else {}
    other = replace(desk.app, name="later", dependsOn=(name,), readyExpr=ready)
    return desk.run(lambda found: unready(replace(found, **context), other))


def test_one_that_is_ready_is_no_obstacle(desk):
    assert depending(desk) == ()
    assert depending(desk, APP) == ()


def test_one_that_is_not_there_is_an_obstacle(desk):
    (found,) = depending(desk, "none")
    assert (found.kind, found.key) == (ObstacleKind.DEPENDENCY, None)
    assert found.reason == "gitops/later depends on none: it has not been synced to this cluster"


def test_one_that_is_broken_is_told_with_what_it_says(desk):
    desk.cluster.take(key_of(A))
    (found,) = depending(desk)
    assert found.reason == "gitops/later depends on app: it is Missing: not in the cluster"
    (told,) = depending(desk, everyone=desk.cluster)
    assert told.reason == "gitops/later depends on app: it is Missing"


def test_one_that_was_rolled_back_is_not_ready(desk):
    sha = broken(desk)
    (found,) = depending(desk)
    assert found.reason == f"gitops/later depends on app: its revision {sha[:12]} failed"


def test_one_whose_last_sync_nobody_saw_healthy_is_not_ready(desk):
    desk.commit(WEB, config_map("a", x="2"))
    desk.sync(wait=False)
    (found,) = depending(desk)
    assert found.reason == "gitops/later depends on app: its last sync has not become healthy"


def test_an_expression_tells_by_what_the_inventory_knows(desk):
    revision = desk.inventory().healthy.revision
    said = (
        f"dep.status.sync.revision == '{revision}' && dep.status.sync.ref == 'main'"
        " && dep.status.health.status == 'Healthy' && dep.status.conditions[0].status == 'True'"
    )
    assert depending(desk, expression=said) == ()
    (found,) = depending(desk, expression="dep.status.sync.ref == 'other'")
    assert found.reason.startswith("gitops/later depends on app: ")
    (none,) = depending(desk, "none", "true")
    assert none.reason == "gitops/later depends on none: it is not there"
    desk.cluster.take(key_of(A))
    unwell = "dep.status.conditions[0].status == 'False' && dep.status.conditions[0].message.contains('Missing')"
    assert depending(desk, expression=unwell) == ()


def test_an_expression_of_a_tenant_sees_no_spec_of_another_namespace(desk):
    seen = "has(dep.spec)"
    assert depending(desk, APP, seen, everyone=desk.cluster) == ()
    other = replace(desk.app, name="later", namespace="blue", dependsOn=(APP,), readyExpr={APP: seen})
    (found,) = desk.run(lambda context: unready(replace(context, everyone=desk.cluster), other))
    assert found.reason.startswith(f"blue/later depends on {APP}: ")
    assert desk.run(lambda context: unready(context, other)) == ()


def test_an_expression_reads_the_custom_resource_where_there_is_one(desk):
    resources = {APP: {"status": {"phase": "done"}, "metadata": {"name": "app"}}}

    async def resource(identity):
        await asyncio.sleep(0)
        return resources.get(identity)

    async def story(context):
        about = replace(context.about, resource=resource)
        other = replace(desk.app, name="later", dependsOn=("app",), readyExpr={"app": "dep.status.phase == 'done'"})
        return await unready(replace(context, about=about), other)

    assert desk.run(story) == ()
    resources[APP]["status"]["phase"] = "waits"
    assert len(desk.run(story)) == 1
