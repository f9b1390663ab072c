"""How each host of Git repositories has comments of a pull request: where they are, and in which form.

Which pull request, at which host, is read from what CI sets in the environment; the token is a variable's that the
pipeline passes on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

from gitops.adapters.http_get import basic
from gitops.model.errors import ConfigError

_PULL: Final = "refs/pull/"
_PAGE: Final = 100
_SERVER_PULL: Final = re.compile(
    r"(https?://[^?#]+?)/(projects|users)/([^/?#]+)/repos/([^/?#]+)/pull-requests/([0-9]{1,18})(?:[/?#].*)?"
)


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment of a pull request; `author` is "" where the host does not say. `place` is its address."""

    number: int
    text: str
    author: str
    place: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to the host."""

    method: str
    url: str
    body: Mapping[str, Any] | None = None


class ReviewHost(Protocol):
    """One pull request at one host.

    `most` is how many characters a comment may have; where it does not `fold` HTML, it is shown as it is written.
    """

    @property
    def name(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def most(self) -> int: ...

    @property
    def folds(self) -> bool: ...

    def first(self) -> Ask:
        """The first page of comments."""
        ...

    def page(self, data: Any, at: Ask) -> tuple[list[Comment], Ask | None]:
        """What the page holds, and the next one. Raises ValueError, TypeError or KeyError for what is none."""
        ...

    def write(self, comment: Comment, text: str) -> Ask: ...

    def delete(self, comment: Comment) -> Ask: ...

    def post(self, text: str) -> Ask: ...


def review_host(environment: Mapping[str, str]) -> ReviewHost:
    """The pull request that this CI run is for. Raises ConfigError where none is told of, or no token is."""
    if environment.get("GITLAB_CI") and environment.get("CI_MERGE_REQUEST_IID"):
        return _gitlab(environment)
    if environment.get("GITHUB_REF", "").startswith(_PULL):
        return _github(environment)
    if environment.get("BITBUCKET_PR_ID"):
        return _bitbucket(environment)
    if environment.get("SYSTEM_PULLREQUEST_PULLREQUESTID") and environment.get("BUILD_REPOSITORY_PROVIDER") in (
        *(None, "", "TfsGit"),
    ):
        return _azure(environment)
    if _SERVER_PULL.fullmatch(environment.get("CHANGE_URL", "")):
        return _bitbucket_server(environment)
    raise ConfigError(
        "--comment: no pull request is told of (GITHUB_REF=refs/pull/N/merge, as GitHub, Gitea and Forgejo set it, "
        "CI_MERGE_REQUEST_IID of GitLab, BITBUCKET_PR_ID of Bitbucket, SYSTEM_PULLREQUEST_PULLREQUESTID of Azure "
        "DevOps, or CHANGE_URL of Jenkins for a Bitbucket Server); run it in CI for a pull request, or leave "
        "--comment out"
    )


def target_branch(environment: Mapping[str, str]) -> str:
    """The branch that the pull request is for, as CI tells of it, or ""."""
    names = ("GITHUB_BASE_REF", "BITBUCKET_PR_DESTINATION_BRANCH", "SYSTEM_PULLREQUEST_TARGETBRANCH", "CHANGE_TARGET")
    found = next((environment[name] for name in names if environment.get(name)), "")
    return found.removeprefix("refs/heads/")


# ── GitHub, Gitea, Forgejo, GitLab ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Comments with an `id` and a `body`: `comments` is the address of their list, `one` that of one without its id."""

    name: str
    headers: Mapping[str, str] = field(repr=False)
    comments: str
    one: str
    method: str
    author: str
    most: int = 60_000  # GitHub takes 65,536
    folds: bool = True

    def first(self) -> Ask:
        return Ask("GET", self._page_at(1))

    def page(self, data: Any, at: Ask) -> tuple[list[Comment], Ask | None]:
        found = [
            Comment(each["id"], str(each.get("body")), _author(each.get(self.author), "id"), f"{self.one}/{each['id']}")
            for each in _maps(data)
            if type(each.get("id")) is int
        ]
        number = int(at.url.rpartition("=")[2])
        return found, Ask("GET", self._page_at(number + 1)) if len(data) >= _PAGE else None

    def _page_at(self, number: int) -> str:
        return f"{self.comments}?per_page={_PAGE}&limit={_PAGE}&page={number}"

    def write(self, comment: Comment, text: str) -> Ask:
        return Ask(self.method, comment.place, {"body": text})

    def delete(self, comment: Comment) -> Ask:
        return Ask("DELETE", comment.place)

    def post(self, text: str) -> Ask:
        return Ask("POST", self.comments, {"body": text})


