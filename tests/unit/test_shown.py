"""What a page shows: relative times, equal changes as one, attempts out of audit entries, bounded values."""

import pytest

from gitops.model.audit import AuditEvent
from gitops.server.pages.commit_link import commit_link
from gitops.server.pages.render import relative
from gitops.server.pages.shown import folded, grouped, repeated
from gitops.views.history import attempts_in, history_data
from gitops.views.plan_data import cut


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (-3, "just now"),
        (5, "5 seconds ago"),
        (61, "1 minute ago"),
        (7199, "1 hour ago"),
        (-7201, "in 2 hours"),
        (86400 * 900, "900 days ago"),
    ],
)
def test_a_time_is_told_in_the_largest_unit_that_is_whole(seconds, words):
    assert relative(seconds) == words


SHA = "1f" * 20


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("https://github.com/acme/shop", "https://github.com/acme/shop/commit/"),
        ("https://github.com/acme/shop.git//apps/web", "https://github.com/acme/shop/commit/"),
        ("git@github.com:acme/shop.git", "https://github.com/acme/shop/commit/"),
        ("ssh://git@codeberg.org/acme/shop.git", "https://codeberg.org/acme/shop/commit/"),
        ("https://gitlab.com/acme/teams/shop.git//x", "https://gitlab.com/acme/teams/shop/-/commit/"),
        ("https://bitbucket.org/acme/shop/", "https://bitbucket.org/acme/shop/commits/"),
    ],
)
def test_a_commit_leads_to_its_page_where_the_host_is_known(source, link):
    assert commit_link(source, SHA) == f"{link}{SHA}"


@pytest.mark.parametrize(
    "source",
    [
        "https://git.example.com/acme/shop",
        "https://github.com.example.com/acme/shop",
        "https://github.com@example.com/acme/shop",
        "https://github.com/../shop",
        "https://github.com/acme/shop?x=1",
        'https://github.com/acme/"onclick="x',
        "https://github.com/acme",
        "oci://github.com/acme/shop",
        "/srv/git/github.com/acme/shop",
        "javascript:https://github.com/acme/shop",
    ],
)
def test_what_is_no_address_of_a_known_host_leads_nowhere(source):
    assert commit_link(source, SHA) == ""


@pytest.mark.parametrize("revision", ["", "main", SHA[:12], SHA + "1", f"main@{SHA}", SHA.upper()])
def test_what_is_no_commit_leads_nowhere(revision):
    assert commit_link("https://github.com/acme/shop", revision) == ""


def test_equal_changes_of_many_objects_are_shown_once_and_what_destroys_first():
    field = {"path": "spec.image", "live": "a", "desired": "b"}
    changes = [
        {"change": "create", "object": "A"},
        {
            "change": "update",
            "object": "B",
            "fields": [{**field, "owner": {"manager": "x", "operation": "", "time": ""}}],
        },
        {"change": "update", "object": "C", "fields": [field]},
        {"change": "prune", "object": "D"},
        {"change": "prune", "object": "E"},
    ]
    shown = [(group.change, group.objects) for group in grouped(changes)]
    assert shown == [("prune", ["D"]), ("prune", ["E"]), ("update", ["B", "C"]), ("create", ["A"])]


def test_entries_of_steps_are_folded_where_they_follow_each_other():
    entries = [{"fact": fact} for fact in ("sync.finished", "step.finished", "step.started", "sync.started")]
    assert [(is_step, len(some)) for is_step, some in folded(entries)] == [(False, 1), (True, 2), (False, 1)]


def test_attempts_that_end_alike_one_after_another_are_one():
    one = {"kind": "sync", "revision": "a", "outcome": "failed", "reason": "x", "actor": "ada"}
    found = repeated([one, one, {**one, "outcome": "synced"}, one])
    assert [(attempt["outcome"], count) for attempt, count in found] == [("failed", 2), ("synced", 1), ("failed", 1)]


def event(fact, revision="r", **detail):
    return AuditEvent(1, f"t-{fact}", "ada", "gitops/shop", "c", fact, revision, detail, "", "")


def test_attempts_tell_how_each_sync_ended_and_why_a_rollback_began():
    failures = [{"object": "Deployment web", "reason": "not healthy"}]
    events = [
        event("sync.finished"),  # the end of one whose beginning is not here
        event("sync.started", digest="1"),
        event("sync.finished"),
        event("sync.started", "bad", digest="2"),
        event("sync.failed", "bad", failures=failures),
        event("rollback.started", reason="it failed"),
        event("sync.started", digest="1"),
        event("sync.finished"),
        event("sync.started", "new"),
    ]
    found = [(one["kind"], one["revision"], one["outcome"], one["reason"]) for one in attempts_in(events)]
    assert found == [
        ("sync", "new", "under way", ""),
        ("rollback", "r", "synced", "it failed"),
        ("sync", "bad", "failed", "Deployment web: not healthy"),
        ("sync", "r", "synced", ""),
    ]


def test_a_way_back_has_the_subject_of_the_commit_that_it_goes_to_and_odd_entries_have_none():
    events = [
        event("sync.started", "old", commit={"subject": "Open", "author": "ada"}),
        event("sync.started", "odd", commit={"subject": ["x"] * 500, "author": 7}),
        event("sync.started", "none", commit="text"),
        event("rollback.started", reason="it failed"),
        event("sync.started", "old"),
    ]
    found = history_data([], events)["attempts"]
    assert [(one["revision"], one["subject"][:4]) for one in found[:2]] == [("old", "Open"), ("none", "")]
    assert (found[-1]["author"], len(found[2]["subject"])) == ("ada", 200)


def test_values_are_cut_to_what_a_page_can_show():
    deep = value = {}
    for _ in range(50):
        value["a"] = value = {}
    assert len(str(cut(deep))) < 200
    assert len(cut("x" * 10_000)) < 4_100
    assert len(cut(list(range(10_000)))) == 200
