"""Releases, and the ways back to them."""

from dataclasses import replace

import pytest

from gitops.engine.inventory import PastRelease
from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import key_of
from gitops.model.errors import ConfigError, LostClusterError, SourceError, UnreachableError
from gitops.model.release import Release
from gitops.model.result import Outcome
from gitops.sync import events
from gitops.sync.context import Request
from gitops.sync.reconcile import sync_planned
from gitops.sync.release_choice import plan_way_back, way_back
from gitops.sync.releases import known_releases, release_of, synced_set
from tests.unit.desk import Desk, config_map
from tests.unit.test_passes import deployment, facts, image, rolling_out


@pytest.fixture
def desk(tmp_path):
    """Three releases: a with 1, 2, 3."""
    made = Desk(tmp_path)
    made.shas = []
    for number in "123":
        made.shas.append(made.commit(config_map("a", x=number)))
        made.sync()
    return made


def request(desk, **options):
    return Request(desk.app, "ada", PlanOptions(**options))


def chosen(desk, number=None, revision=""):
    inventory = desk.inventory()
    return desk.run(lambda context: way_back(context, inventory, "ada", number, revision))


def go_back(desk, number=None, **options):
    way, source = chosen(desk, number), desk.inventory().source
    asked = replace(request(desk, back=True, hooks=False, **options), quarantine=way.quarantine)

    async def story(context):
        planned = await plan_way_back(asked, context, way.release, source)
        return await sync_planned(asked, context, planned)

    return desk.run(story)


def another_store(desk, tmp_path):
    desk.folder = tmp_path / "another"
    desk.folder.mkdir(exist_ok=True)


# ── which releases there are ─────────────────────────────────────────────────────────────────────────────────────────


def test_releases_are_numbered_and_the_newest_is_first(desk):
    found = desk.inventory().releases
    assert [one.number for one in found] == [3, 2, 1]
    assert [one.revision for one in found] == desk.shas[::-1]


def test_where_store_and_cluster_differ_the_cluster_is_right(desk):
    inventory = desk.inventory()
    stored = [
        Release(number, "gitops/app", "memory", "old", "main", "other", "Healthy", "", "", "shop", "")
        for number in (2, 7)
    ]
    found = known_releases(stored, inventory, "memory")
    assert [(one.number, one.revision) for one in found] == [
        (7, "old"),
        (3, desk.shas[2]),
        (2, desk.shas[1]),
        (1, desk.shas[0]),
    ]
    same = [replace(stored[0], digest=next(one.digest for one in inventory.releases if one.number == 2), actor="bob")]
    assert next(one for one in known_releases(same, inventory, "memory") if one.number == 2).actor == "bob"


def test_a_release_that_nobody_knows_lists_those_that_are(desk):
    inventory, found = desk.run(lambda context: release_of(request(desk), context, 2))
    assert (found.revision, inventory.application) == (desk.shas[1], "gitops/app")
    with pytest.raises(ConfigError, match=r"gitops/app has no release 9 \(known: 3, 2, 1\)"):
        desk.run(lambda context: release_of(request(desk), context, 9))


def test_before_any_release_none_is_known(tmp_path):
    desk = Desk(tmp_path)
    desk.commit(deployment())
    desk.sync(wait=False)
    with pytest.raises(ConfigError, match=r"has no release 1 \(known: none\)"):
        desk.run(lambda context: release_of(request(desk), context, 1))
    with pytest.raises(ConfigError, match="has no earlier release to go back to"):
        chosen(desk)


# ── which one is chosen ──────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_number_it_is_the_one_before_the_present(desk):
    way = chosen(desk)
    assert (way.release.number, way.quarantine.revision) == (2, desk.shas[2])
    assert (way.quarantine.reason, way.quarantine.by) == ("rolled back by ada", "ada")


def test_a_number_and_a_commit_each_name_one(desk):
    assert chosen(desk, 1).release.revision == desk.shas[0]
    assert chosen(desk, revision=desk.shas[0][:8]).release.number == 1
    with pytest.raises(ConfigError, match="give a release's number or --revision, not both"):
        chosen(desk, 1, desk.shas[0])


@pytest.mark.parametrize("revision", ["abc", "ffffffff", ""])
def test_a_revision_that_names_no_single_release_lists_them(desk, revision):
    if not revision:
        revision = desk.shas[0][:3]
    with pytest.raises(ConfigError, match=f"--revision {revision}: names no single release of gitops/app"):
        chosen(desk, revision=revision)
    with pytest.raises(ConfigError, match=r"gitops/app has no release 8 \(known: 3, 2, 1\)"):
        chosen(desk, 8)


def test_after_a_sync_that_failed_the_last_healthy_one_is_gone_back_to(desk):
    bad = desk.commit(deployment(image="web:broken"))
    desk.sync(desk.with_sync(timeout=10.0, rollback="never"))
    way = chosen(desk)
    assert (way.release.number, way.quarantine.revision) == (3, bad)


