"""Several sources as one tree: what is included, what is ignored, and what a change in one of them means."""

from dataclasses import replace

import pytest

from gitops.adapters.several import changed_in, parts_of, placed, revision_of, tree_of
from gitops.config import application_of
from gitops.model.application import Application, KustomizeOptions, SourceSpec
from gitops.model.errors import ConfigError, SourceError
from gitops.model.revision import Revision, Tree
from gitops.model.source_access import Include
from renderers.registry import Rendered, render

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
OWN = {"apps/b.yaml": MAP % "b", "base/a.yaml": MAP % "a"}
OTHER = {"deploy/x.yaml": MAP % "x", "deploy/y.yaml": MAP % "y", "other/z.yaml": MAP % "z"}
INCLUDE = Include("lib", "deploy", "base/lib")
FLUX = KustomizeOptions(rules="flux")


def app(*includes: Include, ignore: str = "", other_ignore: str = "", path: str = "base/lib") -> Application:
    own = SourceSpec("https://git.example/own", path=path, include=includes, ignore=ignore, kustomize=FLUX)
    own = replace(own, renderer="kustomize")
    other = SourceSpec("https://git.example/lib", ref="lib", ignore=other_ignore)
    return Application("app").with_sources((own, other))


def names(found: Application, own: dict[str, str] = OWN, other: dict[str, str] = OTHER) -> list[str]:
    tree = tree_of(found, [Tree.of_files(own), Tree.of_files(other)])
    (source,) = placed(found)
    rendered = render(tree, source)
    assert isinstance(rendered, Rendered)
    return sorted(manifest.key.name for manifest in rendered.manifests)


def test_a_folder_of_another_source_lies_where_it_is_included() -> None:
    assert names(app(INCLUDE)) == ["x", "y"]
    assert names(app(Include("lib"), path="base"), {"base/a.yaml": MAP % "a"}) == ["a"]
    assert names(app(Include("lib", "", "base/all"), path="base")) == ["a", "x", "y", "z"]
    tree = tree_of(app(INCLUDE), [Tree.of_files(OWN), Tree.of_files(OTHER)])
    assert [entry.name for entry in tree.entries("source-1/base")] == ["a.yaml", "lib"]
    assert [entry.name for entry in tree.entries("source-1/base/lib")] == ["x.yaml", "y.yaml"]
    deep = tree_of(app(Include("lib", "deploy/x.yaml", "new/deep/x.yaml")), [Tree.of_files(OWN), Tree.of_files(OTHER)])
    assert [entry.name for entry in deep.entries("source-1")] == ["apps", "base", "new"]
    assert [(entry.name, entry.kind) for entry in deep.entries("source-1/new")] == [("deep", "directory")]
    assert [(entry.name, entry.kind) for entry in deep.entries("source-1/new/deep")] == [("x.yaml", "file")]
    assert deep.read("source-1/new/deep/x.yaml") == OTHER["deploy/x.yaml"].encode()


def test_one_revision_stands_for_those_of_all_sources() -> None:
    own, other = Revision("a" * 40, "main"), Revision("b" * 40, "")
    assert parts_of(app(), revision_of([own, other])) == (own, other)
    assert revision_of([own, other]).sha != revision_of([own, own]).sha
    assert revision_of([own]) == own
    with pytest.raises(SourceError):
        parts_of(app(), own)


def test_what_either_source_ignores_is_not_there() -> None:
    assert names(app(INCLUDE, other_ignore="/deploy/x.yaml")) == ["y"]
    assert names(app(INCLUDE, ignore="/base/lib/y.yaml")) == ["x"]
    assert names(app(INCLUDE, ignore="lib/\n!x.yaml")) == ["x"]
    assert names(app(INCLUDE), other={**OTHER, "deploy/.sourceignore": "y.yaml\n"}) == ["x"]


def test_lines_of_one_of_several_sources_are_about_its_own_files() -> None:
    own = SourceSpec("https://git.example/own", ignore="# files\n/secret.yaml\nb*.yaml\n!bc.yaml\n", renderer="plain")
    found = Application("app").with_sources((own, SourceSpec("https://git.example/lib", ref="lib")))
    files = {name: MAP % name.partition(".")[0] for name in ("secret.yaml", "a.yaml", "b.yaml", "bc.yaml")}
    assert names(found, {**files, "in/secret.yaml": MAP % "kept"}) == ["a", "bc", "kept"]


@pytest.mark.parametrize(
    ("include", "words"),
    [
        (Include("lib", "deploy", "base"), "include lib: base is in the source already"),
        (Include("lib", "deploy", "base/a.yaml/x"), "include lib: base/a.yaml is in the source already"),
        (Include("lib", "none", "x"), "include lib: it has no none"),
        (Include("lib", "link", "x"), "include lib: link is, or lies behind, a symbolic link"),
    ],
)
def test_what_cannot_be_included_is_told(include: Include, words: str) -> None:
    tree = tree_of(app(include), [Tree.of_files(OWN), Tree.of_files(OTHER, {"link": "deploy"})])
    with pytest.raises(SourceError, match=words):
        tree.kind("source-1/apps")


def test_a_link_in_what_is_included_leads_no_further_than_the_source() -> None:
    tree = tree_of(app(INCLUDE), [Tree.of_files(OWN), Tree.of_files(OTHER, {"deploy/out": "../../../$lib/other"})])
    with pytest.raises(SourceError, match="leads out of"):
        tree.read("source-1/base/lib/out/z.yaml")


def test_a_change_in_what_is_included_is_one_where_it_is_included() -> None:
    none = frozenset[str]()
    found = changed_in(app(INCLUDE), [none, frozenset(["deploy/x.yaml", "other/z.yaml"])])
    assert found == {"$lib/deploy/x.yaml", "$lib/other/z.yaml", "source-1/base/lib/x.yaml"}
    assert changed_in(app(INCLUDE), [none, frozenset(["deploy/.sourceignore"])]) is None


@pytest.mark.parametrize(
    ("include", "words"),
    [
        ([{"ref": "none"}], r"sources\[0\].include\[0\].ref: no other source is called 'none'"),
        ([{"ref": "own"}], r"ref: no other source is called 'own'"),
        ([{"ref": "lib", "toPath": "../x"}], r"include\[0\].toPath: .*leads out"),
        ([{"ref": "lib", "fromPath": "/x"}], r"include\[0\].fromPath: "),
        ([{"ref": "lib", "toPath": "."}], r"toPath: expected a folder in the source"),
        ([{"ref": "lib", "toPath": "a"}, {"ref": "lib", "toPath": "a/b"}], r"include\[1\].toPath: another include"),
    ],
)
def test_an_include_that_means_nothing_is_refused(include: list[dict[str, str]], words: str) -> None:
    sources = [
        {"repoURL": "https://git.example/own", "ref": "own", "path": "apps", "include": include},
        {"repoURL": "https://git.example/lib", "ref": "lib"},
    ]
    body = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": {"name": "app"}}
    with pytest.raises(ConfigError, match=words):
        application_of({**body, "spec": {"sources": sources, "destination": {"namespace": "x"}}})
