"""What a page shows: relative times, equal changes as one, attempts out of audit entries, bounded values."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.model.audit import AuditEvent
from gitops.server.pages.commit_link import commit_link
from gitops.server.pages.render import Renderer, relative
from gitops.server.pages.shown import folded, grouped, known_changes, pipeline, repeated
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


def shown_app(**words):
    return {
        "source": "https://github.com/acme/shop",
        "targetRevision": "main",
        "revision": SHA,
        "ref": "main",
        "sync": "OutOfSync",
        "health": "Healthy",
        "message": "",
        "plan": "",
        "pending": 0,
        "progress": "",
        "pass": False,
        "problem": "",
        "drift": 0,
        "note": "",
        **words,
    }


def stage(name, app, inventory=None):
    (found,) = [one for one in pipeline(app, inventory) if one.name == name]
    return (found.mood, found.text, found.detail)


@pytest.mark.parametrize(
    ("app", "shown"),
    [
        ({"sync": "Synced", "plan": "", "pending": 0}, ("ok", "nothing to change", "")),
        ({"plan": "ab" * 20, "pending": 1}, ("wait", "1 change wait for you", "abababababab")),
        ({"plan": "ab" * 20, "pending": 2}, ("wait", "2 changes wait for you", "abababababab")),
        ({"progress": "1 of 2", "pending": 2}, ("ok", "2 changes", "being carried out")),
        (
            {"drift": 2, "note": "drifted: a", "pending": 2},
            ("wait", "2 changes by others", "drift is reported, and left"),
        ),
        ({"drift": 2, "note": "held", "pending": 2}, ("wait", "2 changes held", "")),
        ({"drift": 0, "note": "drifted: a", "pending": 2}, ("wait", "2 changes held", "")),
        ({"sync": "Unknown", "pass": True}, ("now", "being made", "")),
        ({"sync": "Unknown", "pass": False}, ("none", "not known", "")),
        ({"problem": "it cannot be rendered", "pending": 0}, ("bad", "held", "")),
    ],
)
def test_the_step_of_the_plan_tells_whose_turn_it_is(app, shown):
    assert stage("Plan", shown_app(**app)) == shown


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        ("synced", ("ok", "synced", "by ada")),
        ("in-sync", ("ok", "in-sync", "by ada")),
        ("begun", ("now", "under way", "by ada")),
        ("failed", ("bad", "failed", "by ada")),
    ],
)
def test_the_step_of_the_sync_tells_how_the_last_one_ended_unless_one_is_under_way(outcome, shown):
    inventory = {"lastSync": {"outcome": outcome, "actor": "ada", "at": "t"}}
    assert stage("Sync", shown_app(), inventory) == shown
    assert stage("Sync", shown_app(progress="1 of 2"), inventory) == ("now", "1 of 2", "")
    assert stage("Sync", shown_app()) == ("none", "not yet", "")


def test_the_steps_before_the_plan_wait_until_the_repository_is_read():
    unread = shown_app(revision="", targetRevision="")
    assert stage("Source", unread) == ("wait", "its default branch", "https://github.com/acme/shop")
    assert stage("Revision", unread) == ("none", "not read yet", "")
    source, revision, *_ = pipeline(shown_app(), None)
    assert (source.mood, source.text) == ("ok", "main")
    assert (revision.mood, revision.text, revision.link) == ("ok", SHA[:12], commit_link(source.detail, SHA))


def test_the_step_of_the_health_names_what_is_wrong_or_when_it_was_last_well():
    healthy = {"lastHealthy": {"revision": SHA, "at": "t"}}
    assert stage("Health", shown_app(), healthy) == ("ok", "Healthy", f"last healthy at {SHA[:12]}")
    assert stage("Health", shown_app()) == ("ok", "Healthy", "")
    unwell = shown_app(health="Degraded", message="web crashes")
    assert stage("Health", unwell, healthy) == ("bad", "Degraded", "web crashes")
    assert pipeline(unwell, healthy)[-1].at == "t"


def test_what_is_missing_before_its_first_plan_was_approved_is_not_called_bad():
    assert stage("Health", shown_app(health="Missing", plan="ab", pending=1)) == ("none", "not there yet", "")
    assert stage("Health", shown_app(health="Missing")) == ("bad", "Missing", "")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just("x"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["manager", "time"]), inner),
    max_leaves=4,
)
FIELD = st.fixed_dictionaries({}, optional=dict.fromkeys(("path", "live", "desired", "owner"), ANYTHING))
CHANGE = st.fixed_dictionaries(
    {},
    optional={"change": ANYTHING, "object": ANYTHING, "reason": ANYTHING, "moreFields": ANYTHING}
    | {"fields": ANYTHING | st.lists(FIELD | ANYTHING, max_size=2)},
)
TOLD = Renderer(lambda: datetime(2026, 1, 1, tzinfo=UTC), "1.0")


@settings(deadline=None)
@given(ANYTHING | st.lists(CHANGE | ANYTHING, max_size=3))
def test_no_change_that_stands_in_the_store_is_a_fault_of_the_page(changes):
    TOLD._env.get_template("parts.html").module.changes(grouped(known_changes(changes)), True)


def test_what_is_a_change_is_shown_with_the_fields_that_have_a_path():
    field = {"path": "data.x", "owner": {"manager": "kubectl", "time": "2026-01-01T00:00:00Z"}}
    change = {"change": "update", "object": "ConfigMap a/b", "fields": [field, {"live": 1}, 5]}
    found = grouped(known_changes([change, {**change, "fields": 7}, {**change, "object": 1}, "x"]))
    assert [(one.change, one.objects, one.fields) for one in found] == [
        ("update", ["ConfigMap a/b"], [field]),
        ("update", ["ConfigMap a/b"], []),
    ]
