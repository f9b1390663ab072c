"""When a repository, or a whole Git host, is left alone."""

import pytest

from gitops.controller.git_hosts import Backoff, Host, host_of
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import HostUnreachableError, SourceError
from gitops.model.source_access import Credentials

AWAY = HostUnreachableError("no answer")


def test_the_waits_of_a_repository_grow_to_five_minutes_and_begin_anew_once_it_works():
    backoff = Backoff()
    assert [backoff.failed(100.0) for _ in range(7)] == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert backoff.not_before == 400.0
    backoff.worked()
    assert (backoff.failures, backoff.not_before) == (0, 0.0)
    assert backoff.failed(0.0) == 10.0


def test_a_host_is_left_alone_once_three_repositories_met_its_fault():
    host = Host("git.example.com")
    host.failed("one", AWAY, 0.0)
    host.failed("one", AWAY, 0.0)
    host.failed("two", AWAY, 0.0)
    assert host.backoff.not_before == 0.0
    host.failed("three", AWAY, 0.0)
    assert host.backoff.not_before == 10.0
    host.failed("four", AWAY, 5.0)  # it looked while the others did
    assert host.backoff.not_before == 10.0
    host.failed("four", AWAY, 10.0)
    assert host.backoff.not_before == 30.0


def test_what_is_wrong_with_a_repository_is_not_the_hosts():
    host = Host("git.example.com")
    for name in ("one", "two", "three"):
        host.failed(name, SourceError("no such repository"), 0.0)
    assert (host.failing, host.error, host.backoff.not_before) == (set(), "", 0.0)


def test_one_repository_that_is_read_acquits_the_host():
    host = Host("git.example.com")
    for name in ("one", "two", "three"):
        host.failed(name, AWAY, 0.0)
    host.worked()
    assert (host.failing, host.backoff.not_before) == (set(), 0.0)
    host.failed("one", AWAY, 1.0)
    assert host.backoff.not_before == 0.0


@pytest.mark.parametrize(
    ("url", "credentials", "host"),
    [
        ("https://git.example.com/team/shop.git", Credentials(), "git.example.com"),
        ("https://ada:secret@git.example.com:8443/shop.git", Credentials(), "git.example.com:8443"),
        ("git@git.example.com:team/shop.git", Credentials(), "git.example.com"),
        ("git.example.com:team/shop.git", Credentials(), "git.example.com"),
        ("ssh://git@git.example.com/shop.git", Credentials(), "git.example.com"),
        ("file:///srv/shop.git", Credentials(), ""),
        ("/srv/shop:one.git", Credentials(), ""),
        ("https://[broken/shop.git", Credentials(), ""),
        ("https://git.example.com/a", Credentials(proxy="http://me:pw@proxy:3128"), "git.example.com by proxy:3128 "),
        ("https://git.example.com/a", Credentials(caFile="/ca.pem"), "git.example.com by  /ca.pem"),
    ],
)
def test_a_host_is_the_name_and_the_way_to_it_and_never_a_password(url, credentials, host):
    assert host_of(Application("a", source=SourceSpec(url, credentials=credentials))) == host
