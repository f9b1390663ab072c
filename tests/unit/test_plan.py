"""Desired, live and inventory → plan → decision, without any cluster."""

from dataclasses import replace

import pytest

from gitops.cli.output import plan_data
from gitops.engine.decide import decide
from gitops.engine.inventory import Inventory, parent_key, with_ownership
from gitops.engine.manual_edits import hand_edits_only
from gitops.engine.plan import DryRunResult, make_plan, questions
from gitops.engine.plan_input import PlanInput, PlanOptions
from gitops.engine.predict import predict
from gitops.manifests.key import ResourceKey, key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.manifests.structured_merge import apply
from gitops.model.application import Application, Destination, IgnoreRule
from gitops.model.errors import ApiError
from gitops.model.plan import Create, ObstacleKind, Phase, Prune, Recreate, RunHook, Update
from gitops.model.release import Quarantine
from gitops.model.rendered import RenderedSet
from gitops.model.result import Go, Hold, InSync
from gitops.model.revision import Revision

PARENT = parent_key("shop", "shop")
SOURCE = "https://git.example.com/shop.git"
REVISION = Revision("a" * 40, "main")


def config(name, data=None, namespace="shop", **annotations):
    metadata = {"name": name, "namespace": namespace} | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {"a": "1"}}


def manifest(body):
    return Manifest(key_of(body), body, Origin("a.yaml", 1))


def stored(body, inventory, **more):
    """What a cluster holds after we applied `body`."""
    desired = with_ownership(body, key_of(body), inventory)
    live = apply(None, desired, manager="gitops", now="2026-01-01T00:00:00Z", force=True).body
    return {**live, "metadata": {**live["metadata"], "uid": "u1", "resourceVersion": "1", **more}}


def situation(desired=(), live=(), owned=(), options=None, app=None, **inventory):
    manifests = tuple(sorted((manifest(body) for body in desired), key=lambda found: found.key))
    rendered = RenderedSet(REVISION, manifests, "digest")
    found = Inventory("gitops/shop", PARENT, frozenset(owned), exists=bool(owned), **inventory)
    app = app or Application("shop", destination=Destination(namespace="shop"))
    return PlanInput(app, rendered, {key_of(body): body for body in live}, found, options or PlanOptions())


def answered(at):
    """A plan in which the server stores just what we predict."""
    return make_plan(at, {one.key: DryRunResult(body=one.predicted) for one in questions(at, predict)})


INVENTORY = Inventory("gitops/shop", PARENT)


def test_what_is_not_there_is_created_with_our_marks():
    at = situation([config("x")])
    (change,) = answered(at).changes
    assert isinstance(change, Create)
    assert change.body["metadata"]["annotations"]["gitops.dev/tracking"] == "gitops/shop:/ConfigMap:shop/x"


@pytest.mark.parametrize(
    "word", [{"gitops.dev/apply": "ignore"}, {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}]
)
def test_what_asks_to_be_left_alone_where_it_is_live_is_not_asked_about(word):
    live = stored(config("x", {"a": "2"}, **word), INVENTORY)
    at = situation([config("x")], [live], [key_of(live)])
    assert questions(at, predict) == []
    assert answered(at).changes == ()


def test_what_is_as_desired_is_not_asked_about():
    at = situation([config("x")], [stored(config("x"), INVENTORY)], [key_of(config("x"))])
    assert questions(at, predict) == []
    assert answered(at).changes == ()
    assert decide(at, answered(at), SOURCE) == InSync()


def test_a_changed_field_is_an_update_that_says_from_what_to_what():
    live = stored(config("x"), INVENTORY)
    (change,) = answered(situation([config("x", {"a": "2"})], [live])).changes
    assert isinstance(change, Update)
    assert [(field.path, field.live, field.desired) for field in change.fields] == [("data.a", "1", "2")]


def test_a_field_that_we_applied_once_and_dropped_is_removed():
    live = stored(config("x", {"a": "1", "b": "2"}), INVENTORY)
    (change,) = answered(situation([config("x")], [live])).changes
    assert [field.path for field in change.fields] == ["data.b"]


