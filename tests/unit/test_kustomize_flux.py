"""Kustomizations as Flux builds them: made where there is none, with the options written into them."""

from typing import Any

import pytest

from gitops.manifests.errors import GitopsError
from gitops.model.application import KustomizeOptions, Patch, PatchTarget, SourceSpec
from gitops.model.revision import Tree
from renderers.registry import Rendered, render

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n"
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: nginx:1}]}}}
"""


def built(files: dict[str, str], path: str = "app", **options: Any) -> list[dict[str, Any]]:
    source = SourceSpec(path=path, renderer="kustomize", kustomize=KustomizeOptions(**{"rules": "flux", **options}))
    answer = render(Tree.of_files(files), source)
    assert isinstance(answer, Rendered)
    return [manifest.body for manifest in answer.manifests]


def names(files: dict[str, str], **options: Any) -> list[str]:
    return [body["metadata"]["name"] for body in built(files, **options)]


def test_a_folder_without_a_kustomization_gets_one_of_all_manifests_below_it() -> None:
    files = {
        "app/one.yaml": CONFIG_MAP.format("one"),
        "app/deep/er/two.yml": CONFIG_MAP.format("two"),
        "app/.hidden/three.yaml": CONFIG_MAP.format("three"),
        "app/notes.txt": "no manifest",
        "app/values.json": "{}",
        "other/four.yaml": CONFIG_MAP.format("four"),
    }
    assert sorted(names(files)) == ["one", "three", "two"]


def test_a_folder_below_with_a_kustomization_is_built_by_it() -> None:
    files = {
        "app/base/kustomization.yaml": "resources: [in.yaml]\nnamePrefix: x-\n",
        "app/base/in.yaml": CONFIG_MAP.format("in"),
        "app/base/out.yaml": CONFIG_MAP.format("out"),
        "app/top.yaml": CONFIG_MAP.format("top"),
    }
    assert sorted(names(files)) == ["top", "x-in"]


def test_a_file_that_holds_no_manifest_is_an_error() -> None:
    with pytest.raises(GitopsError, match=r"app/values\.yaml"):
        built({"app/values.yaml": "replicas: 3\n", "app/one.yaml": CONFIG_MAP.format("one")})


def test_a_folder_without_manifests_gives_nothing() -> None:
    assert built({"app/readme.md": "hello"}) == []


def test_options_take_the_place_of_those_in_the_file() -> None:
    files = {
        "app/kustomization.yaml": "resources: [web.yaml]\nnamePrefix: old-\nnameSuffix: -old\nnamespace: old\n",
        "app/web.yaml": DEPLOYMENT,
    }
    (web,) = built(files, namespace="new", namePrefix="new-")
    assert (web["metadata"]["name"], web["metadata"]["namespace"]) == ("new-web-old", "new")


def test_patches_come_after_those_of_the_file_and_see_names_before_the_prefix() -> None:
    files = {
        "app/kustomization.yaml": (
            "resources: [web.yaml]\nnamePrefix: x-\n"
            "patches: [{patch: '- {op: add, path: /spec/replicas, value: 2}', target: {kind: Deployment}}]\n"
        ),
        "app/web.yaml": DEPLOYMENT,
    }
    patch = Patch("- {op: replace, path: /spec/replicas, value: 3}", PatchTarget(kind="Deployment", name="web"))
    (web,) = built(files, patches=(patch,))
    assert (web["metadata"]["name"], web["spec"]["replicas"]) == ("x-web", 3)


@pytest.mark.parametrize(
    ("of_file", "given", "image"),
    [
        ("{name: nginx, newName: mine/nginx}", "nginx=*:2", "mine/nginx:2"),
        ("{name: nginx, newTag: '9'}", "nginx=mine/nginx", "mine/nginx:9"),
        ("{name: nginx, newTag: '9'}", "nginx=*@sha256:abc", "nginx@sha256:abc"),
        ("{name: nginx, digest: 'sha256:abc'}", "nginx=*:2", "nginx:2"),
        ("{name: other, newTag: '9'}", "nginx=*:2", "nginx:2"),
    ],
)
def test_an_image_changes_only_what_it_says(of_file: str, given: str, image: str) -> None:
    files = {"app/kustomization.yaml": f"resources: [web.yaml]\nimages: [{of_file}]\n", "app/web.yaml": DEPLOYMENT}
    (web,) = built(files, images=(given,))
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == image


def test_components_are_added_and_missing_ones_left_out_if_asked() -> None:
    files = {
        "app/kustomization.yaml": "resources: [web.yaml]\n",
        "app/web.yaml": DEPLOYMENT,
        "part/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]\n"
        ),
        "part/more.yaml": CONFIG_MAP.format("more"),
    }
    assert sorted(names(files, components=("../part",))) == ["more", "web"]
    with pytest.raises(GitopsError, match="none"):
        built(files, components=("../none",))
    assert names(files, components=("../none",), ignoreMissingComponents=True) == ["web"]


@pytest.mark.parametrize(
    "path", ["https://example.com/part", "/part", "git@example.com:part", "file:///part", "github.com/example/part"]
)
def test_components_are_of_the_same_repository(path: str) -> None:
    with pytest.raises(GitopsError, match="expected a path relative to app"):
        built({"app/web.yaml": DEPLOYMENT}, components=(path,))


@pytest.mark.parametrize("folder", ["part@1", "gh:", "git@"])
def test_a_component_may_have_an_at_sign_in_its_path_or_be_called_like_a_scheme(folder: str) -> None:
    files = {
        "app/kustomization.yaml": "resources: [web.yaml]\n",
        "app/web.yaml": DEPLOYMENT,
        f"app/{folder}/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]\n"
        ),
        f"app/{folder}/more.yaml": CONFIG_MAP.format("more"),
    }
    assert sorted(names(files, components=(folder,))) == ["more", "web"]


def test_a_component_outside_of_the_repository_is_missing() -> None:
    files = {"app/one.yaml": CONFIG_MAP.format("one")}
    assert names(files, components=("../../part",), ignoreMissingComponents=True) == ["one"]


def test_what_components_bring_where_nothing_else_is_goes_into_a_namespace_that_is_none() -> None:
    files = {
        "app/readme.md": "hello",
        "part/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]\n"
        ),
        "part/more.yaml": CONFIG_MAP.format("more"),
    }
    (more,) = built(files, components=("../part",))
    assert more["metadata"] == {"name": "more", "namespace": "_placeholder"}
    (more,) = built(files, components=("../part",), namespace="apps")
    assert more["metadata"] == {"name": "more", "namespace": "apps"}


def test_the_file_loses_what_nobody_knows_and_has_its_numbers_taken_for_text() -> None:
    files = {
        "app/kustomization.yaml": (
            "resources: [web.yaml]\nnotes: {a: b}\ncommonAnnotations: {made: yes, count: 3}\n"
            "images: [{name: nginx, newTag: 1.20}]\n"
        ),
        "app/web.yaml": DEPLOYMENT,
    }
    (web,) = built(files)
    assert web["metadata"]["annotations"] == {"made": "true", "count": "3"}
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.2"
    with pytest.raises(GitopsError, match=r"app/kustomization\.yaml: .*there is no such field|expected text"):
        built(files, rules="kustomize")


@pytest.mark.parametrize(
    ("written", "tag"), [("20240115.1", "2.0240116e+07"), ("1e3", "1000"), ("0.00001", "1e-05"), ("1e39", "+Inf")]
)
def test_a_tag_that_is_a_number_is_one_of_32_bits(written: str, tag: str) -> None:
    files = {
        "app/kustomization.yaml": f"resources: [web.yaml]\nimages: [{{name: nginx, newTag: {written}}}]\n",
        "app/web.yaml": DEPLOYMENT,
    }
    (web,) = built(files)
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == f"nginx:{tag}"


def test_images_under_their_old_name_come_after_those_of_the_application() -> None:
    files = {
        "app/kustomization.yaml": "resources: [web.yaml]\nimageTags: [{name: nginx, newTag: '3'}]\n",
        "app/web.yaml": DEPLOYMENT,
    }
    (web,) = built(files, images=("nginx=*:4",))
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:3"


def test_files_may_lie_anywhere_in_the_repository() -> None:
    files = {"app/kustomization.yaml": "resources: [../shared/one.yaml]\n", "shared/one.yaml": CONFIG_MAP.format("one")}
    assert names(files) == ["one"]
    with pytest.raises(GitopsError, match="load restrictor"):
        built(files, rules="kustomize")


def test_a_kustomization_without_resources_notes_where_its_objects_are_from() -> None:
    files = {"app/kustomization.yaml": "configMapGenerator: [{name: one, literals: [a=b]}]\n"}
    (one,) = built(files)
    assert "config.kubernetes.io/origin" in one["metadata"]["annotations"]
    assert built({"app/kustomization.yaml": "resources: []\n"}) == []
    bases = {"app/kustomization.yaml": "bases: [../one]\n", "one/kustomization.yaml": "resources: [one.yaml]\n"}
    (one,) = built({**bases, "one/one.yaml": CONFIG_MAP.format("one")})
    assert one["metadata"]["annotations"] == {"config.kubernetes.io/origin": "path: ../one/one.yaml\n"}


def test_namespace_and_patches_work_on_top_of_a_kustomization_too() -> None:
    files = {
        "app/kustomization.yaml": "resources: [web.yaml]\nnamespace: old\nnamePrefix: x-\n",
        "app/web.yaml": DEPLOYMENT,
    }
    patch = Patch("- {op: add, path: /spec/replicas, value: 3}", PatchTarget(kind="Deployment", name="web"))
    (web,) = built(files, rules="kustomize", namespace="new", patches=(patch,))
    assert web["metadata"] == {"name": "x-web", "namespace": "new"}
    assert web["spec"]["replicas"] == 3
