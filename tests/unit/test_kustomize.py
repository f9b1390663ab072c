"""The Kustomize renderer: what it promises besides printing what kubectl prints."""

import json
from typing import Any

import pytest

from gitops.manifests.errors import GitopsError
from gitops.model.application import KustomizeOptions, SourceSpec
from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from renderers.kustomize.label_selectors import parse_selector
from renderers.kustomize.nodes import FLOAT, INT, NULL, QUOTED, STR, Map, Scalar, Seq, tag_of, value_of
from renderers.kustomize.read import read_objects
from renderers.kustomize.remote import RepositoryPath, parse_remote
from renderers.registry import Context, Needs, Rendered, render
from renderers.result import Remote

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n"
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - name: web
        image: nginx:1
        envFrom: [{configMapRef: {name: cfg}}]
"""


def built(files: dict[str, str], path: str = "app", **context: Any) -> Rendered:
    answer = render(Tree.of_files(files), SourceSpec(path=path), Context(**context))
    assert isinstance(answer, Rendered)
    return answer


def bodies(files: dict[str, str], path: str = "app") -> list[dict[str, Any]]:
    return [manifest.body for manifest in built(files, path).manifests]


def problem(files: dict[str, str], path: str = "app", **context: Any) -> str:
    with pytest.raises(GitopsError) as caught:
        built(files, path, **context)
    return str(caught.value)


def one(kustomization: str, **files: str) -> dict[str, str]:
    return {"app/kustomization.yaml": kustomization, **{f"app/{name}": text for name, text in files.items()}}


def test_an_object_whose_name_a_replacement_empties_is_no_object() -> None:
    source, target = (
        "{kind: ConfigMap, name: a, fieldPath: data.x}",
        "{select: {kind: Secret}, fieldPaths: [metadata.name]}",
    )
    text = f"resources: [a.yaml, b.yaml]\nreplacements: [{{source: {source}, targets: [{target}]}}]\n"
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n"
    files = one(text, **{"a.yaml": CONFIG_MAP.format("a") + "data: {x: ''}\n", "b.yaml": secret})
    assert "an object of kind Secret has no metadata.name" in problem(files)


def test_a_folder_without_a_kustomization_is_told_with_the_names_that_it_may_have() -> None:
    files = {**one("resources: [../base]\n"), "base/a.yaml": CONFIG_MAP.format("a")}
    assert "no kustomization.yaml there (nor kustomization.yml, Kustomization)" in problem(files)


def test_a_name_reaches_the_field_that_a_definition_of_a_custom_kind_calls_a_reference() -> None:
    reference = {"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "ConfigMap"}
    properties = {"kind": {}, "apiVersion": {}, "metadata": {}, "spec": {"$ref": "dev.a.Spec"}}
    definitions = {
        "dev.a.Web": {"Schema": {"properties": properties}},
        "dev.a.Spec": {"schema": {"properties": {"config": {"type": "object", **reference}}}},
    }
    web = "apiVersion: a.dev/v1\nkind: Web\nmetadata: {name: web}\nspec: {config: {name: a}}\n"
    files = {"a.yaml": CONFIG_MAP.format("a"), "web.yaml": web, "crd.json": json.dumps(definitions)}
    found = bodies(one("namePrefix: x-\ncrds: [crd.json]\nresources: [a.yaml, web.yaml]\n", **files))
    (custom,) = (body for body in found if body["kind"] == "Web")
    assert custom["spec"] == {"config": {"name": "x-a"}}


@pytest.mark.parametrize("offset", ["+24:00", "-23:60"])
def test_a_time_a_whole_day_from_utc_is_refused_as_json_has_none(offset: str) -> None:
    text = CONFIG_MAP.format("a") + f"since: 2024-01-02T03:04:05{offset}\n"
    assert "cannot be written as JSON" in problem(one("resources: [a.yaml]\n", **{"a.yaml": text}))


def test_a_generated_name_reaches_what_refers_to_it() -> None:
    files = one("resources: [d.yaml]\nconfigMapGenerator: [{name: cfg, literals: [a=1]}]\n", **{"d.yaml": DEPLOYMENT})
    config, deployment = bodies(files)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert config["metadata"]["name"].startswith("cfg-")
    assert container["envFrom"] == [{"configMapRef": {"name": config["metadata"]["name"]}}]


def test_each_object_names_the_file_and_line_that_it_is_from() -> None:
    two = (
        "# first\n"
        + CONFIG_MAP.format("a")
        + "---\n\n"
        + CONFIG_MAP.format("b")
        + "--- # last\n"
        + CONFIG_MAP.format("c")
    )
    files = {
        "base/kustomization.yaml": "resources: [sub/two.yaml]\nnamePrefix: x-\n",
        "base/sub/two.yaml": two,
        "app/kustomization.yaml": "resources: [../base, d.yaml]\nconfigMapGenerator: [{name: cfg, literals: [a=1]}]\n"
        "patches: [{patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2}}'}]\n",
        "app/d.yaml": DEPLOYMENT,
    }
    assert {manifest.key.name[:3]: str(manifest.origin) for manifest in built(files).manifests} == {
        "x-a": "base/sub/two.yaml:2",
        "x-b": "base/sub/two.yaml:8",
        "x-c": "base/sub/two.yaml:13",
        "cfg": "app/kustomization.yaml",
        "web": "app/d.yaml:1",
    }


def test_what_no_file_is_known_for_is_from_the_kustomization() -> None:
    generator = "{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: g}, literals: [a=1]}"
    files = one(f"generators:\n- |-\n  {generator}\n")
    assert [str(manifest.origin) for manifest in built(files).manifests] == ["app/kustomization.yaml"]


def test_a_label_of_a_base_and_its_selector_are_one_value() -> None:
    files = {
        "base/kustomization.yaml": "resources: [d.yaml]\ncommonLabels: {app: a}\n",
        "base/d.yaml": DEPLOYMENT,
        "app/kustomization.yaml": "resources: [../base]\nlabels: [{pairs: {app: b}}]\n",
    }
    assert bodies(files)[0]["spec"]["selector"] == {"matchLabels": {"app": "b"}}


def test_the_text_is_what_kustomize_prints() -> None:
    files = one(
        "resources: [c.yaml]\nnamePrefix: a-\n", **{"c.yaml": CONFIG_MAP.format("x") + "data: {b: yes, a: '1'}\n"}
    )
    assert built(files).text == (
        'apiVersion: v1\ndata:\n  a: "1"\n  b: "yes"\nkind: ConfigMap\nmetadata:\n  name: a-x\n'
    )


def test_a_build_records_what_it_read_and_what_it_looked_for() -> None:
    files = {
        "base/kustomization.yml": "resources: [c.yaml]\n",
        "base/c.yaml": CONFIG_MAP.format("x"),
        "app/kustomization.yaml": "resources: [../base]\n",
        "other/x.yaml": "",
    }
    tree = Tree.of_files(files)
    render(tree, SourceSpec(path="app"), Context())
    read = {path for path, digest in tree.reads.items() if digest not in (None, "file", "directory")}
    assert read == {"app/kustomization.yaml", "base/kustomization.yml", "base/c.yaml"}
    assert tree.reads["base/kustomization.yaml"] is None
    assert Tree.of_files(files | {"other/x.yaml": "changed"}).answers_alike(tree.reads)
    assert not Tree.of_files(files | {"base/c.yaml": CONFIG_MAP.format("y")}).answers_alike(tree.reads)
    assert not Tree.of_files(files | {"base/Kustomization": "x"}).answers_alike(tree.reads)


def test_a_remote_base_is_asked_for_and_then_used() -> None:
    files = one("resources: ['https://github.com/org/repo//deploy?ref=v1']\nnamePrefix: a-\n")
    tree, spec = Tree.of_files(files), SourceSpec(path="app")
    remote = Remote("https://github.com/org/repo", "v1")
    assert render(tree, spec, Context()) == Needs((remote,))
    there = Tree.of_files({"deploy/kustomization.yaml": "resources: [c.yaml]", "deploy/c.yaml": CONFIG_MAP.format("x")})
    answer = render(tree, spec, Context(remotes={remote: there}))
    assert isinstance(answer, Rendered)
    assert answer.manifests[0].key.name == "a-x"


def test_a_remote_base_may_not_leave_its_repository() -> None:
    remote = Remote("https://github.com/org/repo")
    there = Tree.of_files({"deploy/kustomization.yaml": "resources: [../../x]"})
    message = problem(one("resources: ['https://github.com/org/repo//deploy']"), remotes={remote: there})
    assert "leads out of the repository" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://github.com/org/repo//a/b?ref=v1", RepositoryPath("https://github.com/org/repo", "v1", "a/b")),
        ("github.com/org/repo/a?version=x", RepositoryPath("https://github.com/org/repo", "x", "a")),
        ("git@github.com:org/repo.git/a", RepositoryPath("git@github.com:org/repo.git", "", "/a".lstrip("/"))),
        ("ssh://git@host.io/org/repo//a", RepositoryPath("ssh://git@host.io/org/repo", "", "a")),
        ("https://dev.azure.com/o/p/_git/r/a/b", RepositoryPath("https://dev.azure.com/o/p/_git/r", "", "a/b")),
        (
            "https://o.visualstudio.com/_git/r.gitops/a",
            RepositoryPath("https://o.visualstudio.com/_git/r.gitops", "", "a"),
        ),
        ("https://host/org/repo//a/../b", RepositoryPath("https://host/org/repo", "", "a/../b")),
        ("https://host/org/repo//../x", None),
        ("https://host/org/repo//a/../../x", None),
        ("../base", None),
        ("/abs/path", None),
        ("file.yaml", None),
    ],
)
def test_remote_paths_are_told_from_local_ones(text: str, expected: RepositoryPath | None) -> None:
    assert parse_remote(text) == expected


def test_files_outside_are_read_only_without_the_restrictor() -> None:
    files = {"app/kustomization.yaml": "resources: [../x.yaml]\n", "x.yaml": CONFIG_MAP.format("x")}
    assert "app/../x.yaml: lies outside of app" in problem(files)
    assert len(built(files, load_restrictor="none").manifests) == 1


def test_a_link_out_of_the_folder_is_restricted_too() -> None:
    tree = Tree.of_files(
        {"app/kustomization.yaml": "resources: [l.yaml]\n", "x.yaml": CONFIG_MAP.format("x")},
        links={"app/l.yaml": "../x.yaml"},
    )
    with pytest.raises(RenderError, match="lies outside of app"):
        render(tree, SourceSpec(path="app"), Context())


def test_a_component_and_a_kustomization_do_not_stand_for_each_other() -> None:
    part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: a-\n"
    wrong = {"resources": (part, "resources takes a Kustomization, not a Component")}
    wrong["components"] = ("namePrefix: a-\n", "components takes a Component, not a Kustomization")
    for field, (text, why) in wrong.items():
        files = {"app/kustomization.yaml": f"{field}: [../part]\n", "part/kustomization.yaml": text}
        assert problem(files).endswith(f"part/kustomization.yaml: {why}")


def test_options_of_the_application_come_on_top() -> None:
    files = one("resources: [d.yaml, c.yaml]\n", **{"d.yaml": DEPLOYMENT, "c.yaml": CONFIG_MAP.format("cfg")})
    files["part/kustomization.yaml"] = (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {p: 'x'}\n"
    )
    options = KustomizeOptions(("nginx=reg.io/nginx:2",), "a-", "-z", ("../part",))
    answer = render(Tree.of_files(files), SourceSpec(path="app", kustomize=options), Context())
    assert isinstance(answer, Rendered)
    config, deployment = (manifest.body for manifest in answer.manifests)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert config["metadata"] == {"annotations": {"p": "x"}, "name": "a-cfg-z"}
    assert container["image"] == "reg.io/nginx:2"
    assert container["envFrom"] == [{"configMapRef": {"name": "a-cfg-z"}}]


@pytest.mark.parametrize(
    ("kustomization", "message"),
    [
        ("resources: [gone.yaml]\n", "app/gone.yaml: no such file"),
        ("resource: []\n", "app/kustomization.yaml: resource: there is no such field"),
        ("namePrefix: 1\n", 'namePrefix: expected text, got a number (write "1", with quotes)'),
        ("images: [{name: x, newTag: 1.10}]\n", "images[0].newTag: expected text, got a number"),
        ("apiVersion: v1\nnamePrefix: a\n", "apiVersion: expected kustomize.config.k8s.io"),
        ("", "the kustomization is empty"),
        ("resources: [.]\n", "a cycle"),
        ("resources: [c.yaml, c.yaml]\n", "two resources are called ConfigMap.v1.[noGrp]/x"),
        ("resources: [bad.yaml]\n", "app/bad.yaml: line 1: not YAML"),
        ("resources: [nameless.yaml]\n", "app/nameless.yaml: an object of kind ConfigMap has no metadata.name"),
        ("patches: [{path: p.yaml, patch: x}]\n", "an item needs either path or patch"),
        ("resources: [c.yaml]\npatches: [{path: p.yaml}]\n", "p.yaml: no resource is called"),
        ("resources: [c.yaml]\nimages: [{name: '[bad', newTag: x}]\n", "is not a regular expression"),
        ("transformers: ['{apiVersion: example.com/v1, kind: Exec, metadata: {name: x}}']\n", "are not run"),
        ("helmCharts: [{name: x}]\n", "--enable-helm"),
        ("resources: [c.yaml]\nsortOptions: {order: none}\n", "sortOptions.order: expected legacy or fifo"),
        ("openapi: {version: v9}\n", "openapi.version v9 is not built in"),
        ("configMapGenerator: [{name: a, literals: [novalue]}]\n", "literals: `novalue`: expected key=value"),
        ("configMapGenerator: [{name: a, files: [k=]}]\n", "files: `k=`: expected path or key=path"),
        ("configMapGenerator: [{name: a, files: [=c.yaml]}]\n", "files: `=c.yaml`: expected path or key=path"),
        ("configMapGenerator: [{name: a, files: [k=c=d]}]\n", "files: `k=c=d`: expected path or key=path"),
        ("configurations: [rules.yaml]\n", "rules.yaml:2: not YAML"),
        ("resources: [c.yaml]\nreplicas: [{name: none, count: 1}]\n", "replicas: no resource called none"),
    ],
)
def test_an_error_names_the_file_and_the_field(kustomization: str, message: str) -> None:
    files = one(
        kustomization,
        **{
            "c.yaml": CONFIG_MAP.format("x"),
            "bad.yaml": "a: b: c\n",
            "rules.yaml": "# rules\na: b: c\n",
            "nameless.yaml": "apiVersion: v1\nkind: ConfigMap\n",
            "p.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n",
        },
    )
    assert message in problem(files)


def test_two_kustomization_files_are_refused() -> None:
    files = one("resources: []\n") | {"app/Kustomization": "resources: []\n"}
    assert "more than one kustomization: kustomization.yaml, Kustomization" in problem(files)


def test_an_alias_bomb_is_an_error_and_not_a_hang() -> None:
    lines = [CONFIG_MAP.format("x"), "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "aliases blow the document up" in problem(one("resources: [b.yaml]\n", **{"b.yaml": "\n".join(lines)}))


def test_bottomless_nesting_is_an_error() -> None:
    text = CONFIG_MAP.format("x") + "a: " + "[" * 3000 + "]" * 3000 + "\n"
    assert "levels deep" in problem(one("resources: [b.yaml]\n", **{"b.yaml": text}))


def test_content_that_is_read_again_is_not_changed_by_an_earlier_build() -> None:
    files = one("resources: [c.yaml]\nnamePrefix: a-\n", **{"c.yaml": CONFIG_MAP.format("x")})
    assert bodies(files) == bodies(files)


# ── the pieces ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (Scalar("123", STR), "123"),
        (Scalar("123"), 123),
        (Scalar("123", "", QUOTED), "123"),
        (Scalar("3", INT, QUOTED), "3"),
        (Scalar("3", FLOAT), 3),
        (Scalar("1e+06", FLOAT), 1000000),
        (Scalar("2020-1-1"), "2020-01-01T00:00:00Z"),
        (Scalar("", NULL), None),
        (Map({"a": Scalar("", NULL)}, flow=True), {"a": ""}),
        (Seq([Scalar("yes"), Scalar("true")]), ["yes", True]),
    ],
)
def test_a_scalar_is_read_back_as_it_was_written(node: Any, value: Any) -> None:
    assert value_of(node) == value


@pytest.mark.parametrize("node", [Scalar("x", INT), Scalar(".inf"), Scalar("a\x7f", STR)])
def test_what_cannot_be_written_is_an_error(node: Any) -> None:
    with pytest.raises(RenderError):
        value_of(node)


@pytest.mark.parametrize(("text", "tag"), [("0o17", INT), ("1_0", INT), ("on", STR), ("~", NULL), (".5", FLOAT)])
def test_plain_text_has_the_tag_of_yaml_1_2(text: str, tag: str) -> None:
    assert tag_of(text) == tag


@pytest.mark.parametrize(
    ("selector", "labels", "fits"),
    [
        ("a=1", {"a": "1"}, True),
        ("a!=1", {}, True),
        ("a in (1, 2),b", {"a": "2", "b": ""}, True),
        ("a notin (1)", {"a": "1"}, False),
        ("!a", {"a": ""}, False),
        ("a>3", {"a": "4"}, True),
        ("a>3", {"a": "x"}, False),
    ],
)
def test_label_selectors_fit(selector: str, labels: dict[str, str], fits: bool) -> None:
    parsed = parse_selector(selector)
    assert parsed is not None
    assert parsed.fits(labels) is fits


@pytest.mark.parametrize("selector", ["a=", "a in", "a in (", "=1", "a b", "a=1,", "a>x"])
def test_a_broken_label_selector_is_refused_or_empty(selector: str) -> None:
    if selector == "a=":
        parsed = parse_selector(selector)
        assert parsed is not None
        assert parsed.fits({"a": ""})
    else:
        with pytest.raises(RenderError, match="is not a label selector"):
            parse_selector(selector)


@pytest.mark.parametrize("key", ["!!merge <<", "!!merge '<<'", "!<tag:yaml.org,2002:merge> <<"])
def test_a_merge_key_may_be_tagged_as_one(key: str) -> None:
    (node,) = read_objects((CONFIG_MAP.format("x") + f"b: &b {{x: 1}}\nm:\n  {key}: *b\n  y: 2\n").encode())
    assert value_of(node)["m"] == {"x": 1, "y": 2}


def test_a_merge_key_stands_below_the_own_fields() -> None:
    (node,) = read_objects((CONFIG_MAP.format("x") + "b: &b {x: 1, y: 1}\nm: {x: 2, <<: *b}\n").encode())
    assert value_of(node)["m"] == {"x": 2, "y": 1}


def test_noting_an_origin_leaves_the_other_annotations_as_they_are_written() -> None:
    patch = '[{"op": "add", "path": "/data/x", "value": "1"}]'
    files = {
        "base/c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, annotations: {tier: ~}}\ndata: {a: b}\n",
        "base/kustomization.yaml": "resources: [c.yaml]\n"
        f"patches: [{{target: {{kind: ConfigMap}}, patch: '{patch}'}}]\n",
        "app/kustomization.yaml": "resources: [../base]\nbuildMetadata: [originAnnotations]\n",
    }
    (found,) = bodies(files)
    assert found["metadata"]["annotations"]["tier"] == "null", "a JSON patch writes a null out as null"
