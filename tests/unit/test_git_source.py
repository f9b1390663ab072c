"""The Git source, against real repositories, some of them hostile."""

import base64
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitops.adapters.git import GitCredentials, GitSource
from gitops.adapters.git_process import GitFailure, GitProcess, end, remote_of
from gitops.adapters.git_refs import RemoteRefs, find_ref, unknown
from gitops.model.commit import commit_of
from gitops.model.errors import SourceError
from gitops.model.revision import Revision
from tests.unit.repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin").commit({"a.yaml": "a", "apps/b.yaml": "b"})


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    return GitSource(tmp_path / "cache", allow_file=True)


def test_the_default_branch_is_resolved_when_nothing_is_named(source: GitSource, repository: Repository) -> None:
    assert source.resolve(repository.url) == Revision(repository.head, "main")


def test_a_branch_a_tag_and_an_annotated_tag_are_resolved(source: GitSource, repository: Repository) -> None:
    first = repository.head
    repository.git("tag", "v1.0.0")
    repository.git("tag", "--annotate", "v1.1.0", "--message", "One")
    for branch in ("release/1", "!important"):
        repository.git("branch", branch)
    repository.commit({"a.yaml": "c"})
    for target in ("v1.0.0", "v1.1.0", "release/1", "!important", "refs/tags/v1.1.0", "refs/heads/release/1"):
        assert source.resolve(repository.url, target) == Revision(first, target)


@pytest.mark.parametrize(
    ("message", "author", "told"),
    [
        ("\nOpen the shop\n\nat last", "Ada Lovelace", ("Open the shop", "Ada Lovelace")),
        ("\x1b[31mred\u202egnol" + "x" * 300, "Eve\t", ("[31mred gnol" + "x" * 188, "Eve")),
        ("", "Ada", ("", "Ada")),
    ],
)
def test_a_commit_tells_its_subject_and_author_and_moves_no_cursor(source, repository, message, author, told) -> None:
    empty = ("--allow-empty", "--allow-empty-message")
    repository.git("commit", *empty, f"--author={author} <a@example.com>", "-qm", message)
    found = commit_of(source.tree(repository.url, source.resolve(repository.url, repository.head)))
    assert (found.subject, found.author) == told


def test_whole_and_short_commits_are_resolved(source: GitSource, repository: Repository) -> None:
    first = repository.head
    repository.commit({"a.yaml": "c"})
    assert source.resolve(repository.url, first) == Revision(first, "")
    assert source.resolve(repository.url, first[:9]) == Revision(first, "")


def test_a_short_commit_is_fetched_for_as_long_as_it_is_not_there(source: GitSource, repository: Repository) -> None:
    assert source.resolve(repository.url, repository.head[:9]) == Revision(repository.head, "")
    repository.commit({"a.yaml": "c"})
    assert source.resolve(repository.url, repository.head[:9]) == Revision(repository.head, "")


def test_a_semver_range_takes_the_highest_tag(source: GitSource, repository: Repository) -> None:
    repository.git("tag", "v1.4.9")
    repository.commit({"a.yaml": "c"})
    repository.git("tag", "v1.10.0")
    repository.git("tag", "v2.0.0")
    assert source.resolve(repository.url, "^1.4") == Revision(repository.head, "^1.4")


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        ("^1.4", "v1.4.1"),
        ("~1.2", "v1.2.3"),
        (">=1.0 <2", "v1.4.1"),
        ("1.x", "v1.4.1"),
        ("*", "v2.0.0"),
        (">=1.5.0-rc.0 <2", "v1.5.0-rc.1"),
        ("^0.3", "v0.3.9"),
        ("1.2 - 1.3", "v1.2.3"),
        (">1.2", "v2.0.0"),
        ("<=1.2.3", "v1.2.3"),
        ("=1.2.0", "v1.2.0"),
        ("^3", None),
        ("feature", None),
    ],
)
def test_ranges_choose_among_tags(target: str, tag: str | None) -> None:
    names = "v1.0.0 v1.2.0 v1.2.3 1.4.0 v1.4.1 v1.5.0-rc.1 v2.0.0 v2.1.0-beta v0.3.1 v0.3.9 v0.4.0 nightly"
    found = find_ref(RemoteRefs(tags={name: name for name in names.split()}), target)
    assert (found.sha if found else None) == tag


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        ("=1.2.0-rc", "v1.2.0-rc"),
        ("<=1.2.0-rc", "v1.2.0-rc"),
        ("<1.2.0-rc.1", "v1.2.0-rc.0"),
        ("<=1.2.0-rc.0", "v1.2.0-rc.0"),
        (">1.2.0-rc <1.2.0-rc.1", "v1.2.0-rc.0"),
        (">1.2.0-rc.0 <1.2.0-z", "v1.2.0-rc.1"),
        (">=1.2.0-rc.0 <1.2.0", "v1.2.0-rc.1"),
        (">=1.2.0-rc.0 <1.2", None),
        ("<1.2.0", None),
        (">1.2.0-rc.1 <1.2.0-z", None),
        (">1.2.0-rc.1", "v1.2.0"),
        (">1.2.0", None),
        ("!=1.2.0", None),
    ],
)
def test_pre_releases_come_in_the_order_of_the_specification(target: str, tag: str | None) -> None:
    names = "v1.2.0-rc v1.2.0-rc.0 v1.2.0-rc.1 v1.2.0"
    found = find_ref(RemoteRefs(tags={name: name for name in names.split()}), target)
    assert (found.sha if found else None) == tag


