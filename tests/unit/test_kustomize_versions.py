"""What Kustomize 5.8 does otherwise than 5.5: images of volumes, replacements, patches that delete or hold nothing."""

import pytest

from gitops.manifests.errors import GitopsError
from gitops.model.application import KustomizeOptions, SourceSpec
from gitops.model.revision import Tree
from renderers.kustomize.render import render, render_bodies
from renderers.result import Context, Rendered

MAPS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  json: '{"b": 1, "a": {"c": "x<y"}}'
  indented: |-
    {
      "b": 1,
      "a": "x"
    }
  yaml: |
    # kept
    port: 1
    hosts:
      - name: q   # too
        url: "s"
  plain: text
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ab}
data: {k: v}
"""


def build(rest, version="5.8", maps=MAPS):
    files = {"r.yaml": maps, "kustomization.yaml": f"resources: [r.yaml]\n{rest}\n"}
    return render_bodies(Tree.of_files(files), "", Context(kustomize_version=version))


def data(*fields, value="8", create=False, version="5.8"):
    paths = ", ".join(f'"{field}"' for field in fields)
    options = ", options: {create: true}" if create else ""
    target = f"{{select: {{name: a}}, fieldPaths: [{paths}]{options}}}"
    return build(f'replacements: [{{sourceValue: "{value}", targets: [{target}]}}]', version)[0]["data"]


def test_a_replacement_reaches_into_json_and_keeps_its_form():
    found = data("data.json.a.c", "data.indented.a", value="z&")
    assert found["json"] == '{"a":{"c":"z\\u0026"},"b":1}'
    assert found["indented"] == '{\n  "a": "z\\u0026",\n  "b": 1\n}'


def test_a_replacement_reaches_into_yaml_and_keeps_comments_and_quotes():
    found = data("data.yaml.port", "data.yaml.hosts.[name=q].url")
    assert found["yaml"] == '# kept\nport: 8\nhosts:\n- name: q # too\n  url: "8"'


def test_a_replacement_makes_fields_inside_of_text_where_it_may():
    assert data("data.yaml.new.deep", create=True)["yaml"].endswith("new:\n  deep: 8")
    with pytest.raises(GitopsError, match=r"data\.yaml\.new"):
        data("data.yaml.new")


def test_text_without_structure_is_not_replaced_in():
    with pytest.raises(GitopsError, match=r"data\.plain\.x"):
        data("data.plain.x", create=True)


@pytest.mark.parametrize(
    ("select", "wanted"),
    [("{name: 'a.*'}", [8, 8]), ("{name: a}", [8, None]), ("{kind: 'Config.*', name: ab}", [None, 8])],
)
def test_the_targets_of_replacements_are_selected_by_regular_expressions(select, wanted):
    target = f"{{select: {select}, fieldPaths: [data.q], options: {{create: true}}}}"
    bodies = build(f'replacements: [{{sourceValue: "8", targets: [{target}]}}]')
    assert [body["data"].get("q") for body in bodies] == wanted


def test_kustomize_5_5_knows_none_of_that():
    with pytest.raises(GitopsError, match="sourceValue"):
        data("data.k", version="5.5")
    source = "source: {kind: ConfigMap, name: a, fieldPath: metadata.name}"
    target = "{select: {name: 'a.*'}, fieldPaths: [data.q], options: {create: true}}"
    rest = f"replacements: [{{{source}, targets: [{target}]}}]"
    assert [body["data"].get("q") for body in build(rest, "5.5")] == [None, None]
    assert [body["data"].get("q") for body in build(rest)] == ["a", "a"]


DELETES = "".join(
    f"$patch: delete\\napiVersion: v1\\nkind: ConfigMap\\nmetadata: {{name: {name}}}\\n---\\n" for name in ("a", "ab")
)


def test_one_patch_may_delete_several_resources():
    rest = f'patches: [{{patch: "{DELETES}"}}]'
    assert build(rest) == []
    with pytest.raises(GitopsError):
        build(rest, "5.5")


def test_a_patch_of_comments_alone_changes_nothing():
    rest = 'patches: [{patch: "# nothing yet", target: {name: a}}]'
    assert build(rest) == build("namePrefix: ''")
    with pytest.raises(GitopsError):
        build(rest, "5.5")


@pytest.mark.parametrize("field", ["patches", "patchesJson6902"])
@pytest.mark.parametrize(("path", "passes"), [("/metadata/none", True), ("/metadata/name", False)])
def test_a_test_without_a_value_expects_that_there_is_none(field, path, passes):
    rest = f'{field}: [{{patch: \'[{{"op": "test", "path": "{path}"}}]\', target: {{name: a}}}}]'
    if passes:
        assert build(rest) == build("namePrefix: ''")
    for version in ("5.5",) if passes else ("5.5", "5.8"):
        with pytest.raises(GitopsError, match="the value is another one"):
            build(rest, version)


def test_the_image_of_a_volume_is_an_image():
    volume = '{name: x, image: {reference: "v:1"}}'
    pod = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{volumes: [{volume}], containers: []}}\n"
    rest = 'images: [{name: v, newTag: "2"}]'
    found = {version: build(rest, version, pod)[0]["spec"]["volumes"][0]["image"] for version in ("5.5", "5.8")}
    assert found == {"5.5": {"reference": "v:1"}, "5.8": {"reference": "v:2"}}


def test_an_application_says_whose_rules_hold():
    files = {"r.yaml": MAPS, "kustomization.yaml": f'resources: [r.yaml]\npatches: [{{patch: "{DELETES}"}}]\n'}
    answer = render(Tree.of_files(files), SourceSpec(path="."), Context())
    assert isinstance(answer, Rendered)
    with pytest.raises(GitopsError):
        render(Tree.of_files(files), SourceSpec(path=".", kustomize=KustomizeOptions(version="5.5")), Context())


@pytest.mark.parametrize(("version", "name"), [("5.5", "kustomize-(devel)"), ("5.8", "kustomize-v5.8.1")])
def test_the_label_of_who_manages_names_kustomize_as_the_version_does(version, name):
    labels = build("buildMetadata: [managedByLabel]", version)[0]["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/managed-by": name}
