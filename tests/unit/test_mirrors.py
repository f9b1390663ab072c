"""The disk that mirrors take: a limit for each and for all, and nothing kept that nobody uses."""

import os
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from gitops.adapters.git import GitSource
from gitops.adapters.mirrors import Mirrors
from gitops.bounds import MIB, MirrorLimits
from gitops.config import mirror_limits
from gitops.model.errors import ConfigError, SourceError
from tests.unit.repositories import Repository


def noise(size: int) -> str:
    """Text that does not become smaller when it is packed."""
    return Random(size).randbytes(size // 2).hex()


def source(tmp_path: Path, each: int = MIB, total: int = 100 * MIB) -> GitSource:
    return GitSource(tmp_path / "cache", allow_file=True, limits=MirrorLimits(each, total))


def mirrors(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").glob("*.git"))


def age(tmp_path: Path, hours: float) -> None:
    for lock in (tmp_path / "cache").glob("*.lock"):
        os.utime(lock, (time.time() - hours * 3600,) * 2)


def test_a_repository_beyond_its_limit_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    large = Repository(tmp_path / "large").commit({"a.yaml": noise(4 * MIB)})
    small = Repository(tmp_path / "small").commit({"a.yaml": "a"})
    found = source(tmp_path)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"large: its mirror takes more than the 1 MiB of disk .*--repository-si"):
            found.resolve(large.url)
        assert mirrors(tmp_path) == []
    assert found.resolve(small.url).sha == small.head


def test_what_is_mirrored_is_for_our_account_alone(tmp_path: Path) -> None:
    small = Repository(tmp_path / "small").commit({"a.yaml": "a"})
    source(tmp_path).resolve(small.url)
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0


def test_a_push_beyond_the_limit_does_not_take_what_is_there(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit({"a.yaml": "a"})
    found = source(tmp_path)
    first = found.resolve(repository.url)
    repository.commit({"b.yaml": noise(8 * MIB)})
    with pytest.raises(SourceError, match="takes more than the 1 MiB"):
        found.resolve(repository.url)
    for mirror in mirrors(tmp_path):
        assert sum(file.stat().st_size for file in mirror.rglob("*") if file.is_file()) < 2 * MIB
    repository.git("reset", "--quiet", "--hard", first.sha)
    assert found.tree(repository.url, found.resolve(repository.url)).read("a.yaml") == b"a"


def test_a_mirror_full_of_what_was_pushed_away_is_made_anew(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit({"a.yaml": "a"})
    found = source(tmp_path)
    for number in range(4):
        repository.commit({"b.yaml": noise(MIB - MIB // 8 + 2 * number)})
        repository.git("reset", "--quiet", "--soft", "HEAD~1")
        repository.git("commit", "--quiet", "--amend", "--message", f"take {number}")
        repository.git("reflog", "expire", "--expire=now", "--all")
        repository.git("gc", "--quiet", "--prune=now")
        assert found.resolve(repository.url).sha == repository.head


def test_mirrors_that_nobody_uses_make_place_and_those_in_use_do_not(tmp_path: Path) -> None:
    repositories = [Repository(tmp_path / str(number)).commit({"a": noise(2 * MIB)}) for number in range(4)]
    found = source(tmp_path, each=2 * MIB, total=2 * MIB + MIB // 2)
    for repository in repositories[:2]:
        found.resolve(repository.url)
    with pytest.raises(
        SourceError, match=r"/2: its mirror takes, with those of the other repositories, more than the 2"
    ):
        found.resolve(repositories[2].url)
    age(tmp_path, 2.0)
    found.ls_remote(repositories[1].url)
    found.resolve(repositories[2].url)
    where = Mirrors(tmp_path / "cache", MirrorLimits(), 1.0)
    assert set(mirrors(tmp_path)) == {where.path(repository.url) for repository in repositories[1:3]}
    assert found.tree(repositories[1].url, found.resolve(repositories[1].url)).read("a")


def test_a_mirror_that_was_not_used_for_a_day_goes(tmp_path: Path) -> None:
    repositories = [Repository(tmp_path / str(number)).commit({"a": "a"}) for number in range(3)]
    found = source(tmp_path)
    for repository in repositories[:2]:
        found.resolve(repository.url)
    age(tmp_path, 25.0)
    found.ls_remote(repositories[0].url)
    found.resolve(repositories[2].url)
    where = Mirrors(tmp_path / "cache", MirrorLimits(), 1.0)
    assert set(mirrors(tmp_path)) == {where.path(repositories[0].url), where.path(repositories[2].url)}
    assert len(list((tmp_path / "cache").iterdir())) == 4


class _Endless(BaseHTTPRequestHandler):
    """A Git server whose list of refs never ends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", self.server.kind)  # type: ignore[attr-defined]
        self.end_headers()
        line = self.server.line  # type: ignore[attr-defined]
        try:
            self.wfile.write(self.server.head)  # type: ignore[attr-defined]
            while True:
                self.wfile.write(line)
        except OSError:
            return

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def endless() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endless) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("is_smart", [True, False])
def test_refs_without_an_end_are_one_error_and_cost_no_memory(
    tmp_path: Path, endless: ThreadingHTTPServer, is_smart: bool
) -> None:
    lines = b"".join(b"%040x\trefs/heads/%07d\n" % (number, number) for number in range(4000))
    endless.kind = "application/x-git-upload-pack-advertisement" if is_smart else "text/plain"  # type: ignore[attr-defined]
    endless.head = b"001e# service=git-upload-pack\n0000" if is_smart else b""  # type: ignore[attr-defined]
    smart = b"".join(b"%04x%s\n" % (len(line) + 5, line) for line in lines.splitlines())
    endless.line = smart if is_smart else lines  # type: ignore[attr-defined]
    found = GitSource(tmp_path / "cache", allow_http=True, timeout=20.0)
    with pytest.raises(SourceError, match=r"git ls-remote needs more than 256 MiB of memory"):
        found.resolve(f"http://127.0.0.1:{endless.server_port}/r.git")


def test_refs_beyond_the_bound_are_one_error(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit({"a": "a"})
    head = repository.head
    name = "x" * 200
    refs = "".join(f"{head} refs/heads/{name}{number}\n" for number in range(75_000))
    (repository.path / ".git/packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + refs)
    with pytest.raises(SourceError, match=r"/r: git ls-remote printed more than 16 MiB"):
        source(tmp_path).resolve(repository.url)


def test_the_limits_are_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirror_limits() == MirrorLimits()
    assert mirror_limits("500Mi", "1Gi") == MirrorLimits(500 * MIB, 1024 * MIB)
    monkeypatch.setenv("GITOPS_REPOSITORY_SIZE", "1Mi")
    assert mirror_limits("", "1Gi") == MirrorLimits(MIB, 1024 * MIB)
    monkeypatch.setenv("GITOPS_REPOSITORIES_SIZE", "many")
    with pytest.raises(
        ConfigError, match=r"GITOPS_REPOSITORIES_SIZE: expected a size such as 500Mi or 2Gi, got 'many'"
    ):
        mirror_limits()
    with pytest.raises(ConfigError, match="--repository-size: expected a size"):
        mirror_limits("-1")


def test_a_mirror_that_nobody_needs_is_removed_and_fetched_again_by_who_does_all_the_same(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit({"a.yaml": "a"})
    found = source(tmp_path)
    found.resolve(repository.url)
    kept = Mirrors(tmp_path / "cache", MirrorLimits(MIB, MIB), 60.0)
    assert mirrors(tmp_path) == [kept.path(repository.url)]
    for _ in range(2):
        kept.remove(kept.path(repository.url))
        assert mirrors(tmp_path) == []
    assert found.tree(repository.url, found.resolve(repository.url)).read("a.yaml") == b"a"
