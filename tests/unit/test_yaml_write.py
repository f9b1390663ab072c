"""Writing manifests as Kustomize writes them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.manifests.yaml import load_all
from gitops.manifests.yaml_write import sorted_keys, write_document, write_manifests

CASES = Path(__file__).resolve().parents[1] / "data" / "recorded" / "yaml" / "cases.json"


def turned_around(value):
    """The same value, the keys of its maps in the other order."""
    if isinstance(value, dict):
        return {key: turned_around(value[key]) for key in reversed(value)}
    return [turned_around(item) for item in value] if isinstance(value, list) else value


def written_again(text):
    return "---\n".join(write_document(turned_around(one.value), sort=True) for one in load_all(text.encode(), "f"))


def test_every_recorded_output_is_written_again_to_the_byte() -> None:
    texts = [case["kustomize_yaml"] for case in json.loads(CASES.read_text())["cases"] if case["kustomize_yaml"]]
    # Integers beyond an int64 do not survive kubectl's way of reading, so they cannot be written again.
    texts = [text for text in texts if "9223372036854775808" not in text and "18446744073709551615" not in text]
    assert [text for text in texts if written_again(text) != text] == []
    assert len(texts) > 150


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain text", "plain text"),
        ("", '""'),
        ("yes", '"yes"'),
        ("0644", '"0644"'),
        ("1:30", '"1:30"'),
        ("2024-1-2", '"2024-1-2"'),
        ("a: b", "'a: b'"),
        ("it's: x", "'it''s: x'"),
        ("a\tb", '"a\\tb"'),
        ("😀", '"\\U0001F600"'),
        ("- x", "'- x'"),
        ("-x", "-x"),
        ("a\nb", "|-\n  a\n  b"),
        ("a\nb\n", "|\n  a\n  b"),
        ("a\n\n", "|+\n  a\n"),
        (" a\nb", "|2-\n   a\n  b"),
        ("a \nb", '"a \\nb"'),
        (1e-6, "1e-06"),
        (None, "null"),
        (True, "true"),
        ({}, "{}"),
        ([], "[]"),
    ],
)
def test_a_value_is_written_as_kustomize_writes_it(value: object, text: str) -> None:
    assert write_document({"v": value}) == f"v: {text}\n"


def test_long_lines_are_folded_after_eighty_columns() -> None:
    words = " ".join(["word"] * 40)
    lines = write_document({"v": words}).splitlines()
    assert all(78 < len(line) < 86 for line in lines[:-1])
    assert [d.value for d in load_all("\n".join(lines).encode(), "f")] == [{"v": words}]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x y\u2028z", "'x\n  y\u2028  z'"),
        (" x\u2028z", "' x\u2028  z'"),
        ("z\u2028" + "c" * 100 + " d", "'z\u2028  " + "c" * 100 + "\n  d'"),
        ("z\u2028" + "c" * 100 + " ", "'z\u2028  " + "c" * 100 + " '"),
    ],
)
def test_single_quotes_of_several_lines_are_folded_as_kustomize_does_but_not_beside_a_quote(text, written):
    key = "k" * 100
    assert write_manifests([{key: text}]) == f"{key}: {written}\n"


def test_lists_stand_under_their_key() -> None:
    assert write_document({"a": [{"b": [1, [2, 3]]}, []]}) == "a:\n- b:\n  - 1\n  - - 2\n    - 3\n- []\n"


def test_documents_are_separated_and_keep_their_key_order() -> None:
    assert write_manifests([{"b": 1, "a": 2}, {"c": 3}]) == "b: 1\na: 2\n---\nc: 3\n"


def test_a_very_long_key_takes_two_lines() -> None:
    assert write_document({"k" * 129: {"a": 1, "b": [2]}}) == "? " + "k" * 129 + "\n: a: 1\n  b:\n  - 2\n"


def test_what_is_in_a_key_of_several_lines_begins_on_the_line_of_its_colon() -> None:
    """As `kubectl kustomize` writes it."""
    key = "a\nc"
    assert write_document({key: [1, 2]}) == "? |-\n  a\n  c\n: - 1\n  - 2\n"
    assert write_document({key: {key: [[1]]}}) == "? |-\n  a\n  c\n: ? |-\n    a\n    c\n  : - - 1\n"
    assert write_document({key: {}}) == "? |-\n  a\n  c\n: {}\n"
    folded = write_document({"x": {key: "word " * 20 + "end"}}).splitlines()
    assert [len(line) for line in folded[3:]] == [5, 83, 27]


def test_a_key_that_would_read_as_a_merge_is_quoted() -> None:
    assert write_document({"<<": {"a": 1}, "b": "<<"}) == '"<<":\n  a: 1\nb: <<\n'


def test_keys_are_sorted_naturally() -> None:
    assert sorted_keys(dict.fromkeys(["a10", "a2", "a-b", "B", "ab", "a"])) == ["B", "a", "a-b", "a2", "a10", "ab"]
    assert sorted_keys(dict.fromkeys(["a01", "a010", "a1", "a001", "a10"])) == ["a1", "a01", "a001", "a10", "a010"]


# U+2028 and U+2029 are line breaks that YAML does not keep apart from others when it folds.
texts = st.text("ab \n:#-'\"{}[]&*!|>%@`?,0123456789.yesno~=<\t\\é\x85\ufeff\x00😀", max_size=120)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdef", min_size=1), values, max_size=4))
def test_whatever_is_written_reads_back_the_same(body: dict[str, object]) -> None:
    (document,) = load_all(write_document(body, sort=True).encode(), "f")
    assert document.value == body
