"""Charts of repositories and registries: which version is meant, whose credentials go where, and what is believed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gitops.adapters import charts as charts_module
from gitops.adapters import kept_files
from gitops.adapters.archive import unpacked
from gitops.adapters.chart_index import ChartIndex
from gitops.adapters.chart_versions import chosen_version
from gitops.adapters.charts import Charts
from gitops.adapters.credentials import Secret, read_secret
from gitops.adapters.kept_files import KeptFiles
from gitops.model.application import SourceSpec
from gitops.model.errors import ConfigError, HostUnreachableError, SourceError
from gitops.model.source_access import Credentials
from tests.chart_servers import (
    FILES_LAYER,
    ChartRepository,
    OciRegistry,
    basic,
    chart_files,
    docker_registry,
    packed,
    push_to,
    running,
    served,
)

repository = served(ChartRepository)
registry = served(OciRegistry)


@pytest.fixture
def charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Charts:
    monkeypatch.setattr(charts_module, "_FRESH_SECONDS", 0.0)
    return Charts(tmp_path / "charts", "anywhere")


def redis(url: str, target: str = "") -> SourceSpec:
    return SourceSpec(url, target, chart="redis")


def test_what_came_through_somebodys_proxy_is_given_to_nobody_else(tmp_path: Path, repository: ChartRepository) -> None:
    repository.add("redis", "1.0.0", digest="")  # an index without digests: what is fetched is its word alone
    for path in list(repository.files):  # as it is asked as a proxy
        repository.files[f"{repository.url}{path}"] = repository.files[path]
    forged = packed("redis", chart_files("redis", "1.0.0", {"values.yaml": "greeting: forged\n"}))
    repository.files[f"{repository.url}/redis-1.0.0.tgz"] = (200, {}, forged)
    spec = redis(repository.url)
    forger = replace(spec, credentials=Credentials(proxy=repository.url))
    for one, found in ((forger, b"greeting: forged\n"), (spec, b"greeting: hello\n")):
        charts = Charts(tmp_path / "charts", "anywhere")
        assert charts.tree(one, charts.resolve(one, "")).read("values.yaml") == found


# ── which version ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("", "2.1.0"),
        ("*", "2.1.0"),
        ("1.2.0", "1.2.0"),
        ("v1.2.0", "1.2.0"),
        ("^1", "1.10.0"),
        ("~1.2", "1.2.3"),
        ("1.2.x", "1.2.3"),
        (">=1.0.0 <1.3.0", "1.2.3"),
        (">=1.0.0, <1.3.0", "1.2.3"),
        (">0.0.0-0", "3.0.0-rc.1"),
        ("3.0.0-rc.1", "3.0.0-rc.1"),
        ("^3", None),
        ("not a version", None),
    ],
)
def test_a_target_means_the_highest_version_that_fits(target: str, found: str | None) -> None:
    versions = ["1.2.0", "1.2.3", "1.10.0", "2.1.0", "3.0.0-rc.1", "nonsense"]
    assert chosen_version(target, versions) == found


HELMS_FORM = b"""\
apiVersion: v1
entries:
  redis-cluster:
  - urls: [c-9.tgz]
    version: 9.0.0
  redis:
  - annotations:
      note: |
        redis:
        - not an entry
    digest: abababababababababababababababababababababababababababababababab
    urls:
    - redis-1.tgz
    version: 1.0.0
  - urls: ["https://elsewhere.example.com/redis-2.tgz"]
    version: 2.0.0
  "zookeeper":
  - urls: [z.tgz]
    version: 3.0.0
generated: "2026-01-01T00:00:00Z"
serverInfo:
  redis: {}
  postgresql:
  - urls: [p-1.tgz]
    version: 1.0.0