@pytest.mark.parametrize("target", ["a" * 100_000, "1 " * 2_000, "1 - 2 - 3"])
def test_no_target_takes_long_to_be_read(target: str) -> None:
    started = time.monotonic()
    assert find_ref(RemoteRefs(tags={"v1.0.0": "v1.0.0"}), target) is None or target.startswith("1 1")
    assert time.monotonic() - started < 1


def test_tags_of_endless_numbers_are_no_versions() -> None:
    endless = "9" * 5000
    names = ["v1.0.0", f"v{endless}.0.0", f"v1.0.1-{endless}"]
    found = find_ref(RemoteRefs(tags={name: name for name in names}), f"^1 || >={endless}")
    assert found is None
    assert find_ref(RemoteRefs(tags={name: name for name in names}), "^1") is not None


def test_a_new_commit_is_seen_by_the_next_look(source: GitSource, repository: Repository) -> None:
    source.resolve(repository.url, "main")
    repository.commit({"a.yaml": "new"})
    revision = source.resolve(repository.url, "main")
    assert source.tree(repository.url, revision).read("a.yaml") == b"new"


def test_a_tree_reads_any_commit_without_a_checkout(source: GitSource, repository: Repository) -> None:
    first = source.resolve(repository.url)
    repository.commit({"a.yaml": "changed", "apps/c.yaml": "c"})
    tree = source.tree(repository.url, first)
    assert tree.read("a.yaml") == b"a"
    assert [entry.name for entry in tree.entries("apps")] == ["b.yaml"]
    assert tree.kind("apps/c.yaml") is None
    assert set(tree.reads) == {"a.yaml", "apps/", "apps/c.yaml"}


def test_a_commit_that_was_pushed_away_is_still_readable(source: GitSource, repository: Repository) -> None:
    old = source.resolve(repository.url)
    repository.commit({"a.yaml": "b"})
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    repository.git("commit", "--quiet", "--amend", "--message", "Rewritten")
    source.resolve(repository.url)
    assert source.tree(repository.url, old).read("a.yaml") == b"a"


def test_a_commit_that_no_branch_or_tag_leads_to_is_read_where_the_server_gives_it(
    source: GitSource, repository: Repository
) -> None:
    kept = repository.head
    repository.commit({"a.yaml": "c"})
    left = repository.head
    repository.git("reset", "--hard", "-q", kept)
    tree = source.tree(repository.url, source.resolve(repository.url, left))
    assert tree.read("a.yaml") == b"c"
    assert source.resolve(repository.url, "main") == Revision(kept, "main")


