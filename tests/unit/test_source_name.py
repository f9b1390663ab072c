"""The name of a source: whatever is told of it holds no user and no password."""

from urllib.parse import urlsplit

import pytest

from gitops.adapters.git_process import GitCredentials, remote_of
from gitops.config import read_applications
from gitops.manifests.errors import GitopsError
from gitops.model.errors import SourceError
from gitops.model.source_name import hidden_userinfo, url_login, why_no_url, without_userinfo

PASSWORD = "hunter2"
# Each is refused as it stands; what is told of it is read by others than who wrote it.
WRONG = [
    f"https://user:x@{PASSWORD}@host/charts",
    f"https://user:{PASSWORD}@ho st/charts",
    f"https://user:{PASSWORD}@host:99999/x",
    f"https://user:x/{PASSWORD}@host/x",
    f"https://user:{PASSWORD}@host\u2100.com/x",
    f"https://user:{PASSWORD}@/x",
    f"ftp://user:{PASSWORD}@host/x",
    f"https://{PASSWORD}@[/x",
]


@pytest.mark.parametrize("chart", ["", "chart: redis"])
@pytest.mark.parametrize("url", WRONG)
def test_an_address_that_is_refused_is_told_without_its_password(tmp_path, url, chart):
    file = tmp_path / "app.yaml"
    file.write_text(
        "apiVersion: gitops.dev/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec:\n"
        f"  source:\n    repoURL: '{url}'\n    {chart}\n  destination: {{namespace: x}}\n"
    )
    with pytest.raises(GitopsError) as caught:
        read_applications(str(file))
    assert "repoURL: expected the address of a repository" in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("url", WRONG)
def test_git_tells_it_without_its_password_too(url):
    try:
        said = remote_of(url, GitCredentials(), ["https"]).url
    except SourceError as error:
        said = str(error)
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("address", "told", "login"),
    [
        ("https://u:p@host/a", "https://host/a", ("u", "p")),
        ("https://u:p%40q@host/a@b", "https://host/a@b", ("u", "p@q")),
        ("https://u:p@q@host/a", "https://host/a", ("u", "p@q")),
        ("oci://token@host/a", "oci://host/a", ("x-access-token", "token")),
        ("git+ssh://u:p@host/a", "git+ssh://host/a", ("u", "p")),
        ("https://host/a@v1", "https://host/a@v1", ("", "")),
        ("https://host?ref=a@b", "https://host?ref=a@b", ("", "")),
        ("git@host:a/b", "git@host:a/b", ("", "")),
    ],
)
def test_a_users_name_and_password_are_no_part_of_an_address(address, told, login):
    assert without_userinfo(address) == told
    assert url_login(address) == login


def test_what_is_no_address_is_shown_as_far_as_it_can_hold_no_password():
    assert hidden_userinfo("https://host/a") == "https://host/a"
    assert hidden_userinfo("git@host:a/b") == "git@host:a/b"
    assert hidden_userinfo("user:p w@host:x") == "***@host:x"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"https://user:{PASSWORD}@host\u2100.com/x", "its host has letters that no name has"),
        (f"https://{PASSWORD}@[/x", "Invalid IPv6 URL"),
    ],
)
def test_why_an_address_is_none_is_told_without_its_password(url, why):
    with pytest.raises(ValueError, match=r".") as caught:
        urlsplit(url)
    assert why_no_url(caught.value) == why