def test_a_field_that_somebody_added_beside_ours_is_left_alone():
    live = stored(config("x"), INVENTORY)
    live = {**live, "data": {**live["data"], "theirs": "1"}}
    assert answered(situation([config("x")], [live])).changes == ()


def test_an_update_that_the_server_makes_nothing_of_is_no_change():
    live = stored(config("x"), INVENTORY)
    at = situation([config("x", {"a": "2"})], [live])
    assert make_plan(at, {key_of(live): DryRunResult(body=live)}).changes == ()


def test_an_ignored_field_keeps_its_live_value():
    rule = IgnoreRule(kind="ConfigMap", jsonPointers=("/data/a",))
    app = Application("shop", destination=Destination(namespace="shop"), ignoreDifferences=(rule,))
    live = stored(config("x", {"a": "theirs"}), INVENTORY)
    assert answered(situation([config("x", {"a": "ours"})], [live], app=app)).changes == ()


def test_pruning_is_off_until_somebody_asks():
    live, owned = [stored(config("old"), INVENTORY)], [key_of(config("old"))]
    plan = answered(situation([], live, owned))
    assert plan.changes == ()
    assert "pruning is off" in plan.kept[0].reason
    (change,) = answered(situation([config("x")], live, owned, PlanOptions(prune=True))).prunes
    assert isinstance(change, Prune)
    assert change.uid == "u1"


def test_an_object_that_says_so_is_kept():
    live = stored(config("old", **{"gitops.dev/prune": "disabled"}), INVENTORY)
    plan = answered(situation([], [live], [key_of(live)], PlanOptions(prune=True)))
    assert plan.prunes == ()
    assert "annotated not to be pruned" in plan.kept[0].reason


@pytest.mark.parametrize(
    "metadata",
    [{}, {"annotations": {"argocd.argoproj.io/tracking-id": "guestbook:/ConfigMap:shop/theirs"}}],
)
def test_what_we_never_wrote_is_not_pruned_though_it_was_once_desired(metadata):
    theirs = config("theirs")
    live = apply(None, theirs, manager="kubectl", now="2026-01-01T00:00:00Z", force=True).body
    live["metadata"] |= {"uid": "u1", **metadata}
    at = situation([config("x")], [live], owned=[key_of(theirs), key_of(config("x"))], options=PlanOptions(prune=True))
    assert not make_plan(at, {}).prunes


def test_what_is_ours_is_pruned_though_somebody_took_its_marks_off():
    live = stored(config("old"), INVENTORY)
    del live["metadata"]["annotations"]
    at = situation([config("x")], [live], owned=[key_of(live)], options=PlanOptions(prune=True))
    assert [prune.key.name for prune in make_plan(at, {}).prunes] == ["old"]


def test_what_another_application_took_over_is_not_pruned():
    other = Inventory("team/other", parent_key("other", "shop"))
    live = stored(config("old"), other)
    plan = answered(situation([], [live], [key_of(live)], PlanOptions(prune=True)))
    assert (plan.prunes, plan.kept) == ((), ())


def test_two_applications_cannot_have_one_object():
    live = stored(config("x"), Inventory("team/other", parent_key("other", "shop")))
    at = situation([config("x")], [live])
    (obstacle,) = answered(at).obstacles
    assert obstacle.kind is ObstacleKind.FOREIGN
    assert "belongs to Application team/other" in obstacle.reason
    assert isinstance(decide(at, answered(at), SOURCE), Hold)


def test_adopting_takes_an_object_over():
    live = stored(config("x"), Inventory("team/other", parent_key("other", "shop")))
    (change,) = answered(situation([config("x")], [live], options=PlanOptions(adopt=True))).changes
    assert isinstance(change, Update)


def conflict(manager):
    message = f'conflict with "{manager}" using apps/v1'
    causes = [{"field": ".data.a", "message": message, "reason": "FieldManagerConflict"}]
    return ApiError(409, "Conflict", "Apply failed", {"details": {"causes": causes}})


def test_a_conflict_with_another_automation_holds_and_names_it():
    at = situation([config("x", {"a": "2"})], [stored(config("x"), INVENTORY)])
    (obstacle,) = make_plan(at, {key_of(config("x")): DryRunResult(error=conflict("hpa-operator"))}).obstacles
    assert obstacle.kind is ObstacleKind.CONFLICT
    assert "hpa-operator" in obstacle.reason