"""


@pytest.mark.parametrize(
    "data",
    [
        HELMS_FORM,
        HELMS_FORM.replace(b"\n", b"\r\n"),
        b'{"apiVersion":"v1","entries":{"redis":[{"urls":["redis-1.tgz"],"version":"1.0.0","digest":"sha256:'
        + b"ab" * 32
        + b'"},{"urls":["https://elsewhere.example.com/redis-2.tgz"],"version":"2.0.0"}],"zookeeper":[]}}',
        HELMS_FORM.replace(b"  - annotations", b"  - &a\n    annotations"),
    ],
)
def test_an_index_of_any_form_gives_the_versions_of_a_chart(data: bytes) -> None:
    found = ChartIndex("https://charts.example.com/stable", data).versions("redis")
    assert {name: (version.url, version.digest) for name, version in found.items()} == {
        "1.0.0": ("https://charts.example.com/stable/redis-1.tgz", "ab" * 32),
        "2.0.0": ("https://elsewhere.example.com/redis-2.tgz", ""),
    }


@pytest.mark.parametrize("chart", ["mongodb", "note", "not an entry", "generated", "serverInfo", "postgresql"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_index_that_has_not_a_chart_has_no_version_of_it(chart: str, end: bytes) -> None:
    data = HELMS_FORM.replace(b"\n", end)
    assert ChartIndex("https://charts.example.com/stable", data).versions(chart) == {}


@pytest.mark.parametrize("data", [b"", b"[]", b"entries: 5", b"<html>", b"entries:\n  redis: {", b"\xff\xfe\x00"])
def test_an_index_that_is_none_is_an_error_of_its_own(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"charts\.example\.com"):
        ChartIndex("https://charts.example.com", data).versions("redis")


@pytest.mark.parametrize("item", ["5", "{}", "{version: 1}", "{version: '1', urls: []}", "{version: '1', urls: [5]}"])
def test_an_entry_that_makes_no_sense_is_no_version(item: str) -> None:
    data = f"entries:\n  redis:\n  - {item}\n".encode()
    assert ChartIndex("https://charts.example.com", data).versions("redis") == {}


# ── a chart repository ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chart_is_fetched_once_and_kept(repository: ChartRepository, charts: Charts) -> None:
    repository.add("redis", "1.0.0")
    for _ in range(2):
        revision = charts.resolve(redis(repository.url), "^1")
        assert charts.tree(redis(repository.url), revision).read("values.yaml") == b"greeting: hello\n"
    assert [path for path, _ in repository.asked if path.endswith(".tgz")] == ["/redis-1.0.0.tgz"]
    assert str(revision).startswith("1.0.0@")


def test_an_archive_that_is_not_what_the_index_says_is_refused(repository: ChartRepository, charts: Charts) -> None:
    repository.add("redis", "1.0.0", digest="ab" * 32)
    with pytest.raises(SourceError, match=r"redis: the archive of 1\.0\.0 is not what the index says"):
        charts.tree(redis(repository.url), charts.resolve(redis(repository.url), ""))


def test_a_chart_without_a_digest_is_another_one_when_its_entry_changes(
    repository: ChartRepository, charts: Charts
) -> None:
    repository.add("redis", "1.0.0", digest=None)
    first = charts.resolve(redis(repository.url), "")
    assert charts.tree(redis(repository.url), first).kind("Chart.yaml") == "file"
    repository.entries["redis"][0]["created"] = "2026-02-02T00:00:00Z"
    repository.write_index()
    assert charts.resolve(redis(repository.url), "").sha != first.sha
    assert not charts.has(redis(repository.url), first.sha)


def test_what_is_not_there_is_said_with_what_may_be_meant(repository: ChartRepository, charts: Charts) -> None:
    repository.add("redis", "1.0.0")
    with pytest.raises(SourceError, match=r"chart redis has no version 1\.0\.1 \(did you mean 1\.0\.0\? the newest is"):
        charts.resolve(redis(repository.url), "1.0.1")
    with pytest.raises(SourceError, match="the repository has no chart reddis"):
        charts.resolve(SourceSpec(repository.url, chart="reddis"), "")


def test_an_address_that_is_none_is_an_error_of_the_source(charts: Charts) -> None:
    with pytest.raises(SourceError, match=r"http://\[::1: is no URL"):
        charts.resolve(SourceSpec("http://[::1", chart="redis"), "1.0.0")


def test_credentials_go_to_the_repository_alone(repository: ChartRepository, tmp_path: Path) -> None:
    elsewhere = ChartRepository()
    with running(elsewhere):
        data = elsewhere.add("redis", "1.0.0")
        repository.add("redis", "1.0.0", urls=[f"{elsewhere.url}/redis-1.0.0.tgz"])
        repository.add("moved", "1.0.0")
        repository.files["/moved-1.0.0.tgz"] = (302, {"Location": f"{elsewhere.url}/moved.tgz"}, b"")
        elsewhere.files["/moved.tgz"] = (
            200,
            {},
            repository.add("x", "1") and packed("moved", chart_files("moved", "1.0.0")),
        )
        repository.login = basic("u", "hunter2")
        own = Charts(tmp_path / "charts", "anywhere", Secret(username="u", password="hunter2"))
        for name in ("redis", "moved"):
            spec = SourceSpec(repository.url, chart=name)
            assert own.tree(spec, own.resolve(spec, "")).kind("Chart.yaml") == "file"
        assert data
        assert {sent for _, sent in repository.asked} == {repository.login}
        assert {sent for _, sent in elsewhere.asked} == {""}


def with_login(url: str, login: str) -> str:
    return url.replace("://", f"://{login}@", 1)


@pytest.mark.parametrize(
    ("login", "sent"),
    [("u:hunt%40er2", basic("u", "hunt@er2")), ("hunter2", basic("x-access-token", "hunter2"))],
)
def test_a_user_in_the_url_reads_what_no_secret_reads(
    repository: ChartRepository, registry: OciRegistry, tmp_path: Path, login: str, sent: str
) -> None:
    repository.add("redis", "1.0.0")
    registry.add_chart("charts/redis", "1.0.0")
    repository.login, registry.token, registry.login = sent, "pull-token", sent
    own = Charts(tmp_path / "charts", "anywhere")
    for url in (repository.url, f"{registry.address}/charts"):
        spec = redis(with_login(url, login))
        revision = own.resolve(spec, "")
        assert own.tree(spec, revision).kind("Chart.yaml") == "file"
        assert "hunt" not in f"{spec.name} {spec.address} {revision}"


def test_a_secret_goes_before_the_user_in_a_url_and_neither_is_told(
    repository: ChartRepository, registry: OciRegistry, tmp_path: Path
) -> None:
    repository.add("redis", "1.0.0")
    registry.add_chart("charts/redis", "1.0.0")
    repository.login = registry.login = basic("u", "hunter2")
    registry.token = "pull-token"
    own = Charts(tmp_path / "charts", "anywhere", Secret(username="u", password="hunter2"))
    for url in (repository.url, f"{registry.address}/charts"):
        assert own.resolve(redis(with_login(url, "v:wr0ng")), "").ref == "1.0.0"
        with pytest.raises(SourceError) as caught:
            Charts(tmp_path / "others", "anywhere").resolve(redis(with_login(url, "v:wr0ng")), "")
        assert "wr0ng" not in str(caught.value)


def test_two_applications_read_one_registry_each_with_its_own_user(registry: OciRegistry, tmp_path: Path) -> None:
    registry.add_chart("charts/redis", "1.0.0")
    registry.token, registry.login = "pull-token", basic("u", "hunter2")
    own = Charts(tmp_path / "charts", "anywhere")
    with pytest.raises(SourceError, match="the registry refuses the credentials"):
        own.resolve(redis(with_login(f"{registry.address}/charts", "v:wr0ng")), "")
    assert own.resolve(redis(with_login(f"{registry.address}/charts", "u:hunter2")), "").ref == "1.0.0"


def test_a_token_alone_is_sent_as_a_bearer(repository: ChartRepository, tmp_path: Path) -> None:
    repository.add("redis", "1.0.0")
    repository.login = "Bearer hunter2"
    own = Charts(tmp_path / "charts", "anywhere", read_secret("charts", "hunter2\n"))
    assert own.resolve(redis(repository.url), "").ref == "1.0.0"
    with pytest.raises(SourceError, match="the server answered 401") as caught:
        Charts(tmp_path / "others", "anywhere", Secret(username="u", password="wrong")).resolve(
            redis(repository.url), ""
        )
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_in_trouble_is_to_blame_as_a_whole(
    repository: ChartRepository, charts: Charts, status: int
) -> None:
    repository.files["/index.yaml"] = (status, {}, b"")
    with pytest.raises(HostUnreachableError, match=f"the server answered {status}"):
        charts.resolve(redis(repository.url), "")


def test_an_answer_that_breaks_off_is_not_taken_for_all(repository: ChartRepository, charts: Charts) -> None:
    repository.add("redis", "1.0.0", digest=None)
    status, _, data = repository.files["/redis-1.0.0.tgz"]
    repository.files["/redis-1.0.0.tgz"] = (status, {"Content-Length": str(len(data) + 10)}, data)
    with pytest.raises(HostUnreachableError, match="cannot be read"):
        charts.tree(redis(repository.url), charts.resolve(redis(repository.url), ""))


def test_a_tenant_reads_from_no_address_of_the_controllers_machine(repository: ChartRepository, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is an address of the controller's own machine"):
        Charts(tmp_path, "network").resolve(redis(repository.url), "")
    with pytest.raises(SourceError, match="is an address of the controller's own machine"):
        Charts(tmp_path, "network").resolve(redis("http://169.254.169.254"), "")
    with pytest.raises(SourceError, match="over https only"):
        Charts(tmp_path, "public").resolve(redis(repository.url), "")


# ── a registry ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tag_a_range_and_a_digest_mean_charts_of_a_registry(registry: OciRegistry, charts: Charts) -> None:
    old = registry.add_chart("charts/redis", "1.0.0")
    new = registry.add_chart("charts/redis", "1.1.0+build.5")
    found = {
        target: charts.resolve(redis(f"{registry.address}/charts"), target).sha
        for target in ("1.0.0", "^1", "", "1.1.0+build.5", f"sha256:{old}")
    }
    assert found == {"1.0.0": old, "^1": new, "": new, "1.1.0+build.5": new, f"sha256:{old}": old}


def test_only_tags_that_an_expression_is_found_in_are_chosen_from(registry: OciRegistry, charts: Charts) -> None:
    for version in ("1.0.0", "1.1.0-rc.1", "1.1.0-rc.2", "1.1.0-nightly.3", "1.2.0+eu"):
        registry.add_chart("charts/redis", version)
    spec = redis(f"{registry.address}/charts")

    def found(target: str) -> str:
        return charts.resolve(spec, target).ref

    assert found(">=1.0.0-0 =~ -rc") == "1.1.0-rc.2"
    assert found("1.x =~ _eu$") == "1.2.0+eu"
    assert found("1.x =~ ^1.0") == "1.0.0"
    with pytest.raises(SourceError, match="there is no version"):
        found("1.x =~ -rc")
    with pytest.raises(SourceError, match="is not a regular expression"):
        found("1.x =~ (")


def test_a_registry_is_given_a_token_that_it_asked_for(registry: OciRegistry, tmp_path: Path) -> None:
    registry.add_chart("charts/redis", "1.0.0")
    registry.token, registry.login = "pull-token", basic("u", "hunter2")
    docker = json.dumps(
        {"auths": {f"127.0.0.1:{registry.server_port}": {"auth": registry.login.removeprefix("Basic ")}}}
    )
    for secret in (Secret(username="u", password="hunter2"), read_secret("registry", docker)):
        own = Charts(tmp_path / "charts", "anywhere", secret)
        spec = redis(f"{registry.address}/charts")
        assert own.tree(spec, own.resolve(spec, "1.x")).kind("Chart.yaml") == "file"
    with pytest.raises(SourceError, match=r"the registry wants credentials: name them in credentials\.secretRef"):
        Charts(tmp_path / "others", "anywhere").resolve(redis(f"{registry.address}/charts"), "")
    with pytest.raises(SourceError, match="the registry refuses the credentials") as caught:
        Charts(tmp_path / "others", "anywhere", Secret(username="u", password="wrong")).resolve(spec, "")
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("place", ["manifests", "blobs"])
def test_what_is_not_what_its_digest_says_is_refused(registry: OciRegistry, charts: Charts, place: str) -> None:
    registry.add_chart("charts/redis", "1.0.0")
    for path, (status, headers, data) in list(registry.files.items()):
        if f"/{place}/sha256:" in path:
            registry.files[path] = (status, headers, data + b" ")
    spec = redis(f"{registry.address}/charts")
    with pytest.raises(SourceError, match=r"is not what sha256:.* names"):
        charts.tree(spec, charts.resolve(spec, "1.0.0"))


@pytest.mark.parametrize("body", [b"null", b"[]", b"{}", b'{"layers": [5]}', b'{"layers": [{"digest": "sha256:x"}]}'])
def test_a_manifest_that_makes_no_sense_is_an_error(registry: OciRegistry, charts: Charts, body: bytes) -> None:
    digest = charts_module.hashlib.sha256(body).hexdigest()
    registry.files[f"/v2/charts/redis/manifests/sha256:{digest}"] = (200, {}, body)
    with pytest.raises(SourceError, match=r"127\.0\.0\.1"):
        charts.tree(
            redis(f"{registry.address}/charts"), charts.resolve(redis(f"{registry.address}/charts"), f"sha256:{digest}")
        )


def test_packed_files_of_a_registry_are_a_source_too(registry: OciRegistry, charts: Charts) -> None:
    registry.push("manifests/shop", "latest", packed("", {"./apps/a.yaml": "a: 1\n"}), FILES_LAYER)
    spec = SourceSpec(f"{registry.address}/manifests/shop", "latest", path="apps")
    assert charts.tree(spec, charts.resolve(spec, "latest")).read("apps/a.yaml") == b"a: 1\n"


def test_tags_on_many_pages_are_all_seen(registry: OciRegistry, charts: Charts) -> None:
    registry.add_chart("charts/redis", "1.0.0")
    more = {"Link": '</v2/charts/redis/tags/list/2?last=a>; rel="next"'}
    registry.files["/v2/charts/redis/tags/list"] = (200, more, b'{"tags": ["0.1.0", 5]}')
    registry.files["/v2/charts/redis/tags/list/2"] = (200, {}, b'{"tags": ["1.0.0"]}')
    assert charts.resolve(redis(f"{registry.address}/charts"), ">0").ref == "1.0.0"


def test_a_real_registry_is_read(tmp_path: Path, charts: Charts) -> None:
    with docker_registry(tmp_path) as address:
        if address is None:
            pytest.skip("docker-registry is not on this machine")
        for version in ("1.0.0", "1.2.0"):
            digest = push_to(address, "charts/redis", version, packed("redis", chart_files("redis", version)))
        spec = redis(f"oci://{address}/charts")
        assert charts.resolve(spec, "^1").sha == digest
        assert b"1.2.0" in charts.tree(spec, charts.resolve(spec, f"sha256:{digest}")).read("Chart.yaml")
        with pytest.raises(SourceError, match=r"there is no version \^2 \(the newest is 1\.2\.0\)"):
            charts.resolve(spec, "^2")
        with pytest.raises(SourceError, match="there is no version that is released"):
            charts.resolve(SourceSpec(f"oci://{address}/charts", chart="none"), "")


# ── what is unpacked and kept ────────────────────────────────────────────────────────────────────────────────────────


def test_no_path_leads_out_of_packed_files() -> None:
    for path in ("../a", "a/../../b", "/etc/passwd"):
        with pytest.raises(SourceError):
            unpacked(packed("", {path: "x"}), "artifact", strip=False)


def test_what_is_no_archive_is_an_error() -> None:
    for data in (b"", b"PK", packed("", {"a": "b" * 2000})[:60]):
        with pytest.raises(SourceError, match="artifact"):
            unpacked(data, "artifact", strip=False)


def test_the_oldest_of_what_is_kept_makes_place(tmp_path: Path) -> None:
    import os

    kept = KeptFiles(tmp_path, 1000)
    for number, name in enumerate("abc"):
        kept.put(name, name.encode() * 400)
        place = next(found for found in tmp_path.iterdir() if found.read_bytes().endswith(name.encode()))
        os.utime(place, (number, number))
    kept.put("d", b"d" * 100)
    assert [name for name in "abcd" if kept.get(name)] == ["c", "d"]


def test_where_nothing_can_be_kept_charts_are_read_all_the_same(repository: ChartRepository, tmp_path: Path) -> None:
    (tmp_path / "charts").write_text("a file, where a folder is wanted")
    repository.add("redis", "1.0.0")
    charts = Charts(tmp_path / "charts", "anywhere")
    assert charts.tree(redis(repository.url), charts.resolve(redis(repository.url), "")).kind("Chart.yaml") == "file"


def test_many_small_files_make_place_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_files, "_MOST_FILES", 3)
    kept = KeptFiles(tmp_path)
    for number in range(10):
        kept.put(str(number), b"")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_kept_file_that_is_damaged_is_not_there(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path)
    kept.put("a", b"content")
    (place,) = tmp_path.iterdir()
    place.write_bytes(place.read_bytes() + b"x")
    assert kept.get("a") is None


@pytest.mark.parametrize("text", ["{unknown: x}", "{username: 5}", '{"auths": 5}', '{"auths": {"h": {"auth": "%"}}}'])
def test_credentials_that_cannot_be_read_are_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="credentials") as caught:
        read_secret("x", text).login_at("h")
    assert "%" not in str(caught.value)
