"""What a person has to confirm before a plan is carried out, and what needs no word."""

from dataclasses import replace

import pytest

from gitops.engine.decide import decide
from gitops.engine.inventory import Inventory, PastRelease, parent_key
from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.application import Application, Destination, PruneLimit, SourceSpec, SyncOptions
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.model.release import Quarantine
from gitops.model.result import Go, Hold, InSync
from tests.unit.test_plan import INVENTORY, SOURCE, answered, config, situation, stored

AT = "2026-01-01T00:00:00Z"
PRUNE = PlanOptions(prune=True)
HELD = Obstacle(ObstacleKind.GUARD, None, "it is the weekend")


def decided(at, source=SOURCE, more=()):
    """The reasons to hold, or the word."""
    found = decide(at, answered(at), source, more)
    return [obstacle.reason for obstacle in found.obstacles] if isinstance(found, Hold) else found


def many(owned, wanted, options=PRUNE, app=None):
    bodies = [config(f"c{number}") for number in range(owned)]
    live = [stored(body, INVENTORY) for body in bodies]
    return situation(bodies[:wanted], live, [key_of(body) for body in bodies], options, app)


# ── how much may be deleted ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("owned", "wanted", "reason"),
    [
        (9, 1, ""),  # a share of a handful says nothing
        (10, 7, ""),
        (10, 6, "4 of 10 objects would be deleted, more than pruneLimit.percent 30; confirm with --confirm"),
        (200, 150, ""),
        (200, 149, "51 objects would be deleted, more than pruneLimit.count 50; use --confirm"),
        (1, 0, "the source renders to nothing at all while 1 objects are owned; confirm with --confirm"),
    ],
)
def test_a_large_loss_is_held_until_it_is_confirmed(owned, wanted, reason):
    assert decided(many(owned, wanted)) == ([reason] if reason else Go())
    assert decided(many(owned, wanted, PlanOptions(prune=True, confirm=True))) == Go()
    assert decided(many(owned, wanted, PlanOptions(prune=True, leaving=True))) == Go(), "that is what a deletion is"


def test_a_source_in_which_only_hooks_are_left_holds_what_is_no_hook():
    hook = config("migrate", **{"gitops.dev/hook": "PreSync"})
    old, other = config("old"), config("before", **{"gitops.dev/hook": "PreSync"})
    reason = "the source renders to nothing at all while 1 objects are owned; confirm with --confirm"
    assert decided(situation([hook], [stored(old, INVENTORY)], [key_of(old)], PRUNE)) == [reason]
    assert decided(situation([hook], [stored(other, INVENTORY)], [key_of(other)], PRUNE)) == Go()


def test_how_much_may_be_deleted_is_the_applications_to_say():
    def app(**limit):
        return Application(
            "shop", destination=Destination(namespace="shop"), sync=SyncOptions(pruneLimit=PruneLimit(**limit))
        )

    assert decided(many(10, 6, app=app(percent=40))) == Go()
    assert decided(many(10, 5, app=app(percent=40))) != Go()
    assert decided(many(5, 3, app=app(count=2))) == Go()
    assert decided(many(5, 2, app=app(count=2))) != Go()


def test_a_confirmation_is_for_what_was_shown():
    (reason,) = decided(many(10, 6))
    shown = {True: frozenset({reason}), False: frozenset({"another reason"})}
    for was_shown, reasons in shown.items():
        options = PlanOptions(prune=True, confirm=True, shown=reasons)
        assert decided(many(10, 6, options)) == (Go() if was_shown else [reason])


# ── what failed or was left ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("quarantine", "reason"),
    [
        (Quarantine("b" * 40, "another", "no image", AT), ""),
        (
            Quarantine("b" * 40, "digest", "no image", AT),
            f"revision bbbbbbbbbbbb failed at {AT} and was rolled back (no image); "
            "push a commit that mends it, or try it again with --confirm",
        ),
        (
            Quarantine("b" * 40, "digest", "no image", AT, stuck="no way"),
            f"revision bbbbbbbbbbbb failed at {AT} and could not be rolled back: no way (no image); "
            "push a commit that mends it, or try it again with --confirm",
        ),
        (
            Quarantine("b" * 40, "another", "no image", AT, also=("digest",)),
            "this revision failed or was rolled back before, and another rollback by hand came after it; "
            "push a commit that mends it, or try it again with --confirm",
        ),
    ],
)
def test_a_commit_that_failed_is_not_tried_again_by_itself(quarantine, reason):
    at = situation([config("x")], quarantine=quarantine)
    assert decided(at) == ([reason] if reason else Go())
    assert decided(replace(at, options=PlanOptions(confirm=True))) == Go()


