"""What an operation takes: read out of a query or a body, typed and bounded, and named where it is wrong."""

import pytest

from gitops.server.api.acts import known_act
from gitops.server.api.applications import LIST_QUERY, query_of
from gitops.server.api.parameters import Problem, choice, choices, flag, number, read_body, read_query, text
from gitops.server.pages.forms import _typed
from gitops.views.listing import Query

ALL = (
    text("name", "A name.", required=True, least=2, most=5, form=("[a-z]*", "is no name")),
    text("words", "Some words."),
    number("count", "How many.", 1, 9, 3),
    number("least", "How many at least.", 0, 5),
    flag("dry", "Only a look."),
    choice("sort", "The order.", ("up", "down"), "up"),
    choices("only", "Only these.", ("red", "blue")),
)
NONE = {"words": None, "count": 3, "least": None, "dry": False, "sort": "up", "only": []}


def why(read, given):
    with pytest.raises(Problem) as refused:
        read(ALL, given)
    assert (refused.value.status, refused.value.title) == (400, "Not understood")
    return refused.value.detail


def test_what_is_not_given_has_its_default():
    assert read_query(ALL, {"name": "web"}) == {"name": "web", **NONE}
    assert read_body(ALL, {"name": "web"}) == {"name": "web", **NONE}


def test_a_query_has_text_that_is_read_as_what_it_stands_for():
    given = {
        "name": "web",
        "words": "",
        "count": "9",
        "least": "0",
        "dry": "true",
        "sort": "down",
        "only": "red,,blue,",
    }
    assert read_query(ALL, given) == {
        "name": "web",
        "words": "",
        "count": 9,
        "least": 0,
        "dry": True,
        "sort": "down",
        "only": ["red", "blue"],
    }
    assert read_query(ALL, {"name": "web", "dry": "false"})["dry"] is False


def test_a_body_has_values_and_a_whole_number_may_be_written_with_a_point():
    given = {"name": "web", "count": 4.0, "dry": True, "only": ["blue"]}
    found = read_body(ALL, given)
    assert (found["count"], found["dry"], found["only"]) == (4, True, ["blue"])
    assert isinstance(found["count"], int)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "name: is required"),
        ({"name": "a"}, "name: expected 2 to 5 characters"),
        ({"name": "abcdef"}, "name: expected 2 to 5 characters"),
        ({"name": "ABC"}, "name: is no name"),
        ({"name": "web", "words": "a\x00b"}, "words: has a character that no name has"),
        ({"name": "web", "count": "0"}, "count: expected 1 to 9"),
        ({"name": "web", "count": "10"}, "count: expected 1 to 9"),
        ({"name": "web", "count": "-1"}, "count: expected 1 to 9"),
        ({"name": "web", "count": "1.0"}, "count: expected a whole number"),
        ({"name": "web", "count": "٣"}, "count: expected a whole number"),
        ({"name": "web", "count": "9" * 16}, "count: expected a whole number"),
        ({"name": "web", "dry": "yes"}, "dry: expected true or false"),
        ({"name": "web", "sort": "left"}, "sort: expected one of up, down"),
        ({"name": "web", "only": "red,green"}, "only: expected one of red, blue"),
        ({"name": "web", "only": ",".join(["red"] * 21)}, "only: expected a list of words"),
    ],
)
def test_what_a_query_cannot_mean_is_named(given, said):
    assert why(read_query, given) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["name"], "the body: expected a JSON object"),
        ({"count": 3}, "name: is required"),
        ({"name": 7}, "name: expected text"),
        ({"name": "web", "count": 1.5}, "count: expected a whole number"),
        ({"name": "web", "count": True}, "count: expected a whole number"),
        ({"name": "web", "count": "3"}, "count: expected a whole number"),
        ({"name": "web", "dry": 1}, "dry: expected true or false"),
        ({"name": "web", "only": ["red", 1]}, "only: expected a list of words"),
        ({"name": "web", "only": "red"}, "only: expected a list of words"),
    ],
)
def test_what_a_body_cannot_mean_is_named(given, said):
    assert why(read_body, given) == said


def test_a_name_that_there_is_not_is_told_with_those_that_there_are():
    known = "name, words, count, least, dry, sort, only"
    assert why(read_query, {"nmae": "web"}) == f"nmae: there is no such parameter (there are: {known})"
    assert why(read_body, {"nmae": "web"}) == f"nmae: there is no such member (there are: {known})"
    with pytest.raises(Problem, match="there are: none"):
        read_query((), {"x": "1"})


def test_a_list_is_asked_for_by_each_word_of_its_query():
    asked = {
        "q": "a b",
        "health": "Healthy,Missing",
        "sync": "OutOfSync",
        "cluster": "east",
        "namespace": "shop",
        "project": "red",
        "only": "problems",
        "sort": "-name",
        "group": "health",
        "offset": "5",
        "limit": "7",
    }
    assert query_of(read_query(LIST_QUERY, asked)) == Query(
        text="a b",
        health=("Healthy", "Missing"),
        sync=("OutOfSync",),
        cluster="east",
        namespace="shop",
        project="red",
        only=("problems",),
        sort="-name",
        group="health",
        offset=5,
        limit=7,
    )
    assert query_of(read_query(LIST_QUERY, {})) == Query(limit=50)


@pytest.mark.parametrize(
    ("act", "given", "said"),
    [
        ("approve", {}, "plan: is required"),
        ("approve", {"plan": "a" * 11}, "plan: expected 12 to 64 characters"),
        ("rollback", {"plan": "a" * 64}, "release: is required"),
        ("rollback", {"release": 1}, "plan: is required"),
        ("rollback", {"release": 0, "plan": "a" * 64}, "release: expected 1 to 1000000000"),
        ("rollback", {"release": 1, "plan": "a" * 63}, "plan: expected 64 to 64 characters"),
        ("delete", {}, "plan: is required"),
        ("delete", {"plan": "a" * 63}, "plan: expected 64 to 64 characters"),
    ],
)
def test_what_cannot_be_taken_back_is_only_asked_for_with_the_plan_that_was_shown(act, given, said):
    with pytest.raises(Problem) as refused:
        read_body(known_act(act).body, given)
    assert refused.value.detail == said


@pytest.mark.parametrize(
    "act", ["sync", "refresh", "terminate", "test", "suspend", "resume", "approve", "rollback", "delete"]
)
def test_nothing_is_confirmed_pruned_or_kept_that_nobody_said(act):
    needed = {"approve": {"plan": "a" * 64}, "delete": {"plan": "a" * 64}, "rollback": {"plan": "a" * 64, "release": 1}}
    given = needed.get(act, {})
    found = read_body(known_act(act).body, given)
    assert {name for name, value in found.items() if value} == set(given)


def test_a_form_has_text_that_stands_for_flags_and_numbers_and_its_empty_fields_are_none():
    form = {
        "plan": "abc",
        "reason": "",
        "confirm": "on",
        "prune": "true",
        "keep": "no",
        "release": "7",
        "replicas": "0",
    }
    assert _typed(form) == {"plan": "abc", "confirm": True, "prune": True, "keep": False, "release": 7, "replicas": 0}


@pytest.mark.parametrize("number", ["-1", "1.0", "x", "٣", "1" * 10])
def test_a_field_of_a_form_that_is_no_whole_number_is_named(number):
    with pytest.raises(Problem) as refused:
        _typed({"release": number})
    assert refused.value.detail == "release: expected a whole number"
