"""Lists of Applications: what is searched, filtered, sorted and counted, and what counts as a problem."""

from dataclasses import replace

from gitops.model.record import Record
from gitops.server.pages.applications import _groups
from gitops.views.listing import Group, Query, Row, listed, searchable


def row(name, health="Healthy", sync="Synced", **more):
    known = {
        field: more.pop(field)
        for field in ("reason", "problem", "plan", "suspended", "cluster", "project", "at")
        if field in more
    }
    record = Record(namespace="shop", health=health, sync=sync, **known)
    return Row(
        f"gitops/{name}", "https://git", "main", record, text=searchable((f"gitops/{name}", "https://git")), **more
    )


def names(rows, **query):
    return [one.application.partition("/")[2] for one in listed(rows, Query(**query)).rows]


def test_what_needs_a_person_is_on_top_the_worst_first():
    rows = [
        row("well"),
        row("moves", "Progressing"),
        row("waits", "Missing", "OutOfSync", plan="abc", reason="1 change waits"),
        row("degraded", "Degraded"),
        row("unreadable", "Unknown", "Unknown", problem="no such repository"),
        row("drifted", sync="OutOfSync", drift=("spec.replicas",), reason="drifted: spec.replicas"),
    ]
    assert names(rows) == ["unreadable", "degraded", "drifted", "waits", "moves", "well"]


def test_what_is_suspended_or_under_way_or_waits_is_no_problem():
    rows = [
        row("suspended", "Degraded", "OutOfSync", suspended=True, reason="suspended"),
        row("syncing", "Degraded", "OutOfSync", progress="sync, wave 0", reason="it failed before"),
        row("waiting", "Missing", "OutOfSync", plan="abc"),
    ]
    assert names(rows, only=("problems",)) == []


def test_all_words_of_a_search_have_to_be_there_in_any_case():
    rows = [row("Shop"), row("shoe"), row("bread")]
    assert names(rows, text="SHO GIT") == ["Shop", "shoe"]
    assert names(rows, text="sho nowhere") == []


def test_counts_are_of_what_the_search_finds_whatever_else_is_filtered():
    found = listed([row("a", "Degraded"), row("b"), row("c")], Query(health=("Degraded",)))
    assert (found.total, found.known, found.counts["health"]["Healthy"]) == (1, 3, 2)


def test_a_page_is_cut_out_of_the_whole_order():
    rows = [row(name) for name in "dbca"]
    assert names(rows, sort="name", offset=1, limit=2) == ["b", "c"]
    assert names(rows, sort="-name", limit=1) == ["d"]
    assert names(rows, offset=100) == []


def test_a_place_is_where_it_lives_or_goes_and_on_which_cluster():
    rows = [row("a", cluster="far"), row("b")]
    assert names(rows, namespace="gitops") == names(rows, namespace="shop") == ["a", "b"]
    assert names(rows, namespace="other") == []
    assert names(rows, cluster="far") == ["a"]


def test_groups_count_all_that_fit_also_those_of_other_pages():
    rows = [
        row("a", project="shop"),
        row("b", "Degraded", project="shop"),
        row("c", project="bank", cluster="east"),
        row("d", project="shop"),
        row("e"),
    ]
    found = listed(rows, Query(group="project", limit=2))
    assert [(one.name, one.total, one.problems) for one in found.groups] == [
        ("bank", 1, 0),
        ("default", 1, 0),
        ("shop", 3, 1),
    ]
    assert [one.application for one in found.rows] == ["gitops/c", "gitops/e"]
    assert names(rows, group="project", offset=2) == ["b", "a", "d"], "each group is in the order that was asked for"
    assert names(rows, group="project", offset=2, sort="-name") == ["d", "b", "a"]
    assert [one.name for one in listed(rows, Query(group="health")).groups] == ["Degraded", "Healthy"]
    assert [one.name for one in listed(rows, Query(group="cluster", text="gitops")).groups] == ["east", "in-cluster"]
    assert listed(rows, Query(group="namespace")).group_count == 1
    assert names(rows, project="shop", sort="name") == ["a", "b", "d"]
    assert names(rows, project="default", cluster="in-cluster") == ["e"]


def test_a_group_beyond_those_that_are_counted_tells_of_what_is_shown_of_it():
    rows = [row("a", project="shop"), row("b", "Degraded", project="shop"), row("c", project="bank")]
    found = replace(listed(rows, Query(group="project")), groups=(Group("bank", 7, 3),))
    shown = _groups(found, Query(group="project"), {})
    assert [(one["title"], one["total"], one["problems"]) for one in shown] == [("bank", 7, 3), ("shop", 2, 1)]
    assert [len(one["rows"]) for one in shown] == [1, 2]


def test_what_is_sorted_by_another_word_than_its_need_is_under_no_heading():
    found = listed([row("b", "Degraded"), row("a")], Query(sort="name"))
    assert [one["title"] for one in _groups(found, Query(sort="name"), {})] == [""]
    by_need = listed([row("b", "Degraded"), row("a")], Query())
    assert [one["title"] for one in _groups(by_need, Query(), {})] == ["Need you", "All well"]


def test_what_is_suspended_needs_a_decision_only_while_something_waits_for_it():
    waiting = row("waits", sync="OutOfSync", suspended=True)
    resting, other = row("rests", suspended=True), row("other", sync="OutOfSync")
    assert [one.urgency[0] for one in (waiting, resting, other)] == [1, 3, 3]


def test_the_note_is_what_is_under_way_then_what_is_wrong_then_why_it_waits_then_its_health():
    whole = row(
        "a", "Degraded", message="it crashes", progress="sync, wave 0", problem="no such kind", reason="it waits"
    )
    assert whole.note == "sync, wave 0"
    assert replace(whole, progress="").note == "no such kind"
    assert row("a", "Degraded", message="it crashes", reason="it waits").note == "it waits"
    assert row("a", "Degraded", message="it crashes").note == "it crashes"
    for word in ("Healthy", "Suspended"):
        assert row("a", word, message="all is well").note == ""


def test_words_of_sync_and_of_health_each_narrow_the_list():
    rows = [row("a", sync="OutOfSync"), row("b", "Degraded", "OutOfSync"), row("c", sync="Unknown"), row("d")]
    assert names(rows, sync=("OutOfSync", "Unknown"), sort="name") == ["a", "b", "c"]
    assert names(rows, sync=("OutOfSync",), health=("Healthy",)) == ["a"]
    assert names(rows, sync=("Synced",)) == ["d"]
