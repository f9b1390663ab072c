"""What goes wrong is told as a problem to programs and as a page to people, and never more than it should be."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from gitops.model.errors import (
    ApiError,
    AwayError,
    ConfigError,
    GitopsError,
    HeldError,
    ManifestError,
    RenderError,
    SourceError,
    StoreError,
    UnreachableError,
)
from gitops.server.problems import CONTENT_TYPE, Problem, problem_of
from gitops.server.shield import HEADERS, acting, add_headers, shield


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (AwayError("its group is away"), 503, "An API group of its cluster does not answer"),
        (UnreachableError("nobody answers"), 503, "Its cluster does not answer"),
        (ApiError(403, "Forbidden", "no right to it"), 502, "Its cluster refused"),
        (HeldError("it is held"), 409, "Held"),
        (SourceError("no such commit"), 409, "Its source cannot be read"),
        (RenderError("no such value"), 409, "It cannot be rendered"),
        (ManifestError("a.yaml:1: kind: missing"), 409, "A manifest is wrong"),
        (ConfigError("no such release"), 409, "Not as it stands"),
        (StoreError("the disk is full"), 503, "Our own records cannot be read"),
        (GitopsError("something"), 502, "It could not be done"),
    ],
)
def test_each_error_of_ours_has_a_status_of_its_own(error, status, title):
    found = problem_of(error)
    assert (found.status, found.title, found.detail) == (status, title, str(error))
    assert found.body() == {"type": "about:blank", "title": title, "status": status, "detail": str(error)}


@pytest.mark.parametrize(
    ("error", "is_another"),
    [
        (ApiError(409, "Conflict", "it changed"), True),
        (ApiError(422, "Invalid", "it is another", {"details": {"causes": [{"field": "metadata.uid"}]}}), True),
        (ApiError(422, "Invalid", "it is wrong", {"details": {"causes": [{"field": "spec.replicas"}]}}), False),
        (ApiError(422, "Invalid", "it is wrong"), False),
    ],
)
def test_another_object_of_the_name_or_another_version_has_changed_meanwhile(error, is_another):
    found = problem_of(error)
    assert ((found.status, found.title) == (409, "It has changed meanwhile")) is is_another
    assert found.detail.endswith("; look at it again") is is_another


def test_a_detail_is_bounded_and_headers_are_named_as_http_names_them():
    found = Problem(503, "Away", "x" * 5000, Retry_After="5")
    assert (len(found.detail), found.headers) == (4000, {"Retry-After": "5"})
    assert str(Problem(404, "No such thing")) == "No such thing"


# ── around every answer ──────────────────────────────────────────────────────────────────────────────────────────────


def answered(error, path="/api/v1/applications"):
    """What becomes of an error in a handler, and what of it is in the log."""

    async def handler(request):
        raise error

    async def page(request, problem):
        return web.Response(status=problem.status, text=f"page: {problem.title}")

    with capture_logs() as lines:
        found = asyncio.run(shield(page)(make_mocked_request("GET", path), handler))
    return found, lines


def test_a_program_gets_a_problem_and_a_person_a_page():
    found, lines = answered(Problem(409, "Held", "it waits", Retry_After="5"))
    assert (found.status, found.content_type, json.loads(found.body)["detail"]) == (409, CONTENT_TYPE, "it waits")
    assert (found.headers["Retry-After"], found.headers["Cache-Control"], lines) == ("5", "no-store", [])
    found, _ = answered(Problem(409, "Held", "it waits", Retry_After="5"), "/applications")
    assert (found.status, found.text, found.headers["Retry-After"]) == (409, "page: Held", "5")
    assert found.headers["Cache-Control"] == "no-store"


def test_who_is_not_signed_in_is_told_how_to_be():
    assert answered(Problem(401, "Not signed in"))[0].headers["WWW-Authenticate"] == "Bearer"
    assert "WWW-Authenticate" not in answered(Problem(403, "Not allowed"))[0].headers


def test_an_error_of_ours_is_a_problem_and_a_fault_tells_nothing_but_the_log():
    found, lines = answered(SourceError("no such commit"))
    assert (found.status, json.loads(found.body)["detail"], lines) == (409, "no such commit", [])
    found, lines = answered(KeyError("the password is sesame"))
    assert (found.status, json.loads(found.body)["title"]) == (500, "A fault of ours")
    assert b"sesame" not in found.body
    assert [line["event"] for line in lines] == ["http.crashed"]


@pytest.mark.parametrize(
    ("error", "status", "title", "headers"),
    [
        (web.HTTPNotFound(), 404, "There is no such page", {}),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), 405, "Not done that way", {"Allow": "GET"}),
        (web.HTTPRequestEntityTooLarge(1, 2), 413, "Too large", {}),
        (web.HTTPGone(), 410, "Gone", {}),
    ],
)
def test_what_the_server_itself_refuses_is_told_in_the_same_way(error, status, title, headers):
    found, _ = answered(error)
    assert (found.status, json.loads(found.body)["title"]) == (status, title)
    assert headers.items() <= dict(found.headers).items()


def test_another_address_is_named_and_nothing_else_is_said():
    found, _ = answered(web.HTTPFound("/applications"))
    assert (found.status, found.headers["Location"], found.body) == (302, "/applications", None)


def test_every_answer_forbids_a_browser_what_no_page_of_ours_needs_and_keeps_what_it_says_itself():
    async def given(response):
        await add_headers(make_mocked_request("GET", "/"), response)
        return response.headers

    plain = asyncio.run(given(web.Response()))
    assert HEADERS.items() <= dict(plain).items()
    own = asyncio.run(given(web.Response(headers={"Referrer-Policy": "no-referrer"})))
    assert own["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(("method", "is_told"), [("GET", False), ("HEAD", False), ("POST", True), ("DELETE", True)])
def test_what_may_have_changed_something_is_told_even_where_it_failed(method, is_told):
    told = []

    async def failing(request):
        raise Problem(409, "Held")

    middleware = acting(lambda: told.append(method))
    with pytest.raises(Problem):
        asyncio.run(middleware(make_mocked_request(method, "/"), failing))
    assert bool(told) is is_told
