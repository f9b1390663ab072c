"""The template renderer, its limits, and its errors."""

import time
from typing import Any

import pytest

from gitops.manifests.errors import ManifestError
from gitops.model.application import SourceSpec, TemplateOptions
from gitops.model.errors import RenderError, SourceError
from gitops.model.revision import Tree
from renderers.registry import Context, Rendered, render

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


def bodies(files: dict[str, str], values: dict[str, Any] | None = None, *value_files: str) -> list[dict[str, Any]]:
    spec = SourceSpec(path="app", template=TemplateOptions(values or {}, value_files))
    answer = render(Tree.of_files(files), spec, Context(name="shop", namespace="prod"))
    assert isinstance(answer, Rendered)
    return [manifest.body for manifest in answer.manifests]


def data(template: str, values: dict[str, Any] | None = None) -> Any:
    return bodies({"app/x.yaml.j2": HEAD + template}, values)[0]["data"]


def problem(template: str, **files: str) -> str:
    with pytest.raises((RenderError, SourceError, ManifestError)) as caught:
        bodies({"app/x.yaml.j2": template, **{f"app/{name}": text for name, text in files.items()}})
    return str(caught.value)


def test_values_come_from_files_and_the_application_the_later_the_stronger() -> None:
    files = {
        "app/x.yaml.j2": HEAD + "data: {{ values | to_json }}\n",
        "app/values.yaml": "a: 1\nm: {x: 1, w: 1}\n",
        "app/prod/values.yaml": "b: 2\nm: {w: 2, z: 2}\n",
    }
    (body,) = bodies(files, {"m": {"z": 3}, "c": 3}, "prod/values.yaml")
    assert body["data"] == {"a": 1, "b": 2, "c": 3, "m": {"x": 1, "w": 2, "z": 3}}


def test_the_destination_is_known_to_templates() -> None:
    assert data("data: {a: '{{ app.name }}', b: '{{ app.namespace }}'}") == {"a": "shop", "b": "prod"}


def test_plain_manifests_stand_beside_templates() -> None:
    plain = HEAD.replace("x", "plain")
    assert [b["metadata"]["name"] for b in bodies({"app/a.yaml": plain, "app/x.yaml.j2": HEAD})] == ["plain", "x"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("data:{{ v | to_yaml | nindent(2) }}", {"a": [1, {"b": "yes"}]}),
        ("data:\n  {{ v | to_yaml | indent(2) }}", {"a": [1, {"b": "yes"}]}),
        ("data: {{ v | to_json }}", {"a": [1, {"b": "yes"}]}),
        ("data: {{ 'pa:ss' | b64encode }}", "cGE6c3M="),
        ("data: {{ 'cGE6c3M=' | b64decode | quote }}", "pa:ss"),
        ("data: {{ '010' | quote }}", "010"),
        ("data: {{ missing | default('d') }}", "d"),
        ("data: {% if v.nope is defined %}1{% else %}2{% endif %}", 2),
        ("data: {% for k, x in v.items() %}{{ k }}{% endfor %}", "a"),
        ("data: {{ 'yes' | to_yaml }}", "yes"),
    ],
)
def test_filters_write_yaml(template: str, expected: object) -> None:
    assert data(template, {"v": {"a": [1, {"b": "yes"}]}}) == expected


def test_an_include_is_relative_to_its_file_and_may_be_nested() -> None:
    files = {
        "app/x.yaml.j2": HEAD + "{% include '../lib/labels.j2' %}",
        "lib/labels.j2": "data: {% include 'inner.j2' %}",
        "lib/inner.j2": "{{ values.v }}{% include '/root.j2' %}",
        "root.j2": "!",
    }
    assert bodies(files, {"v": "found"})[0]["data"] == "found!"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{{ values.image.tag }}\n", "app/x.yaml.j2:2: values.image is not set"),
        ("a\n\n{{ nope }}\n", "app/x.yaml.j2:3: 'nope' is undefined"),
        ("{% for x in %}", "app/x.yaml.j2:1: Expected an expression"),
        ("{% include 'no.j2' %}", "app/x.yaml.j2:1: cannot include app/no.j2: no such file"),
        ("{% include '../../x' %}", "app/x.yaml.j2:1: cannot include ../../x: leads out of the tree"),
        ("{{ 1 / 0 }}", "app/x.yaml.j2:1: division by zero"),
        ("{{ ''.__class__.__mro__ }}", "app/x.yaml.j2:1: "),
        ("{{ values.update({}) }}", "app/x.yaml.j2:1: "),
        ("{{ lipsum.__globals__ }}", "app/x.yaml.j2:1: "),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "app/x.yaml.j2:1: "),
        ("{% for i in range(10**9) %}{% endfor %}", "app/x.yaml.j2:1: Range too big"),
        ("{{ 'a' * 10**9 }}", "app/x.yaml.j2:1: needs more memory than a template may have"),
        ("{% for i in range(99999) %}{{ 'a' * 9999 }}{% endfor %}", "app/x.yaml.j2:1: more than 16 MiB come out"),
        ("a: {{ 'b: c' }}", "app/x.yaml.j2 (filled in):1: not YAML"),
    ],
)
def test_an_error_names_template_line_and_cause(template: str, message: str) -> None:
    started = time.monotonic()
    assert problem(template).startswith(message)
    assert time.monotonic() - started < 5


def test_a_missing_value_inside_another_is_named_with_its_way() -> None:
    files = {"app/x.yaml.j2": "{{ values.image.tag }}", "app/values.yaml": "image: {name: web}\n"}
    with pytest.raises(RenderError, match=r"app/x.yaml.j2:1: values.image.tag is not set"):
        bodies(files)


def test_an_error_in_an_included_file_names_that_file() -> None:
    assert problem("{% include 'part.j2' %}", **{"part.j2": "\n{{ nope }}"}).startswith("app/part.j2:2: ")


def test_a_loop_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renderers.template.SECONDS", 1.0)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    assert "took more than 1 s or too much memory" in problem(loops)


def test_reads_hold_templates_values_and_includes() -> None:
    tree = Tree.of_files({"app/x.yaml.j2": HEAD + "{% include 'p.j2' %}", "app/p.j2": "", "app/values.yaml": "a: 1"})
    render(tree, SourceSpec(path="app"))
    assert {"app/x.yaml.j2", "app/p.j2", "app/values.yaml"} <= set(tree.reads)
