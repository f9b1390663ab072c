"""Lines of logs: their times, and what is taken out of their text."""

import pytest

from gitops.manifests.key import ResourceKey
from gitops.views.pod_logs import LogOf, lines_in, moment

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
