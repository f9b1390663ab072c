"""The comment of `gitops preview` at Bitbucket and Azure DevOps, in the forms of their documentation; two at once."""

import base64
import itertools
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from gitops.adapters.review_comments import ReviewComments
from gitops.adapters.review_hosts import review_host
from gitops.model.errors import ConfigError, SourceError
from tests.scenarios.test_preview import MAP, SECRET, TOKEN, preview, tree, write

__all__ = ["tree"]
OURS, PERSON = "ours", "a person"
PIPE = f"Basic {base64.b64encode(f':{TOKEN}'.encode()).decode()}"


class Host(ThreadingHTTPServer):
    """Comments by their number: {text, author, version, deleted}. `together`: the first lists wait for each other."""

    def __init__(self, api, together=0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.api, self.comments, self.asked = api, {}, []
        self.numbers, self.lock = itertools.count(101), threading.Lock()
        self.barrier = threading.Barrier(together) if together else None
        self.waits = together
        self.status = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, text, author=PERSON):
        with self.lock:
            number = next(self.numbers)
            self.comments[number] = {"text": text, "author": author, "version": 0, "deleted": False}
        return number

    @property
    def there(self):
        return [one["text"] for _, one in sorted(self.comments.items()) if not one["deleted"]]


class Handler(BaseHTTPRequestHandler):
    def _handle(self):
        host = self.server
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        host.asked.append((self.command, parts.path))
        assert self.headers["Authorization"] == host.api.authorization, self.headers["Authorization"]
        body = json.loads(data) if data else None
        status, value = (
            (host.status, {}) if host.status else host.api.answer(host, self.command, parts.path, query, body)
        )
        sent = b"" if value is None else json.dumps(value).encode()
        if self.command == "GET" and host.barrier is not None:
            with host.lock:
                host.waits -= 1
                waits = host.waits >= 0
            if waits:
                host.barrier.wait(20)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def log_message(self, *_):
        pass


def written(host, number, text):
    """The comment with another text, for who may write it: (status, comment)."""
    one = host.comments.get(number)
    if one is None or one["deleted"]:
        return 404, None
    if one["author"] != OURS:
        return 403, None
    one["text"], one["version"] = text, one["version"] + 1
    return 200, one


def deleted(host, number):
    one = host.comments.get(number)
    if one is None or one["deleted"]:
        return 404
    if one["author"] != OURS:
        return 403
    one["deleted"] = True
    return 204


class Cloud:
    """https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests"""

    authorization = f"Bearer {TOKEN}"
    place = "/2.0/repositories/acme/shop/pullrequests/7/comments"

    @staticmethod
    def environment(host):
        return {
            "BITBUCKET_PR_ID": "7",
            "BITBUCKET_REPO_FULL_NAME": "acme/shop",
            "BITBUCKET_API_URL": f"{host.url}/2.0",
            "BITBUCKET_TOKEN": TOKEN,
        }

    def told(self, number, one):
        content = {"raw": "" if one["deleted"] else one["text"], "markup": "markdown", "html": "", "type": "rendered"}
        user = {"type": "user", "uuid": f"{{{one['author']}}}", "display_name": one["author"]}
        return {
            "id": number,
            "type": "pullrequest_comment",
            "content": content,
            "user": user,
            "deleted": one["deleted"],
        }

    def answer(self, host, method, path, query, body):
        if method == "GET":
            assert path == self.place
            page, size = int(query["page"]), int(query["pagelen"])
            some = sorted(host.comments.items())
            values = [self.told(*one) for one in some[(page - 1) * size : page * size]]
            found = {"values": values, "page": page, "pagelen": size, "size": len(some)}
            more = {"next": f"{host.url}{path}?pagelen={size}&page={page + 1}"} if page * size < len(some) else {}
            return 200, {**found, **more}
        if method == "POST":
            assert path == self.place
            assert body.keys() == {"content"}
            number = host.add(body["content"]["raw"], OURS)
            return 201, self.told(number, host.comments[number])
        number = int(re.fullmatch(f"{self.place}/([0-9]+)", path)[1])
        if method == "DELETE":
            return deleted(host, number), None
        assert method == "PUT"
        status, one = written(host, number, body["content"]["raw"])
        return status, self.told(number, one) if one else {"type": "error", "error": {"message": "no"}}


