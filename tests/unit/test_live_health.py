"""How an Application's objects are, by plans and by events: an event that came during the pass is the newer word."""

import pytest

from gitops.controller.live_health import LiveHealth
from gitops.manifests.key import ResourceKey
from gitops.model.health import HEALTHY, Health, HealthWord

A, B = (ResourceKey("apps", "Deployment", "shop", name) for name in "ab")
ILL = Health(HealthWord.DEGRADED, "it crashes")
LATE = Health(HealthWord.PROGRESSING, "1 of 2")


@pytest.mark.parametrize(
    ("heard", "unhealthy"),
    [
        ({}, {A: ILL}),
        ({A: HEALTHY}, {}),
        ({A: LATE}, {A: LATE}),
        ({B: LATE}, {A: ILL, B: LATE}),
    ],
)
def test_what_an_event_told_during_the_pass_is_newer_than_what_the_plan_saw(heard, unhealthy):
    live = LiveHealth()
    for key, health in heard.items():
        live.hear_in_pass(key, is_edit=False)
        live.learn(key, health)
    live.planned({A: ILL, B: HEALTHY}, owns=True)
    assert live.unhealthy == unhealthy


def test_what_was_ill_and_is_well_or_no_more_in_the_next_plan_is_forgotten():
    live = LiveHealth()
    live.planned({A: ILL, B: LATE}, owns=True)
    live.planned({A: HEALTHY}, owns=True)
    assert live.unhealthy == {}
