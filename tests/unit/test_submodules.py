"""Git submodules: their files are not read, and what would need them says so, from commits and from work trees."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gitops.adapters.folder import folder_tree
from gitops.adapters.git import GitSource
from gitops.adapters.render_workers import RenderWorkers
from gitops.model.application import PlainOptions, SourceSpec
from gitops.model.errors import RenderError, SourceError
from gitops.model.revision import Tree
from renderers.registry import Context, Rendered, render
from tests.unit.repositories import Repository

HERE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: here}\n"
THERE = HERE.replace("here", "there")
TOLD = r"^m/sub: is a Git submodule, whose files are not read "

TreeOf = Callable[[Repository], Tree]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """`m/` with a file and the submodule `m/sub`, checked out."""
    inner = Repository(tmp_path / "inner").commit({"there.yaml": THERE, "base/kustomization.yaml": "resources: []\n"})
    outer = Repository(tmp_path / "outer").commit({"m/here.yaml": HERE})
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.url, "m/sub")
    return outer.commit({})


def committed(repository: Repository) -> Tree:
    source = GitSource(repository.path.parent / "cache", allow_file=True)
    return source.tree(repository.url, source.resolve(repository.url))


def checked_out(repository: Repository) -> Tree:
    return folder_tree(repository.path)[0]


def not_checked_out(repository: Repository) -> Tree:
    """As `git clone` leaves a submodule: an empty folder."""
    repository.git("submodule", "--quiet", "deinit", "--force", "--all")
    return folder_tree(repository.path)[0]


@pytest.fixture(params=[committed, checked_out, not_checked_out])
def tree_of(request: pytest.FixtureRequest) -> TreeOf:
    found: TreeOf = request.param
    return found


def names(tree: Tree, path: str = "m", **options: object) -> list[str]:
    answer = render(tree, SourceSpec(path=path, plain=PlainOptions(**options)))  # type: ignore[arg-type]
    assert isinstance(answer, Rendered)
    return [manifest.key.name for manifest in answer.manifests]


def test_a_submodule_among_manifests_is_an_error_that_says_how_to_leave_it_out(
    repository: Repository, tree_of: TreeOf
) -> None:
    tree = tree_of(repository)
    with pytest.raises(RenderError, match=TOLD + r'\(add "sub/\*\*" to plain.exclude, or .* its own repository\)'):
        names(tree)
    assert names(tree, exclude="sub/") == ["here"]


@pytest.mark.parametrize(
    "options",
    [
        {"exclude": "sub"},
        {"exclude": "sub/**"},
        {"exclude": "*.json, /sub/"},
        {"include": "here.yaml", "exclude": "sub/"},
        {"include": "./here.yaml,other/*.yaml"},
        {"recurse": False},
    ],
)
def test_a_submodule_that_the_options_leave_out_is_passed_over(
    repository: Repository, options: dict[str, object]
) -> None:
    assert names(committed(repository), **options) == ["here"]


@pytest.mark.parametrize(
    "options",
    [{"exclude": "sub/*.json"}, {"include": "*.yaml"}, {"include": "here.yaml,s*/deep/*.yaml"}, {"include": "**"}],
)
def test_a_submodule_that_may_hold_what_is_wanted_is_an_error(
    repository: Repository, options: dict[str, object]
) -> None:
    with pytest.raises(RenderError, match=TOLD):
        names(committed(repository), **options)


def test_a_submodule_among_templates_is_an_error(repository: Repository, tree_of: TreeOf) -> None:
    repository.commit({"m/filled.yaml.j2": THERE})
    tree = tree_of(repository)
    with pytest.raises(RenderError, match=TOLD):
        names(tree)
    assert names(tree, exclude="sub/") == ["there", "here"]


def test_a_hidden_submodule_is_left_out_as_hidden_folders_are(repository: Repository, tree_of: TreeOf) -> None:
    repository.git("mv", "m/sub", "m/.sub")
    repository.commit({})
    assert names(tree_of(repository)) == ["here"]


@pytest.mark.parametrize("path", ["m/sub", "m/sub/base", "m/sub/there.yaml"])
def test_a_path_in_a_submodule_is_an_error_that_names_it(repository: Repository, tree_of: TreeOf, path: str) -> None:
    with pytest.raises(SourceError, match=TOLD + r"\(name its own repository instead\)"):
        names(tree_of(repository), path)


@pytest.mark.parametrize("path", ["m", "m/other", "m/other/there.yaml"])
def test_a_repository_inside_a_work_tree_is_not_called_a_submodule(repository: Repository, path: str) -> None:
    Repository(repository.path / "m" / "other").commit({"there.yaml": THERE})
    told = r"^m/other: is a Git repository of its own, whose files are not read \("
    with pytest.raises((RenderError, SourceError), match=told):
        names(checked_out(repository), path, exclude="sub/")
    assert names(checked_out(repository), exclude="sub/, other/") == ["here"]


@pytest.mark.parametrize("resource", ["../m/sub", "../m/sub/base", "../m/sub/there.yaml", "link", "link/there.yaml"])
def test_a_kustomization_that_refers_to_a_submodule_is_an_error_that_names_it(
    repository: Repository, tree_of: TreeOf, resource: str
) -> None:
    (repository.path / "k").mkdir()
    (repository.path / "k" / "link").symlink_to("../m/sub")
    repository.commit({"k/kustomization.yaml": f"resources: [{resource}]\n"})
    with pytest.raises(SourceError, match=TOLD):
        names(tree_of(repository), "k")


def test_a_link_to_a_file_in_a_submodule_is_an_error_that_names_it(repository: Repository, tree_of: TreeOf) -> None:
    (repository.path / "other").mkdir()
    (repository.path / "other" / "there.yaml").symlink_to("../m/sub/there.yaml")
    repository.commit({"other/here.yaml": HERE})
    with pytest.raises(SourceError, match=TOLD):
        names(tree_of(repository), "other")


def test_a_submodule_by_itself_is_a_repository(repository: Repository) -> None:
    tree, path = folder_tree(repository.path / "m" / "sub")
    assert names(tree, path, include="there.yaml") == ["there"]


def test_a_repository_in_a_folder_without_git_is_a_folder(repository: Repository) -> None:
    tree, path = folder_tree(repository.path.parent)
    assert names(tree, path, include="*.yaml", exclude="k*.yaml") == ["there", "here", "there"]


def test_a_process_of_its_own_tells_the_same_and_remembers_what_it_was_asked(repository: Repository) -> None:
    repository.commit({"k/kustomization.yaml": "resources: [../m/sub/base]\n"})
    workers = RenderWorkers()
    try:
        for spec in (SourceSpec(path="m"), SourceSpec(path="k"), SourceSpec(path="m/sub")):
            here, there = committed(repository), committed(repository)
            with pytest.raises((RenderError, SourceError), match=TOLD) as expected:
                render(here, spec)
            with pytest.raises(type(expected.value)) as caught:
                workers.render(there, spec, Context())
            assert str(caught.value) == str(expected.value)
            assert there.reads == here.reads
    finally:
        workers.close()


def test_what_refers_to_a_submodule_depends_on_its_commit_and_what_leaves_it_out_does_not(
    repository: Repository,
) -> None:
    repository.commit({"k/kustomization.yaml": "resources: [../m/sub/base]\n"})
    refers, leaves_out = committed(repository), committed(repository)
    with pytest.raises(SourceError, match=TOLD):
        names(refers, "k")
    assert names(leaves_out, exclude="sub/") == ["here"]
    assert committed(repository).answers_alike(refers.reads)
    assert "m/sub" in refers.reads

    repository.git("update-index", "--cacheinfo", f"160000,{repository.head},m/sub")
    repository.git("commit", "--quiet", "--message", "Move the submodule")
    moved = committed(repository)
    assert not moved.answers_alike(refers.reads)
    assert moved.answers_alike(leaves_out.reads)


def test_a_submodule_that_becomes_a_folder_is_read(repository: Repository) -> None:
    before = committed(repository)
    assert names(before, exclude="sub/") == ["here"]
    repository.git("rm", "--quiet", "-f", "m/sub")
    repository.commit({"m/sub/there.yaml": THERE})
    after = committed(repository)
    assert not after.answers_alike(before.reads)
    assert names(after) == ["here", "there"]
    assert names(checked_out(repository)) == ["here", "there"]