class Server:
    """https://developer.atlassian.com/server/bitbucket/rest (pull requests: activities and comments)"""

    authorization = f"Bearer {TOKEN}"
    place = "/bb/rest/api/latest/projects/ACME/repos/shop/pull-requests/7"

    @staticmethod
    def environment(host):
        pull = f"{host.url}/bb/projects/ACME/repos/shop/pull-requests/7/overview"
        return {"CHANGE_URL": pull, "CHANGE_TARGET": "main", "BITBUCKET_TOKEN": TOKEN}

    def told(self, number, one):
        author = {"name": one["author"], "id": len(one["author"]), "type": "NORMAL"}
        return {"id": number, "version": one["version"], "text": one["text"], "author": author, "comments": []}

    def answer(self, host, method, path, query, body):
        if method == "GET":
            assert path == f"{self.place}/activities"
            start, limit = int(query["start"]), int(query["limit"])
            comments = [
                (number, one) for number, one in sorted(host.comments.items(), reverse=True) if not one["deleted"]
            ]
            said = [{"id": 1, "action": "OPENED", "user": {}}]
            said += [
                {"id": number, "action": "COMMENTED", "commentAction": "ADDED", "comment": self.told(number, one)}
                for number, one in comments
            ]
            is_last = start + limit >= len(said)
            page = {"values": said[start : start + limit], "size": limit, "limit": limit, "start": start}
            return 200, {**page, "isLastPage": is_last, "nextPageStart": None if is_last else start + limit}
        if method == "POST":
            assert (path, body.keys()) == (f"{self.place}/comments", {"text"})
            number = host.add(body["text"], OURS)
            return 201, self.told(number, host.comments[number])
        number = int(re.fullmatch(f"{self.place}/comments/([0-9]+)", path)[1])
        version = int(query["version"] if method == "DELETE" else body["version"])
        one = host.comments.get(number)
        if one and not one["deleted"] and one["version"] != version:
            return 409, {"errors": [{"message": "out of date", "exceptionName": "CommentOutOfDateException"}]}
        if method == "DELETE":
            return deleted(host, number), None
        assert method == "PUT"
        status, one = written(host, number, body["text"])
        return status, self.told(number, one) if one else {"errors": []}


class Azure:
    """https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads and …-thread-comments"""

    authorization = PIPE
    place = "/acme/The%20Shop/_apis/git/repositories/0b1d/pullRequests/7/threads"

    @staticmethod
    def environment(host):
        return {
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
            "SYSTEM_COLLECTIONURI": f"{host.url}/acme/",
            "SYSTEM_TEAMPROJECT": "The Shop",
            "BUILD_REPOSITORY_ID": "0b1d",
            "BUILD_REPOSITORY_PROVIDER": "TfsGit",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
            "SYSTEM_ACCESSTOKEN": TOKEN,
        }

    def told(self, number, one):
        said = {"id": 1, "parentCommentId": 0, "commentType": "text", "author": {"id": one["author"]}}
        said |= {"isDeleted": True} if one["deleted"] else {"content": one["text"]}
        return {"id": number, "status": "closed", "comments": [said], "properties": {}, "isDeleted": one["deleted"]}

    def answer(self, host, method, path, query, body):
        assert query == {"api-version": "7.1"}
        if method == "GET":
            assert path == self.place
            system = {"id": 1, "comments": [{"id": 1, "commentType": "system", "content": "voted"}], "isDeleted": False}
            values = [system, *[self.told(*one) for one in sorted(host.comments.items())]]
            return 200, {"value": values, "count": len(values)}
        if method == "POST":
            assert path == self.place
            (said,) = body["comments"]
            assert {**said, "content": ""} == {"parentCommentId": 0, "content": "", "commentType": "text"}
            assert body["status"] == "closed", "an active thread would keep people from merging"
            number = host.add(said["content"], OURS)
            return 200, self.told(number, host.comments[number])
        number = int(re.fullmatch(f"{self.place}/([0-9]+)/comments/1", path)[1])
        if method == "DELETE":
            return {204: 200}.get(status := deleted(host, number), status), None
        assert (method, body.keys()) == ("PATCH", {"content"})
        status, one = written(host, number, body["content"])
        return status, self.told(number, one)["comments"][0] if one else {"message": "no"}


class GitHub:
    """https://docs.github.com/rest/issues/comments, which Gitea and Forgejo have too"""

    authorization = f"token {TOKEN}"
    place = "/repos/acme/shop/issues"

    @staticmethod
    def environment(host):
        of = {"GITHUB_REPOSITORY": "acme/shop", "GITHUB_REF": "refs/pull/7/merge", "GITHUB_TOKEN": TOKEN}
        return {**of, "GITHUB_API_URL": host.url}

    def told(self, number, one):
        return {"id": number, "body": one["text"], "user": {"login": one["author"], "id": len(one["author"])}}

    def answer(self, host, method, path, query, body):
        if method == "GET":
            assert path == f"{self.place}/7/comments"
            return 200, [self.told(*one) for one in sorted(host.comments.items()) if not one[1]["deleted"]]
        if method == "POST":
            number = host.add(body["body"], OURS)
            return 201, self.told(number, host.comments[number])
        number = int(re.fullmatch(f"{self.place}/comments/([0-9]+)", path)[1])
        if method == "DELETE":
            return deleted(host, number), None
        status, one = written(host, number, body["body"])
        return status, self.told(number, one) if one else {"message": "no"}


APIS = [Cloud, Server, Azure]


