"""`gitops preview`: what a branch changes, as text and as one comment on its pull request."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gitops.adapters.review_hosts import review_host
from gitops.model.errors import ConfigError

TOKEN = "token-that-nobody-sees"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\ndata: {{mode: {}}}\n"
SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {}}}\n"


class Host(ThreadingHTTPServer):
    """The comments of one pull request; `foreign` are those that the token may not change."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict[str, Any]] = []
        self.foreign: set[int] = set()
        self.asked: list[tuple[str, str]] = []
        self.status = self.status_of_writes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Host

    def _answer(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(self.server.status or status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _handle(self) -> None:
        token = self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization", "").removeprefix("token ")
        assert token == TOKEN
        path, _, query = self.path.partition("?")
        self.server.asked.append((self.command, path))
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        comments = self.server.comments
        match self.command:
            case "GET":
                page = int(query.rpartition("page=")[2])
                self._answer(200, comments[(page - 1) * 100 : page * 100])
            case "POST":
                comments.append({"id": len(comments) + 1, **json.loads(data)})
                self._answer(201, comments[-1])
            case _:
                number = int(path.rpartition("/")[2])
                if self.server.status_of_writes:
                    return self._answer(self.server.status_of_writes, {})
                if number in self.server.foreign:
                    return self._answer(403, {"message": "not yours"})
                comments[number - 1] |= json.loads(data)
                self._answer(200, comments[number - 1])

    do_GET = do_POST = do_PATCH = do_PUT = _handle

    def log_message(self, *said: Any) -> None:
        """Quiet."""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-qb", "main")
    write(tmp_path / "app/a.yaml", MAP.format("a", "one") + SECRET.format("hunter2"))
    commit(tmp_path, "one")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


def commit(folder: Path, subject: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", subject)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def preview(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "gitops.cli", "preview", *arguments]
    kept = {"PATH": "/usr/bin:/bin", "HOME": str(folder.parent), "XDG_CACHE_HOME": str(folder.parent / "cache")}
    kept["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def of_github(host: Host) -> dict[str, str]:
    return {
        "GITHUB_API_URL": host.url,
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_TOKEN": TOKEN,
    }


def of_gitlab(host: Host) -> dict[str, str]:
    return {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": host.url,
        "CI_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "7",
        "GITLAB_TOKEN": TOKEN,
    }


def test_what_a_branch_changes_is_told_without_a_cluster_and_without_a_secret(tree: Path) -> None:
    write(tree / "app/a.yaml", MAP.format("a", "two") + SECRET.format("hunter3"))
    code, shown, _ = preview(tree, "app")
    assert code == 1
    assert shown.startswith("### app: 2 changed\n")
    assert "-  mode: one\n+  mode: two\n" in shown
    assert "-  password: (hidden) before\n+  password: (hidden) after\n" in shown
    assert "hunter" not in shown


def test_what_is_new_and_what_is_gone_is_told(tree: Path) -> None:
    write(tree / "app/a.yaml", MAP.format("b", "one") + SECRET.format("hunter2"))
    code, shown, _ = preview(tree, "app", "-o", "unified")
    assert code == 1
    assert "+++ after ConfigMap b" in shown
    assert "--- before ConfigMap a" in shown
    assert "Secret" not in shown


def test_a_path_that_is_new_is_all_created(tree: Path) -> None:
    write(tree / "more/a.yaml", MAP.format("b", "one"))
    code, shown, _ = preview(tree, "more")
    assert (code, shown.splitlines()[0]) == (1, "### more: 1 created")


def test_a_branch_that_changes_nothing_is_no_difference(tree: Path) -> None:
    write(tree / "README.md", "words")
    code, shown, _ = preview(tree, "app")
    assert (code, shown) == (0, "### app: renders to the same\n")


def test_a_branch_that_does_not_render_says_why(tree: Path) -> None:
    write(tree / "app/a.yaml", "bad: [")
    code, shown, told = preview(tree, "app")
    assert code == 2
    assert "> **does not render**: app/a.yaml:2: not YAML" in shown
    assert "Error: app: app/a.yaml:2: not YAML" in told


def test_the_base_is_a_revision_of_any_name(tree: Path) -> None:
    write(tree / "app/a.yaml", MAP.format("a", "two") + SECRET.format("hunter2"))
    commit(tree, "two")
    assert preview(tree, "app")[0] == 0
    code, shown, _ = preview(tree, "app", "--base", "HEAD~1")
    assert code == 1
    assert "+  mode: two" in shown


def test_the_base_of_a_pull_request_is_the_branch_that_it_is_for(tree: Path) -> None:
    git(tree, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(tree, "checkout", "-qb", "mine")
    write(tree / "app/a.yaml", MAP.format("a", "two") + SECRET.format("hunter2"))
    commit(tree, "two")
    assert preview(tree, "app", GITHUB_BASE_REF="main")[0] == 1


def test_an_application_is_rendered_by_its_own_options_from_the_work_tree(tree: Path) -> None:
    write(
        tree / "apps/shop.yaml",
        "apiVersion: gitops.dev/v1alpha1\nkind: Application\nmetadata: {name: shop, namespace: web}\n"
        "spec:\n  source: {repoURL: https://git.example.com/acme/shop, path: app, kustomize: {namePrefix: my-}}\n"
        "  destination: {namespace: web}\n",
    )
    write(tree / "app/kustomization.yaml", "resources: [a.yaml]\n")
    commit(tree, "two")
    write(tree / "app/a.yaml", MAP.format("a", "three") + SECRET.format("hunter2"))
    code, shown, told = preview(tree, "-f", "apps/shop.yaml")
    assert (code, told) == (1, "")
    assert shown.startswith("### web/shop: 1 changed\n")
    assert "ConfigMap my-a" in shown


@pytest.mark.parametrize("is_link", [False, True])
def test_what_is_beside_the_work_tree_is_not_shown_whatever_an_application_names(tree: Path, is_link: bool) -> None:
    other = tree.parent / f"{tree.name}-beside"
    path = "link" if is_link else f"../{other.name}"
    write(other / "a.yaml", MAP.format("private", "hunter2"))
    git(other, "init", "-qb", "main")
    commit(other, "one")
    (tree / "link").symlink_to(other)
    write(
        tree / "shop.yaml",
        "apiVersion: gitops.dev/v1alpha1\nkind: Application\nmetadata: {name: shop}\nspec:\n"
        f"  source: {{repoURL: https://git.example.com/acme/shop, path: {path}}}\n  destination: {{namespace: web}}\n",
    )
    code, shown, told = preview(tree, "-f", "shop.yaml")
    assert (code, shown) == (2, "")
    assert told == f"Error: shop.yaml: spec.source.path: {path} leads out of the work tree\n"


def test_policies_that_what_is_new_breaks_are_told_and_others_are_not(tree: Path) -> None:
    pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {}}}\nspec: {{containers: [{{name: c, image: nginx}}]}}\n"
    write(tree / "app/b.yaml", pod.format("old"))
    commit(tree, "two")
    write(tree / "app/b.yaml", pod.format("old") + pod.format("new"))
    _, shown, _ = preview(tree, "app")
    assert "Pod new: spec.containers" in shown
    assert "Pod old" not in shown


@pytest.mark.parametrize("environment", [of_github, of_gitlab])
def test_a_pull_request_has_one_comment_that_is_written_anew(tree: Path, host: Host, environment: Any) -> None:
    host.comments.extend({"id": number, "body": "a person's"} for number in range(1, 131))
    write(tree / "app/a.yaml", MAP.format("a", "two") + SECRET.format("hunter2"))
    _, shown, told = preview(tree, "app", "--comment", **environment(host))
    assert told.endswith("the comment is written\n")
    assert host.comments[-1]["body"] == f"<!-- gitops preview app -->\n{shown}"
    write(tree / "app/a.yaml", MAP.format("a", "three") + SECRET.format("hunter2"))
    _, _, told = preview(tree, "app", "--comment", **environment(host))
    assert told.endswith("the comment is written anew\n")
    assert len(host.comments) == 131
    assert "+  mode: three" in host.comments[-1]["body"]


def test_a_comment_of_somebody_else_that_begins_alike_is_left_alone(tree: Path, host: Host) -> None:
    host.comments.append({"id": 1, "body": "<!-- gitops preview app -->\nnot by us"})
    host.foreign.add(1)
    preview(tree, "app", "--comment", **of_github(host))
    preview(tree, "app", "--comment", **of_github(host))
    assert [comment["body"].partition("\n")[2] for comment in host.comments] == [
        "not by us",
        "### app: renders to the same\n",
    ]


def test_a_comment_that_cannot_be_written_anew_now_is_not_written_twice(tree: Path, host: Host) -> None:
    preview(tree, "app", "--comment", **of_github(host))
    host.status_of_writes = 500
    code, _, told = preview(tree, "app", "--comment", **of_github(host))
    assert (code, "the comment is refused with 500" in told, len(host.comments)) == (2, True, 1)


@pytest.mark.parametrize(("status", "why"), [(403, "may the token write comments?"), (500, "refused with 500")])
def test_a_host_that_refuses_is_told_without_the_token(tree: Path, host: Host, status: int, why: str) -> None:
    host.status = status
    code, shown, told = preview(tree, "app", "--comment", **of_github(host))
    assert code == 2
    assert shown.startswith("### app")
    assert why in told
    assert TOKEN not in told


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"GITHUB_REF": "refs/heads/main"}, "no pull request is told of"),
        ({"GITHUB_REF": "", "GITLAB_CI": "true"}, "no pull request is told of"),
        ({"GITHUB_TOKEN": ""}, "set GITHUB_TOKEN or GITEA_TOKEN or FORGEJO_TOKEN"),
        ({"GITHUB_TOKEN": "a\nb: c"}, "expected one line"),
        ({"GITHUB_REPOSITORY": "acme"}, "expected GITHUB_REPOSITORY=OWNER/NAME"),
        ({"GITHUB_REF": "refs/pull/../../x"}, "refs/pull/N/merge"),
        ({"GITHUB_API_URL": "file:///etc"}, "expected the address of an API"),
    ],
)
def test_an_environment_that_names_no_pull_request_is_refused(change: dict[str, str], why: str) -> None:
    environment = {"GITHUB_REPOSITORY": "acme/shop", "GITHUB_REF": "refs/pull/7/merge", "GITHUB_TOKEN": TOKEN}
    with pytest.raises(ConfigError, match=why) as caught:
        review_host({**environment, **change})
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"CI_PROJECT_ID": "acme/shop"}, "expected numbers in CI_PROJECT_ID and CI_MERGE_REQUEST_IID"),
        ({"CI_PROJECT_ID": ""}, "expected numbers in CI_PROJECT_ID and CI_MERGE_REQUEST_IID"),
        ({"CI_MERGE_REQUEST_IID": "7/../8"}, "expected numbers in CI_PROJECT_ID and CI_MERGE_REQUEST_IID"),
        ({"CI_API_V4_URL": ""}, "expected the address of an API"),
        ({"GITLAB_TOKEN": ""}, "set GITLAB_TOKEN"),
    ],
)
def test_an_environment_that_names_no_merge_request_is_refused(change: dict[str, str], why: str) -> None:
    environment = {"GITLAB_CI": "true", "CI_API_V4_URL": "https://gitlab.example.com/api/v4", "CI_PROJECT_ID": "12"}
    environment |= {"CI_MERGE_REQUEST_IID": "7", "GITLAB_TOKEN": TOKEN}
    assert review_host(environment).name == "!7"
    with pytest.raises(ConfigError, match=why) as caught:
        review_host({**environment, **change})
    assert TOKEN not in str(caught.value)


def test_hostile_names_and_values_are_no_markup(tree: Path) -> None:
    name = '"</summary>@everyone<script>"'
    write(
        tree / "app/a.yaml", f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: '```\n# x'}}\n"
    )
    _, shown, _ = preview(tree, "app")
    outside = shown.split("```")[0]
    assert "<script>" not in outside
    assert "@everyone" not in outside
