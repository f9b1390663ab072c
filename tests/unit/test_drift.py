"""The rules for plans that nobody asked for."""

from dataclasses import replace

import pytest

from gitops.engine.drift import LOOP_COUNT, Correction, corrections_in, drift_in, drift_loops_in, without_drift_loops
from gitops.engine.states import Override, Response, respond
from gitops.manifests.key import ResourceKey
from gitops.manifests.manifest import Origin
from gitops.model.application import Application, SyncOptions
from gitops.model.plan import (
    Create,
    FieldChange,
    Manager,
    Obstacle,
    ObstacleKind,
    Phase,
    Plan,
    Prune,
    Step,
    Unknown,
    Update,
)
from gitops.model.result import Go, Hold, InSync
from gitops.model.revision import Revision

KEY = ResourceKey("apps", "Deployment", "shop", "api")
PLAN = Plan("gitops/app", Revision("a" * 40, "main"), "new", (), id="4e3")
HOLD = Hold((Obstacle(ObstacleKind.GUARD, None, "too much"),))


def app(**options):
    return Application("app", sync=SyncOptions(**options))


def answer(decision, word=Override(), *, synced="new", settled=True, **options):  # noqa: B008 - frozen
    return respond(app(**options), PLAN, decision, word, synced=synced, settled=settled)


def test_a_new_revision_is_synced_by_itself_only_where_that_was_chosen():
    assert answer(Go(), synced="old", automated=True) is Response.SYNC
    assert answer(Go(), synced="old") is Response.APPROVAL
    assert answer(Go(), Override(approved="4e"), synced="old") is Response.SYNC
    assert answer(Go(), Override(approved="another"), synced="old") is Response.APPROVAL
    assert answer(Go(), Override(asked=True), synced="old") is Response.SYNC


@pytest.mark.parametrize(
    ("drift", "expected"), [("ignore", Response.SETTLED), ("report", Response.REPORT), ("correct", Response.SYNC)]
)
def test_drift_is_ignored_reported_or_corrected(drift, expected):
    assert answer(Go(), drift=drift) is expected
    assert answer(Go(), Override(asked=True), drift=drift) is Response.SYNC


def test_what_stands_in_the_way_goes_before_every_word():
    assert answer(HOLD, Override(asked=True), synced="old", automated=True) is Response.HELD


def test_a_suspended_application_is_only_synced_when_asked_for():
    word = Override(suspended=True)
    assert answer(Go(), word, synced="old", automated=True) is Response.SUSPENDED
    assert answer(Go(), word, drift="correct") is Response.SUSPENDED
    assert answer(Go(), replace(word, asked=True), synced="old") is Response.SYNC


def test_a_sync_whose_end_was_never_seen_is_finished():
    assert answer(InSync(), settled=False, automated=True) is Response.SYNC
    assert answer(InSync(), settled=True, automated=True) is Response.SETTLED


def test_a_manager_that_keeps_writing_is_left_its_fields_of_that_object():
    history = [Correction(KEY, "spec.replicas", "scaler", float(at)) for at in range(LOOP_COUNT)]
    assert drift_loops_in(history[:-1], 10.0) == ()
    (fight,) = drift_loops_in(history, 10.0)
    assert "scaler keeps changing spec.replicas of apps/Deployment" in str(fight)
    assert drift_loops_in(history, 10_000.0) == ()
    (rule,) = without_drift_loops(app(), [fight]).ignoreDifferences
    assert (rule.kind, rule.name, rule.managers) == ("Deployment", "api", ("scaler",))


def test_edits_by_many_hands_are_no_fight():
    history = [Correction(KEY, "spec.replicas", f"person-{at}", float(at)) for at in range(LOOP_COUNT * 2)]
    assert drift_loops_in(history, 10.0) == ()


def test_a_fight_over_a_list_without_keys_is_one_whichever_item_is_written():
    owner = Manager("scaler", "Update", "")
    history = []
    for at in range(LOOP_COUNT):
        places = [FieldChange(f"spec.rules[{at + more}].host", "a", "b", owner) for more in range(2)]
        update = Update(KEY, {}, Origin("a.yaml", 1), tuple(places))
        found = corrections_in(replace(PLAN, steps=(Step(Phase.SYNC, 0, 0, (update,)),)), float(at))
        assert [(one.path, one.manager) for one in found] == [("spec.rules", "scaler")]
        history += found
    assert len(drift_loops_in(history[:-1], 10.0)) == 0
    assert len(drift_loops_in(history, 10.0)) == 1


def test_each_drifted_field_is_told_with_who_set_it_and_an_object_by_what_becomes_of_it():
    by = Manager("bob", "Update", "")
    fields = (FieldChange("spec.a", 1, 2, by), FieldChange("spec.b", 1, 2, Unknown()))
    changed = Update(KEY, {}, Origin("a.yaml", 1), fields)
    gone = Create(ResourceKey("", "ConfigMap", "shop", "a"), {}, Origin("a.yaml", 9))
    plan = replace(PLAN, steps=(Step(Phase.SYNC, 0, 0, (changed, gone)),))
    assert list(drift_in(plan)) == [
        "apps/Deployment shop/api spec.a (set by bob)",
        "apps/Deployment shop/api spec.b",
        "ConfigMap shop/a (create)",
    ]


def test_what_was_deleted_counts_as_a_correction_and_a_prune_does_not():
    made = Create(KEY, {}, Origin("a.yaml", 1))
    gone = Prune(ResourceKey("", "ConfigMap", "shop", "a"), "u1")
    plan = replace(PLAN, steps=(Step(Phase.SYNC, 0, 0, (made,)), Step(Phase.PRUNE, 0, 0, (gone,))))
    assert corrections_in(plan, 5.0) == [Correction(KEY, "", "", 5.0)]
    (loop,) = drift_loops_in([Correction(KEY, "", "", float(at)) for at in range(LOOP_COUNT)], 5.0)
    assert str(loop) == "somebody keeps deleting apps/Deployment shop/api, so it is made again only once a minute"
    assert without_drift_loops(app(), [loop]) == app()


@pytest.mark.parametrize(("count", "age", "is_loop"), [(5, 600.0, True), (4, 0.0, False), (5, 600.1, False)])
def test_a_loop_is_so_many_corrections_in_so_long(count, age, is_loop):
    history = [Correction(KEY, "spec.a", "bob", 0.0)] * count
    loops = drift_loops_in(history, age)
    assert bool(loops) is is_loop
    if loops:
        assert str(loops[0]) == "bob keeps changing spec.a of apps/Deployment shop/api, so it is no longer corrected"
