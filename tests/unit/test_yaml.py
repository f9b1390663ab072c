"""Reading manifests as kubectl reads them."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gitops.manifests.errors import ManifestError
from gitops.manifests.key import ResourceKey
from gitops.manifests.yaml import line_of, load_all, read_manifests
from gitops.manifests.yaml_scalars import format_float, number_of
from gitops.manifests.yaml_write import write_manifests
from renderers.kustomize.nodes import value_of
from renderers.kustomize.read import read_objects

CASES = Path(__file__).resolve().parents[1] / "data" / "recorded" / "yaml" / "cases.json"

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n"


def values(text: str) -> list[Any]:
    return [document.value for document in load_all(text.encode(), "f.yaml")]


def value(text: str) -> Any:
    return values(f"v: {text}\n")[0]["v"]


def problem(text: str | bytes) -> str:
    with pytest.raises(ManifestError) as caught:
        read_manifests(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return str(caught.value)


def test_every_recorded_case_reads_as_kubectl_reads_it() -> None:
    wrong = []
    for case in json.loads(CASES.read_text())["cases"]:
        try:
            got: Any = values(case["yaml"])
            if case["kind"] != "multi" and case["id"] != "comment only":
                got = got[0] if len(got) == 1 else None
                assert isinstance(got, dict)
        except (ManifestError, AssertionError):
            got = None
        if got != case["kubectl"]:
            wrong.append(case["id"])
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0644", 420),
        ("yes", True),
        ("n", False),
        ("1.0", 1),
        ("1e400", "1e400"),
        ("12:30", "12:30"),
        ("089", 89),
        ("+9007199254740993", 9007199254740993),
        ("-9007199254740993", -9007199254740993),
        ("+1_000", 1000),
    ],
)
def test_a_plain_scalar_means_what_it_means_to_kubectl(text: str, expected: object) -> None:
    assert value(text) == expected


def test_the_last_of_two_equal_keys_wins() -> None:
    assert values("a: 1\na: 2\n") == [{"a": 2}]


def test_a_merge_key_overrides_what_stands_before_it() -> None:
    assert value("{b: &b {x: 1}, m: {x: 2, <<: *b}}")["m"] == {"x": 1}


def test_an_anchor_may_be_given_again() -> None:
    assert values("a: &x 1\nb: &x 2\nc: *x\n") == [{"a": 1, "b": 2, "c": 2}]


def test_documents_are_split_by_lines_before_yaml_is_parsed() -> None:
    assert values("a: 1\n--- # note\nb: 2\n---\n---\n# nothing\n---\nnull\n") == [{"a": 1}, {"b": 2}]


def test_what_follows_a_document_end_mark_is_dropped() -> None:
    assert values("a: 1\n...\nb: 2\n") == [{"a": 1}]


def test_a_document_on_the_line_of_its_separator_is_refused() -> None:
    assert problem("--- {a: 1}\n").startswith("f.yaml:1: nothing may follow `---`")


def test_utf_16_is_read_by_its_byte_order_mark() -> None:
    data = "a: é\n".encode("utf-16")
    assert [document.value for document in load_all(data, "f")] == [{"a": "é"}]


def test_broken_utf_8_becomes_replacement_characters() -> None:
    assert [document.value for document in load_all(b"a: \xe9\n", "f")] == [{"a": "�"}]


def test_a_final_newline_is_added_as_kubectl_does() -> None:
    assert values("a: |\n  x") == [{"a": "x\n"}]


def test_json_objects_may_follow_one_another() -> None:
    assert values('{"a": 1}\n{"b": 2.0}') == [{"a": 1}, {"b": 2}]


def test_yaml_in_braces_is_yaml() -> None:
    assert values("{a: yes}") == [{"a": True}]


def test_yaml_after_json_is_refused() -> None:
    with pytest.raises(ManifestError, match="f:2: not JSON"):
        load_all(b'{"a": 1}\n---\nb: 2\n', "f")


def test_manifests_know_their_file_and_line() -> None:
    text = "# head\n" + OBJECT.format("a") + "---\n\n" + OBJECT.format("b")
    found = read_manifests(text.encode(), "x/f.yaml")
    assert [(str(m.origin), m.key) for m in found] == [
        ("x/f.yaml:2", ResourceKey("", "ConfigMap", "", "a")),
        ("x/f.yaml:8", ResourceKey("", "ConfigMap", "", "b")),
    ]


def test_a_list_is_replaced_by_its_items_with_lines_of_their_own() -> None:
    item = "- apiVersion: v1\n  kind: Secret\n  metadata: {name: %s}\n"
    found = read_manifests(("apiVersion: v1\nkind: List\nitems:\n" + item % "a" + item % "b").encode(), "f")
    assert [(m.key.name, m.origin.line) for m in found] == [("a", 4), ("b", 7)]


def test_items_of_lists_in_lists_and_in_later_documents_have_lines_of_their_own() -> None:
    item = "{apiVersion: v1, kind: A, metadata: {name: %s}}"
    inner = f"- apiVersion: v1\n  kind: List\n  items:\n  - {item % 'b'}\n  - {item % 'c'}\n"
    text = f"apiVersion: v1\nkind: List\nitems:\n- {item % 'a'}\n{inner}---\n# empty\n---\nkind: List\napiVersion: v1\n"
    found = read_manifests(f"{text}items:\n- {item % 'd'}\n".encode(), "f")
    assert [(m.key.name, m.origin.line) for m in found] == [("a", 4), ("b", 8), ("c", 9), ("d", 16)]


@pytest.mark.parametrize("lists", [1, 4000])
@pytest.mark.parametrize("in_json", [False, True])
def test_lists_are_read_in_time_that_grows_as_they_do(lists: int, in_json: bool) -> None:
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}"}} for number in range(4000)]
    share = len(items) // lists
    bodies = [
        {"apiVersion": "v1", "kind": "List", "items": items[at : at + share]} for at in range(0, len(items), share)
    ]
    text = "\n".join(json.dumps(body) for body in bodies) if in_json else write_manifests(bodies)
    started = time.process_time()
    assert len(read_manifests(text.encode(), "f")) == 4000
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("digits", "expected"), [("9" * 5000, "9" * 5000), ("0b" + "1" * 5000, "0b" + "1" * 5000), ("9" * 20, 10**20)]
)
def test_a_number_of_any_length_is_what_kubectl_makes_of_it(digits: str, expected: object) -> None:
    assert load_all(f"a: {digits}".encode(), "f")[0].value == {"a": expected}


def test_a_number_that_json_cannot_hold_names_file_and_line() -> None:
    with pytest.raises(ManifestError, match=r"f:2: a number of 5000 digits"):
        load_all(('{"a": 1}\n{"a": %s}' % ("9" * 5000)).encode(), "f")


def test_items_of_a_typed_list_need_not_repeat_its_kind() -> None:
    found = read_manifests(b"apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: a}\n", "f")
    assert [m.key.kind for m in found] == ["Secret"]


def test_an_empty_list_holds_no_manifest() -> None:
    assert read_manifests(b"apiVersion: v1\nkind: List\nitems: []\n---\napiVersion: v1\nkind: List\n", "f") == ()


def test_generate_name_is_a_name() -> None:
    (found,) = read_manifests(b"apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-}\n", "f")
    assert found.key == ResourceKey("batch", "Job", "", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "f.yaml:1: apiVersion: expected text, got nothing"),
        ("apiVersion: v1\nmetadata: {name: a}\n", "f.yaml:1: kind: expected text, got nothing"),
        ("apiVersion: v1\nkind: Pod\n", "f.yaml:1: metadata: expected a map with a name, got nothing"),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  labels: {}\n", "f.yaml:3: metadata.name: expected text, got nothing"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 12\n",
            'f.yaml:4: metadata.name: expected text, got a number (write "12", with quotes)',
        ),
        (
            OBJECT.format("a") + "---\n" + OBJECT.format("b") + "  labels:\n    on: 'x'\n    app: yes\n",
            'f.yaml:12: metadata.labels.app: expected text, got a boolean (write "true", with quotes)',
        ),
        ("- a\n", "f.yaml:1: expected a Kubernetes object, got a list"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n",
            "f.yaml:1: expected a Kubernetes object, got a Git LFS pointer, whose file is not fetched",
        ),
        ("a: b: c\n", "f.yaml:1: not YAML: mapping values are not allowed in this context"),
        ("x: 1\n---\n" * 3 + "a: {\n", "f.yaml:8: not YAML: did not find expected node content"),
        ("a: .inf\n", "f.yaml:1: `.inf` cannot be written as JSON"),
        ("a: !!int x\n", "f.yaml:1: the value is not a !!int"),
        ("a: *b\n", "f.yaml:1: an alias (`*…`) of an anchor that is not known here"),
        ("a: &a\n  b: *a\n", "f.yaml:2: the anchor `a` contains itself"),
        ("a:\n  ? [x]\n  : y\n", "f.yaml:2: a key is text, a number or a boolean"),
        ("a:\n  <<: x\n", "f.yaml:2: `<<` takes a map"),
    ],
)
def test_an_error_names_file_line_and_field(text: str, message: str) -> None:
    assert problem(text).startswith(message)


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    started = time.monotonic()
    assert "aliases blow the document up" in problem("\n".join(lines))
    assert time.monotonic() - started < 1


def test_billions_of_laughs_in_merge_keys_are_refused_at_once() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: lol" for n in range(10)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], n{n}: {{<<: *a{n - 1}}}}}" for n in range(1, 12)]
    started = time.monotonic()
    assert "aliases blow the document up" in problem("\n".join(lines))
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("text", ["[" * 5000, "a: " + "{a: " * 5000, '{"a":' * 5000 + "1" + "}" * 5000])
def test_bottomless_nesting_is_refused(text: str) -> None:
    assert problem(text)


def test_a_file_beyond_the_bound_is_refused_unparsed() -> None:
    assert "more than the 64 MiB" in problem(b" " * (64 * 2**20 + 1))


def test_the_line_of_a_missing_field_is_its_parents() -> None:
    data = b"spec:\n  containers:\n  - name: a\n  - name: b\n    image: c\n"
    assert line_of(data, 0, ("spec", "containers", 1, "image")) == 5
    assert line_of(data, 0, ("spec", "containers", 1, "ports", 0)) == 4
    assert line_of(data, 0, ("status",)) == 1


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e-6, "1e-06"),
        (123456789.12345679, "1.2345678912345679e+08"),
        (0.0001, "0.0001"),
        (1e21, "1e+21"),
        (-0.5, "-0.5"),
    ],
)
def test_floats_are_formatted_as_go_formats_them(number: float, text: str) -> None:
    assert format_float(number) == text


def test_integers_beyond_64_bits_lose_what_floats_cannot_hold() -> None:
    assert number_of("18446744073709551615") == 18446744073709552000


@pytest.mark.parametrize("text", ["password: *hunter2secret\n", "pin: !!int hunter2secret\n"])
def test_a_value_that_cannot_be_read_is_not_told(text: str) -> None:
    with pytest.raises(ManifestError) as told:
        load_all(text.encode(), "f.yaml")
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("before", ["", "import yaml; "])
def test_yaml_is_read_whether_or_not_somebody_else_has_loaded_pyyaml_before(before):
    code = before + 'from gitops.manifests.yaml import load_all; print(load_all(b"a: 1", "f")[0].value)'
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{'a': 1}\n", "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x: [a:, b]", {"x": ["a:", "b"]}),
        ("x: {c:}", {"x": {"c:": None}}),
        ("x: {c:, d: [e:]}\nz: [http://f, g::]", {"x": {"c:": None, "d": ["e:"]}, "z": ["http://f", "g::"]}),
        ("x: &a [b:]\nz: *a", {"x": ["b:"], "z": ["b:"]}),
    ],
)
def test_a_colon_before_the_end_of_an_item_is_part_of_it_as_go_yaml_has_it(text: str, value: object) -> None:
    assert load_all(text.encode(), "a.yaml")[0].value == value


def test_kustomize_reads_such_a_colon_alike() -> None:
    (made,) = read_objects(b"apiVersion: v1\nkind: T\nmetadata: {name: a}\nx: [a:, b]\nz: {c:}\n")
    assert value_of(made) == {
        "apiVersion": "v1",
        "kind": "T",
        "metadata": {"name": "a"},
        "x": ["a:", "b"],
        "z": {"c:": ""},
    }


@pytest.mark.parametrize("text", ["x: [a:[1]]", "x: {a:{b: 1}}", "x: [a:, b", "x: [a:,\n  b: c: d]"])
def test_what_go_yaml_does_not_read_either_is_told_with_its_line(text: str) -> None:
    with pytest.raises(ManifestError, match=r"a\.yaml:\d: "):
        load_all(text.encode(), "a.yaml")


def test_very_many_such_colons_cost_no_more_than_a_few() -> None:
    with pytest.raises(ManifestError, match="found unexpected ':'"):
        load_all(b"x: [" + b"a:," * 5000 + b"b]", "a.yaml")
