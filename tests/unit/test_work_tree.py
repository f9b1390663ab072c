"""A work tree of somebody else's making: what its configuration says is not done."""

import hashlib
import os
from pathlib import Path

import pytest

from gitops.adapters.folder import folder_revision, folder_tree
from gitops.adapters.source import Sources
from gitops.adapters.work_tree import WorkTree
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import SourceError
from tests.unit.repositories import Repository

A = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r").commit({"a.yaml": A, "sub/b.yaml": A})


def stranger(uid: int, *places: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for place in places:
        os.chown(place, uid, uid)


def looked_at(repository: Repository, sha: str) -> None:
    """All that a diff does with a work tree, and a rollback in one."""
    sources = Sources(repository.path.parent / "cache", lambda _: "", here=repository.path)
    for revision in ("", "main", "HEAD", sha):
        spec = SourceSpec(path=str(repository.path / "sub"), targetRevision=revision)
        checkout = sources._folder(spec, "")
        checkout.tree.read("a.yaml")
        assert sources._in_history(Application("app", source=spec), sha)


PROGRAMS = {
    "core.fsmonitor": "{}",
    "core.hooksPath": "{}-folder",
    "core.sshCommand": "{}",
    "core.gitProxy": "{}",
    "core.askPass": "{}",
    "core.pager": "{}",
    "core.editor": "{}",
    "core.alternateRefsCommand": "{}",
    "diff.external": "{}",
    "gpg.program": "{}",
    "credential.helper": "{}",
    "filter.evil.clean": "{}",
    "filter.evil.smudge": "{}",
    "filter.evil.process": "{}",
    "diff.evil.textconv": "{}",
    "diff.evil.command": "{}",
    "uploadpack.packObjectsHook": "{}",
    "remote.origin.uploadpack": "{}",
    "remote.origin.vcs": "evil",
    "alias.status": "!{}",
    "alias.rev-parse": "!{}",
}


@pytest.mark.parametrize("setting", PROGRAMS)
def test_no_program_that_the_configuration_names_is_run(repository: Repository, setting: str) -> None:
    ran = repository.path.parent / "ran"
    program = repository.path.parent / "evil"
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\n")
    program.chmod(0o755)
    hooks = Path(f"{program}-folder")
    hooks.mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman", "post-checkout", "reference-transaction"):
        (hooks / hook).symlink_to(program)
    head = repository.head
    repository.git("config", "remote.origin.url", "ssh://git@git.invalid/x")
    (repository.path / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (repository.path / "a.yaml").write_text(A + "# changed\n")
    repository.git("config", setting, PROGRAMS[setting].format(program))
    looked_at(repository, head)
    assert not ran.exists(), ran.read_text()


def test_what_a_partial_clone_lacks_is_not_fetched(repository: Repository) -> None:
    ran = repository.path.parent / "ran"
    for name, value in (
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", "ext::sh -c true"),
        ("remote.origin.uploadpack", f"touch {ran};"),
        ("core.sshCommand", f"touch {ran};"),
        ("protocol.allow", "always"),
    ):
        repository.git("config", name, value)
    blob = repository.git("rev-parse", "HEAD:a.yaml")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    here = WorkTree(repository.path)
    with pytest.raises(SourceError, match="does not hold all of"):
        here.tree(here.resolve("main")).read("a.yaml")
    assert not ran.exists()


def test_files_that_the_configuration_includes_are_not_read(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "more").write_text('[remote "origin"]\n\turl = https://included.invalid/x\n')
    repository.git("config", "include.path", str(tmp_path / "more"))
    assert WorkTree(repository.path).origin == ""


def test_another_place_for_the_files_that_the_configuration_names_is_not_taken(repository: Repository) -> None:
    repository.git("config", "core.worktree", "/etc")
    assert folder_revision(repository.path)[1] == frozenset()


def test_a_repository_of_another_user_is_not_read(repository: Repository, tmp_path: Path, monkeypatch) -> None:
    head = repository.head
    stranger(4711, repository.path / ".git")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SourceError, match=r"\.git: belongs to another user \(uid 4711\).*--add safe.directory"):
        folder_revision(repository.path / "sub")
    assert folder_tree(repository.path)[0].label == "the file system"
    (tmp_path / ".gitconfig").write_text(f"[safe]\n\tdirectory = {repository.path}\n")
    assert folder_revision(repository.path)[0].sha == head
    assert folder_tree(repository.path)[0].label == "the repository"


@pytest.mark.parametrize("entries", [["*"], ["/x", "*"], ["{parent}/*"]])
def test_a_repository_that_the_user_calls_safe_is_read(repository: Repository, tmp_path, monkeypatch, entries) -> None:
    head = repository.head
    stranger(4711, repository.path)
    monkeypatch.setenv("HOME", str(tmp_path))
    lines = [f"\tdirectory = {entry.format(parent=repository.path.parent)}\n" for entry in entries]
    (tmp_path / ".gitconfig").write_text("[safe]\n" + "".join(lines))
    assert folder_revision(repository.path)[0].sha == head


@pytest.mark.parametrize("entries", [["*", ""], ["/elsewhere"]])
def test_a_repository_that_is_no_longer_called_safe_is_not_read(repository, tmp_path, monkeypatch, entries) -> None:
    stranger(4711, repository.path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[safe]\n" + "".join(f"\tdirectory = {entry}\n" for entry in entries))
    with pytest.raises(SourceError, match="belongs to another user"):
        folder_revision(repository.path)


def test_a_file_that_git_lfs_keeps_is_as_its_pointer_says(repository: Repository) -> None:
    content = b"large" * 100
    pointer = (
        "version https://git-lfs.github.com/spec/v1\n"
        f"oid sha256:{hashlib.sha256(content).hexdigest()}\nsize {len(content)}\n"
    )
    repository.commit({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "x.bin": pointer})
    repository.git("config", "filter.lfs.required", "true")
    repository.git("config", "filter.lfs.process", "/nowhere/git-lfs filter-process")
    (repository.path / "x.bin").write_bytes(content)
    assert folder_revision(repository.path)[1] == frozenset()
    (repository.path / "x.bin").write_bytes(content + b"!")
    assert folder_revision(repository.path)[1] == frozenset({"x.bin"})


def test_a_linked_work_tree_is_read(repository: Repository, tmp_path: Path) -> None:
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    revision, changed, _ = folder_revision(tmp_path / "linked")
    assert (revision.sha, revision.ref, changed) == (repository.head, "other", frozenset())
    here = WorkTree(tmp_path / "linked")
    assert here.tree(here.resolve("main")).read("a.yaml") == A.encode()


def test_what_the_repository_ignores_for_itself_is_no_change(repository: Repository) -> None:
    (repository.path / ".git/info").mkdir(exist_ok=True)
    (repository.path / ".git/info/exclude").write_text("*.swp\n")
    (repository.path / "x.swp").touch()
    assert folder_revision(repository.path)[1] == frozenset()


def test_a_split_index_and_packed_refs_are_read(repository: Repository) -> None:
    repository.git("update-index", "--split-index")
    repository.git("tag", "v1.2.0")
    repository.git("pack-refs", "--all")
    assert folder_revision(repository.path)[1] == frozenset()
    assert WorkTree(repository.path).resolve("^1.0").sha == repository.head
    assert WorkTree(repository.path).resolve(repository.head[:8]).sha == repository.head


def test_one_that_has_no_configuration_is_read(repository: Repository) -> None:
    (repository.path / ".git/config").unlink()
    assert WorkTree(repository.path).origin == ""
    assert folder_revision(repository.path)[0].sha == repository.head


def test_a_git_file_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(SourceError, match="cannot be read"):
        folder_revision(tmp_path)


def read_revision(repository, *paths):
    """The name of what is deployed of a work tree when these files of it are read."""
    sources = Sources(repository.path.parent / "cache", lambda _: "", here=repository.path)
    checkout = sources._folder(SourceSpec(path=str(repository.path)), "")
    for path in paths:
        checkout.tree.read(path)
    return checkout.read_revision.sha


def test_a_file_that_git_ignores_is_none_of_the_commit_where_it_is_read(repository):
    repository.commit({".gitignore": "*.local.yaml\ndeep/\n"})
    for path in ("x.local.yaml", "deep/x.yaml"):
        (repository.path / path).parent.mkdir(exist_ok=True)
        (repository.path / path).write_text(A)
        assert read_revision(repository, "a.yaml") == repository.head
        assert read_revision(repository, "a.yaml", path) == f"{repository.head}-dirty"


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_was_told_to_call_unchanged_is_looked_at(repository, flag):
    repository.commit({"0.yaml": A, "1.yaml": A})
    repository.git("update-index", flag, "1.yaml", "a.yaml", "sub/b.yaml")
    assert read_revision(repository, "a.yaml") == repository.head
    (repository.path / "a.yaml").write_text(f"{A}# by hand\n")
    (repository.path / "sub/b.yaml").unlink()
    (repository.path / "1.yaml").unlink()
    assert folder_revision(repository.path)[1] == frozenset({"a.yaml"})
    assert read_revision(repository, "a.yaml") == f"{repository.head}-dirty"