@pytest.fixture
def serving():
    opened = []

    def serve(api, together=0):
        host = Host(api(), together)
        threading.Thread(target=host.serve_forever, daemon=True).start()
        opened.append(host)
        return host

    yield serve
    for one in opened:
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize("api", APIS)
def test_a_pull_request_has_one_comment_that_is_written_anew(tree, serving, api):
    host = serving(api)
    for number in range(130):
        host.add(f"a person's {number}")
    write(tree / "app/a.yaml", MAP.format("a", "two") + SECRET.format("hunter2"))
    _, _, told = preview(tree, "app", "--comment", "--base", "HEAD", **api.environment(host))
    assert told.endswith("the comment is written\n"), told
    assert "+  mode: two" in host.there[-1]
    write(tree / "app/a.yaml", MAP.format("a", "three") + SECRET.format("hunter2"))
    _, _, told = preview(tree, "app", "--comment", "--base", "HEAD", **api.environment(host))
    assert told.endswith("the comment is written anew\n"), told
    assert len(host.there) == 131
    assert "+  mode: three" in host.there[-1]
    shown = host.there[-1]
    assert ("<details>" in shown) is (api is Azure), "Bitbucket shows HTML as it is written"
    assert shown.startswith("<!-- gitops preview app -->\n" if api is Azure else "[//]: # (gitops preview app)\n\n")
    assert TOKEN not in told


@pytest.mark.parametrize("api", APIS)
def test_the_base_is_the_branch_that_the_pull_request_is_for(tree, serving, api):
    environment = {"BITBUCKET_PR_DESTINATION_BRANCH": "main", **api.environment(serving(api))}
    code, _, told = preview(tree, "app", **environment)
    assert (code, "origin/main" in told) == (2, True), "there is no such branch here"


@pytest.mark.parametrize("api", [*APIS, GitHub])
def test_two_runs_at_once_end_with_one_comment(serving, api):
    host = serving(api, together=2)
    host.add("a person's")
    with ThreadPoolExecutor(2) as both:
        keeping = [
            both.submit(ReviewComments(review_host(api.environment(host))).keep, "gitops preview app", f"run {number}")
            for number in (1, 2)
        ]
        assert [one.result(30) for one in keeping] == [False, False]
    assert [command for command, _ in host.asked].count("POST") == 2, "both began without one"
    assert len(host.there) == 2, host.there
    assert host.there[0] == "a person's"
    assert host.there[1].splitlines()[-1] in ("run 1", "run 2")
    assert ReviewComments(review_host(api.environment(host))).keep("gitops preview app", "run 3")
    assert host.there[1].splitlines()[-1] == "run 3"


@pytest.mark.parametrize("api", APIS)
def test_what_others_wrote_is_neither_written_over_nor_taken_away(serving, api):
    host = serving(api)
    comments = ReviewComments(review_host(api.environment(host)))
    mark = "<!-- gitops preview app -->" if api is Azure else "[//]: # (gitops preview app)"
    host.add(f"{mark}\nsomebody else's")
    assert not comments.keep("gitops preview app", "one")
    host.add(f"{mark}\nlater, somebody else's")
    assert comments.keep("gitops preview app", "two")
    assert [text.splitlines()[-1] for text in host.there] == ["somebody else's", "two", "later, somebody else's"]


@pytest.mark.parametrize("api", APIS)
def test_a_host_that_refuses_is_told_without_the_token(serving, api):
    host = serving(api)
    host.status = 403
    with pytest.raises(SourceError, match=r"may the token write comments\?") as told:
        ReviewComments(review_host(api.environment(host))).keep("gitops preview app", "one")
    assert TOKEN not in str(told.value)


@pytest.mark.parametrize(
    ("api", "change", "why"),
    [
        (Cloud, {"BITBUCKET_TOKEN": ""}, "set BITBUCKET_TOKEN"),
        (Cloud, {"BITBUCKET_PR_ID": "../1"}, "a number in BITBUCKET_PR_ID"),
        (Cloud, {"BITBUCKET_REPO_FULL_NAME": "a/b/c"}, "WORKSPACE/NAME"),
        (Cloud, {"BITBUCKET_API_URL": "file:///etc"}, "the address of an API"),
        (Server, {"CHANGE_URL": "https://git.example.com/acme/shop/pull/7"}, "no pull request is told of"),
        (Server, {"BITBUCKET_TOKEN": "a\nb: c"}, "one line of letters"),
        (Azure, {"SYSTEM_PULLREQUEST_PULLREQUESTID": "7/x"}, "a number in"),
        (Azure, {"BUILD_REPOSITORY_PROVIDER": "GitHub"}, "no pull request is told of"),
        (Azure, {"SYSTEM_ACCESSTOKEN": ""}, "set SYSTEM_ACCESSTOKEN or AZURE_DEVOPS_TOKEN"),
    ],
)
def test_an_environment_that_names_no_pull_request_is_refused(serving, api, change, why):
    with pytest.raises(ConfigError, match=why) as told:
        review_host({**api.environment(serving(api)), **change})
    assert TOKEN not in str(told.value)


def test_an_app_password_is_sent_as_one(serving):
    found = review_host({**Cloud.environment(serving(Cloud)), "BITBUCKET_TOKEN": f"ada:{TOKEN}"})
    assert found.headers["Authorization"] == f"Basic {base64.b64encode(f'ada:{TOKEN}'.encode()).decode()}"
    assert TOKEN not in repr(found)