def _github(environment: Mapping[str, str]) -> ReviewHost:
    """GitHub's API; that of Gitea and Forgejo is the same here."""
    number = environment["GITHUB_REF"].removeprefix(_PULL).split("/")[0]
    api = _address(environment, "GITHUB_API_URL", "https://api.github.com")
    repository = quote(environment.get("GITHUB_REPOSITORY", ""))
    if not number.isdecimal() or repository.count("/") != 1:
        raise ConfigError("--comment: expected GITHUB_REPOSITORY=OWNER/NAME and GITHUB_REF=refs/pull/N/merge")
    token = _token(environment, "GITHUB_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN")
    issues = f"{api}/repos/{repository}/issues"
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    places = (f"{issues}/{number}/comments", f"{issues}/comments")
    return _Numbered(f"{repository}#{number}", headers, *places, "PATCH", "user")


def _gitlab(environment: Mapping[str, str]) -> ReviewHost:
    api = _address(environment, "CI_API_V4_URL", "")
    project, number = environment.get("CI_PROJECT_ID", ""), environment["CI_MERGE_REQUEST_IID"]
    if not project.isdecimal() or not number.isdecimal():
        raise ConfigError("--comment: expected numbers in CI_PROJECT_ID and CI_MERGE_REQUEST_IID")
    notes = f"{api}/projects/{project}/merge_requests/{number}/notes"
    headers = {"PRIVATE-TOKEN": _token(environment, "GITLAB_TOKEN"), "Content-Type": "application/json"}
    return _Numbered(f"!{number}", headers, notes, notes, "PUT", "author")


# ── Bitbucket ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Bitbucket:
    """Bitbucket Cloud: the text is `content.raw`; what was deleted stays in the list."""

    name: str
    headers: Mapping[str, str] = field(repr=False)
    comments: str
    most: int = 30_000  # it takes 32,768
    folds: bool = False

    def first(self) -> Ask:
        return Ask("GET", f"{self.comments}?pagelen={_PAGE}&page=1")

    def page(self, data: Any, at: Ask) -> tuple[list[Comment], Ask | None]:
        found = [
            Comment(
                each["id"],
                str((each.get("content") or {}).get("raw")),
                _author(each.get("user"), "uuid"),
                f"{self.comments}/{each['id']}",
            )
            for each in _maps(data["values"])
            if type(each.get("id")) is int and not each.get("deleted")
        ]
        number = int(at.url.rpartition("=")[2])
        return found, Ask("GET", f"{self.comments}?pagelen={_PAGE}&page={number + 1}") if data.get("next") else None

    def write(self, comment: Comment, text: str) -> Ask:
        return Ask("PUT", comment.place, {"content": {"raw": text}})

    def delete(self, comment: Comment) -> Ask:
        return Ask("DELETE", comment.place)

    def post(self, text: str) -> Ask:
        return Ask("POST", self.comments, {"content": {"raw": text}})


def _bitbucket(environment: Mapping[str, str]) -> ReviewHost:
    api = _address(environment, "BITBUCKET_API_URL", "https://api.bitbucket.org/2.0")
    repository, number = quote(environment.get("BITBUCKET_REPO_FULL_NAME", "")), environment["BITBUCKET_PR_ID"]
    if not number.isdecimal() or repository.count("/") != 1:
        raise ConfigError("--comment: expected BITBUCKET_REPO_FULL_NAME=WORKSPACE/NAME and a number in BITBUCKET_PR_ID")
    comments = f"{api}/repositories/{repository}/pullrequests/{number}/comments"
    return _Bitbucket(f"{repository}#{number}", _of_bitbucket(environment), comments)


@dataclass(frozen=True, slots=True)
class _BitbucketServer:
    """Bitbucket Server and Data Center: comments are listed as activities, and changed by the version they have."""

    name: str
    headers: Mapping[str, str] = field(repr=False)
    pull: str
    most: int = 30_000  # it takes 32,768
    folds: bool = False

    def first(self) -> Ask:
        return Ask("GET", f"{self.pull}/activities?limit={_PAGE}&start=0")

    def page(self, data: Any, at: Ask) -> tuple[list[Comment], Ask | None]:
        said = [each["comment"] for each in _maps(data["values"]) if each.get("action") == "COMMENTED"]
        found = {
            one["id"]: Comment(
                one["id"],
                str(one.get("text")),
                _author(one.get("author"), "id"),
                f"{self.pull}/comments/{one['id']}",
                int(one.get("version") or 0),
            )
            for one in _maps(said)
            if type(one.get("id")) is int
        }
        is_last, start = data.get("isLastPage", True), data.get("nextPageStart")
        if is_last or type(start) is not int:
            return list(found.values()), None
        return list(found.values()), Ask("GET", f"{self.pull}/activities?limit={_PAGE}&start={start}")

    def write(self, comment: Comment, text: str) -> Ask:
        return Ask("PUT", comment.place, {"text": text, "version": comment.version})

    def delete(self, comment: Comment) -> Ask:
        return Ask("DELETE", f"{comment.place}?version={comment.version}")

    def post(self, text: str) -> Ask:
        return Ask("POST", f"{self.pull}/comments", {"text": text})


