"""Plans, comparisons, histories and proofs of the audit log as JSON values: what is told, and what is left out."""

import asyncio
import json
from dataclasses import replace

import pytest

from gitops.adapters.store import SqliteStore
from gitops.manifests.key import key_of
from gitops.model.audit import Anchor
from gitops.model.errors import AuditError
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.model.result import Go, Hold
from gitops.ports import Fact
from gitops.testing.cluster import MemoryCluster
from gitops.views import plan_data as bounds
from gitops.views.audit_export import ExportCheck, exported, line_of
from gitops.views.compare import comparison_data
from gitops.views.history import attempts_in, entry_data, history_data
from gitops.views.plan_data import bounded_plan_data, cut, plan_data
from gitops.views.proof import proofs_of
from tests.unit.desk import Desk, config_map
from tests.unit.test_explain import SECRET
from tests.unit.test_status import AT, WEB, A, B, broken, running

SHOP, BLUE = ("gitops/app", "memory"), ("gitops/blue", "memory")


@pytest.fixture
def desk(tmp_path):
    """A Deployment that runs, and a ConfigMap."""
    return running(tmp_path)


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_is_told_with_its_steps_and_what_holds_it(desk):
    sha = desk.commit(WEB, config_map("a", x="2"), B)
    planned = desk.plan()
    held = Hold((Obstacle(ObstacleKind.GUARD, key_of(A), "too much"), Obstacle(ObstacleKind.WINDOW, None, "not now")))
    found = plan_data(planned.plan, held)
    assert (found["application"], found["revision"], found["ref"]) == ("gitops/app", sha, "main")
    assert (found["id"], found["digest"], found["makes"]) == (planned.plan.id, planned.plan.digest, [])
    assert (found["decision"], found["held"]) == ("Hold", ["too much", "not now"])
    assert found["obstacles"] == [
        {"kind": "guard", "object": "ConfigMap shop/a", "reason": "too much"},
        {"kind": "window", "object": "", "reason": "not now"},
    ]
    (step,) = found["steps"]
    assert (step["phase"], step["wave"]) == ("sync", 0)
    assert [(one["change"], one["object"]) for one in step["changes"]] == [
        ("update", "ConfigMap shop/a"),
        ("create", "ConfigMap shop/b"),
    ]
    assert (found["kept"], found["note"]) == ([], "")
    assert plan_data(planned.plan, Go())["obstacles"] == []


def test_what_is_kept_is_told_with_its_reason(desk):
    desk.commit(WEB)
    planned = desk.plan(desk.with_sync(prune=False))
    (kept,) = plan_data(planned.plan, planned.decision)["kept"]
    assert kept["object"] == "ConfigMap shop/a"
    assert "prune" in kept["reason"]


def test_the_namespace_that_a_sync_makes_is_told(tmp_path):
    desk = Desk(tmp_path)
    desk.cluster = MemoryCluster()
    desk.commit(A)
    planned = desk.plan(desk.with_sync(createNamespace=True))
    assert plan_data(planned.plan, planned.decision)["makes"] == ["Namespace shop"]


