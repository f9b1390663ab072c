"""Where a controller listens, and who gets at that."""

import pytest

from gitops.model.errors import ConfigError
from gitops.server.listening import Listening, is_loopback


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (":8080", ("", 8080)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_an_address_is_a_host_and_a_port(address, place):
    assert Listening(address).place() == place


@pytest.mark.parametrize("address", ["", "8080", "localhost", "localhost:", "localhost:http", ":65536", ":-1", ":٣"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match=f"--listen: expected HOST:PORT, got '{address}'"):
        Listening(address).place()


def test_nobody_reads_or_signs_in_where_nothing_says_so():
    found = Listening(":8080")
    given = (found.anyone_reads, found.tokens, found.default_role, found.kubernetes_audience, found.oidc)
    assert not any(given)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("", False),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
    ],
)
def test_only_this_machine_gets_at_an_address_of_its_own(host, is_here):
    assert is_loopback(host) is is_here
