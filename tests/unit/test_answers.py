"""What an answer of the API says of itself, and whose request is a browser's from our own page."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from gitops.server.api.routes import answered
from gitops.server.auth.access import _is_of_this_machine, _token_of, is_same_origin

HOST = "gitops.example.com"


def request(method: str = "GET", **headers: str) -> Any:
    return make_mocked_request(method, "/", {name.replace("_", "-"): text for name, text in headers.items()})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_read_has_a_name_and_who_has_it_already_is_sent_nothing(method: str) -> None:
    first = answered(request(method), {"a": 1}, 200)
    assert (first.status, first.body, first.headers["Cache-Control"]) == (200, b'{"a":1}', "no-cache")
    tag = first.headers["ETag"]
    again = answered(request(method, If_None_Match=f'"other", {tag}'), {"a": 1})
    assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag)
    other = answered(request(method, If_None_Match=tag), {"a": 2})
    assert (other.status, other.body) == (200, b'{"a":2}')
    assert other.headers["ETag"] != tag
    assert {one.headers["Vary"] for one in (first, again, other)} == {"Authorization, Cookie"}


def test_what_an_act_comes_to_is_always_sent() -> None:
    tag = answered(request(), {"a": 1}).headers["ETag"]
    done = answered(request("POST", If_None_Match=tag), {"a": 1}, 202)
    assert (done.status, done.body, "ETag" in done.headers) == (202, b'{"a":1}', False)


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({}, False),
        ({"Sec_Fetch_Site": "same-origin"}, True),
        ({"Sec_Fetch_Site": "none"}, True),
        ({"Sec_Fetch_Site": "same-site"}, False),
        ({"Sec_Fetch_Site": "cross-site", "Origin": f"https://{HOST}"}, False),
        ({"Origin": f"https://{HOST}"}, True),
        ({"Origin": f"https://{HOST.upper()}"}, True),
        ({"Origin": "https://evil.example.com"}, False),
        ({"Origin": "https://evil.example.com", "Sec_Fetch_Site": "same-origin"}, False),
        ({"Origin": f"https://{HOST}:8443"}, False),
        ({"Origin": "null"}, False),
    ],
)
def test_an_act_by_cookie_has_to_come_from_a_page_of_ours(headers: dict[str, str], is_ours: bool) -> None:
    assert is_same_origin(request("POST", Host=HOST, **headers)) is is_ours


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"Authorization": "Bearer  abc "}, ("abc", False)),
        ({"Authorization": "bearer abc", "Cookie": "gitops_token=other"}, ("abc", False)),
        ({"Authorization": "Basic abc", "Cookie": "gitops_token=other"}, ("other", True)),
        ({"Authorization": "Bearer ", "Cookie": "gitops_token=other"}, ("other", True)),
        ({}, ("", True)),
        ({"Authorization": f"Bearer {'a' * 100_000}"}, ("too long", False)),
    ],
)
def test_a_token_is_that_of_the_header_before_that_of_the_cookie(
    headers: dict[str, str], found: tuple[str, bool]
) -> None:
    assert _token_of(request(**headers)) == found


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True),
        ("localhost:8080", True),
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("gitops.example.com", False),
        ("localhost.example.com:80", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_only_an_address_of_this_machine_is_of_this_machine(host: str, is_here: bool) -> None:
    assert _is_of_this_machine(host) is is_here