@pytest.mark.parametrize(
    ("manager", "operation", "by_hand"),
    [("kubectl-edit", "Update", True), ("kubectl", "Apply", False), ("hpa-operator", "Update", False)],
)
def test_only_a_persons_tool_makes_a_hand_edit(manager, operation, by_hand):
    live = {"metadata": {"managedFields": [{"manager": manager, "operation": operation}]}}
    assert hand_edits_only(conflict(manager), live) is by_hand


def test_an_immutable_field_is_explained_or_recreated_where_annotated():
    error = ApiError(422, "Invalid", "spec.x: Invalid value: field is immutable")
    live = stored(config("x"), INVENTORY)
    (obstacle,) = make_plan(
        situation([config("x", {"a": "2"})], [live]), {key_of(live): DryRunResult(error=error)}
    ).obstacles
    assert "gitops.dev/recreate: enabled" in obstacle.reason
    desired = config("x", {"a": "2"}, **{"gitops.dev/recreate": "enabled"})
    (change,) = make_plan(situation([desired], [live]), {key_of(live): DryRunResult(error=error)}).changes
    assert isinstance(change, Recreate)


def test_hooks_run_once_for_a_rendered_set():
    hook = config("hook", **{"gitops.dev/hook": "pre-sync"})
    (change,) = answered(situation([hook])).changes
    assert isinstance(change, RunHook)
    assert answered(situation([hook], owned=[key_of(hook)], synced="digest")).changes == ()


def test_prunes_come_after_everything_else_and_users_before_what_they_use():
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w", "namespace": "shop"}}
    olds = [stored(config("old"), INVENTORY), stored(deployment, INVENTORY)]
    at = situation([config("new")], olds, [key_of(old) for old in olds], PlanOptions(prune=True, confirm=True))
    steps = answered(at).steps
    assert [step.phase for step in steps] == [Phase.SYNC, Phase.PRUNE, Phase.PRUNE]
    assert [step.changes[0].key.kind for step in steps] == ["ConfigMap", "Deployment", "ConfigMap"]


def hold_reason(at, source=SOURCE):
    decision = decide(at, answered(at), source)
    assert isinstance(decision, Hold)
    return decision.reason


def owned_configs(count):
    bodies = [config(f"c{number}") for number in range(count)]
    return bodies, [stored(body, INVENTORY) for body in bodies], [key_of(body) for body in bodies]


def test_an_empty_render_holds_while_objects_are_owned():
    _, live, owned = owned_configs(2)
    assert "renders to nothing" in hold_reason(situation([], live, owned, PlanOptions(prune=True)))


def test_hooks_alone_are_no_reason_to_delete_everything_else():
    hook = config("hook", **{"gitops.dev/hook": "post-sync"})
    _, live, owned = owned_configs(2)
    assert "renders to nothing" in hold_reason(situation([hook], live, owned, PlanOptions(prune=True)))
    ran = stored(config("ran", **{"gitops.dev/hook": "post-sync"}), INVENTORY)
    assert "renders to nothing" in hold_reason(situation([], [ran], [key_of(ran)], PlanOptions(prune=True)))
    at = situation([hook], [ran], [key_of(ran)], PlanOptions(prune=True))
    assert decide(at, answered(at), SOURCE) == Go(), "hooks follow hooks as any object follows another"


def test_losing_a_large_share_holds_until_confirmed():
    bodies, live, owned = owned_configs(10)
    at = situation(bodies[:6], live, owned, PlanOptions(prune=True))
    assert "4 of 10 objects would be deleted" in hold_reason(at)
    confirmed = situation(bodies[:6], live, owned, PlanOptions(prune=True, confirm=True))
    assert decide(confirmed, answered(confirmed), SOURCE) == Go()


def test_losing_many_objects_holds():
    bodies, live, owned = owned_configs(200)
    assert "51 objects would be deleted" in hold_reason(situation(bodies[51:], live, owned, PlanOptions(prune=True)))


def test_a_namespace_is_not_deleted_without_a_word():
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "old"}}
    at = situation([config("x")], [stored(body, INVENTORY)], [key_of(body)], PlanOptions(prune=True))
    assert "Namespace old would be deleted with all that is in it" in hold_reason(at)


