"""Files that are taken as if they were not there, by lines as in .gitignore."""

from dataclasses import replace

import pytest

from gitops.model.application import KustomizeOptions, SourceSpec
from gitops.model.errors import GitopsError
from gitops.model.revision import Tree
from renderers.ignored import lines_of, without_ignored
from renderers.registry import Rendered, render

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n"


def is_ignored(text: str, path: str) -> bool:
    decided = [line.decides(path.split("/")) for line in lines_of(text)]
    return next((word for word in reversed(decided) if word is not None), False)


@pytest.mark.parametrize(
    ("text", "ignored", "kept"),
    [
        ("*.md", ["a.md", "b/c.md", "d.md/e"], ["a.mdx", "md"]),
        ("/*\n!/clusters", ["a", "apps/b"], ["clusters/a", "clusters/b/c"]),
        ("build/", ["build/a", "x/build/b"], ["build", "x/build"]),
        ("/build", ["build/a", "build"], ["x/build"]),
        ("docs/**", ["docs/a", "docs/b/c"], ["x/docs/a"]),
        ("**/test", ["test", "a/test/b", "a/b/test"], ["tests/a"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/b", "z"]),
        ("# words\n\n!a", [], ["a", "# words"]),
        ("x[ab].yaml", ["xa.yaml"], ["xc.yaml"]),
        ("x[^ab].yaml", ["xc.yaml"], ["xa.yaml"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        (r"\*.md", ["*.md"], ["a.md"]),
        ("[", [], ["[", "a"]),
        ("a\\", [], ["a", "a\\"]),
        ("name  ", ["name"], ["name "]),
        ("secret/\n!secret/shown", ["secret/a"], ["secret/shown"]),
    ],
)
def test_lines_fit_as_flux_has_them(text: str, ignored: list[str], kept: list[str]) -> None:
    assert {path: is_ignored(text, path) for path in [*ignored, *kept]} == {
        **dict.fromkeys(ignored, True),
        **dict.fromkeys(kept, False),
    }


def names(files: dict[str, str], source: SourceSpec) -> list[str]:
    answer = render(Tree.of_files(files), source)
    assert isinstance(answer, Rendered)
    return sorted(manifest.key.name for manifest in answer.manifests)


FILES = {
    "a.yaml": CONFIG_MAP.format("a"),
    "b.yaml": CONFIG_MAP.format("b"),
    "deep/c.yaml": CONFIG_MAP.format("c"),
    "deep/d.yaml": CONFIG_MAP.format("d"),
    ".github/workflows/ci.yaml": "on: push\n",
}


def test_ignored_files_are_not_rendered() -> None:
    assert names(FILES, SourceSpec(ignore="b.yaml\n/deep\n!d.yaml\n")) == ["a", "d"]


def test_sourceignore_counts_in_its_folder_where_flux_builds() -> None:
    source = SourceSpec(renderer="kustomize", kustomize=KustomizeOptions(rules="flux"))
    assert names(FILES, source) == ["a", "b", "c", "d"]
    files = {**FILES, ".sourceignore": ".github/\n/b.yaml\n", "deep/.sourceignore": "/c.yaml\n"}
    assert names(files, source) == ["a", "d"]


def test_a_kustomization_cannot_name_an_ignored_file() -> None:
    files = {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": CONFIG_MAP.format("a")}
    with pytest.raises(GitopsError, match=r"a\.yaml"):
        names(files, SourceSpec(ignore="a.yaml"))


def test_what_was_asked_is_known_of_the_tree_itself() -> None:
    tree = Tree.of_files({"a.yaml": "1", "b.yaml": "2", ".sourceignore": "b.yaml\n"})
    view = without_ignored(tree, "", as_flux=True)
    assert [entry.name for entry in view.entries("")] == [".sourceignore", "a.yaml"]
    view.read("a.yaml")
    assert {"a.yaml", ".sourceignore", "/"} <= set(tree.reads)
    same = Tree.of_files({"a.yaml": "1", "b.yaml": "2", ".sourceignore": "b.yaml\n"})
    other = Tree.of_files({"a.yaml": "1", "b.yaml": "2", ".sourceignore": "a.yaml\n"})
    assert same.answers_alike(tree.reads)
    assert not other.answers_alike(tree.reads)


def test_nothing_that_a_bucket_holds_is_left_out_by_default() -> None:
    files = {
        "app/kustomization.yaml": "configMapGenerator: [{name: one, files: [logo.png, .sops.yaml]}]\n",
        "app/logo.png": "a picture",
        "app/.sops.yaml": "rules",
        "app/.sourceignore": "logo.png\n",
    }
    options = KustomizeOptions(rules="flux")
    source = SourceSpec(repoURL="s3://store.example.com/apps", path="app", renderer="kustomize", kustomize=options)
    answer = render(Tree.of_files(files), source)
    assert isinstance(answer, Rendered)
    assert sorted(answer.manifests[0].body["data"]) == [".sops.yaml", "logo.png"]
    with pytest.raises(GitopsError, match="no such file"):
        render(Tree.of_files(files), replace(source, repoURL="https://git.example.com/apps"))
