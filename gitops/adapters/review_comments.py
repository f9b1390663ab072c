"""The comment on a pull request that a CI run keeps up to date: GitHub, GitLab, and Gitea or Forgejo.

Which pull request, at which host, is read from what CI sets in the environment; the token is a variable's that the
pipeline passes on. A comment is told by its first line, and written anew only where the host lets this token do so.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from gitops.adapters.http_get import Answer, HttpReader, Way
from gitops.bounds import parsed
from gitops.model.errors import ConfigError, SourceError

_PULL: Final = "refs/pull/"
_MOST_ANSWER: Final = 8 * 1024 * 1024
_MOST_PAGES: Final = 10
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class ReviewPlace:
    """Where the comments of a pull request are: the address of their list, that of one without its number, and the
    method and the headers that change one.
    """

    comments: str
    one: str
    method: str
    headers: Mapping[str, str] = field(repr=False)
    name: str


def review_place(environment: Mapping[str, str]) -> ReviewPlace:
    """The pull request that this CI run is for. Raises ConfigError where none is told of, or no token is."""
    if environment.get("GITLAB_CI") and environment.get("CI_MERGE_REQUEST_IID"):
        return _gitlab(environment)
    if environment.get("GITHUB_REF", "").startswith(_PULL):
        return _github(environment)
    raise ConfigError(
        "--comment: no pull request is told of (GITHUB_REF=refs/pull/N/merge, as GitHub, Gitea and Forgejo set it, or "
        "CI_MERGE_REQUEST_IID of GitLab); run it in CI for a pull request, or leave --comment out"
    )


def _github(environment: Mapping[str, str]) -> ReviewPlace:
    """GitHub's API; that of Gitea and Forgejo is the same here."""
    number = environment["GITHUB_REF"].removeprefix(_PULL).split("/")[0]
    api = _address(environment, "GITHUB_API_URL", "https://api.github.com")
    repository = quote(environment.get("GITHUB_REPOSITORY", ""))
    if not number.isdecimal() or repository.count("/") != 1:
        raise ConfigError("--comment: expected GITHUB_REPOSITORY=OWNER/NAME and GITHUB_REF=refs/pull/N/merge")
    token = _token(environment, "GITHUB_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN")
    issues = f"{api}/repos/{repository}/issues"
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    return ReviewPlace(f"{issues}/{number}/comments", f"{issues}/comments", "PATCH", headers, f"{repository}#{number}")


def _gitlab(environment: Mapping[str, str]) -> ReviewPlace:
    api = _address(environment, "CI_API_V4_URL", "")
    project, number = environment.get("CI_PROJECT_ID", ""), environment["CI_MERGE_REQUEST_IID"]
    if not project.isdecimal() or not number.isdecimal():
        raise ConfigError("--comment: expected numbers in CI_PROJECT_ID and CI_MERGE_REQUEST_IID")
    notes = f"{api}/projects/{project}/merge_requests/{number}/notes"
    headers = {"PRIVATE-TOKEN": _token(environment, "GITLAB_TOKEN"), "Content-Type": "application/json"}
    return ReviewPlace(notes, notes, "PUT", headers, f"!{number}")


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


class ReviewComments:
    """The comments of one pull request; `ca_file` is trusted besides what the machine trusts."""

    def __init__(self, place: ReviewPlace, ca_file: str = "") -> None:
        self._place = place
        self._reader = HttpReader("anywhere", Way(ca_file=ca_file))

    def keep(self, mark: str, text: str) -> bool:
        """Write the comment that begins with `mark`, or write it anew; True where it was there. Raises SourceError."""
        body = json.dumps({"body": f"{mark}\n{text}"}).encode()
        for number in self._numbers_of(mark):
            answer = self._ask(self._place.method, f"{self._place.one}/{number}", body)
            if answer.status < 300:
                return True
            if answer.status not in (403, 404):  # somebody else's, or gone: another may be ours
                raise self._refused(answer)
        answer = self._ask("POST", self._place.comments, body)
        if answer.status >= 300:
            raise self._refused(answer)
        return False

    def _numbers_of(self, mark: str) -> Iterator[int]:
        for page in range(1, _MOST_PAGES + 1):
            answer = self._ask("GET", f"{self._place.comments}?per_page={_PAGE}&limit={_PAGE}&page={page}")
            if answer.status >= 300:
                raise self._refused(answer)
            found = self._listed(answer)
            for each in found:
                number = each.get("id")
                if str(each.get("body")).startswith(mark) and type(number) is int:
                    yield number
            if len(found) < _PAGE:
                return

    def _listed(self, answer: Answer) -> list[dict[str, Any]]:
        try:
            found = parsed(answer.data)
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise SourceError(f"{self._place.name}: its comments cannot be read: the host's answer is no list")
        return found

    def _ask(self, method: str, url: str, data: bytes = b"") -> Answer:
        return self._reader.send(method, url, self._place.headers, data, most=_MOST_ANSWER)

    def _refused(self, answer: Answer) -> SourceError:
        advice = " (may the token write comments?)" if answer.status in (401, 403, 404) else ""
        return SourceError(f"{self._place.name}: the comment is refused with {answer.status}{advice}")