def _bitbucket_server(environment: Mapping[str, str]) -> ReviewHost:
    """By the address of the pull request, as Jenkins tells it."""
    match = _SERVER_PULL.fullmatch(environment["CHANGE_URL"])
    assert match is not None  # it was looked at before
    base, kind, project, repository, number = match.groups()
    project = f"~{project}" if kind == "users" else project
    pull = f"{base}/rest/api/latest/projects/{project}/repos/{repository}/pull-requests/{number}"
    return _BitbucketServer(f"{project}/{repository}#{number}", _of_bitbucket(environment), pull)


def _of_bitbucket(environment: Mapping[str, str]) -> dict[str, str]:
    """A token, or USER:APP-PASSWORD."""
    token = _token(environment, "BITBUCKET_TOKEN")
    user, colon, password = token.partition(":")
    return {
        "Authorization": basic(user, password) if colon else f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }


# ── Azure DevOps ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Azure:
    """Azure Repos: each comment begins a thread, which is closed, so that it keeps nobody from merging."""

    name: str
    headers: Mapping[str, str] = field(repr=False)
    threads: str
    most: int = 60_000
    folds: bool = True

    def first(self) -> Ask:
        return Ask("GET", f"{self.threads}?api-version=7.1")

    def page(self, data: Any, at: Ask) -> tuple[list[Comment], Ask | None]:
        found = []
        for thread in _maps(data["value"]):
            said = _maps(thread.get("comments") or [])
            if said and type(thread.get("id")) is int and type(said[0].get("id")) is int and not _is_gone(thread, said):
                place = f"{self.threads}/{thread['id']}/comments/{said[0]['id']}"
                text, author = str(said[0].get("content")), _author(said[0].get("author"), "id")
                found.append(Comment(thread["id"], text, author, place))
        return found, None

    def write(self, comment: Comment, text: str) -> Ask:
        return Ask("PATCH", f"{comment.place}?api-version=7.1", {"content": text})

    def delete(self, comment: Comment) -> Ask:
        return Ask("DELETE", f"{comment.place}?api-version=7.1")

    def post(self, text: str) -> Ask:
        said = {"parentCommentId": 0, "content": text, "commentType": "text"}
        return Ask("POST", f"{self.threads}?api-version=7.1", {"comments": [said], "status": "closed"})


def _is_gone(thread: Mapping[str, Any], said: list[dict[str, Any]]) -> bool:
    return bool(thread.get("isDeleted") or said[0].get("isDeleted"))


def _azure(environment: Mapping[str, str]) -> ReviewHost:
    collection = _address(environment, "SYSTEM_COLLECTIONURI", "")
    project, repository = environment.get("SYSTEM_TEAMPROJECT", ""), environment.get("BUILD_REPOSITORY_ID", "")
    number = environment["SYSTEM_PULLREQUEST_PULLREQUESTID"]
    if not number.isdecimal() or not project or not repository:
        raise ConfigError(
            "--comment: expected SYSTEM_TEAMPROJECT, BUILD_REPOSITORY_ID and a number in "
            "SYSTEM_PULLREQUEST_PULLREQUESTID"
        )
    headers = {
        "Authorization": basic("", _token(environment, "SYSTEM_ACCESSTOKEN", "AZURE_DEVOPS_TOKEN")),
        "Content-Type": "application/json",
    }
    of = f"{collection}/{quote(project, safe='')}/_apis/git/repositories/{quote(repository, safe='')}"
    return _Azure(f"{project}#{number}", headers, f"{of}/pullRequests/{number}/threads")


def _maps(value: Any) -> list[dict[str, Any]]:
    """Raises ValueError for what is no list of maps."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError("no list of maps")
    return value


def _author(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return "" if found is None else str(found)


def _address(environment: Mapping[str, str], name: str, default: str) -> str:
    address = (environment.get(name) or default).rstrip("/")
    if urlsplit(address).scheme not in ("https", "http"):
        raise ConfigError(f"--comment: {name}: expected the address of an API, such as https://git.example.com/api/v1")
    return address


def _token(environment: Mapping[str, str], *names: str) -> str:
    token = next((environment[name] for name in names if environment.get(name)), "").strip()
    if not token:
        raise ConfigError(f"--comment: set {' or '.join(names)} to a token that may write comments")
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(f"--comment: {names[0]}: expected one line of letters and digits")
    return token
