"""Webhooks: how each host signs, and what its payload says was pushed."""

import base64
import hmac
from typing import Any

import pytest

from gitops.model.source_name import are_same
from gitops.server.webhooks.pushes import push_of
from gitops.server.webhooks.signatures import is_signed

BODY, SECRET = b'{"a": 1}', "hunter2"


def mac(algorithm: str = "sha256", body: bytes = BODY) -> str:
    return hmac.new(SECRET.encode(), body, algorithm).hexdigest()


SIGNED = [
    ("github", {"x-hub-signature-256": f"sha256={mac()}"}),
    ("gitea", {"x-gitea-signature": mac()}),
    ("gitea", {"x-forgejo-signature": mac().upper()}),
    ("gitlab", {"x-gitlab-token": SECRET}),
    ("bitbucket", {"x-hub-signature": f"sha256={mac()}"}),
    ("azure", {"authorization": "Basic " + base64.b64encode(b"u:hunter2").decode()}),
    ("harbor", {"authorization": SECRET}),
    ("generic", {"x-signature": f"sha512={mac('sha512')}"}),
]


@pytest.mark.parametrize(("kind", "headers"), SIGNED)
def test_who_knows_the_secret_is_believed(kind: str, headers: dict[str, str]) -> None:
    assert is_signed(kind, headers, BODY, SECRET)


@pytest.mark.parametrize(("kind", "headers"), SIGNED)
def test_who_does_not_is_not(kind: str, headers: dict[str, str]) -> None:
    assert not is_signed(kind, headers, BODY, "other")
    assert not is_signed(kind, headers, BODY, "")
    assert not is_signed(kind, {}, BODY, SECRET)
    assert not is_signed(kind, dict.fromkeys(headers, "ünsinn"), BODY, SECRET)
    assert not is_signed("other", headers, BODY, SECRET)


@pytest.mark.parametrize("signature", [f"sha1={mac('sha1')}", f"md5={mac('md5')}", mac(body=b"{}"), "sha256="])
def test_a_weak_or_wrong_signature_is_none(signature: str) -> None:
    assert not is_signed("github", {"x-hub-signature-256": signature}, BODY, SECRET)


HTTPS, SSH = "https://git.example/team/shop.git", "git@git.example:team/shop.git"


@pytest.mark.parametrize(
    ("kind", "payload", "addresses", "refs"),
    [
        (
            "github",
            {"ref": "refs/heads/main", "repository": {"clone_url": HTTPS, "ssh_url": SSH}},
            (HTTPS, SSH),
            ("main",),
        ),
        ("gitea", {"ref": "refs/tags/v1", "repository": {"clone_url": HTTPS}}, (HTTPS,), ("v1",)),
        (
            "gitlab",
            {"object_kind": "push", "ref": "refs/heads/a/b", "project": {"git_http_url": HTTPS, "git_ssh_url": SSH}},
            (HTTPS, SSH),
            ("a/b",),
        ),
        (
            "bitbucket",
            {
                "push": {"changes": [{"new": {"name": "main"}, "old": {"name": "main"}}, {"new": None}]},
                "repository": {"links": {"html": {"href": HTTPS}}},
            },
            (HTTPS,),
            ("main",),
        ),
        (
            "bitbucket",
            {
                "changes": [{"ref": {"displayId": "main"}}],
                "repository": {"links": {"clone": [{"href": HTTPS}, {"href": SSH}]}},
            },
            (HTTPS, SSH),
            ("main",),
        ),
        (
            "azure",
            {
                "eventType": "git.push",
                "resource": {"repository": {"remoteUrl": HTTPS}, "refUpdates": [{"name": "refs/heads/main"}]},
            },
            (HTTPS,),
            ("main",),
        ),
        (
            "harbor",
            {"event_data": {"resources": [{"resource_url": "r.example/team/shop:1.2"}]}},
            ("oci://r.example/team/shop",),
            (),
        ),
        (
            "github",
            {"package": {"package_version": {"package_url": "ghcr.io/team/shop:1.2"}}},
            ("oci://ghcr.io/team/shop",),
            (),
        ),
        ("generic", {"repository": HTTPS, "ref": "main"}, (HTTPS,), ("main",)),
        ("generic", {"repository": {"url": HTTPS}}, (HTTPS,), ()),
    ],
)
def test_a_push_is_read(kind: str, payload: Any, addresses: tuple[str, ...], refs: tuple[str, ...]) -> None:
    push = push_of(kind, payload)
    assert push is not None
    assert (push.addresses, push.refs) == (addresses, refs)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("github", {"zen": "Keep it logically awesome."}),
        ("gitlab", {"object_kind": "issue", "project": {"git_http_url": HTTPS}}),
        ("azure", {"eventType": "workitem.created"}),
        ("bitbucket", {"repository": {"links": {"html": {"href": HTTPS}}}}),
        ("generic", []),
        ("github", {"ref": [[]], "repository": "x"}),
        ("github", {"ref": 5, "repository": {"clone_url": 7}}),
        ("generic", {"repository": "x" * 5000}),
    ],
)
def test_what_tells_of_no_push_is_none(kind: str, payload: Any) -> None:
    assert push_of(kind, payload) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (HTTPS, SSH, True),
        (HTTPS, "https://user@GIT.example/team/shop", True),
        (SSH, "ssh://git@git.example:22/team/shop.git/", True),
        (HTTPS, "https://git.example/team/shop2", False),
        (HTTPS, "https://other.example/team/shop", False),
        ("", "", False),
    ],
)
def test_addresses_of_one_repository(one: str, other: str, same: bool) -> None:
    assert are_same(one, other) is same
