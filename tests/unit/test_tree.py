"""Trees: what they record, what they follow, what they refuse."""

import os
from pathlib import Path

import pytest

from gitops.adapters.folder import FolderFiles, folder_revision, folder_tree
from gitops.model.application import SourceSpec
from gitops.model.errors import SourceError
from gitops.model.revision import Entry, Revision, Tree, blob_digest
from gitops.ports import Checkout
from tests.unit.repositories import Repository


def test_every_path_read_or_looked_for_is_recorded() -> None:
    tree = Tree.of_files({"a/x.yaml": "x", "a/y.yaml": "y"})
    tree.read("a/./x.yaml")
    tree.kind("a/kustomization.yaml")
    tree.entries("a")
    assert set(tree.reads) == {"a/x.yaml", "a/kustomization.yaml", "a/"}
    assert tree.reads["a/x.yaml"] == blob_digest(b"x")
    assert tree.reads["a/kustomization.yaml"] is None


def test_a_path_read_after_it_was_looked_for_is_recorded_by_content() -> None:
    tree = Tree.of_files({"a": "x"})
    tree.kind("a")
    assert tree.reads == {"a": "file"}
    tree.read("a")
    tree.kind("a")
    assert tree.reads == {"a": blob_digest(b"x")}


@pytest.mark.parametrize(
    "files",
    [
        {"a/x": "changed", "a/y": "y"},
        {"a/x": "x", "a/y": "y", "a/new": "n"},
        {"a/x": "x", "a/y": "y", "miss": "m"},
        {"a/y": "y"},
    ],
)
def test_a_tree_with_another_answer_is_told_apart(files: dict[str, str]) -> None:
    tree = Tree.of_files({"a/x": "x", "a/y": "y", "b": "b"})
    tree.read("a/x")
    tree.entries("a")
    tree.kind("miss")
    assert not Tree.of_files(files).answers_alike(tree.reads)


def test_a_tree_that_differs_elsewhere_answers_alike() -> None:
    tree = Tree.of_files({"a/x": "x", "b": "b"})
    tree.read("a/x")
    tree.entries("a")
    tree.kind("miss")
    assert Tree.of_files({"a/x": "x", "b": "other", "c": "c"}).answers_alike(tree.reads)


def test_the_root_answers_alike_while_the_same_names_are_in_it() -> None:
    tree = Tree.of_files({"a/x": "x", "b": "b"})
    tree.entries("")
    assert Tree.of_files({"a/x": "x", "b": "other"}).answers_alike(tree.reads)
    assert not Tree.of_files({"a/x": "x"}).answers_alike(tree.reads)


def test_entries_are_sorted_and_tell_kinds() -> None:
    tree = Tree.of_files({"b": "", "a/c": ""}, links={"l": "b"})
    assert tree.entries("") == (Entry("a", "directory"), Entry("b", "file"), Entry("l", "link"))


def test_links_inside_the_tree_are_followed() -> None:
    tree = Tree.of_files({"base/x": "x"}, links={"app/base": "../base", "app/y": "base/x"})
    assert tree.read("app/y") == b"x"
    assert tree.kind("app/base") == "directory"
    assert tree.real("app/base/x") == "base/x"


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "../../../x"])
def test_a_symlink_out_of_the_tree_is_refused(target: str) -> None:
    tree = Tree.of_files({"a/x": ""}, links={"a/l": target})
    with pytest.raises(SourceError, match=r"a/l: the symbolic link leads out of the tree"):
        tree.read("a/l")


@pytest.mark.parametrize("target", ["./x", ".//b/../x", "../a/x", "b/../x", "./b/.././x"])
def test_a_link_is_followed_however_its_target_is_written(target: str) -> None:
    tree = Tree.of_files({"a/x": "there", "a/b/y": "y"}, links={"a/l": target})
    assert tree.read("a/l") == b"there"


def test_a_path_out_of_the_tree_is_refused() -> None:
    with pytest.raises(SourceError, match="leads out of the tree"):
        Tree.of_files({"a": ""}).read("b/../../a")


def test_links_in_a_circle_are_refused() -> None:
    with pytest.raises(SourceError, match="more than 40 symbolic links"):
        Tree.of_files({}, links={"a": "b", "b": "a"}).read("a")


def test_a_link_to_nothing_is_nothing() -> None:
    assert Tree.of_files({}, links={"a": "gone"}).kind("a") is None


