"""Buckets of stores that speak S3's protocol: how requests are signed, what is read, and what is believed."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.adapters import bucket as bucket_module
from gitops.adapters.charts import Charts
from gitops.adapters.credentials import Secret, read_secret
from gitops.adapters.kubernetes.registered import credentials_text
from gitops.adapters.s3_signature import AccessKey, signed_headers
from gitops.manifests.secrets import with_data_only
from gitops.model.application import SourceSpec
from gitops.model.errors import ConfigError, SourceError
from gitops.model.revision import Tree
from gitops.model.source_access import Bucket, Credentials
from tests.chart_servers import served
from tests.s3_server import S3Server

store = served(S3Server)
SECRET = Secret(accessKey="reader", secretKey="hunter2/+=")


def spec(store: S3Server, ignore: str = "", **options: str) -> SourceSpec:
    return SourceSpec(store.address, ignore=ignore, bucket=Bucket(insecure=True, **options))  # type: ignore[arg-type]


def tree(charts: Charts, source: SourceSpec) -> Tree:
    return charts.tree(source, charts.resolve(source, ""))


def names(found: Tree, folder: str = "") -> list[str]:
    return [entry.name for entry in found.entries(folder)]


@pytest.fixture
def charts(tmp_path: Path) -> Charts:
    return Charts(tmp_path / "charts", "anywhere", SECRET)


# The examples in the documentation of S3.
@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_a_request_is_signed_as_s3_says(query: str, signature: str) -> None:
    key = AccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    url = f"https://examplebucket.s3.amazonaws.com/?{query}"
    found = signed_headers(url, key, "us-east-1", datetime(2013, 5, 24, tzinfo=UTC))
    assert found["Authorization"].endswith(f"Signature={signature}")


def test_the_files_of_a_bucket_are_read_page_by_page(store: S3Server, charts: Charts) -> None:
    store.key, store.secret, store.page = SECRET.accessKey, SECRET.secretKey, 2
    odd = "apps/ä b+c&d%.yaml"
    store.files = {f"apps/{number}.yaml": b"%d" % number for number in range(5)} | {odd: b"odd", "folder/": b""}
    found = tree(charts, spec(store))
    assert names(found) == ["apps"]
    assert len(names(found, "apps")) == 6
    assert found.read(odd) == b"odd"
    assert store.asked.count("list") == 4


def test_the_revision_is_that_of_flux(store: S3Server, charts: Charts) -> None:
    store.files = {"b.yaml": b"1", "a.yaml": b"2"}
    etags = {key: hashlib.md5(data, usedforsecurity=False).hexdigest() for key, data in store.files.items()}
    lines = f"a.yaml {etags['a.yaml']}\nb.yaml {etags['b.yaml']}\n"
    assert charts.resolve(spec(store), "").sha == hashlib.sha256(lines.encode()).hexdigest()


def test_what_is_ignored_is_neither_named_nor_fetched(store: S3Server, charts: Charts) -> None:
    store.files = {"a.yaml": b"1", "b.txt": b"2", "docs/c.yaml": b"3", "docs/keep.yaml": b"4"}
    before = charts.resolve(spec(store, "*.txt"), "").sha
    store.files["more.txt"] = b"5"
    assert charts.resolve(spec(store, "*.txt"), "").sha == before
    store.files[".sourceignore"] = b"/docs\n"
    found = tree(charts, spec(store, "*.txt\n!/docs/keep.yaml\n"))
    assert (names(found), names(found, "docs")) == (["a.yaml", "docs"], ["keep.yaml"])
    assert "b.txt" not in store.asked


def test_only_what_begins_with_the_prefix_is_read(store: S3Server, charts: Charts) -> None:
    store.files = {"prod/a.yaml": b"1", "test/b.yaml": b"2"}
    assert names(tree(charts, spec(store, prefix="prod/"))) == ["prod"]


def test_what_has_not_changed_is_not_fetched_again(store: S3Server, tmp_path: Path) -> None:
    charts = Charts(tmp_path / "charts", "anywhere")
    store.files = {"a.yaml": b"1", "b.yaml": b"2"}
    source = spec(store)
    first = charts.resolve(source, "")
    charts.tree(source, first)
    store.files["b.yaml"] = b"3"
    store.asked.clear()
    assert tree(charts, source).read("b.yaml") == b"3"
    assert store.asked.count("a.yaml") == 0
    store.files["b.yaml"] = b"4"
    charts.resolve(source, "")
    assert charts.tree(source, first).read("b.yaml") == b"2"  # it was kept
    with pytest.raises(SourceError, match="the bucket is not at 0000"):
        Charts(tmp_path / "others", "anywhere").tree(source, type(first)("0" * 64, ""))


def test_an_object_that_changes_while_it_is_read_is_an_error(store: S3Server, charts: Charts) -> None:
    store.files = {"a.yaml": b"1"}
    revision = charts.resolve(spec(store), "")
    store.files["a.yaml"] = b"2"
    with pytest.raises(SourceError, match=r"a\.yaml was changed while it was read"):
        charts.tree(spec(store), revision)


def test_the_region_of_a_bucket_is_found_out(store: S3Server, charts: Charts) -> None:
    store.key, store.secret, store.region = SECRET.accessKey, SECRET.secretKey, "eu-central-1"
    store.files = {"a.yaml": b"1"}
    assert names(tree(charts, spec(store))) == ["a.yaml"]
    with pytest.raises(SourceError, match="the store answered 400"):
        charts.resolve(spec(store, region="eu-west-1"), "")


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (Secret(accessKey="reader", secretKey="wrong"), "refuses the access key"),
        (Secret(accessKey="other", secretKey="hunter2"), "refuses the access key"),
        (Secret(), "wants an access key: name it in credentials.secretRef"),
    ],
    ids=["secret", "key", "none"],
)
def test_who_may_not_read_is_told(store: S3Server, tmp_path: Path, secret: Secret, words: str) -> None:
    store.key, store.secret = SECRET.accessKey, SECRET.secretKey
    with pytest.raises(SourceError, match=words) as caught:
        Charts(tmp_path / "charts", "anywhere", secret).resolve(spec(store), "")
    assert "hunter2" not in str(caught.value)


def test_half_of_a_key_is_refused(store: S3Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both accessKey and secretKey"):
        Charts(tmp_path / "charts", "anywhere", Secret(accessKey="reader")).resolve(spec(store), "")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["../a.yaml"], "names no file in a folder"),
        (["a/../../b"], "names no file in a folder"),
        (["a", "a/b"], "a is both an object and a folder"),
        (["a/b", "a//b"], "two keys name one file"),
    ],
    ids=str,
)
def test_keys_that_are_no_files_are_told(store: S3Server, charts: Charts, keys: list[str], words: str) -> None:
    store.files = {key: key.encode() for key in keys}
    with pytest.raises(SourceError, match=words):
        tree(charts, spec(store))


@pytest.mark.parametrize(
    ("status", "data", "words"),
    [
        (200, b"<!DOCTYPE x [<!ENTITY a 'b'>]><ListBucketResult/>", "it has declarations"),
        (200, '<?xml version="1.0"?><!DOCTYPE x><x/>'.encode("utf-16"), "is no list of objects"),
        (200, b"<html>", "is no list of objects"),
        (200, b"<L><Contents><Key>a</Key><Size>x</Size><ETag>b</ETag></Contents></L>", "cannot be read"),
        (404, b"", "there is no such bucket"),
        (302, b"", "the store answered 302"),
        (200, b"<L><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></L>", "too many"),
    ],
    ids=["entities", "utf-16", "html", "size", "no bucket", "redirect", "no end"],
)
def test_a_list_that_is_none_is_told(
    store: S3Server, charts: Charts, monkeypatch: pytest.MonkeyPatch, status: int, data: bytes, words: str
) -> None:
    monkeypatch.setattr(bucket_module, "_MOST_PAGES", 3)
    store.answer = lambda path: (status, data) if "list-type" in path else (404, b"")
    with pytest.raises(SourceError, match=words):
        charts.resolve(spec(store), "")


def test_what_came_through_somebodys_proxy_is_given_to_nobody_else(store: S3Server, tmp_path: Path) -> None:
    store.files = {"a.yaml": b"1"}
    source = spec(store)
    forger = replace(source, credentials=Credentials(proxy=store.address.replace("s3:", "http:").rpartition("/")[0]))
    store.answer = lambda path: (200, b"2") if path.endswith("a.yaml") else None
    own, others = (Charts(tmp_path / "charts", "anywhere") for _ in range(2))
    assert tree(own, forger).read("a.yaml") == b"2"
    store.answer = lambda path: None
    assert own.resolve(forger, "").sha == others.resolve(source, "").sha
    assert tree(others, source).read("a.yaml") == b"1"


def test_a_bucket_is_bounded_before_anything_is_fetched(
    store: S3Server, charts: Charts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "MOST_FILES", 2)
    store.files = {f"{number}.yaml": b"" for number in range(3)}
    with pytest.raises(SourceError, match=r"holds 3 objects .* name a prefix"):
        charts.resolve(spec(store), "")
    assert not [key for key in store.asked if key.endswith(".yaml")]


def test_a_bucket_whose_objects_are_not_of_their_size_is_not_believed(store: S3Server, charts: Charts) -> None:
    store.files = {"a.yaml": b"1"}
    store.answer = lambda path: (200, b"12") if path.endswith("a.yaml") else None
    with pytest.raises(SourceError, match="was changed while it was read"):
        tree(charts, spec(store))


def test_the_key_of_a_secret_is_that_of_flux() -> None:
    entries = {"accesskey": "reader", "secretkey": "hunter2/+="}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": entries}
    assert read_secret("keys", credentials_text(with_data_only(body))) == SECRET
