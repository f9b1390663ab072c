"""Webhooks: how each host signs, and what its payload says was pushed."""

import base64
import hmac
from typing import Any

import pytest

from gitops.model.source_name import are_same
from gitops.server.webhooks.pushes import push_of
from gitops.server.webhooks.routes import _may_mean
from gitops.server.webhooks.signatures import is_path_of, is_signed, path_token

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
    ("dockerhub", {"authorization": "Basic " + base64.b64encode(b":hunter2").decode()}),
    ("quay", {"authorization": "basic " + base64.b64encode(b"any:hunter2").decode()}),
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
        (
            "dockerhub",
            {
                "callback_url": "https://registry.hub.docker.com/u/team/shop/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/",
                "push_data": {"pushed_at": 1417566161, "pusher": "ada", "tag": "1.2"},
                "repository": {"name": "shop", "namespace": "team", "repo_name": "team/shop", "status": "Active"},
            },
            ("oci://docker.io/team/shop", "oci://index.docker.io/team/shop", "oci://registry-1.docker.io/team/shop"),
            (),
        ),
        (
            "quay",
            {
                "name": "shop",
                "repository": "team/shop",
                "namespace": "team",
                "docker_url": "quay.io/team/shop",
                "homepage": "https://quay.io/repository/team/shop",
                "updated_tags": ["1.2"],
            },
            ("oci://quay.io/team/shop",),
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
        ("dockerhub", {"repository": {"repo_name": "team/shop"}}),
        ("dockerhub", {"push_data": {"tag": "1"}, "repository": "team/shop"}),
        ("quay", {"docker_url": "quay.io/team/shop", "build_id": "x"}),
        ("quay", {"docker_url": 5, "updated_tags": ["x"]}),
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


def test_a_path_that_nobody_can_guess_is_for_registries_that_sign_nothing_and_for_one_kind() -> None:
    token = path_token("quay", SECRET)
    assert token == hmac.new(SECRET.encode(), b"webhook quay", "sha256").hexdigest()
    assert is_path_of("quay", token, SECRET)
    for kind, given, secret in (
        ("dockerhub", token, SECRET),
        ("github", path_token("github", SECRET), SECRET),
        ("quay", "", SECRET),
        ("quay", SECRET, SECRET),
        ("quay", path_token("quay", ""), ""),
        ("quay", "ünsinn", SECRET),
    ):
        assert not is_path_of(kind, given, secret)


@pytest.mark.parametrize(
    ("target", "refs", "may"),
    [
        ("main", ("main",), True),
        ("main", ("next", "main"), True),
        ("main", ("next",), False),
        ("HEAD", ("next",), True),
        ("main", (), True),
        ("team/a-b_c", ("main",), False),
        ("team/a-b_c", ("team/a-b_c",), True),
        ("1.x", ("1.2.3",), True),
        (">=1.2", ("1.2.3",), True),
        ("v1", ("main",), True),
        ("", ("main",), True),
    ],
)
def test_a_push_is_looked_at_by_whoever_may_follow_what_was_pushed(
    target: str, refs: tuple[str, ...], may: bool
) -> None:
    assert _may_mean(target, refs) is may
