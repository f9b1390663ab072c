"""Schemas of other places that a chart's `values.schema.json` names: asked for, checked by, bounded."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops.adapters import schemas
from gitops.adapters.http_get import HttpReader
from gitops.adapters.remote_files import RemoteFiles
from gitops.adapters.schemas import Schemas
from gitops.model.errors import RenderError, SourceError
from gitops.model.helm_options import HelmOptions, HelmParameter
from gitops.model.revision import Tree
from renderers.helm.render import render_output
from renderers.result import REMOTE_FILE, Context, Needs, Remote
from tests.chart_servers import ChartRepository, running

URL = "https://schemas.example.com/charts/1.0"
CHART = "apiVersion: v2\nname: c\nversion: 1.0.0\n"


def tree_of(schema: Any, **files: str) -> Tree:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    given = {"Chart.yaml": CHART, "templates/a.yaml": "a: 1", "values.yaml": "port: 80\n", "values.schema.json": text}
    return Tree.of_files({**given, **files})


def answer(tree: Tree, remotes: dict[str, Any] | None = None, **options: Any) -> Any:
    found = {
        Remote(url, kind="schema"): Tree.of_files({REMOTE_FILE: text if isinstance(text, str) else json.dumps(text)})
        for url, text in (remotes or {}).items()
    }
    return render_output(tree, "", HelmOptions(**options), Context(remotes=found))


def asked(found: Any) -> list[str]:
    assert isinstance(found, Needs)
    assert {remote.kind for remote in found.remotes} == {"schema"}
    return [remote.url for remote in found.remotes]


def test_what_a_schema_names_is_asked_for_at_once_without_fragments() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"a": {"$ref": f"{URL}/a.json#/x"}, "b": {"items": [{"$ref": f"{URL}/b.json"}]}},
        "definitions": {"own": {"$ref": "#/definitions/other"}, "other": {"$ref": f"{URL}/a.json#/y"}},
        "default": {"$ref": f"{URL}/no-schema.json"},
        "allOf": [{"$ref": "http://json-schema.org/draft-07/schema#"}],
    }
    assert asked(answer(tree_of(schema))) == [f"{URL}/a.json", f"{URL}/b.json"]


def test_what_a_fetched_schema_names_is_asked_for_in_turn() -> None:
    tree = tree_of({"$ref": f"{URL}/a.json"})
    first = {f"{URL}/a.json": {"properties": {"port": {"$ref": "ports/one.json#/definitions/port"}}}}
    assert asked(answer(tree, first)) == [f"{URL}/ports/one.json"]
    both = {**first, f"{URL}/ports/one.json": {"definitions": {"port": {"type": "integer", "maximum": 79}}}}
    with pytest.raises(RenderError, match=r"c:\n- port: 80 is greater than the maximum of 79"):
        answer(tree, both)


def test_an_id_says_where_names_begin() -> None:
    elsewhere = "https://other.example.com/set/root.json"
    tree = tree_of({"$ref": f"{URL}/a.json"})
    first = {f"{URL}/a.json": {"$id": elsewhere, "properties": {"port": {"$ref": "one.json"}}}}
    assert asked(answer(tree, first)) == ["https://other.example.com/set/one.json"]
    both = {**first, "https://other.example.com/set/one.json": {"type": "string"}}
    with pytest.raises(RenderError, match='port: 80 is not of type "string"'):
        answer(tree, both)


def test_values_that_fit_are_rendered_with() -> None:
    found = answer(tree_of({"$ref": f"{URL}/a.json"}), {f"{URL}/a.json": {"required": ["port"]}})
    assert found.text.endswith("a: 1\n")


def test_nothing_is_asked_for_what_is_not_checked() -> None:
    assert answer(tree_of({"$ref": f"{URL}/a.json"}), skipSchemaValidation=True).text
    parent = "dependencies: [{name: d, version: 1.0.0, condition: d.enabled}]\n"
    files = {
        "Chart.yaml": CHART + parent,
        "charts/d/Chart.yaml": CHART.replace("name: c", "name: d"),
        "charts/d/values.schema.json": json.dumps({"$ref": f"{URL}/a.json"}),
    }
    assert answer(tree_of("{}", **files, **{"values.yaml": "d: {enabled: false}"})).text
    assert asked(answer(tree_of("{}", **files, **{"values.yaml": "d: {enabled: true}"}))) == [f"{URL}/a.json"]


def test_a_number_that_is_set_counts_as_one() -> None:
    schema = {"properties": {"port": {"type": "integer", "maximum": 9000}, "share": {"type": "number"}}}
    for name, value in (("port", "8080"), ("share", "3"), ("list[1]", "3")):
        assert answer(tree_of(schema), parameters=(HelmParameter(name, value),)).text
    with pytest.raises(RenderError, match="port: 9001 is greater than the maximum of 9000"):
        answer(tree_of(schema), parameters=(HelmParameter("port", "9001"),))


def test_what_is_fetched_and_is_no_schema_is_named() -> None:
    tree = tree_of({"$ref": f"{URL}/a.json"})
    with pytest.raises(RenderError, match=rf"values\.schema\.json: {URL}/a\.json: is no JSON: "):
        answer(tree, {f"{URL}/a.json": "<html>"})


@pytest.mark.parametrize("name", ["http://[x", "//[", "http://[::1"])
def test_an_id_that_is_no_url_is_an_error_of_its_schema(name: str) -> None:
    schema = {"$id": name, "properties": {"port": {"$ref": "a.json"}}}
    with pytest.raises(RenderError, match=r"values\.schema\.json: cannot be used: "):
        answer(tree_of(schema))
    with pytest.raises(RenderError, match=r"values\.schema\.json: cannot be used: "):
        answer(tree_of({"$ref": f"{URL}/a.json"}), {f"{URL}/a.json": schema})


def test_schemas_that_name_others_for_ever_are_stopped() -> None:
    with pytest.raises(RenderError, match=r"names more than 200 schemas of other places"):
        answer(tree_of({"anyOf": [{"$ref": f"{URL}/{number}"} for number in range(201)]}))
    large = json.dumps({"description": "x" * (9 << 20)})
    with pytest.raises(RenderError, match=r"the schemas that it names take more than 32 MiB"):
        answer(
            tree_of({"anyOf": [{"$ref": f"{URL}/{number}"} for number in range(4)]}),
            {f"{URL}/{number}": large for number in range(4)},
        )


def of(server: ChartRepository, folder: Path) -> Schemas:
    return Schemas(RemoteFiles(folder, HttpReader("anywhere")))


def test_many_large_schemas_are_stopped_before_they_are_all_read(server: ChartRepository, tmp_path: Path) -> None:
    for number in range(100):
        server.files[f"/{number}"] = (200, {}, b" " * (4 << 20))
    with pytest.raises(SourceError, match=r"all schemas together take more than 32 MiB .*skipSchemaValidation"):
        of(server, tmp_path).trees(f"{server.url}/{number}" for number in range(100))
    assert len(server.asked) < 30
    server.files["/large"] = (200, {}, b" " * (5 << 20))
    with pytest.raises(SourceError, match=r"/large: .*skipSchemaValidation"):
        of(server, tmp_path).trees([f"{server.url}/large"])


def test_a_server_that_takes_its_time_holds_a_render_up_no_longer_than_all_may_take(
    server: ChartRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schemas, "_MOST_SECONDS", 1.0)
    server.delay = 0.6
    for number in range(100):
        server.files[f"/{number}"] = (200, {}, b"{}")
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"all schemas together took more than 1 s"):
        of(server, tmp_path).trees(f"{server.url}/{number}" for number in range(100))
    assert time.monotonic() - began < 4.0


@pytest.fixture
def server() -> Iterator[ChartRepository]:
    found = ChartRepository()
    with running(found):
        yield found


def test_a_person_renders_a_chart_whose_schemas_are_elsewhere(server: ChartRepository, tmp_path: Path) -> None:
    chart = tmp_path / "c"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(CHART)
    (chart / "templates/a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    refs = [{"$ref": f"{server.url}/{name}.json"} for name in "abc"]
    (chart / "values.schema.json").write_text(json.dumps({"allOf": refs}))
    for name in "abc":
        body = {"properties": {name: {"type": "integer"}}}
        server.files[f"/{name}.json"] = (200, {"ETag": f'"{name}"'}, json.dumps(body).encode())

    def run(*words: str, **variables: str) -> tuple[int, str, str]:
        command = [sys.executable, "-c", "from gitops.cli.entry import main; main()", "render", str(chart), *words]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    assert run("--set", "b=1")[0] == 0
    code, printed, said = run("--set", "b=x")
    assert (code, printed, '- b: "x" is not of type "integer"' in said) == (2, "", True)
    code, _, said = run(GITOPS_REMOTE_FILES="off")
    assert (code, "a.json: files over HTTP are switched off here" in said) == (2, True)
    del server.files["/c.json"]
    code, _, said = run()
    assert (code, "c.json: the server answered 404 (a chart's values.schema.json names it; skip" in said) == (2, True)
    assert run("--skip-schema-validation")[0] == 0