def test_a_person_goes_back_to_a_release_although_it_was_left_before_and_to_nothing_else():
    left = Quarantine("b" * 40, "digest", "rolled back by ada", AT)
    release = PastRelease(1, "b" * 40, "main", "digest", AT, "ada")
    for releases, back in (
        ((release,), True),
        ((release,), False),
        ((), True),
        ((replace(release, digest="x"),), True),
    ):
        at = situation([config("x")], options=PlanOptions(back=back), quarantine=left, releases=releases)
        assert (decided(at) == Go()) is (releases == (release,) and back)


# ── whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────────


def from_repository(url):
    return Application("shop", "gitops", SourceSpec(repoURL=url), Destination(namespace="shop"))


X, Y = config("x"), config("y")


@pytest.mark.parametrize(
    ("url", "owned", "options", "goes"),
    [
        ("", [X], PlanOptions(), False),  # a name that was given for a folder may be mistaken
        ("", [X], PlanOptions(confirm=True), False),
        ("", [X], PlanOptions(adopt=True), True),
        ("https://new", [X], PlanOptions(), True),  # a spec says it, and it holds what is owned
        ("https://new", [Y], PlanOptions(), False),  # it holds nothing of that
        ("https://new", [Y], PlanOptions(confirm=True), True),
        ("https://new", [Y], PlanOptions(adopt=True), True),
    ],
)
def test_another_source_needs_a_word_where_it_may_be_a_mistake(url, owned, options, goes):
    app = from_repository(url) if url else Application("shop", "gitops", destination=Destination(namespace="shop"))
    live = [stored(body, INVENTORY) for body in owned]
    at = situation([X], live, [key_of(body) for body in owned], options, app, source="https://old")
    assert isinstance(decided(at, "https://new"), list) is not goes
    assert not isinstance(decided(at, "https://old"), list), "it is the same"
    assert not isinstance(decided(replace(at, inventory=replace(at.inventory, source="")), "https://new"), list)


def test_the_inventory_of_another_application_is_not_used_unless_its_objects_are_adopted():
    other = Inventory("gitops/other", parent_key("shop", "shop"), exists=True)
    at = replace(situation([X]), inventory=other, app=from_repository("https://x"))
    (reason,) = decided(at)
    assert "is the inventory of Application gitops/other, and this is gitops/shop; choose another name" in reason
    assert decided(replace(at, options=PlanOptions(confirm=True))) == [reason]
    assert decided(replace(at, options=PlanOptions(adopt=True))) == Go()
    assert decided(replace(at, inventory=replace(other, exists=False))) == Go()


# ── what policies and windows say ────────────────────────────────────────────────────────────────────────────────────


def test_a_window_or_policy_holds_what_changes_or_is_new_and_no_other():
    live, owned = [stored(X, INVENTORY)], [key_of(X)]
    changes = situation([X], synced="digest")
    rests = situation([X], live, owned, synced="digest")
    new = situation([X], live, owned, synced="before")
    found = [decided(at, SOURCE, (HELD,)) for at in (changes, rests, new)]
    assert found == [[HELD.reason], InSync(), [HELD.reason]]
    assert decided(replace(changes, options=PlanOptions(confirm=True)), SOURCE, (HELD,)) == [HELD.reason]
    assert [decided(at) for at in (changes, rests, new)] == [Go(), InSync(), InSync()]


def test_every_reason_is_told():
    at = situation(
        [X],
        owned=[ResourceKey("", "ConfigMap", "shop", "x")],
        source="https://old",
        quarantine=Quarantine("b" * 40, "digest", "no image", AT),
    )
    assert len(decided(at, SOURCE, (HELD,))) == 3