def test_what_was_left_before_stays_quarantined_when_somebody_goes_further_back(desk):
    go_back(desk)
    third = desk.inventory().quarantine.digest
    way = chosen(desk)
    assert way.release.number == 3
    assert chosen(desk, 1).quarantine.also == (third,)
    assert chosen(desk, 3).quarantine.also == ()


# ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_going_back_brings_what_was_and_quarantines_what_is_left(desk):
    result = go_back(desk)
    assert result.outcome is Outcome.SYNCED
    assert desk.live(config_map("a"))["data"] == {"x": "2"}
    found = desk.inventory()
    assert (found.quarantine.revision, found.healthy.revision) == (desk.shas[2], desk.shas[1])
    assert found.rollback_target is None


def test_going_back_goes_by_the_commit_where_the_store_is_another(desk, tmp_path):
    another_store(desk, tmp_path)
    assert go_back(desk, 1).outcome is Outcome.SYNCED
    assert desk.live(config_map("a"))["data"] == {"x": "1"}


def test_a_commit_that_nobody_has_any_more_cannot_be_gone_back_to(desk, tmp_path):
    another_store(desk, tmp_path)
    desk.source._commits = desk.source._commits[2:]
    with pytest.raises(SourceError, match=r"this store does not hold what .* rendered to, and it cannot be rendered"):
        go_back(desk, 1)
    assert desk.live(config_map("a"))["data"] == {"x": "3"}


def test_a_release_that_only_the_inventory_names_is_no_way_back_without_a_word(desk, tmp_path):
    """Whoever may edit ConfigMaps could name any commit of the repository."""
    another_store(desk, tmp_path)
    desk.source.in_history = _never
    with pytest.raises(SourceError, match="only the inventory says that it was a release"):
        go_back(desk, 1)
    asked = replace(request(desk, back=True, hooks=False), believes_inventory=True)
    way, source = chosen(desk, 1), desk.inventory().source
    planned = desk.run(lambda context: plan_way_back(asked, context, way.release, source))
    assert planned.plan.revision.sha == desk.shas[0]


async def _never(app, sha):
    return False


def test_a_commit_that_renders_to_something_else_now_is_not_gone_back_to(desk, tmp_path):
    another_store(desk, tmp_path)
    first = desk.source._commits[0]
    desk.source._commits[0] = type(first)(first.sha, desk.source._commits[1].files)
    with pytest.raises(SourceError, match="the commit renders to something else now"):
        go_back(desk, 1)


def test_what_another_application_stored_is_not_taken_for_ones_own(desk):
    """A digest in an inventory that was edited leads to no other Application's manifests."""
    secret = config_map("secret", x="of another")
    other = replace(desk.app, name="other")
    desk.commit(secret)
    desk.sync(other)
    digest = desk.run(lambda context: context.store.releases("gitops/other"))[0].digest
    forged = PastRelease(9, "f" * 40, "main", digest, "2026-01-01T00:00:00Z", "eve")
    inventory = replace(desk.inventory(), releases=(forged,))
    way = desk.run(lambda context: way_back(context, inventory, "ada", 9))
    with pytest.raises(SourceError, match="this store does not hold"):
        desk.run(lambda context: plan_way_back(request(desk, back=True), context, way.release, inventory.source))


def test_what_was_synced_last_is_had_from_the_store_or_the_commit(desk, tmp_path):
    inventory = desk.inventory()
    for _ in range(2):
        found = desk.run(lambda context: synced_set(request(desk), context, inventory))
        assert (found.revision.sha, found.digest) == (desk.shas[2], inventory.synced)
        another_store(desk, tmp_path)


def test_what_was_never_synced_in_full_is_told(desk):
    empty = replace(desk.inventory(), synced="")
    with pytest.raises(SourceError, match="no sync of it has come to its end yet"):
        desk.run(lambda context: synced_set(request(desk), context, empty))
    lost = replace(desk.inventory(), synced="f" * 64)
    with pytest.raises(SourceError, match="this store does not hold what it was synced to"):
        desk.run(lambda context: synced_set(request(desk), context, lost))


# ── back by itself ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def rolling(tmp_path):
    """A Deployment that runs."""
    made = Desk(tmp_path, timeout=60.0)
    rolling_out(made)
    made.commit(deployment(), config_map("a", x="1"))
    assert made.sync().outcome is Outcome.SYNCED
    return made


def test_only_what_the_bad_commit_made_is_deleted_on_the_way_back(rolling):
    rolling.commit(deployment(image="web:broken"), config_map("a", x="1"), config_map("new"))
    result = rolling.sync()
    assert result.outcome is Outcome.ROLLED_BACK
    assert rolling.live(config_map("new")) is None
    assert {change.verb: change.key.name for change in result.rollback.changed} == {"updated": "web", "pruned": "new"}


