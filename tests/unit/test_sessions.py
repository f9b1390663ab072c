"""What a browser keeps for us comes back as it was, for its purpose, for a while, or not at all."""

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from gitops.server.auth.sessions import Sessions
from gitops.server.problems import Problem

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ISSUER, HOUR = "https://id.example.com", timedelta(hours=1)


def sessions(issuer=ISSUER, key=b"key", later=timedelta()):
    return Sessions(lambda text: hmac.new(key, text.encode(), "sha256").hexdigest(), issuer, lambda: NOW + later)


def test_what_was_sealed_is_opened_as_it_was_until_its_time():
    text = sessions().sealed("person", {"name": "ada"}, HOUR)
    assert sessions().opened("person", text) == {"name": "ada"}
    assert sessions(later=HOUR - timedelta(seconds=1)).opened("person", text) == {"name": "ada"}
    assert sessions(later=HOUR).opened("person", text) is None


def test_what_is_of_another_purpose_provider_or_key_is_nothing():
    text = sessions().sealed("person", {"name": "ada"}, HOUR)
    assert sessions().opened("begin", text) is None
    assert sessions(issuer="https://evil.example.com").opened("person", text) is None
    assert sessions(key=b"other").opened("person", text) is None


@pytest.mark.parametrize(
    "changed",
    [
        lambda body, mac: "",
        lambda body, mac: body,
        lambda body, mac: f"{body}.",
        lambda body, mac: f".{mac}",
        lambda body, mac: f"{body}.{mac[:-1]}",
        lambda body, mac: f"{body}A.{mac}",
        lambda body, mac: f"{body}.{mac}.{mac}",
        lambda body, mac: f"{body}é.{mac}",
        lambda body, mac: f"{base64.urlsafe_b64encode(b'{}').decode()}.{mac}",
        lambda body, mac: "a" * 4000 + f".{mac}",
    ],
)
def test_what_was_changed_is_nothing(changed):
    text = sessions().sealed("person", {"name": "ada"}, HOUR)
    assert sessions().opened("person", changed(*text.split("."))) is None


def test_more_than_a_browser_keeps_is_refused():
    with pytest.raises(Problem) as refused:
        sessions().sealed("person", {"groups": ["group" * 10] * 100}, HOUR)
    assert (refused.value.status, refused.value.title) == (403, "Too many groups")
