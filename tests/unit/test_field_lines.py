"""A change as people read it: what differs is in what is printed, and nothing that is printed does anything."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.cli.escape import printable, printable_lines
from gitops.cli.field_lines import field_lines
from gitops.model.plan import ABSENT, FieldChange, Manager, Unknown

LONG = "a" * 500


def lines(live, desired, path="data.a"):
    return [click.unstyle(line) for line in field_lines(FieldChange(path, live, desired, Unknown()))]


def test_short_values_are_printed_as_they_are():
    assert lines(3, 5, "spec.replicas") == ["spec.replicas: 3 → 5"]
    assert lines(ABSENT, ["a"]) == ['data.a: (absent) → ["a"]']


def test_a_long_value_is_cut_around_what_differs():
    (line,) = lines(f"{LONG}x{LONG}", f"{LONG}y{LONG}")
    assert line == f"data.a: …{'a' * 30}x{'a' * 30}… → …{'a' * 30}y{'a' * 30}…"


@pytest.mark.parametrize("same", [0, 1, 30])
def test_a_long_value_that_differs_near_its_beginning_or_end_is_shown_from_there(same):
    (line,) = lines(f"{'b' * same}x{LONG}", f"{'b' * same}y{LONG}")
    assert line == f"data.a: {'b' * same}x{'a' * 30}… → {'b' * same}y{'a' * 30}…"
    (line,) = lines(f"{LONG}x{'b' * same}", f"{LONG}y{'b' * same}")
    assert line == f"data.a: …{'a' * 30}x{'b' * same} → …{'a' * 30}y{'b' * same}"


def test_a_list_is_cut_around_what_differs():
    hosts = [f"host-{number}" for number in range(100)]
    (line,) = lines(hosts, [*hosts[:50], "evil", *hosts[51:]])
    assert '"host-50"' in line
    assert '"evil"' in line


def test_what_is_not_shown_of_a_long_difference_is_counted():
    (line,) = lines(ABSENT, LONG)
    assert line == f"data.a: (absent) → {'a' * 120}… (380 more characters)"


def test_a_text_of_several_lines_is_shown_by_the_lines_that_change():
    text = [f"line {number};" for number in range(1, 31)]
    before, after = "\n".join(text), "\n".join([*text[:19], "proxy evil;", *text[20:25], *text[26:], "last;"])
    assert lines(before, after, "data.nginx.conf") == [
        "data.nginx.conf:",
        "  20 - line 20;",
        "  20 + proxy evil;",
        "  26 - line 26;",
        "  30 + last;",
    ]


def test_a_long_line_of_a_text_is_cut_around_what_differs():
    _, old, new = lines(f"a\n{LONG}x{LONG}\nb", f"a\n{LONG}y{LONG}\nb")
    assert old == f"  2 - …{'a' * 30}x{'a' * 30}…"
    assert new == f"  2 + …{'a' * 30}y{'a' * 30}…"


@pytest.mark.parametrize(("live", "desired"), [("1", 1), ("true", True), ("null", None), ("a\\n", "a\n"), ("x", "x ")])
def test_two_values_never_look_the_same(live, desired):
    (line,) = lines(live, desired)
    before, _, after = line.removeprefix("data.a: ").partition(" → ")
    assert before != after


def test_a_hidden_value_stays_hidden():
    assert lines("(hidden)", "(hidden)") == ["data.a: (hidden) → (hidden)"]


def test_control_and_format_characters_are_written_out():
    (line,) = lines(ABSENT, "\x1b[2K\x1b[1A\rnothing\u202eto do\nx")
    assert line == "data.a: (absent) → \\x1b[2K\\x1b[1A\\rnothing\\u202eto do\\nx"
    change = FieldChange("a\x1b", 1, 2, Manager("m\u202e", "Update\r", ""))
    assert [click.unstyle(line) for line in field_lines(change)] == ["a\\x1b: 1 → 2   set by m\\u202e (Update\\r)"]


@given(st.text(), st.text())
def test_whatever_a_value_holds_a_line_of_it_is_one_line_and_can_be_printed(live, desired):
    for line in lines(live, desired):
        assert line.isprintable()


@given(st.text())
def test_a_text_that_has_only_what_can_be_seen_is_printed_as_it_is(text):
    assert printable(text).isprintable()
    assert text.isprintable() is (printable(text) == text)


def test_the_lines_of_an_error_cannot_be_taken_for_ours():
    assert printable_lines("wrong:\nError: all is well\r\n") == "wrong:\n  Error: all is well\\r"


def test_of_a_very_long_text_the_first_lines_that_differ_are_shown_and_the_rest_is_counted():
    before = [f"line {number}" for number in range(20_000)]
    after = [f"{line}!" if number % 2 else line for number, line in enumerate(before)]
    found = lines("\n".join(before), "\n".join(after))
    assert found[1:3] == ["  2 - line 1", "  2 + line 1!"]
    assert found[-1] == "  … 19600 more lines differ"


def test_a_line_put_into_a_very_long_text_is_one_line():
    before = [f"line {number}" for number in range(20_000)]
    assert lines("\n".join(before), "\n".join([*before[:9], "new", *before[9:]]))[1:] == ["  10 + new"]
