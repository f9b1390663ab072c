"""What an entry of the audit log says, in a table for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.cli.audit import _detail
from gitops.model.audit import AuditEvent
from gitops.server.pages.shown import told_detail
from gitops.views.history import attempts_in, entry_data, history_data, reason_in


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ({"changes": [{"change": "update", "object": "ConfigMap shop/a"}]}, "update ConfigMap shop/a"),
        (
            {"changed": ["updated ConfigMap shop/a", "created ConfigMap shop/b"], "failures": []},
            "changed: updated ConfigMap shop/a, created ConfigMap shop/b",
        ),
        (
            {
                "failures": [
                    {"object": "apps/Deployment shop/api", "reason": "not healthy in time"},
                    {"object": "", "reason": "x"},
                ]
            },
            "failures: apps/Deployment shop/api: not healthy in time, x",
        ),
        ({"confirmed": True, "ref": "main", "reason": "", "wave": 0}, "confirmed: yes; ref: main; wave: 0"),
        ({"fields": {"spec.replicas": "3"}}, "fields: spec.replicas 3"),
    ],
)
def test_a_detail_reads_as_a_person_would_write_it(detail, told):
    event = AuditEvent(1, "2026-01-01T00:00:00Z", "me", "gitops/shop", "local", "fact", "sha", detail, "", "")
    assert _detail(event) == told


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just("x"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["object", "reason", "a"]), inner),
    max_leaves=5,
)
NAMES = ["changes", "changed", "failures", "reason", "failed", "commit", "ref", "digest", "object", "replicas", "plan"]


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING | st.lists(ANYTHING, max_size=2)))
def test_no_detail_that_stands_in_the_store_is_a_fault_of_whoever_shows_it(detail):
    facts = ["sync.started", "sync.failed", "rollback.started", "drift.detected"]
    events = [
        AuditEvent(number, "2026-01-01T00:00:00Z", "me", "gitops/shop", "local", fact, "sha", detail, "", "")
        for number, fact in enumerate(facts)
    ]
    for event in events:
        texts = [_detail(event), reason_in(event), told_detail(entry_data(event)["detail"])]
        assert all(isinstance(text, str) for text in texts)
    assert len(history_data([], events)["attempts"]) == len(attempts_in(events)) == 1


def test_a_detail_is_shown_as_deep_as_anybody_reads():
    deep = "end"
    for _ in range(900):
        deep = [deep]
    event = AuditEvent(1, "2026-01-01T00:00:00Z", "me", "gitops/shop", "local", "fact", "sha", {"a": deep}, "", "")
    assert _detail(event) == "a: …"


def test_what_failed_is_the_reason_where_the_entry_has_none():
    failures = [
        {"object": "ConfigMap shop/a", "reason": "denied"},
        {"object": "ConfigMap shop/b", "reason": "denied"},
        5,
    ]
    event = AuditEvent(1, "", "me", "gitops/shop", "local", "sync.failed", "sha", {"failures": failures}, "", "")
    assert reason_in(event) == "ConfigMap shop/a, ConfigMap shop/b: denied"
