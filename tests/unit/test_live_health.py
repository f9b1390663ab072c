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


def test_whatever_a_sync_applied_is_the_applications_own():
    live = LiveHealth()
    live.inventoried(is_empty=True)
    assert live.owns is False
    live.wrote()
    assert live.owns is True
    live.inventoried(is_empty=True)
    live.synced(is_healthy=False)
    assert live.owns is True


def test_an_inventory_that_lists_something_says_nothing_of_whose_it_is():
    live = LiveHealth()
    live.inventoried(is_empty=False)
    assert live.owns is None
    live.planned({}, owns=False)
    live.inventoried(is_empty=False)
    assert live.owns is None
    live.wrote()
    live.inventoried(is_empty=False)
    assert live.owns is True


def test_a_sync_that_was_healthy_leaves_nothing_ill_and_another_leaves_what_was():
    live = LiveHealth()
    live.planned({A: ILL}, owns=True)
    live.synced(is_healthy=False)
    assert live.unhealthy == {A: ILL}
    live.synced(is_healthy=True)
    assert live.unhealthy == {}
