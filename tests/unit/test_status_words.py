"""What a custom resource is told of its Application: the words that kstatus, people and other tools go by."""

from dataclasses import replace

import pytest

from gitops.controller.snapshot import ApplicationSnapshot
from gitops.controller.status_writer import status_of
from gitops.engine.states import Response
from gitops.model.application import SourceSpec
from gitops.model.health import Health, HealthWord
from gitops.model.release import Quarantine
from gitops.model.result import Outcome
from gitops.model.revision import Revision
from tests.unit.test_flux_status import snapshot

SHA = "c" * 40


def seen(word=HealthWord.HEALTHY, said="", *, sync="Synced", problem="", is_busy=False, **last) -> ApplicationSnapshot:
    made = snapshot(SourceSpec(repoURL="https://git.example.com/shop.git"), Revision(SHA, "main"))
    health = Health(word, said)
    return replace(made, health=health, sync=sync, problem=problem, is_busy=is_busy, last=replace(made.last, **last))


def words(told: ApplicationSnapshot) -> dict[str, str]:
    return {one["type"]: one["status"] for one in status_of(told, 7)["conditions"]}


READY = {"Ready": "True", "Reconciling": "False", "Stalled": "False"}
MOVING = {"Ready": "False", "Reconciling": "True", "Stalled": "False"}
STALLED = {"Ready": "False", "Reconciling": "False", "Stalled": "True"}
STILL = {"Ready": "False", "Reconciling": "False", "Stalled": "False"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (seen(), READY),
        (seen(HealthWord.SUSPENDED), READY),
        (seen(HealthWord.PROGRESSING), STILL),
        (seen(HealthWord.DEGRADED), STILL),
        (seen(sync="OutOfSync"), STILL),
        (seen(sync="Unknown"), STILL),
        (seen(is_busy=True), MOVING),
        (seen(response=None), MOVING),
        (seen(sync="OutOfSync", response=Response.APPROVAL), STILL),
        (seen(sync="OutOfSync", response=Response.HELD), STALLED),
        (seen(sync="OutOfSync", response=Response.HELD, is_busy=True), STALLED),
        (seen(sync="Unknown", problem="the host is away"), STALLED),
        (seen(sync="Unknown", problem="the host is away", is_busy=True), STALLED),
    ],
)
def test_one_is_ready_when_it_is_synced_and_well_and_nothing_is_under_way(told, expected):
    assert words(told) == expected


@pytest.mark.parametrize(
    ("told", "reason", "message"),
    [
        (seen(), "Settled", ""),
        (seen(message="1 of 1 runs"), "Settled", "1 of 1 runs"),
        (seen(HealthWord.DEGRADED, "it crashes", message="held for a while"), "Settled", "held for a while"),
        (seen(HealthWord.DEGRADED, "it crashes"), "Settled", "it crashes"),
        (seen(response=None), "New", ""),
        (seen(response=Response.HELD, message="another owns it"), "Held", "another owns it"),
        (seen(problem="p" * 2000, message="another owns it"), "Failed", "p" * 1024),
    ],
)
def test_the_reason_is_what_keeps_it_from_being_known_then_what_was_said_then_its_health(told, reason, message):
    for one in status_of(told, 7)["conditions"]:
        assert (one["reason"], one["message"], one["observedGeneration"]) == (reason, message, 7)


def test_what_is_not_known_is_left_out():
    bare = replace(seen(), source=replace(seen().source, observed_revision=None))
    status = status_of(bare, 7)
    assert (status["observedGeneration"], status["sync"]) == (7, {"status": "Synced"})
    assert not {"lastSync", "quarantine"} & status.keys()
    assert (status["health"], status["drift"], status["suspended"], status["plan"]) == (
        {"status": "Healthy", "message": ""},
        0,
        False,
        "",
    )


def test_what_is_known_is_told_and_bounded():
    left = Quarantine("b" * 40, "digest", "r" * 2000, "2026-01-01T00:00:00Z")
    told = seen(
        HealthWord.DEGRADED,
        "h" * 2000,
        sync="OutOfSync",
        response=Response.APPROVAL,
        plan_id="abc",
        drift=("data.x", "data.y"),
        quarantine=left,
        outcome=Outcome.FAILED,
        message="m" * 2000,
    )
    status = status_of(replace(told, is_suspended=True, source=replace(told.source, rendered="a" * 40)), 7)
    assert status["sync"] == {"status": "OutOfSync", "revision": SHA, "ref": "main"}
    assert status["health"] == {"status": "Degraded", "message": "h" * 1024}
    assert (status["drift"], status["suspended"], status["plan"]) == (2, True, "abc")
    assert status["quarantine"] == {"revision": "b" * 40, "reason": "r" * 1024}
    assert status["lastSync"] == {
        "outcome": "failed",
        "revision": "a" * 40,
        "at": "2026-01-02T00:00:00Z",
        "message": "m" * 1024,
    }