def test_a_missing_file_is_an_error_that_names_it() -> None:
    with pytest.raises(SourceError, match=r"^a/b: no such file$"):
        Tree.of_files({}).read("a/b")


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_tree_of_a_folder_is_its_git_work_tree(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit({"apps/shop/a.yaml": "a", "b": "b"})
    tree, path = folder_tree(repository.path / "apps" / "shop")
    assert path == "apps/shop"
    assert [entry.name for entry in tree.entries("")] == ["apps", "b"]


def test_the_tree_of_a_folder_without_git_is_the_file_system(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "x").write_text("x")
    (tmp_path / "app").mkdir()
    tree, path = folder_tree(tmp_path / "app")
    assert tree.read(f"{path}/../base/x") == b"x"


def test_a_link_out_of_a_folder_without_git_is_told() -> None:
    tree = Tree.of_files({"home/app/x": "", "etc/passwd": ""}, links={"home/app/l": "/etc/passwd"})
    tree = Tree(tree.files, home="home/app")
    tree.check_at_home("home/app/x")
    with pytest.raises(SourceError, match=r"^l: the symbolic link leads out of /home/app"):
        tree.check_at_home("home/app/l")


def test_a_file_of_200_mb_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(200 * 2**20)
    tree, path = folder_tree(tmp_path)
    with pytest.raises(SourceError, match=r"big.yaml: 209,715,200 bytes, more than the 16 MiB"):
        tree.read(f"{path}/big.yaml")


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    tree, path = folder_tree(tmp_path)
    with pytest.raises(SourceError, match="expected a file, found a fifo or device"):
        tree.read(f"{path}/pipe.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").touch(mode=0)
    tree, path = folder_tree(tmp_path)
    with pytest.raises(SourceError, match=r"x.yaml: cannot be read \(Permission denied\)"):
        tree.read(f"{path}/x.yaml")


def test_a_symlink_out_of_a_work_tree_is_refused(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit({"a": "a"})
    (repository.path / "l").symlink_to("/etc/passwd")
    tree, _ = folder_tree(repository.path)
    with pytest.raises(SourceError, match=r"l: the symbolic link leads out of the repository \(to /etc/passwd\)"):
        tree.read("l")


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such directory"):
        folder_tree(tmp_path / "gone")


def test_a_clean_work_tree_has_its_commit_as_revision(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit({"a": "a"})
    assert folder_revision(repository.path) == (Revision(repository.head, "main"), frozenset(), frozenset())


def test_a_changed_work_tree_has_its_commit_and_names_the_files_that_differ(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit({"a": "a", "b/c": "c", "gone": ""})
    (repository.path / "a").write_text("b")
    (repository.path / "b/new line\n").write_text("n")
    (repository.path / "gone").unlink()
    (repository.path / "staged").write_text("s")
    repository.git("add", "staged")
    changed = frozenset({"a", "b/new line\n", "gone", "staged"})
    assert folder_revision(repository.path / "b") == (Revision(repository.head, "main"), changed, frozenset())


@pytest.mark.parametrize(
    ("path", "reads", "is_dirty"),
    [("apps", [], True), ("", [], True), ("other", [], False), ("other", ["apps/x"], True), ("app", ["y"], False)],
)
def test_only_what_is_read_or_lies_below_the_path_makes_a_revision_dirty(path, reads, is_dirty) -> None:
    tree = Tree.of_files({"apps/x": "", "y": ""})
    for name in reads:
        tree.read(name)
    checkout = Checkout(Revision("0" * 40, "main"), tree, "", (SourceSpec(path=path),), frozenset({"apps/x"}))
    assert str(checkout.read_revision) == f"main@000000000000{'-dirty' if is_dirty else ''}"
    assert checkout.read_revision.sha.endswith("-dirty") == is_dirty


@pytest.mark.parametrize("name", [".git/config", "sub/.git/config", ".GIT/config"])
def test_nothing_of_a_git_folder_is_part_of_a_folders_tree(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / name).parent.mkdir(parents=True)
    (tmp_path / "plain" / name).write_text("password")
    (tmp_path / "plain" / "link").symlink_to(name)
    tree, path = folder_tree(tmp_path / "plain")
    for asked in (name, "link"):
        with pytest.raises(SourceError):
            tree.read(f"{path}/{asked}")


def test_a_folder_without_git_has_a_revision_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    first, changed, _ = folder_revision(tmp_path)
    assert (first.sha.startswith("files-"), changed) == (True, frozenset())
    (tmp_path / "a").touch()
    assert folder_revision(tmp_path)[0] == first
    (tmp_path / "b").write_text("b")
    assert folder_revision(tmp_path)[0] != first


def test_where_a_link_leads_is_a_part_of_what_a_folder_holds(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("a")
    first, _, _ = folder_revision(tmp_path)
    assert folder_revision(tmp_path)[0] == first
    link.unlink()
    link.symlink_to("b")
    assert folder_revision(tmp_path)[0] != first


def test_a_folder_that_cannot_be_listed_is_named_and_the_root_too(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path / "gone")
    for path, name in (("", r"^\."), ("apps", "^apps")):
        with pytest.raises(SourceError, match=rf"{name}: cannot be read \(No such file or directory\)"):
            files.entries(path)
