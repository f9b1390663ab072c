"""The audit chain: what makes it whole, and what shows when it is not."""

from dataclasses import replace

import pytest

from gitops.model.audit import GENESIS, Anchor, AuditEvent, check_chain, digest_of
from gitops.model.errors import AuditError


def chain(length, first=1, previous=GENESIS):
    events = []
    for seq in range(first, first + length):
        event = AuditEvent(
            seq, "2026-01-01T00:00:00Z", "ada", "gitops/shop", "c", "step.started", "abc", {}, previous, ""
        )
        event = replace(event, hash=digest_of(event))
        events.append(event)
        previous = event.hash
    return events


def test_a_whole_chain_passes_with_and_without_its_anchor():
    events = chain(4)
    check_chain(events, None, "store")
    check_chain(events, Anchor("store", 3, events[2].hash), "store")


@pytest.mark.parametrize(
    "change",
    [{"actor": "eve"}, {"fact": "x"}, {"detail": {"a": 1}}, {"at": "x"}, {"revision": "x"}, {"hash": "0" * 64}],
)
def test_a_changed_entry_is_named(change):
    events = chain(4)
    events[1] = replace(events[1], **change)
    with pytest.raises(AuditError, match=r"entry 2 of gitops/shop .* was changed"):
        check_chain(events, None, "store")


def test_a_rewritten_entry_breaks_the_link_of_the_next():
    events = chain(4)
    forged = replace(events[1], actor="eve")
    events[1] = replace(forged, hash=digest_of(forged))
    with pytest.raises(AuditError, match=r"entry 3 .* does not follow entry 2"):
        check_chain(events, None, "store")


def test_an_entry_keeps_the_hash_that_it_was_written_with_whatever_its_script():
    (event,) = chain(1)
    event = replace(event, actor="zoë", detail={"b": "日本", "a": 1})
    assert digest_of(event) == "f2a9dca44d5f4d97cd7a58ee179713fb3c80e8959576f57451d74298d9c6813f"


def test_a_missing_entry_shows():
    events = chain(4)
    with pytest.raises(AuditError, match=r"entry 3 .* does not follow entry 1"):
        check_chain([events[0], *events[2:]], None, "store")


def test_a_missing_beginning_shows():
    events = chain(2)
    forged = replace(events[0], previous_hash="1" * 64)
    with pytest.raises(AuditError, match="does not begin the chain"):
        check_chain([replace(forged, hash=digest_of(forged))], None, "store")


def test_a_cut_off_tail_shows_against_the_anchor():
    events = chain(4)
    with pytest.raises(AuditError, match=r"entry 4 is anchored .* tail was cut off"):
        check_chain(events[:2], Anchor("store", 4, events[3].hash), "store")


def test_an_anchor_of_another_store_accuses_nobody():
    check_chain(chain(2), Anchor("other", 9, "f" * 64), "store")


def test_a_chain_may_go_on_where_another_store_stopped():
    before = chain(3)
    check_chain(chain(2, first=4, previous=before[-1].hash), None, "store")
