"""Who reads a Git repository in the same way as who else, so that one look at it serves both."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gitops.adapters.repositories import GitRepositories
from gitops.model.application import Application, SourceSpec
from gitops.model.source_access import Credentials

HTTPS, SSH = "https://git.example.com/shop.git", "git@git.example.com:shop.git"
OURS = Application("shop", source=SourceSpec(HTTPS))
TENANTS = replace(OURS, namespace="team")


def with_source(app: Application, url: str = HTTPS, **credentials: str) -> Application:
    return replace(app, source=SourceSpec(url, credentials=Credentials(**credentials)))  # type: ignore[arg-type]


def are_read_alike(tmp_path: Path, one: Application, other: Application) -> bool:
    async def names() -> tuple[str, str]:
        repositories = GitRepositories(tmp_path, lambda app, name: "", lambda app: app.namespace == OURS.namespace)
        try:
            return repositories.name_of(one), repositories.name_of(other)
        finally:
            await repositories.close()

    found = asyncio.run(names())
    return found[0] == found[1]


def test_what_needs_no_credentials_is_read_alike_by_all(tmp_path: Path) -> None:
    assert are_read_alike(tmp_path, OURS, TENANTS)


@pytest.mark.parametrize("url", [SSH, f"ssh://{SSH.replace(':', '/')}"])
def test_who_may_use_the_keys_of_the_account_reads_for_nobody_else(tmp_path: Path, url: str) -> None:
    assert not are_read_alike(tmp_path, with_source(OURS, url), with_source(TENANTS, url))
    assert are_read_alike(tmp_path, with_source(OURS, url), replace(with_source(OURS, url), name="other"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"secretRef": "a"}, {}),
        ({"secretRef": "a"}, {"secretRef": "b"}),
        ({"secretRef": "a"}, {"certSecretRef": "a"}),
        ({"secretRef": "a", "proxySecretRef": "b"}, {"secretRef": "a", "certSecretRef": "b"}),
        ({"proxy": "http://proxy:1"}, {}),
        ({"proxy": "http://proxy:1"}, {"proxy": "http://proxy:2"}),
        ({"caFile": "/ca"}, {}),
    ],
)
def test_other_credentials_or_another_way_are_read_apart(
    tmp_path: Path, one: dict[str, str], other: dict[str, str]
) -> None:
    assert not are_read_alike(tmp_path, with_source(OURS, **one), with_source(OURS, **other))
    assert are_read_alike(tmp_path, with_source(OURS, **one), with_source(OURS, **one))


def test_a_secret_is_that_of_its_namespace(tmp_path: Path) -> None:
    one, other = with_source(TENANTS, secretRef="a"), with_source(replace(TENANTS, namespace="other"), secretRef="a")
    assert not are_read_alike(tmp_path, one, other)
    assert are_read_alike(tmp_path, one, replace(one, name="other"))
