"""The plain renderer and the registry."""

import time

import pytest

from gitops.manifests.errors import ManifestError
from gitops.model.application import PlainOptions, SourceSpec
from gitops.model.errors import RenderError, SourceError
from gitops.model.revision import Tree
from renderers.registry import Context, Rendered, render, renderer_for


def config_map(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"


def names(tree: Tree, path: str = ".", **options: object) -> list[str]:
    answer = render(tree, SourceSpec(path=path, plain=PlainOptions(**options)))  # type: ignore[arg-type]
    assert isinstance(answer, Rendered)
    return [manifest.key.name for manifest in answer.manifests]


FILES = {
    "b.yaml": config_map("b"),
    "a.yml": config_map("a1") + "---\n" + config_map("a2"),
    "c/d/e.json": '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "e"}}',
    "c/test/t.yaml": config_map("t"),
    "test/u.yaml": config_map("u"),
    "notes.txt": "not: [yaml",
    ".github/workflows/ci.yaml": "on: push\n",
}


def test_files_are_read_in_the_order_of_their_paths() -> None:
    assert names(Tree.of_files(FILES)) == ["a1", "a2", "b", "e", "t", "u"]


def test_without_recursion_only_the_folder_itself_is_read() -> None:
    assert names(Tree.of_files(FILES), recurse=False) == ["a1", "a2", "b"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ("*.yaml", "", ["b", "t", "u"]),
        ("*.yaml, *.json", "", ["b", "e", "t", "u"]),
        ("c/**", "", ["e", "t"]),
        ("c/*/*.json", "", ["e"]),
        ("**/t*.yaml", "", ["t"]),
        ("", "test/**", ["a1", "a2", "b", "e", "t"]),
        ("", "test/", ["a1", "a2", "b", "e"]),
        ("", "[ab].y*ml", ["e", "t", "u"]),
        ("", "**", None),
    ],
)
def test_globs_choose_files(include: str, exclude: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(RenderError, match=r"nothing to render there .* exclude \*\*"):
            names(Tree.of_files(FILES), include=include, exclude=exclude)
    else:
        assert names(Tree.of_files(FILES), include=include, exclude=exclude) == expected


def test_a_single_file_is_a_path_too() -> None:
    assert names(Tree.of_files(FILES), "c/d/e.json") == ["e"]


def test_a_linked_file_is_read_and_a_linked_folder_is_not_entered() -> None:
    tree = Tree.of_files({"base/x.yaml": config_map("x")}, links={"app/l.yaml": "../base/x.yaml", "app/loop": "."})
    assert names(tree, "app") == ["x"]


def test_a_symlink_out_of_the_tree_is_an_error_and_not_left_out() -> None:
    tree = Tree.of_files({"a.yaml": config_map("a")}, links={"l.yaml": "../x"})
    with pytest.raises(SourceError, match=r"l.yaml: the symbolic link leads out of the tree"):
        names(tree)


def test_a_symlink_to_nothing_is_an_error_and_not_left_out() -> None:
    links = {"app/l.yaml": "../base/gone.yaml", "app/README": "../nowhere"}
    tree = Tree.of_files({"app/a.yaml": config_map("a"), "base/x.yaml": ""}, links=links)
    with pytest.raises(SourceError, match=r"^app/l.yaml: the symbolic link leads to nothing"):
        names(tree, "app")
    assert names(Tree.of_files({"app/a.yaml": config_map("a")}, links={"app/README": "../nowhere"}), "app") == ["a"]


def test_a_broken_file_is_named_with_its_line() -> None:
    with pytest.raises(ManifestError, match=r"^apps/x.yaml:6: apiVersion: expected text, got nothing"):
        names(Tree.of_files({"apps/x.yaml": config_map("a") + "---\na: 1\n"}).fresh(), "apps")


def test_a_path_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match="apps/shop: no such path in the source"):
        names(Tree.of_files(FILES), "apps/shop")


def test_a_path_with_nothing_to_render_is_an_error() -> None:
    with pytest.raises(RenderError, match="docs: nothing to render there"):
        names(Tree.of_files({"docs/readme.md": ""}), "docs")
    with pytest.raises(RenderError, match="docs: nothing to render there"):
        names(Tree.of_files({"docs/empty.yaml": "# nothing\n"}), "docs")


@pytest.mark.parametrize(
    ("files", "renderer"),
    [
        ({"p/Chart.yaml": "", "p/kustomization.yaml": ""}, "helm"),
        ({"p/kustomization.yml": ""}, "kustomize"),
        ({"p/Kustomization": ""}, "kustomize"),
        ({"p/sub/x.yaml.j2": "", "p/y.yaml": ""}, "template"),
        ({"p/x.yaml": ""}, "plain"),
    ],
)
def test_the_renderer_is_told_by_what_stands_at_the_path(files: dict[str, str], renderer: str) -> None:
    assert renderer_for(Tree.of_files(files), "p") == renderer


@pytest.mark.parametrize(
    ("other", "broken"),
    [
        ({}, "a.yaml"),
        ({}, "kustomization.yaml"),
        ({"kustomization.yaml": "resources: [a.yaml]\n"}, "a.yaml"),
        ({"kustomization.yaml": "resources: [b.yaml]\npatches: [{path: p.yaml}]\n"}, "p.yaml"),
        ({"a.yaml.j2": config_map("a")}, "values.yaml"),
        ({}, "a.yaml.j2"),
    ],
)
def test_a_git_lfs_pointer_is_told_as_such(other: dict[str, str], broken: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
    files = {"b.yaml": config_map("b"), **other, broken: pointer}
    with pytest.raises((ManifestError, RenderError), match=rf"^{broken}.* got a Git LFS pointer, whose file is not"):
        names(Tree.of_files(files))


def test_an_unknown_renderer_is_an_error() -> None:
    with pytest.raises(RenderError, match="no renderer is called jsonnet"):
        render(Tree.of_files(FILES), SourceSpec(renderer="jsonnet"), Context())  # type: ignore[arg-type]


def test_what_was_read_is_what_the_render_depends_on() -> None:
    tree = Tree.of_files(FILES)
    names(tree, "c")
    assert {path for path in tree.reads if path.endswith((".yaml", ".json"))} == {
        "c/Chart.yaml",
        "c/kustomization.yaml",
        "c/d/e.json",
        "c/test/t.yaml",
    }
    assert Tree.of_files(FILES | {"b.yaml": "changed"}).answers_alike(tree.reads)
    assert not Tree.of_files(FILES | {"c/kustomization.yaml": ""}).answers_alike(tree.reads)


def test_no_glob_takes_long_to_be_matched() -> None:
    tree = Tree.of_files({f"{'a' * 60}.yml": FILES[next(iter(FILES))]})
    started = time.monotonic()
    with pytest.raises(RenderError, match="nothing to render there"):
        names(tree, include="a*" * 12 + "b", exclude="")
    assert time.monotonic() - started < 1
