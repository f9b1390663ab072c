"""Lines of logs: their times, and what is taken out of their text."""

import pytest

from gitops.manifests.key import ResourceKey
from gitops.views.pod_logs import LogOf, level_of, lines_in, moment

ONE = LogOf(ResourceKey("", "Pod", "shop", "web-1"), "web")


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2026-01-01T00:00:01Z", "2026-01-01T00:00:01.000000000Z"),
        ("2026-01-01T02:00:01.5+02:00", "2026-01-01T00:00:01.500000000Z"),
        ("2026-01-01T00:00:01.123456789Z", "2026-01-01T00:00:01.123456789Z"),
        ("2026-13-01T00:00:01Z", ""),
        ("0001-01-01T00:00:01+14:00", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_times_are_brought_to_one_form_that_sorts(stamp, at):
    assert moment(stamp) == at


def test_a_line_without_a_time_has_that_of_the_line_before():
    lines = lines_in(ONE, "first\n2026-01-01T00:00:01Z second\nthird\n\n")
    assert [(line.at[17:19], line.text) for line in lines] == [("", "first"), ("01", "second"), ("01", "third")]


def test_what_steers_a_terminal_is_taken_out():
    (line,) = lines_in(ONE, "2026-01-01T00:00:01Z \x1b[1;31mred\x1b[0m\tand\x1b]0;title\x07 \x00plain\r\x9b\n")
    assert line.text == "red\tand plain"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("2026-01-01 10:00:00 ERROR no answer", "error"),
        ("[warn] slow", "warning"),
        ("level=error msg=a", "error"),
        ('{"level":"warning","msg":"a"}', "warning"),
        ("severity: CRITICAL", "error"),
        ("E0102 15:04:05.000000 1 main.go:1] no answer", "error"),
        ("W0102 15:04:05.000000 1 main.go:1] slow", "warning"),
        ("I0102 15:04:05.000000 1 main.go:1] fine", ""),
        ("panic: runtime error", "error"),
        ("0 errors, 3 warnings", ""),
        ("Error handling is on", ""),
        ("x" * 200 + " ERROR", ""),
    ],
)
def test_the_level_of_a_line_is_what_loggers_write_and_not_each_word_that_sounds_bad(text, level):
    assert level_of(text) == level