def test_a_known_commit_costs_no_request(source: GitSource, repository: Repository, tmp_path: Path) -> None:
    revision = source.resolve(repository.url)
    repository.path.rename(tmp_path / "gone")
    assert source.resolve(repository.url, revision.sha).sha == revision.sha
    assert source.tree(repository.url, revision).read("a.yaml") == b"a"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("mian", "no branch or tag is called mian (did you mean main?)"),
        ("^9", "no tag fits ^9 (its tags: none)"),
        ("0123456789abcdef0123456789abcdef01234567", "the repository has no commit 0123456789abcdef"),
        ("abcdef1", "no branch, tag or single commit is called abcdef1"),
        ("--upload-pack=touch /tmp/x", "is not the name of a branch, tag or commit"),
    ],
)
def test_an_unknown_revision_is_an_error(source: GitSource, repository: Repository, target: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        source.resolve(repository.url, target)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/owned",
        "--upload-pack=/bin/sh",
        "-oProxyCommand=x",
        "https://-host/x",
        "ssh://-oProxyCommand=x/y",
        "git@-oProxyCommand=x:y",
        "fd::17",
        "ftp://host/x",
        "git://host/x",
        "http://host/x",
        "relative/path",
        "https://host/x\n",
        "",
    ],
)
def test_a_url_that_could_run_something_is_refused(source: GitSource, url: str) -> None:
    with pytest.raises(SourceError):
        source.resolve(url, "main")