def test_a_quarantined_revision_holds_until_a_new_commit():
    bad = Quarantine("b" * 40, "digest", "no such image", "2026-01-01T00:00:00Z")
    assert "failed at 2026-01-01" in hold_reason(situation([config("x")], quarantine=bad))
    other = Quarantine("b" * 40, "another", "no such image", "2026-01-01T00:00:00Z")
    at = situation([config("x")], quarantine=other)
    assert decide(at, answered(at), SOURCE) == Go()


def test_a_revision_that_a_person_went_back_from_is_not_called_failed():
    left = Quarantine("b" * 40, "digest", "rolled back by ada@host", "2026-01-01T00:00:00Z")
    told = f"revision {'b' * 12} was rolled back by ada@host at 2026-01-01T00:00:00Z"
    reason = hold_reason(situation([config("x")], quarantine=left))
    assert reason == f"{told}; push another commit, or bring it back with --confirm"


def test_two_sources_cannot_claim_one_name():
    at = situation([config("x")], owned=[ResourceKey("", "ConfigMap", "shop", "x")], source="https://other/repo.git")
    reason = hold_reason(at)
    assert "https://other/repo.git" in reason
    assert SOURCE in reason


def test_pruning_comes_before_the_hooks_after_a_sync():
    hook = config("after", **{"gitops.dev/hook": "post-sync"})
    before = config("before", **{"gitops.dev/hook": "pre-sync"})
    old = stored(config("old"), INVENTORY)
    at = situation([hook, before, config("new")], [old], [key_of(old)], PlanOptions(prune=True))
    found = [(step.phase, step.changes[0].key.name) for step in answered(at).steps]
    assert found == [
        (Phase.PRE_SYNC, "before"),
        (Phase.SYNC, "new"),
        (Phase.PRUNE, "old"),
        (Phase.POST_SYNC, "after"),
    ]


def rolled_back(*annotations):
    hooks = [config(f"hook-{number}", **{"helm.sh/hook": words}) for number, words in enumerate(annotations)]
    live = stored(config("x"), INVENTORY)
    at = situation([config("x", {"a": "2"}), *hooks], [live], [key_of(live)], PlanOptions(back=True, hooks=False))
    return [(step.phase, step.changes[0].key.name) for step in answered(at).steps]


def test_a_rollback_runs_its_own_hooks_though_it_changes_one_field_only():
    assert rolled_back("pre-rollback", "post-rollback", "pre-upgrade") == [
        (Phase.PRE_ROLLBACK, "hook-0"),
        (Phase.SYNC, "x"),
        (Phase.POST_ROLLBACK, "hook-1"),
    ]


def test_a_plan_as_json_tells_the_kind_and_the_object_of_each_obstacle():
    theirs = stored(config("x"), Inventory("team/other", parent_key("other", "shop")))
    ours = stored(config("y"), INVENTORY)
    at = situation([config("x"), config("y", {"a": "2"}), config("z")], [theirs, ours], [key_of(ours)])
    plan = make_plan(
        at,
        {
            key_of(ours): DryRunResult(error=conflict("hpa-operator")),
            key_of(config("z")): DryRunResult(error=ApiError(422, "Invalid", "data.a: Invalid value")),
        },
    )
    told = plan_data(plan, decide(at, plan, SOURCE))["obstacles"]
    assert [(item["kind"], item["object"]) for item in told] == [
        ("foreign", "ConfigMap shop/x"),
        ("conflict", "ConfigMap shop/y"),
        ("refused", "ConfigMap shop/z"),
    ]
    empty = situation([], [ours], [key_of(ours)], PlanOptions(prune=True))
    (guard,) = plan_data(answered(empty), decide(empty, answered(empty), SOURCE))["obstacles"]
    assert (guard["kind"], guard["object"]) == ("guard", "")


def test_an_inventory_of_another_application_is_anothers():
    at = situation([config("x")], owned=[key_of(config("x"))])
    at = replace(at, inventory=replace(at.inventory, application="team/other"))
    decision = decide(at, answered(at), SOURCE)
    assert [(item.kind, item.key) for item in decision.obstacles] == [(ObstacleKind.FOREIGN, PARENT)]
