"""Variables and common metadata in what any renderer made, as a Kustomization of Flux has them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gitops.model.application import Patch, PatchTarget, SourceSpec
from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from gitops.model.transforms import CommonMetadata, PostBuild, SubstituteFrom
from renderers.registry import render
from renderers.result import Context, Live, Look, Needs, Rendered

RECORDED = json.loads((Path(__file__).parent.parent / "data/flux/substitution.json").read_text())
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
    "templates/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '${cluster}'}\n",
}
KUSTOMIZATION = {
    "kustomization.yaml": "resources: [a.yaml]\n",
    "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '${cluster}'}\n",
}
VARIABLES = SubstituteFrom("ConfigMap", "variables")
PASSWORDS = SubstituteFrom("Secret", "passwords")


def config_map(name: str, **data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def rendered(files: dict[str, str], options: PostBuild, live: Live | None = None, **more: Any) -> Rendered | Needs:
    spec = SourceSpec(postBuild=options, **more)
    return render(Tree.of_files(files), spec, Context(home="apps", live=live))


def data_of(files: dict[str, str], options: PostBuild, live: Live | None = None, **more: Any) -> dict[str, Any]:
    answer = rendered(files, options, live, **more)
    assert isinstance(answer, Rendered)
    return {one.key.name: one.body.get("data") for one in answer.manifests}


def live_of(config_map: dict[str, str] | None = None, secret: dict[str, str] | None = None) -> Live:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in (secret or {}).items()}
    return Live(
        {
            Look("v1", "ConfigMap", "apps", "variables"): None if config_map is None else {"data": config_map},
            Look("v1", "Secret", "apps", "passwords"): None if secret is None else {"data": encoded},
        }
    )


# ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", RECORDED["objects"], ids=lambda case: json.dumps(case["object"]["data"])[:60])
def test_an_object_becomes_what_flux_makes_of_it(case: dict[str, Any]) -> None:
    options = PostBuild(case["variables"], strict=case.get("strict", False))
    files = {"a.json": json.dumps(case["object"])}
    if "error" in case:
        with pytest.raises(RenderError, match=r"^a\.json:1: ConfigMap x: source\.postBuild: "):
            rendered(files, options)
        return
    is_refused = any(not isinstance(label, str) for label in case["becomes"]["metadata"].get("labels", {}).values())
    if is_refused:
        with pytest.raises(RenderError, match=r"one of metadata\.labels is no text"):
            rendered(files, options)
        return
    answer = rendered(files, options)
    assert isinstance(answer, Rendered)
    assert json.dumps(answer.manifests[0].body, sort_keys=True) == json.dumps(case["becomes"], sort_keys=True)


@pytest.mark.parametrize("files", [CHART, KUSTOMIZATION, {"a.yaml": KUSTOMIZATION["a.yaml"]}])
def test_what_every_renderer_made_gets_its_values(files: dict[str, str]) -> None:
    assert data_of(files, PostBuild({"cluster": "prod"})) == {"a": {"x": "prod"}}


def test_patches_come_before_variables() -> None:
    patch = Patch("- {op: add, path: /data/y, value: '${cluster}'}", PatchTarget(kind="ConfigMap"))
    found = data_of(KUSTOMIZATION, PostBuild({"cluster": "prod"}), patches=(patch,))
    assert found == {"a": {"x": "prod", "y": "prod"}}


def test_what_has_no_variable_keeps_each_digit_and_its_origin() -> None:
    number = "apiVersion: v1\nkind: X\nmetadata: {name: num}\na: 1.0\nb: 9223372036854775808\nc: 1e3\n"
    files = {"n.yaml": number, "a.yaml": config_map("a", x="${cluster}")}
    plain, found = rendered(files, PostBuild()), rendered(files, PostBuild({"cluster": "prod"}))
    assert isinstance(plain, Rendered)
    assert isinstance(found, Rendered)
    assert found.manifests[1] == plain.manifests[1]
    assert (found.manifests[0].origin, found.manifests[0].body["data"]) == (plain.manifests[0].origin, {"x": "prod"})


@pytest.mark.parametrize("part", ["labels", "annotations"])
def test_an_object_that_says_so_is_left_alone(part: str) -> None:
    switch = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", part: switch}, "data": {"x": "${a:-"}}
    files = {"a.json": json.dumps(body)}
    assert data_of(files, PostBuild({"a": "1"})) == {"a": {"x": "${a:-"}}
    files["b.json"] = config_map("b", x="${a}")
    assert data_of(files, PostBuild({"a": "1"})) == {"a": {"x": "${a:-"}, "b": {"x": 1}}


def test_without_any_variable_all_is_left_unless_it_is_to_be_done_always() -> None:
    files = {"a.json": config_map("a", x="${cluster:=dev}")}
    assert data_of(files, PostBuild()) == {"a": {"x": "${cluster:=dev}"}}
    assert data_of(files, PostBuild(substituteFrom=(VARIABLES,)), live_of({})) == {"a": {"x": "${cluster:=dev}"}}
    assert data_of(files, PostBuild(substituteStrategy="Always")) == {"a": {"x": "dev"}}


def test_the_line_of_what_cannot_be_read_is_counted_with_the_fields_in_order() -> None:
    body = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "a"},
        "data": {"z": "${a}", "b": "1", "c": "2"},
    }
    with pytest.raises(RenderError, match="line 5 of the object as YAML"):
        rendered({"a.json": json.dumps(body)}, PostBuild({"a": "x: y"}))


def test_a_name_may_be_made_of_a_variable() -> None:
    assert data_of({"a.json": config_map("web-${cluster}")}, PostBuild({"cluster": "prod"})) == {"web-prod": {}}


def test_a_name_that_the_server_makes_may_begin_with_a_variable() -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "web-${cluster}-"}, "data": {}}
    answer = rendered({"a.json": json.dumps(body)}, PostBuild({"cluster": "prod"}))
    assert isinstance(answer, Rendered)
    assert [found.body["metadata"]["generateName"] for found in answer.manifests] == ["web-prod-"]


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("${none}", PostBuild({"a": "1"}), "variable none has no value"),
        ("${a-1}", PostBuild({"a": "1"}), r"\$\{a… cannot be read: no \} where it should end \(write \$\$\{"),
        ("${a}", PostBuild({"a": "'hunter2"}), r"it is no YAML \(line \d+ of the object as YAML\); to keep a value"),
        ("${a:0:1}", PostBuild({"a": "éhunter2"}), "no UTF-8"),
    ],
)
def test_a_mistake_is_said_with_the_file_and_the_object_and_no_value(text: str, options: PostBuild, why: str) -> None:
    with pytest.raises(RenderError, match=why) as found:
        rendered({"apps/a.json": config_map("web", x=text)}, options)
    assert str(found.value).startswith("apps/a.json:1: ConfigMap web: source.postBuild: ")
    assert "hunter2" not in str(found.value)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("kind", "", "kind is no text, or empty"),
        ("apiVersion", "1", "apiVersion is no text"),
        ("name", "", r"metadata\.name is empty"),
        ("name", "12", r"metadata\.name is no text"),
        ("label", "true", r"one of metadata\.labels is no text; to keep a value as text"),
    ],
)
def test_an_object_that_is_none_any_more_is_an_error(field: str, value: str, why: str) -> None:
    names = {"kind": "ConfigMap", "apiVersion": "v1", "name": "web", "label": "x"} | {field: "${v}"}
    metadata = {"name": names["name"], "labels": {"l": names["label"]}}
    body = {"apiVersion": names["apiVersion"], "kind": names["kind"], "metadata": metadata}
    with pytest.raises(RenderError, match=why):
        rendered({"a.json": json.dumps(body)}, PostBuild({"v": value, "other": "1"}))


def test_what_looks_like_an_expression_in_a_secret_is_not_told() -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "a${hunter2-"}}
    with pytest.raises(RenderError, match=r"\$\{… cannot be read") as found:
        rendered({"a.json": json.dumps(body)}, PostBuild({"a": "1"}))
    assert "hunter2" not in str(found.value)


# ── variables ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_later_objects_override_earlier_ones_and_substitute_all() -> None:
    files = {"a.json": config_map("a", x="${one} ${two} ${three}")}
    live = live_of({"one": "map", "two": "map", "three": "map"}, {"two": "secret", "three": "secret"})
    options = PostBuild({"three": "inline"}, (VARIABLES, PASSWORDS))
    assert data_of(files, options, live) == {"a": {"x": "map secret inline"}}
    turned = PostBuild({"three": "inline"}, (PASSWORDS, VARIABLES))
    assert data_of(files, turned, live) == {"a": {"x": "map map inline"}}


def test_line_breaks_of_values_are_left_out() -> None:
    files = {"a.json": config_map("a", x="${one}${two}${three}")}
    live = live_of({"one": "a\nb\n"}, {"two": "\nc"})
    assert data_of(files, PostBuild({"three": "d\n"}, (VARIABLES, PASSWORDS)), live) == {"a": {"x": "abcd"}}


def test_objects_that_are_not_known_yet_are_asked_for() -> None:
    answer = rendered({"a.json": config_map("a")}, PostBuild(substituteFrom=(VARIABLES, PASSWORDS)), Live())
    looks = (Look("v1", "ConfigMap", "apps", "variables"), Look("v1", "Secret", "apps", "passwords"))
    assert answer == Needs((), looks)


def test_variables_that_nothing_asks_for_need_not_be_there() -> None:
    metadata = "{name: a, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}"
    files = {
        "kustomization.yaml": "resources: [a.yaml]\n",
        "a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\ndata: {{x: '${{cluster}}'}}\n",
    }
    assert data_of(files, PostBuild({}, (VARIABLES,)), live_of()) == {"a": {"x": "${cluster}"}}


def test_a_missing_object_is_an_error_unless_it_is_optional() -> None:
    files = {"a.json": config_map("a", x="${one:=none}")}
    with pytest.raises(RenderError, match=r"substituteFrom\[0\]: ConfigMap apps/variables: is not there"):
        rendered(files, PostBuild(substituteFrom=(VARIABLES,)), live_of())
    optional = SubstituteFrom("ConfigMap", "variables", optional=True)
    assert data_of(files, PostBuild({"other": "1"}, (optional,)), live_of()) == {"a": {"x": "none"}}


@pytest.mark.parametrize("name", ["a-b", "1a", "a.b", "", "é", "a b", "a\n"])
def test_a_name_that_is_none_of_a_variable_is_an_error_wherever_it_stands(name: str) -> None:
    files = {"a.json": config_map("a")}
    with pytest.raises(RenderError, match=r"postBuild\.substitute: '.*' is no name of a variable"):
        rendered(files, PostBuild({name: "1"}))
    with pytest.raises(RenderError, match=r"ConfigMap apps/variables: '.*' is no name of a variable"):
        rendered(files, PostBuild(substituteFrom=(VARIABLES,)), live_of({name: "1"}))


def test_without_a_cluster_its_objects_cannot_be_read() -> None:
    with pytest.raises(RenderError, match="is in a cluster, which this does not read; `gitops diff` does"):
        rendered({"a.json": config_map("a")}, PostBuild(substituteFrom=(VARIABLES,)))


# ── common metadata ──────────────────────────────────────────────────────────────────────────────────────────────


def test_every_object_gets_common_labels_and_annotations_and_no_template_of_it() -> None:
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"team": "old", "app": "web"}},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}}},
    }
    common = CommonMetadata({"team": "shop"}, {"owner": "a@example.com"})
    answer = rendered({"a.json": json.dumps(body)}, PostBuild(), commonMetadata=common)
    assert isinstance(answer, Rendered)
    found = answer.manifests[0].body
    assert found["metadata"] == {
        "name": "web",
        "labels": {"team": "shop", "app": "web"},
        "annotations": {"owner": "a@example.com"},
    }
    assert found["spec"] == body["spec"]


def test_an_object_that_has_them_already_stays_the_same() -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"team": "shop"}}}
    files = {"a.json": json.dumps(body)}
    assert rendered(files, PostBuild(), commonMetadata=CommonMetadata({"team": "shop"})) == rendered(files, PostBuild())


def test_common_metadata_has_no_variables_of_its_own() -> None:
    common = CommonMetadata({"team": "${cluster}"})
    answer = rendered({"a.json": config_map("a")}, PostBuild({"cluster": "prod"}), commonMetadata=common)
    assert isinstance(answer, Rendered)
    assert answer.manifests[0].body["metadata"]["labels"] == {"team": "${cluster}"}