def test_files_are_refused_where_they_were_not_allowed(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(SourceError, match="file repositories are not allowed here"):
        GitSource(tmp_path / "c").resolve(repository.url)


def test_a_repository_that_is_not_there_is_an_error(source: GitSource, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the repository cannot be read"):
        source.resolve(f"file://{tmp_path}/none")


def test_an_empty_repository_is_an_error(source: GitSource, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the repository is empty"):
        source.resolve(Repository(tmp_path / "empty").url)


def test_hooks_and_filters_of_a_repository_never_run(source: GitSource, repository: Repository, tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    for name in ("post-checkout", "reference-transaction", "post-merge"):
        hook = repository.path / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    repository.git("config", "core.hooksPath", "/nonexistent")
    repository.commit({".gitattributes": "* filter=evil\n", "x.yaml": "raw"})
    assert source.tree(repository.url, source.resolve(repository.url)).read("x.yaml") == b"raw"
    assert not mark.exists()


def test_submodules_are_never_fetched(source: GitSource, repository: Repository) -> None:
    repository.commit({".gitmodules": '[submodule "s"]\n\tpath = s\n\turl = ext::sh -c touch% /tmp/owned\n'})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{repository.head},s")
    repository.git("commit", "--quiet", "--message", "Add a submodule")
    tree = source.tree(repository.url, source.resolve(repository.url))
    with pytest.raises(SourceError, match="s: is a Git submodule, whose files are not read"):
        tree.read("s")


def test_a_symlink_out_of_the_repository_is_refused(source: GitSource, repository: Repository) -> None:
    (repository.path / "apps" / "l.yaml").symlink_to("../../secret")
    (repository.path / "apps" / "inside.yaml").symlink_to("../a.yaml")
    repository.commit({})
    tree = source.tree(repository.url, source.resolve(repository.url))
    assert tree.read("apps/inside.yaml") == b"a"
    with pytest.raises(SourceError, match=r"apps/l.yaml: the symbolic link leads out of the repository"):
        tree.read("apps/l.yaml")


def test_a_file_beyond_the_bound_is_refused(source: GitSource, repository: Repository) -> None:
    repository.commit({"big.yaml": "x" * (17 * 2**20)})
    tree = source.tree(repository.url, source.resolve(repository.url))
    with pytest.raises(SourceError, match=r"big.yaml: 17,825,792 bytes, more than the 16 MiB"):
        tree.read("big.yaml")
    assert tree.read("a.yaml") == b"a"


def test_a_mirror_that_a_killed_fetch_left_heals(source: GitSource, repository: Repository, tmp_path: Path) -> None:
    source.resolve(repository.url)
    (mirror,) = (tmp_path / "cache").glob("*.git")
    (mirror / "packed-refs.lock").touch()
    (mirror / "refs" / "heads" / "main.lock").touch()
    repository.commit({"a.yaml": "next"})
    assert source.tree(repository.url, source.resolve(repository.url)).read("a.yaml") == b"next"


@pytest.mark.parametrize("missing", ["HEAD", "config"])
def test_a_mirror_that_was_only_half_made_is_made_anew(
    source: GitSource, repository: Repository, tmp_path: Path, missing: str
) -> None:
    source.resolve(repository.url)
    (mirror,) = (tmp_path / "cache").glob("*.git")
    (mirror / missing).unlink()
    repository.commit({"a.yaml": "next"})
    assert source.tree(repository.url, source.resolve(repository.url)).read("a.yaml") == b"next"


def test_a_broken_mirror_is_fetched_anew(source: GitSource, repository: Repository, tmp_path: Path) -> None:
    source.resolve(repository.url)
    (mirror,) = (tmp_path / "cache").glob("*.git")
    for file in (mirror / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"broken")
    repository.commit({"a.yaml": "next"})
    assert source.tree(repository.url, source.resolve(repository.url)).read("a.yaml") == b"next"


def break_object(cache: Path, name: str) -> None:
    (mirror,) = cache.glob("*.git")
    file = mirror / "objects" / name[:2] / name[2:]
    file.chmod(0o600)
    file.write_bytes(b"")


@pytest.mark.parametrize("name", ["HEAD:a.yaml", "HEAD:apps", "HEAD^{tree}"])
def test_what_a_read_finds_broken_in_a_mirror_is_fetched_anew(
    source: GitSource, repository: Repository, tmp_path: Path, name: str
) -> None:
    revision = source.resolve(repository.url)
    break_object(tmp_path / "cache", repository.git("rev-parse", name))
    trees = [source.tree(repository.url, revision) for _ in range(2)]
    for tree in trees:
        assert tree.read("a.yaml") == b"a"
        assert tree.read("apps/b.yaml") == b"b"


def test_a_mirror_that_breaks_or_goes_while_it_is_read_is_fetched_anew(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    tree = source.tree(repository.url, source.resolve(repository.url))
    assert tree.kind("apps") == "directory"
    break_object(tmp_path / "cache", repository.git("rev-parse", "HEAD:apps/b.yaml"))
    assert tree.read("apps/b.yaml") == b"b"
    break_object(tmp_path / "cache", repository.git("rev-parse", "HEAD:a.yaml"))
    assert tree.read("a.yaml") == b"a"
    other = source.tree(repository.url, source.resolve(repository.url))
    (mirror,) = (tmp_path / "cache").glob("*.git")
    shutil.rmtree(mirror)
    assert other.read("a.yaml") == b"a"


def test_a_reader_that_is_killed_does_not_make_the_mirror_a_broken_one(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    tree = source.tree(repository.url, source.resolve(repository.url))
    assert tree.read("a.yaml") == b"a"
    (mirror,) = (tmp_path / "cache").glob("*.git")
    before = (mirror / "HEAD").stat().st_ino
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            if Path(f"/proc/{child}/cwd").resolve() == mirror:
                os.kill(child, signal.SIGKILL)
    assert tree.read("apps/b.yaml") == b"b"
    assert (mirror / "HEAD").stat().st_ino == before


def test_a_process_that_died_with_something_left_to_be_said_is_ended_all_the_same() -> None:
    process = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    process.wait()
    assert process.stdin is not None
    process.stdin.write(b"a name")  # stays in our buffer
    end(process)
    assert process.stdin.closed


def test_a_broken_mirror_is_kept_while_its_remote_is_away(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    revision = source.resolve(repository.url)
    break_object(tmp_path / "cache", repository.git("rev-parse", "HEAD:a.yaml"))
    away = repository.path.rename(tmp_path / "away")
    tree = source.tree(repository.url, revision)
    with pytest.raises(SourceError, match="the repository cannot be read"):
        tree.read("a.yaml")
    assert tree.read("apps/b.yaml") == b"b"
    away.rename(repository.path)
    assert tree.read("a.yaml") == b"a"


def test_many_threads_share_one_mirror(repository: Repository, tmp_path: Path) -> None:
    found: list[bytes] = []

    def look() -> None:
        source = GitSource(tmp_path / "cache", allow_file=True)
        found.append(source.tree(repository.url, source.resolve(repository.url)).read("a.yaml"))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"a"] * 6


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = GitSource(tmp_path / "cache", allow_http=True, timeout=0.5)
        started = time.monotonic()
        with pytest.raises(SourceError, match="git ls-remote did not end within"):
            source.resolve(f"http://127.0.0.1:{server.server_port}/r.git")
        assert time.monotonic() - started < 5
        server.shutdown()
    assert subprocess.run(["pgrep", "-f", f"127.0.0.1:{server.server_port}/r.git"], check=False).returncode == 1


@pytest.mark.parametrize(
    ("words", "is_hosts"),
    [
        ("fatal: unable to access 'https://git.example.com/a.git/': Could not resolve host: git.example.com", True),
        ("fatal: unable to access 'https://x/': Failed to connect to x port 443 after 0 ms: Couldn't connect", True),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 503", True),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 429", True),
        ("fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate", True),
        ("error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", True),
        ("ssh: connect to host x port 22: Connection refused\nfatal: Could not read from remote repository.", True),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 404", False),
        ("fatal: repository 'https://tls.example.com/ssl certificate/' not found", False),
        ("fatal: could not read Username for 'https://ssl.example.com': terminal prompts disabled", False),
        ("remote: Connection refused\nfatal: Authentication failed for 'https://x/'", False),
        ("fatal: remote error: Connection refused", False),
        ("git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.", False),
    ],
)
def test_what_is_the_hosts_fault_is_told_from_what_is_the_repositorys(words: str, is_hosts: bool) -> None:
    remote = remote_of("https://git.example.com/TLS/timed-out", GitCredentials(), ["https"])
    assert GitFailure(words).is_hosts(remote) is is_hosts


def test_of_a_failure_by_ssh_its_own_words_are_told() -> None:
    said = "git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure"
    assert GitFailure(said).reason == "git@x: Permission denied (publickey)."


# ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────

_TOKEN = "s3cr3t-t0ken"


class _Silent(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(3)

    def log_message(self, *arguments: object) -> None:
        pass


class _Guarded(SimpleHTTPRequestHandler):
    """A dumb Git server that wants the token as a password."""

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(f"x-access-token:{_TOKEN}".encode()).decode()
        if self.headers.get("Authorization") == wanted:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def guarded(repository: Repository, tmp_path: Path) -> Iterator[str]:
    repository.git("update-server-info")
    handler = partial(_Guarded, directory=str(repository.path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/.git"
        server.shutdown()


def test_a_token_opens_a_repository(guarded: str, repository: Repository, tmp_path: Path) -> None:
    source = GitSource(tmp_path / "cache", lambda url: GitCredentials(token=_TOKEN), allow_http=True)
    assert source.resolve(guarded).sha == repository.head
    assert not any(_TOKEN.encode() in file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file())


def test_a_password_in_a_url_is_used_and_never_shown(guarded: str, repository: Repository, tmp_path: Path) -> None:
    source = GitSource(tmp_path / "cache", allow_http=True)
    url = guarded.replace("http://", f"http://x-access-token:{_TOKEN}@")
    assert source.resolve(url).sha == repository.head
    with pytest.raises(SourceError) as caught:
        source.resolve(url.replace("/.git", "/none.git"))
    assert _TOKEN not in str(caught.value)
    with pytest.raises(SourceError) as caught:
        source.resolve(url, "nope")
    assert _TOKEN not in str(caught.value)


def test_a_wrong_token_is_an_error_that_does_not_show_it(guarded: str, tmp_path: Path) -> None:
    source = GitSource(tmp_path / "cache", lambda url: GitCredentials(token="wr0ng-one"), allow_http=True)
    with pytest.raises(SourceError) as caught:
        source.resolve(guarded)
    assert "cannot be read" in str(caught.value)
    assert "wr0ng-one" not in str(caught.value)


def test_without_credentials_it_is_told_that_they_are_wanted(guarded: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="could not read Username"):
        GitSource(tmp_path / "cache", allow_http=True).resolve(guarded)


def test_an_ssh_key_needs_known_hosts() -> None:
    with pytest.raises(SourceError, match="an ssh key needs known_hosts"):
        remote_of("git@example.com:team/shop.git", GitCredentials(ssh_private_key="key"), ["ssh"])


def test_credentials_do_not_print_themselves() -> None:
    secret = GitCredentials("u", "p4ssw0rd", "t0ken", "k3y", proxy="http://u:p@proxy")
    assert not any(word in repr(secret) for word in ("p4ssw0rd", "t0ken", "k3y", "u:p@"))


@pytest.mark.parametrize("target", ["494febb", "4940123", "494febb494febb494febb494febb494febb494f"])
def test_what_reads_as_a_part_of_a_commit_is_told_to_be_given_whole(target: str) -> None:
    refs = RemoteRefs(branches={"main": "1" * 40})
    expected = f"no branch or tag is called {target} (did you mean main? A commit has to be given whole, by 40 digits)"
    assert unknown(refs, target) == expected
    assert "whole" not in unknown(refs, target[:6])


def test_a_machine_without_git_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the git program is not installed, or not on the PATH"):
        GitProcess({"PATH": str(tmp_path)})
