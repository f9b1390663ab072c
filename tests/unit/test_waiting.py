"""What an Application waits for, by what stands in its way."""

import pytest

from gitops.model.plan import ObstacleKind
from gitops.views.waiting import WAITS, wait_of, waiting_data, waiting_in
from tests.unit.test_listing import row

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


def test_what_waits_for_a_person_comes_first_and_then_what_waits_longest():
    rows = [
        row("window", wait="window", at="1"),
        row("late", wait="approval", at="3"),
        row("early", wait="approval", at="2"),
        row("timeless", wait="approval", at=""),
        row("none", wait=""),
    ]
    found = waiting_in(rows, (), 0, 10)
    assert [one.application for one in found.rows] == [
        "gitops/early",
        "gitops/late",
        "gitops/timeless",
        "gitops/window",
    ]
    assert (found.total, found.counts["approval"], found.counts["window"], found.counts["held"]) == (4, 3, 1, 0)
    page = waiting_in(rows, ("approval",), 1, 1)
    assert ([one.application for one in page.rows], page.total, page.counts["window"]) == (["gitops/late"], 3, 1)


def test_a_window_of_the_project_goes_before_ones_own():
    own = frozenset({WINDOW})
    projects = frozenset({ObstacleKind.PROJECT_WINDOW})
    for kinds in (projects, projects | own):
        assert wait_of(kinds, plan="", suspended=False, held=True) == "project-window"
    assert wait_of(projects | {GUARD}, plan="", suspended=False, held=True) == "held"
    assert wait_of(own | {ObstacleKind.RELOCATION}, plan="", suspended=False, held=True) == "confirmation"


@pytest.mark.parametrize(
    ("wait", "act", "command"),
    [
        ("approval", "approve", "gitops approve gitops/shop --plan abcdefabcdef"),
        ("confirmation", "sync", "gitops refresh gitops/shop --sync --confirm"),
        ("window", "sync", "gitops refresh gitops/shop --sync --confirm"),
        ("project-window", "", "gitops diff gitops/shop"),
        ("suspended", "resume", "gitops resume gitops/shop"),
        ("dependency", "", "gitops status gitops/shop"),
        ("held", "", "gitops diff gitops/shop"),
    ],
)
def test_what_waits_is_told_with_the_command_that_goes_on(wait, act, command):
    found = waiting_data(row("shop", wait=wait, plan="abcdef" * 4, reason="why", problem="trouble", at="1", pending=3))
    assert (found["waitsFor"], found["act"], found["command"]) == (wait, act, command)
    assert (found["why"], found["since"], found["pending"], found["plan"]) == ("why", "1", 3, "abcdef" * 4)
    assert waiting_data(row("shop", wait=wait, problem="x" * 3000))["why"] == "x" * 2000