def test_what_the_bad_commit_was_to_prune_is_there_still(rolling):
    rolling.commit(deployment(image="web:broken"))
    assert rolling.sync().outcome is Outcome.ROLLED_BACK
    assert rolling.live(config_map("a")) is not None


def test_only_a_set_that_is_new_is_remembered_as_half_applied(rolling):
    rolling.passing = lambda: None
    live = rolling.live(deployment())
    rolling.cluster.put({**live, "status": {**live["status"], "readyReplicas": 0, "availableReplicas": 0}}, "kubelet")
    rolling.cluster.take(key_of(config_map("a")))
    assert rolling.sync().outcome is Outcome.FAILED  # a repair
    assert rolling.inventory().partially_applied == frozenset()
    rolling.commit(deployment(image="web:2"), config_map("a", x="1"))
    result = rolling.sync(rolling.with_sync(rollback="never"))
    assert (result.outcome, rolling.inventory().partially_applied) == (Outcome.FAILED, {result.plan.digest})


def test_what_broke_by_itself_while_a_commit_was_half_applied_is_no_reason_to_go_back(rolling):
    rolling_out(rolling, "web", "new")
    rolling.commit(deployment(), config_map("a", x="2"), deployment("new", "web:broken"))
    assert rolling.sync(rolling.with_sync(rollback="never")).outcome is Outcome.FAILED
    live = rolling.live(deployment())
    rolling.passing = lambda: None
    rolling.cluster.put({**live, "status": {**live["status"], "readyReplicas": 0, "availableReplicas": 0}}, "kubelet")
    rolling.commit(deployment(), config_map("a", x="3"))
    result = rolling.sync()
    assert result.outcome is Outcome.FAILED
    assert "(not rolled back: so it was before this sync, which does not touch it)" in result.message
    assert rolling.live(config_map("a"))["data"] == {"x": "3"}


def test_a_right_that_is_missing_is_no_reason_to_go_back(rolling):
    rolling.commit(deployment(image="web:broken"), config_map("a", x="2"))
    rolling.cluster.refuse("apply", key_of(config_map("a")), 403, "Forbidden", "no right to it")
    result = rolling.sync()
    assert result.outcome is Outcome.FAILED
    assert result.message.endswith("no right to it (nothing was changed)")
    assert rolling.inventory().quarantine is None


class AwayAt(list):
    """Events; at the first of this name an object cannot be written any more."""

    def __init__(self, cluster, name, key):
        super().__init__()
        self._cluster, self._name, self._key = cluster, name, key
        self._is_back = False

    def append(self, event):
        super().append(event)
        self._is_back = self._is_back or isinstance(event, events.RollingBack)
        if self._is_back and type(event).__name__ == self._name:
            self._cluster.refuse_with("apply", self._key, UnreachableError("it is away"))


def test_a_rollback_that_was_cut_short_is_gone_on_with_by_the_next_pass(rolling):
    good = rolling.inventory().healthy.revision
    bad = rolling.commit(deployment(image="web:broken"), config_map("a", x="1"))
    web = key_of(deployment())
    rolling.events = AwayAt(rolling.cluster, "StepStarted", web)
    with pytest.raises(LostClusterError, match="rolling back was cut short"):
        rolling.sync()
    found = rolling.inventory()
    assert (found.rollback_target.revision, found.quarantine.revision) == (good, bad)
    assert image(rolling) == "web:broken"
    rolling.cluster.refuse("apply", web, 0)
    rolling.events = []
    result = rolling.sync()
    assert (result.outcome, image(rolling)) == (Outcome.ROLLED_BACK, "web:1")
    assert rolling.inventory().rollback_target is None
    assert facts(rolling).count("rollback.started") == 2


class KilledAt(list):
    """Events; at the first of this name the process dies."""

    def __init__(self, name):
        super().__init__()
        self._name = name

    def append(self, event):
        super().append(event)
        if type(event).__name__ == self._name:
            raise KeyboardInterrupt


def test_what_a_sync_had_made_before_it_was_killed_is_taken_back_when_it_does_not_become_healthy(rolling):
    rolling_out(rolling, "web", "new")
    new = deployment("new", "web:broken")
    rolling.commit(deployment(), config_map("a", x="1"), new)
    rolling.events = KilledAt("HealthChanged")
    with pytest.raises(KeyboardInterrupt):
        rolling.sync()
    assert rolling.live(new) is not None
    rolling.events = []
    result = rolling.sync()
    assert (result.outcome, result.changed) == (Outcome.ROLLED_BACK, ())
    assert {change.verb: change.key.name for change in result.rollback.changed} == {"pruned": "new"}
    assert rolling.live(new) is None


def test_a_quarantined_commit_is_tried_again_by_a_person_alone(rolling):
    rolling.commit(deployment(image="web:broken"), config_map("a", x="1"))
    rolling.sync()
    held = rolling.sync()
    assert held.outcome is Outcome.HELD
    assert "not healthy in time" in held.message
    assert rolling.sync(confirm=True).outcome is Outcome.ROLLED_BACK
