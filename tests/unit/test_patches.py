"""Patches on top of what any renderer made: a kustomization's, for a chart or plain files too."""

import pytest

from gitops.model.application import Patch, PatchTarget, SourceSpec
from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from renderers.registry import render
from renderers.result import Rendered

FILES = {
    "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n---\n"
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {x: '1'}\n",
    "hook.yaml": "apiVersion: v1\nkind: ConfigMap\n"
    "metadata: {generateName: h-, annotations: {gitops.dev/hook: pre-sync}}\n",
}
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
    "templates/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n",
}
SET = "- {op: replace, path: /data/x, value: '2'}"
ALL = PatchTarget(kind="ConfigMap")


def patched(*patches: Patch, files: dict[str, str] | None = None) -> dict[str, object]:
    answer = render(Tree.of_files(files or FILES), SourceSpec(patches=patches))
    assert isinstance(answer, Rendered)
    return {one.key.name: (one.body.get("data"), one.origin.path) for one in answer.manifests}


def test_a_patch_changes_what_its_target_fits_and_no_origin() -> None:
    found = patched(Patch(SET, PatchTarget(name="a")))
    assert found == {"a": ({"x": "2"}, "a.yaml"), "b": ({"x": "1"}, "a.yaml"), "": (None, "hook.yaml")}


def test_a_patch_without_a_target_names_its_object() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {y: '3'}\n"
    assert patched(Patch(text))["b"] == ({"x": "1", "y": "3"}, "a.yaml")


def test_patches_are_applied_in_order_to_a_chart_too() -> None:
    found = patched(Patch(SET, ALL), Patch(SET.replace("'2'", "'3'"), ALL), files=CHART)
    assert found == {"a": ({"x": "3"}, "c/templates/x.yaml")}


def test_images_are_changed_in_what_a_chart_makes_after_the_patches() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: main, image: 'shop:1'}]}\n"
    named = Patch("- {op: replace, path: /spec/containers/0/image, value: 'store:1'}", PatchTarget(kind="Pod"))
    source = SourceSpec(patches=(named,), images=("store=mirror.example/store:2", "shop=*:3"))
    answer = render(Tree.of_files({**CHART, "templates/pod.yaml": pod}), source)
    assert isinstance(answer, Rendered)
    (found,) = [one.body for one in answer.manifests if one.key.kind == "Pod"]
    assert found["spec"]["containers"][0]["image"] == "mirror.example/store:2"


def test_what_no_patch_changes_keeps_each_digit() -> None:
    numbers = "apiVersion: v1\nkind: X\nmetadata: {name: num}\na: 1.0\nb: 9223372036854775808\nc: 1e3\n"
    source = SourceSpec(patches=(Patch(SET, PatchTarget(name="a")),))
    plain, patched_too = (render(Tree.of_files({**FILES, "n.yaml": numbers}), spec) for spec in (SourceSpec(), source))
    assert isinstance(plain, Rendered)
    assert isinstance(patched_too, Rendered)
    assert plain.manifests[-1] == patched_too.manifests[-1]
    assert plain.manifests[0] != patched_too.manifests[0]


def test_a_patch_may_take_an_object_away() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n$patch: delete\n"
    assert sorted(patched(Patch(text))) == ["", "a"]


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (Patch(" "), r"source\.patches\[0\]\.patch: is empty"),
        (Patch("- {op: replace}", ALL), r"source\.patches: "),
        (Patch("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: none}\n"), r"source\.patches: "),
        (Patch("a: ["), r"source\.patches: "),
        (Patch(SET.replace("/data/x", "/nowhere/x"), ALL), r"source\.patches: "),
    ],
)
def test_a_patch_that_cannot_be_applied_is_named(patch: Patch, why: str) -> None:
    with pytest.raises(RenderError, match=why):
        patched(patch)


@pytest.mark.parametrize(
    "patch", ["[" * 5000, "{" * 5000, "? " * 5000, '[{"op":"add","value":' + "[" * 3000 + "]" * 3000 + "}]"]
)
def test_a_patch_that_is_nested_without_end_is_an_error_of_its_own(patch: str) -> None:
    tree = Tree.of_files({"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"})
    with pytest.raises(RenderError, match=r"source\.patches: an inline patch"):
        render(tree, SourceSpec("https://x/r", patches=(Patch(patch, PatchTarget(kind="ConfigMap")),)))