def test_a_plan_for_a_page_has_only_so_many_changes_and_fields(desk, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_CHANGES", 3)
    monkeypatch.setattr(bounds, "MOST_FIELDS", 1)
    waved = config_map("z", annotations={"argocd.argoproj.io/sync-wave": "1"})
    desk.commit(WEB, config_map("a", x="2", y="1"), B, waved, config_map("c"), config_map("d"))
    planned = desk.plan()
    found = bounded_plan_data(planned.plan, planned.decision)
    assert [len(step["changes"]) for step in found["steps"]] == [3, 0]
    assert (found["changes"], found["more"]) == (5, 2)
    update, create, _ = found["steps"][0]["changes"]
    assert (len(update["fields"]), update["moreFields"], "fields" in create) == (1, 1, False)
    monkeypatch.setattr(bounds, "MOST_CHANGES", 500)
    monkeypatch.setattr(bounds, "MOST_FIELDS", 200)
    whole = bounded_plan_data(planned.plan, planned.decision)
    assert [len(step["changes"]) for step in whole["steps"]] == [4, 1]
    assert (whole["more"], whole["steps"][0]["changes"][0]["moreFields"]) == (0, 0)


def test_a_value_is_cut_to_what_a_page_can_show():
    assert cut("x" * 4000) == "x" * 4000
    assert cut("x" * 4001) == "x" * 4000 + "… (1 more characters)"
    assert cut([1, "a", None]) == [1, "a", None]
    assert len(cut(list(range(201)))) == 200
    assert len(cut({str(number): 1 for number in range(201)})) == 200
    assert cut({"n" * 4001: True}) == {"n" * 4000: True}
    assert cut([[["x"]]], 3) == [[["…"]]]
    assert cut({"a": {"b": 1}}, 2) == {"a": {"b": "…"}}


# ── two releases ─────────────────────────────────────────────────────────────────────────────────────────────────────


def compared(desk, *bodies):
    """What another set of bodies changes in what was synced."""
    desk.commit(*bodies)
    desk.sync()

    async def story(context):
        newest, before = (await context.store.releases(desk.app.identity))[:2]
        sets = (await context.store.rendered(before.digest), await context.store.rendered(newest.digest))
        return comparison_data(desk.app.identity, (before, newest), sets)

    return desk.run(story)


def test_two_releases_differ_in_what_came_what_went_and_what_changed(desk):
    found = compared(desk, WEB, B, config_map("c", x="1"))
    assert [(one["change"], one["object"]) for one in found["changes"]] == [
        ("prune", "ConfigMap shop/a"),
        ("create", "ConfigMap shop/b"),
        ("create", "ConfigMap shop/c"),
    ]
    assert (found["objects"], found["total"], found["more"]) == (3, 3, 0)
    assert (found["from"]["number"], found["to"]["number"]) == (1, 2)
    found = compared(desk, WEB, B, config_map("c", x="2", y="1"))
    assert found["changes"] == [
        {
            "change": "update",
            "object": "ConfigMap shop/c",
            "fields": [
                {"path": "data.x", "live": "1", "desired": "2"},
                {"path": "data.y", "desired": "1"},
            ],
            "moreFields": 0,
        }
    ]


def test_a_comparison_has_only_so_many_rows_and_fields(desk, monkeypatch):
    monkeypatch.setattr("gitops.views.compare.MOST_CHANGES", 1)
    monkeypatch.setattr("gitops.views.compare.MOST_FIELDS", 1)
    found = compared(desk, WEB, config_map("a", x="2", y="1", z="1"), B)
    assert (found["total"], found["more"], len(found["changes"])) == (2, 1, 1)
    assert (len(found["changes"][0]["fields"]), found["changes"][0]["moreFields"]) == (1, 2)


def test_a_comparison_shows_no_value_of_a_secret(desk):
    desk.commit(WEB, A, SECRET)
    desk.sync()
    changed = {**SECRET, "stringData": {"word": "sesame-shut"}}
    found = compared(desk, WEB, A, changed)
    assert [one["object"] for one in found["changes"]] == ["Secret shop/key"]
    assert "sesame" not in json.dumps(found, default=str)


# ── what was tried ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_sync_and_each_rollback_is_an_attempt_the_newest_first(desk):
    sha = broken(desk)
    releases = desk.run(lambda context: context.store.releases(desk.app.identity))
    found = history_data(releases, desk.audit())
    back, failed, first = found["attempts"]
    reason = "apps/Deployment shop/web: not healthy in time: Progressing: 0 of 1 new replicas have been updated"
    assert (back["kind"], back["outcome"], back["reason"], back["release"]) == ("rollback", "synced", reason, 1)
    assert (failed["kind"], failed["outcome"], failed["revision"], failed["reason"]) == (
        "sync",
        "failed",
        sha,
        reason,
    )
    assert (first["kind"], first["outcome"], first["release"], first["reason"]) == ("sync", "synced", 1, "")
    assert (failed["release"], failed["ref"], failed["actor"]) == (None, "main", "ada")
    assert first["startedAt"] <= first["endedAt"] < failed["startedAt"]
    assert [one["number"] for one in found["releases"]] == [1]


def test_a_sync_without_an_end_is_under_way_and_an_end_without_a_sync_is_none(desk):
    started = next(event for event in desk.audit() if event.fact == "sync.started")
    ended = next(event for event in desk.audit() if event.fact == "sync.finished")
    assert attempts_in([ended]) == []
    (only,) = attempts_in([started])
    assert (only["outcome"], only["endedAt"]) == ("under way", "")
    (once,) = attempts_in([started, ended, replace(ended, fact="sync.failed")])
    assert once["outcome"] == "synced"
    told = {"failures": [{"object": f"o{number}", "reason": "r"} for number in range(7)]}
    (failed,) = attempts_in([started, replace(ended, fact="sync.failed", detail=told)])
    assert failed["reason"] == "o0, o1, o2 and 4 more: r"


def test_an_entry_is_told_within_bounds(desk):
    first = desk.audit()[0]
    found = entry_data(replace(first, detail={"text": "x" * 5000}))
    assert (found["seq"], found["hash"], found["fact"]) == (1, first.hash, first.fact)
    assert found["detail"]["text"].endswith("… (1000 more characters)")


# ── whether the log is whole ─────────────────────────────────────────────────────────────────────────────────────────


def with_store(folder, story):
    """Runs `story` on a store with three entries of one chain and one of another."""

    async def whole():
        store = await SqliteStore.open(folder)
        try:
            for number in range(3):
                await store.append(Fact(*SHOP, "ada", AT, "sync.started", f"r{number}", {"n": number}), None)
            await store.append(Fact(*BLUE, "Åda", AT, "sync.started", "r", {}), None)
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def test_a_whole_chain_is_proven_up_to_what_the_cluster_remembers(tmp_path):
    async def story(store):
        events = await store.events(*SHOP)
        anchors = {SHOP: [Anchor(store.id, 2, events[1].hash), Anchor("another", 9, "x")]}
        return await proofs_of(store, anchors), await proofs_of(store, anchors, BLUE[0])

    both, blue = with_store(tmp_path, story)
    assert [one.data() for one in both] == [
        {"application": "gitops/app", "cluster": "memory", "entries": 3, "anchored": 2, "whole": True, "wrong": ""},
        {"application": "gitops/blue", "cluster": "memory", "entries": 1, "anchored": None, "whole": True, "wrong": ""},
    ]
    assert blue == both[1:]


def test_a_tail_that_was_cut_off_and_a_chain_that_is_gone_are_told(tmp_path):
    gone = ("gitops/gone", "memory")

    async def story(store):
        anchors = {SHOP: [Anchor(store.id, 7, "h")], gone: [Anchor(store.id, 4, "h")]}
        strangers = {gone: [Anchor("another", 4, "h")]}
        return [
            await proofs_of(store, anchors),
            await proofs_of(store, anchors, BLUE[0]),
            await proofs_of(store, strangers),
            await proofs_of(store, anchors, gone[0]),
        ]

    every, blue, strange, only = with_store(tmp_path, story)
    assert [(one.application, one.anchored, one.wrong) for one in every] == [
        (SHOP[0], 7, "audit entry 7 is anchored in the cluster, but missing here: the log's tail was cut off"),
        (BLUE[0], None, ""),
        (gone[0], 4, "the cluster remembers 4 entries of this store, and it has none of them"),
    ]
    assert [one.application for one in blue] == [BLUE[0]]
    assert [one.application for one in strange] == [SHOP[0], BLUE[0]]
    assert [(one.application, one.entries) for one in only] == [(gone[0], 0)]


def lines_of(folder):
    async def story(store):
        chains = await store.chains()
        return [line_of(event) async for events in exported(store, chains) for event in events]

    return with_store(folder, story)


def test_an_export_has_every_entry_of_every_chain_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("gitops.views.audit_export.AT_ONCE", 2)
    lines = lines_of(tmp_path)
    check = ExportCheck()
    for line in lines:
        check.take(line)
    assert (len(lines), check.chains, check.last_chain) == (4, {SHOP: (1, 3), BLUE: (1, 1)}, BLUE)
    assert lines[0].endswith(b"}\n")
    assert b'": ' not in lines[0]
    assert '"Åda"'.encode() in lines[3]


def test_an_export_goes_on_no_further_where_somebody_changed_the_numbers():
    class Stuck:
        asked = 0

        async def events_after(self, application, cluster, seq, limit):
            self.asked += 1
            return [found] if self.asked < 5 else []

    async def story():
        return [events async for events in exported(stuck, [SHOP])]

    found, stuck = type("Entry", (), {"seq": 0})(), Stuck()
    assert asyncio.run(story()) == [[found]]


def test_a_line_that_was_changed_left_out_or_put_in_is_found(tmp_path):
    first, second, third, _ = lines_of(tmp_path)

    def taken(*lines):
        check = ExportCheck()
        for line in lines:
            check.take(line)

    with pytest.raises(AuditError, match=r"audit entry 2 of gitops/app .* was changed after it was written"):
        taken(first, second.replace(b'"r1"', b'"r9"'))
    with pytest.raises(AuditError, match="audit entry 3 of gitops/app does not follow entry 1"):
        taken(first, third)
    with pytest.raises(AuditError, match="audit entry 1 of gitops/app does not follow entry 1"):
        taken(first, first)
    taken(second, third)


def test_a_line_that_is_no_entry_is_named_by_its_number(tmp_path):
    first = json.loads(lines_of(tmp_path)[0])

    def refused(line):
        check = ExportCheck()
        check.take(json.dumps(first).encode())
        with pytest.raises(AuditError) as caught:
            check.take(line)
        return str(caught.value)

    assert refused(b"[1]").startswith("line 2 is no entry: ")
    assert refused(b"\xff").startswith("line 2 is no entry: ")
    no_entry = "line 2 is no entry of an audit log (gitops audit export writes them)"
    for change in ({"more": ""}, {"seq": "1"}, {"detail": []}, {"actor": 3}):
        assert refused(json.dumps({**first, **change}).encode()) == no_entry
    assert refused(json.dumps({name: first[name] for name in first if name != "at"}).encode()) == no_entry
    lone = json.dumps({**first, "actor": "\ud800"}).encode()
    assert refused(lone) == "line 2 is no entry: nobody can have written it"
