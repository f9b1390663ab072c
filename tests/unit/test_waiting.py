"""What an Application waits for, by what stands in its way."""

import pytest

from gitops.model.plan import ObstacleKind
from gitops.views.waiting import WAITS, wait_of

GUARD, WINDOW, DEPENDENCY = ObstacleKind.GUARD, ObstacleKind.WINDOW, ObstacleKind.DEPENDENCY


@pytest.mark.parametrize(
    ("kinds", "wait"),
    [
        ({WINDOW}, "window"),
        ({DEPENDENCY}, "dependency"),
        ({GUARD}, "confirmation"),
        ({GUARD, WINDOW}, "confirmation"),
        ({GUARD, ObstacleKind.POLICY}, "held"),
        ({WINDOW, ObstacleKind.REFUSED}, "held"),
        ({ObstacleKind.CONFLICT}, "held"),
        ({ObstacleKind.FOREIGN}, "held"),
        (set(), "held"),
    ],
)
def test_what_is_held_waits_for_what_stands_in_its_way(kinds, wait):
    assert wait_of(frozenset(kinds), plan="", suspended=False, held=True) == wait
    assert wait in WAITS


def test_an_approval_and_a_suspension_go_before_what_stands_in_the_way():
    assert wait_of(frozenset({GUARD}), plan="12", suspended=False, held=True) == "approval"
    assert wait_of(frozenset({GUARD}), plan="12", suspended=True, held=True) == "suspended"
    assert wait_of(frozenset({GUARD}), plan="", suspended=False, held=False) == ""
