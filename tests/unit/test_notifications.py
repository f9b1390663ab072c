"""Which facts are told, of whom, and in which words."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.compat.argocd_subscriptions import TRIGGERS, subscriptions_of
from gitops.engine.notifications import (
    MOST_TEXT,
    Seen,
    changes_since,
    facts_of,
    fits,
    summary_of,
    texts_for,
    told,
)
from gitops.model.application import Application, Subscription
from gitops.model.audit import AuditEvent
from gitops.model.errors import ConfigError
from gitops.model.notification import (
    ALL_FACTS,
    FACTS,
    DestinationSpec,
    Letter,
    Mailbox,
    Notification,
    NotificationSettings,
    Rule,
    Selector,
    Standing,
    mailbox_in,
)
from gitops.notification_file import notifications_in, read_notifications

APP = Application("shop", "team-a", labels={"tier": "web"})
NOTE = Notification("1", "failed", "2026-01-01T00:00:00.000Z", "team-a/shop", revision="a" * 40, reason="no room")


def event(seq, fact, cluster="c", **detail):
    return AuditEvent(
        seq, f"2026-01-01T00:00:{seq:02}.000Z", "me", "team-a/shop", cluster, fact, "a" * 40, detail, "", f"{seq:064}"
    )


def facts(*events, box=None):
    return [note.fact for note in facts_of(box or Mailbox(), events)[1]]


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_fact_has_words_and_a_severity():
    assert set(ALL_FACTS) == set(FACTS)


def test_a_sync_is_told_when_it_begins_and_when_it_ends():
    assert facts(event(1, "sync.started"), event(2, "step.started"), event(3, "sync.finished")) == ["started", "synced"]


def test_a_sync_that_a_person_ends_is_told_with_where_it_was_on_its_way_to():
    ended = event(2, "sync.terminated", reason="terminated by ada: the wrong day", namespace="shop")
    ended.detail["cluster"] = "east"
    box, (_, note) = facts_of(Mailbox(), [event(1, "sync.started"), ended])
    assert (note.fact, note.severity) == ("terminated", "warning")
    assert note.reason == "terminated by ada: the wrong day; it was on its way to namespace shop of east"
    assert box.standing.revision == "a" * 40
    assert facts(event(1, "rollback.started"), event(2, "sync.started"), ended) == []


def test_a_failed_sync_and_its_rollback_are_two_facts_and_the_rollbacks_own_sync_is_none():
    told_ = facts(
        event(1, "sync.started"),
        event(2, "sync.failed", failures=[{"object": "Pod x", "reason": "no room"}]),
        event(3, "rollback.started", reason="no room"),
        event(4, "sync.started"),
        event(5, "sync.finished"),
        event(6, "sync.started"),
        event(7, "sync.finished"),
    )
    assert told_ == ["started", "failed", "rolled-back", "started", "synced"]


def test_a_rollback_that_fails_is_told_once():
    events = (
        event(1, "rollback.started"),
        event(2, "sync.started"),
        event(3, "sync.failed"),
        event(4, "rollback.failed"),
    )
    assert facts(*events) == ["rollback-failed"]


def test_the_reason_of_a_failed_sync_names_its_objects():
    _, notes = facts_of(Mailbox(), [event(1, "sync.failed", failures=[{"object": "Pod x", "reason": "no room"}])])
    assert notes[0].reason == "Pod x: no room"


def test_an_entry_that_was_taken_in_is_not_told_again():
    events = [event(1, "sync.started"), event(2, "sync.finished")]
    box, _ = facts_of(Mailbox(), events)
    assert facts(*events, event(3, "drift.detected"), box=box) == ["drifted"]


@given(
    st.lists(st.sampled_from(["sync.started", "sync.finished", "sync.failed", "rollback.started", "drift.detected"])),
    st.data(),
)
def test_where_reading_stops_in_between_changes_nothing_of_what_is_told(names, data):
    events = [event(number, name) for number, name in enumerate(names, 1)]
    cut = data.draw(st.integers(0, len(events)))
    again = data.draw(st.integers(0, cut))
    box, first = facts_of(Mailbox(), events[:cut])
    _, second = facts_of(mailbox_in(box.text()), events[again:])
    assert first + second == facts_of(Mailbox(), events)[1]


def test_health_is_told_when_it_is_lost_and_when_it_is_back_but_not_while_it_is_unknown():
    before = Standing()
    after, told_ = changes_since(before, Seen(degraded=True, reasons={"degraded": "crash"}))
    assert told_ == [("degraded", "crash")]
    assert changes_since(after, Seen(degraded=True))[1] == []
    assert changes_since(after, Seen(degraded=None)) == (after, [])
    assert changes_since(after, Seen(degraded=False))[1] == [("healthy", "")]


def test_the_end_of_a_problem_is_told_by_its_own_name():
    after, told_ = changes_since(Standing(), Seen(problem="source-failed", reasons={"source-failed": "no host"}))
    assert told_ == [("source-failed", "no host")]
    assert [fact for fact, _ in changes_since(after, Seen(problem=""))[1]] == ["source-recovered"]
    assert [fact for fact, _ in changes_since(after, Seen(problem="error"))[1]] == ["error"]


def test_a_hold_is_told_once_as_long_as_its_reason_stays():
    after, told_ = changes_since(Standing(), Seen(waiting="held 1"))
    assert [fact for fact, _ in told_] == ["held"]
    assert changes_since(after, Seen(waiting="held 1"))[1] == []
    assert [fact for fact, _ in changes_since(after, Seen(waiting="held 2"))[1]] == ["held"]
    assert changes_since(after, Seen(waiting=""))[1] == []


def test_a_commit_that_changes_nothing_is_told_but_not_the_first_one_ever_seen():
    after, told_ = changes_since(Standing(), Seen(revision="a"))
    assert told_ == []
    assert [fact for fact, _ in changes_since(after, Seen(revision="b"))[1]] == ["unchanged"]


def test_a_mailbox_comes_back_from_the_store_as_it_was():
    box = Mailbox("t", {"c": 3}, {"c": "why"}, Standing(True, "error", "held 1", "a"), (Letter(NOTE, {"x": "text"}),))
    assert mailbox_in(box.text()) == box


@given(st.text())
def test_a_damaged_mailbox_is_a_value_error(text):
    with pytest.raises((ValueError, KeyError, TypeError)):
        mailbox_in(text)


# ── who is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


def settings(*rules, namespaces=(), **given_):
    spec = DestinationSpec("chat", "slack", "https://x", namespaces=namespaces, **given_)
    return NotificationSettings((spec, replace(spec, name="room")), rules)


def test_a_rule_chooses_by_fact_name_namespace_and_label():
    chosen = Selector(("sh*",), ("team-*",), {"tier": "web"})
    assert set(texts_for(settings(Rule(("chat",), ("failed",), chosen)), APP, NOTE)) == {"chat"}
    assert texts_for(settings(Rule(("chat",), ("synced",), chosen)), APP, NOTE) == {}
    for other in (Selector(names=("x",)), Selector(namespaces=("x",)), Selector(labels={"tier": "db"})):
        assert not fits(other, APP)


def test_a_rule_that_is_not_about_an_application_leaves_the_rules_behind_it():
    other = Rule(("chat",), ("failed",), Selector(names=("other",)), template="other")
    found = texts_for(settings(other, Rule(("none", "room"), ("failed",), template="ours"), other), APP, NOTE)
    assert found == {"room": "ours"}


def test_a_destination_is_told_once_however_many_rules_name_it():
    rule = Rule(("chat",), ("failed",), template="first")
    assert texts_for(settings(rule, replace(rule, template="second")), APP, NOTE) == {"chat": "first"}


def test_an_application_reaches_only_what_the_operator_opened_to_its_namespace():
    app = replace(APP, notifications=(Subscription("chat", ("failed",)),))
    assert texts_for(settings(), app, NOTE) == {}
    assert texts_for(settings(namespaces=("team-b",)), app, NOTE) == {}
    assert set(texts_for(settings(namespaces=("team-*",)), app, NOTE)) == {"chat"}


def test_a_destination_called_as_the_recipient_comes_before_that_of_the_service():
    app = replace(APP, notifications=(Subscription("chat", ("failed",), "room"),))
    assert set(texts_for(settings(namespaces=("*",)), app, NOTE)) == {"room"}
    app = replace(APP, notifications=(Subscription("chat", ("failed",), "elsewhere"),))
    assert set(texts_for(settings(namespaces=("*",)), app, NOTE)) == {"chat"}


def test_annotations_of_argo_cd_subscribe():
    found = subscriptions_of(
        {
            "notifications.argoproj.io/subscribe.on-sync-failed.slack": "#Room; other",
            "notifications.argoproj.io/subscribe.webhook": "",
            "notifications.argoproj.io/subscribe.on-nothing.slack": "room",
            "notifications.argoproj.io/subscribe.on-deployed.Not A Name": "",
            "something.else/subscribe.x": "y",
        }
    )
    failed = TRIGGERS["on-sync-failed"]
    assert set(found) == {
        Subscription("slack", failed, "room"),
        Subscription("slack", failed, "other"),
        Subscription("webhook"),
    }


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_template_a_line_says_who_what_and_why():
    assert told(NOTE) == "team-a/shop could not be synced at aaaaaaaaaaaa: no room"


def test_what_a_field_holds_is_never_read_as_a_template():
    note = replace(NOTE, reason="{actor} {{ 7*7 }} {0.__class__}", actor="secret")
    assert told(note, "{reason}") == "{actor} {{ 7*7 }} {0.__class__}"


@given(st.text())
def test_whatever_a_reason_holds_a_text_is_one_bounded_line(reason):
    note = replace(NOTE, reason=reason * 50)
    for text in (told(note), told(note, "{reason} {application}")):
        assert len(text) <= MOST_TEXT
        assert not set(text) & set("\r\n\x00\x1b\u202e")


def test_a_summary_counts_facts_and_names_a_few():
    notes = [replace(NOTE, id=str(number), application=f"team-a/{number:03}") for number in range(30)]
    summary = summary_of([*notes, replace(NOTE, id="x", fact="degraded")])
    assert summary.reason.startswith("31 notifications at once. failed: team-a/000, team-a/001")
    assert "and 20 more" in summary.reason
    assert "degraded: team-a/shop" in summary.reason
    assert (summary.severity, told(summary)) == ("warning", summary.reason)


# ── the operator's file ──────────────────────────────────────────────────────────────────────────────────────────────

FILE = b"""\
destinations:
  - {name: chat, type: slack, secretRef: chat}
