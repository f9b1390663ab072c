"""Variables in text: what Flux's own envsubst answered, byte for byte, and what is bounded."""

import json
from pathlib import Path
from typing import Any

import pytest

from gitops.model.errors import RenderError
from renderers.transforms.envsubst.expand import expand
from renderers.transforms.envsubst.parse import MOST_NESTED, BadExpressionError

RECORDED = json.loads((Path(__file__).parent.parent / "data/flux/substitution.json").read_text())
VARIABLES = {name: value.encode() for name, value in RECORDED["variables"].items()}


@pytest.mark.parametrize("case", RECORDED["expressions"], ids=lambda case: repr(case["text"]))
def test_a_text_becomes_what_flux_makes_of_it(case: dict[str, Any]) -> None:
    is_strict = case.get("strict", False)
    if "error" in case:
        with pytest.raises(RenderError):
            expand(case["text"], VARIABLES, is_strict)
    else:
        assert expand(case["text"], VARIABLES, is_strict) == case["becomes"].encode("utf-8", "surrogateescape")


def test_many_answers_of_flux_are_recorded() -> None:
    assert len(RECORDED["expressions"]) >= 300
    assert len(RECORDED["objects"]) >= 50


@pytest.mark.parametrize("pattern", ["[^]", "[^]a]"])
def test_a_pattern_with_an_empty_class_cuts_nothing_off(pattern: str) -> None:
    assert expand("${a#" + pattern + "}", {"a": b"abc"}, False) == b"abc"


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ("#?b", "c.b.c"),
        ("#?b*.", "b.c"),
        ("##?b*.", "c"),
        ("#?x*c", "abc.b.c"),
        ("#*?x", "abc.b.c"),
        ("#[a-b]b*[.]", "b.c"),
        ("#[^a]*c", "abc.b.c"),
        ("%?c", "abc.b"),
        ("%%?b?*", ""),
        ("%?x*c", "abc.b.c"),
    ],
)
def test_what_a_pattern_fits_is_cut_off_at_that_end(cut: str, left: str) -> None:
    assert expand("${a" + cut + "}", {"a": b"abc.b.c"}, False) == left.encode()


def test_an_expression_that_cannot_be_read_says_its_variable() -> None:
    with pytest.raises(BadExpressionError) as found:
        expand("x ${name-default}", {}, strict=True)
    assert found.value.variable == "name"


def test_a_variable_without_a_value_is_named() -> None:
    with pytest.raises(RenderError, match=r"variable cluster has no value: .*\$\{cluster:=x\}"):
        expand("${cluster}", {"other": b"x"}, strict=True)


@pytest.mark.parametrize(
    ("text", "values", "why"),
    [
        ("${a:=" * (MOST_NESTED + 1), {}, "within each other"),
        ("${a:=" * 100_000, {}, "within each other"),
        ("${a}" * 100, {"a": b"x" * 1_000_000}, "32 MiB"),
        ("${a//x/${a//x/${a//x/${a}}}}", {"a": b"x" * 1000}, "32 MiB"),
        ("${a//${none}/${a}}", {"a": b"x" * 100_000}, "32 MiB"),
        ("${a#*[c]}", {"a": b"ab" * 50_000}, "1,000,000 places"),
        ("${a##*c*a}", {"a": b"ab" * 50_000}, "1,000,000 places"),
        ("${a%%c*[b]*}", {"a": b"ab" * 50_000}, "1,000,000 places"),
    ],
)
def test_a_text_that_would_be_endless_work_is_an_error(text: str, values: dict[str, bytes], why: str) -> None:
    with pytest.raises(RenderError, match=why):
        expand(text, values, strict=False)


def test_a_large_value_is_no_trouble() -> None:
    value = b"dir/" * 100_000 + b"file.tar.gz"
    assert expand("${a##*/} ${a%.gz}", {"a": value}, strict=True) == b"file.tar.gz " + value[:-3]


def test_very_many_expressions_are_read_in_one_go() -> None:
    assert expand("${a} " * 100_000, {"a": b"1"}, strict=True) == b"1 " * 100_000
