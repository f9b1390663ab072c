"""How the failures of a sync are told in one line."""

import pytest

from gitops.model.result import told_failures

LATE = "not healthy in time: Progressing: waiting for its controller"


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ([("Widget shop/a", LATE)], f"Widget shop/a: {LATE}"),
        ([("Widget shop/a", LATE), ("Widget shop/b", LATE)], f"Widget shop/a, Widget shop/b: {LATE}"),
        (
            [(f"Widget shop/{name}", LATE) for name in "abcde"],
            f"Widget shop/a, Widget shop/b, Widget shop/c and 2 more: {LATE}",
        ),
        ([("Widget shop/a", LATE), ("Job shop/b", "Degraded")], f"Widget shop/a: {LATE}; Job shop/b: Degraded"),
        ([("Pod shop/one", 'a.yaml:1: pods "one" is forbidden')], 'a.yaml:1: pods "one" is forbidden'),
        ([("Job shop/a", "Job shop/a does not go away")], "Job shop/a does not go away"),
        ([("", "the connection was lost")], "the connection was lost"),
    ],
)
def test_every_reason_is_told_once_with_the_objects_that_it_is_of(failures, told):
    assert told_failures(failures) == told