rules:
  - {facts: [failed], destinations: [chat], template: "{application}: {reason}"}
"""


def test_a_file_is_read(tmp_path):
    path = tmp_path / "notifications.yaml"
    path.write_bytes(FILE)
    found = read_notifications(path)
    assert found.destinations == (DestinationSpec("chat", "slack", secretRef="chat"),)
    assert found.rules == (Rule(("chat",), ("failed",), template="{application}: {reason}"),)


@pytest.mark.parametrize("rate", [1, 6000])
def test_a_destination_may_take_one_message_a_minute_to_a_hundred_a_second(tmp_path, rate):
    found = notifications_in(tmp_path / "n.yaml", FILE.replace(b"secretRef: chat", b"rate: %d" % rate))
    assert found.destinations[0].rate == rate


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b"type: slack", b"type: smoke", "destinations[0].type: expected one of webhook"),
        (b"secretRef", b"secretsRef", "did you mean secretRef?"),
        (b"[failed]", b"[fails]", "rules[0].facts[0]: expected one of started"),
        (b"destinations: [chat]", b"destinations: [room]", "rules[0].destinations[0]: no destination is called room"),
        (b"{reason}", b"{password}", "rules[0].template: no field {password}"),
        (b"secretRef: chat", b"rate: 0", "destinations[0].rate: expected 1 to 6000 a minute, got 0"),
        (b"secretRef: chat", b"rate: 6001", "destinations[0].rate: expected 1 to 6000 a minute, got 6001"),
        (b"rules:", b"  - {name: chat, type: slack}\nrules:", "another one is called chat too"),
        (b"name: chat", b'name: "a b"', "destinations[0].name: expected"),
    ],
)
def test_a_mistake_is_told_with_its_field(tmp_path, before, after, words):
    with pytest.raises(ConfigError) as caught:
        notifications_in(tmp_path / "n.yaml", FILE.replace(before, after))
    assert words in str(caught.value)
