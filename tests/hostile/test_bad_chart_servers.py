"""Chart repositories and registries that lie, wander off or never end: one clear error, and no secret for another."""

import asyncio
import contextlib
import gzip
import io
import ipaddress
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitops.adapters import chart_repositories, http_get, oci_registry
from gitops.adapters.addresses import refused
from gitops.adapters.archive import unpacked
from gitops.adapters.chart_index import ChartIndex
from gitops.adapters.chart_repositories import ChartRepositories
from gitops.adapters.charts import Charts
from gitops.adapters.credentials import Secret
from gitops.adapters.http_get import HttpReader, Way
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import GitopsError, HostUnreachableError, SourceError
from tests.chart_servers import FILES_LAYER, ChartRepository, OciRegistry, served

TAGS = "/v2/charts/redis/tags/list"
OWN = Secret(username="u", password="hunter2")


repository = served(ChartRepository)
registry = served(OciRegistry)
elsewhere = served(ChartRepository)


def redis(url: str, target: str = "") -> SourceSpec:
    return SourceSpec(url, target, chart="redis")


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
def test_a_registry_that_redirects_lets_no_other_server_ask_for_the_credentials(
    registry: OciRegistry, elsewhere: ChartRepository, tmp_path: Path, kind: str
) -> None:
    registry.files[TAGS] = (302, {"Location": f"{elsewhere.url}/bait"}, b"")
    asks = {"WWW-Authenticate": f'{kind} realm="{elsewhere.url}/token"'}
    elsewhere.files["/bait"] = (401, asks, b"")
    elsewhere.files["/token"] = (200, {}, b'{"token": "x"}')
    with pytest.raises(SourceError, match="the registry refuses the credentials"):
        Charts(tmp_path, "anywhere", OWN).resolve(redis(f"{registry.address}/charts"), "1.x")
    assert elsewhere.asked == [("/bait", "")]


def test_a_list_of_tags_goes_on_at_its_own_server_alone(
    registry: OciRegistry, elsewhere: ChartRepository, tmp_path: Path
) -> None:
    other = elsewhere.url.replace("127.0.0.1", "localhost")
    registry.files[TAGS] = (200, {"Link": f'<{other}/next>; rel="next"'}, b'{"tags": ["1.0.0"]}')
    with pytest.raises(SourceError, match="goes on at another server"):
        Charts(tmp_path, "anywhere", OWN).resolve(redis(f"{registry.address}/charts"), "1.x")
    assert elsewhere.asked == []


@pytest.mark.parametrize("end", ["\n", "\r\nX: y", "\u20ac", "\x00"])
def test_a_token_that_no_header_may_hold_is_not_in_the_error(
    repository: ChartRepository, tmp_path: Path, end: str
) -> None:
    repository.add("redis", "1.0.0")
    with pytest.raises(SourceError, match="the credentials hold a line break") as caught:
        Charts(tmp_path, "anywhere", Secret(token=f"hunter2{end}")).resolve(redis(repository.url), "")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("way", [Way(ca="nonsense"), Way(ca="\u20ac"), Way(ca_file="/nowhere"), Way(ca="\x00")])
def test_an_authority_that_cannot_be_read_is_the_fault_of_who_names_it(repository: ChartRepository, way: Way) -> None:
    with pytest.raises(SourceError, match="cannot be used") as caught:
        HttpReader("anywhere", way).get(repository.url.replace("http:", "https:"), most=1)
    assert not isinstance(caught.value, HostUnreachableError)


def test_a_client_certificate_is_shown_to_the_repository_alone(repository: ChartRepository, tmp_path: Path) -> None:
    """Whom else it would be shown to could act on it; that it cannot be used is said by whoever would show it."""
    way = Way(certificate="none that can be used", home="https://charts.example.com")
    others = HttpReader("anywhere", way)
    with pytest.raises(HostUnreachableError, match="cannot be read"):
        others.get(repository.url.replace("http:", "https:"), most=1)  # which speaks no TLS
    own = HttpReader("anywhere", replace(way, home=repository.url.replace("http:", "https:")))
    with pytest.raises(SourceError, match="the client certificate of the credentials cannot be used"):
        own.get(repository.url.replace("http:", "https:"), most=1)


# ── what is no answer ────────────────────────────────────────────────────────────────────────────────────────────────

ODD = [b"null", b"[]", b"5", b'{"tags": 5}', b'{"tags": {"a": 1}}', b'{"tags": "1.0.0"}', b"<html>", b"[" * 100_000]


@pytest.mark.parametrize("body", ODD)
def test_tags_that_make_no_sense_are_an_error_of_their_own(registry: OciRegistry, tmp_path: Path, body: bytes) -> None:
    registry.files[TAGS] = (200, {}, body)
    with pytest.raises(SourceError, match=r"127\.0\.0\.1"):
        Charts(tmp_path, "anywhere").resolve(redis(f"{registry.address}/charts"), "1.x")


@pytest.mark.parametrize("body", [b'{"layers": 5}', b'{"layers": true}', b'{"layers": "x"}'])
def test_layers_that_make_no_sense_are_an_error_of_their_own(
    registry: OciRegistry, tmp_path: Path, body: bytes
) -> None:
    digest = oci_registry.hashlib.sha256(body).hexdigest()
    registry.files[f"/v2/charts/redis/manifests/sha256:{digest}"] = (200, {}, body)
    charts, spec = Charts(tmp_path, "anywhere"), redis(f"{registry.address}/charts")
    with pytest.raises(SourceError, match="holds neither a chart nor packed files"):
        charts.tree(spec, charts.resolve(spec, f"sha256:{digest}"))


@pytest.mark.parametrize(
    "place", ["https://[", "https://h:99999/x", "https://u:hunter2@h:99999/x", "//[::", "ftp://h/x"]
)
def test_a_way_that_leads_nowhere_is_an_error_that_tells_no_secret(
    repository: ChartRepository, tmp_path: Path, place: str
) -> None:
    repository.add("moved", "1.0.0")
    repository.files["/moved-1.0.0.tgz"] = (302, {"Location": place}, b"")
    repository.add("redis", "1.0.0", urls=[place])
    charts = Charts(tmp_path, "anywhere", Secret(username="u", password="p"))
    for name in ("moved", "redis"):
        spec = SourceSpec(repository.url, chart=name)
        with pytest.raises(SourceError) as caught:
            charts.tree(spec, charts.resolve(spec, ""))
        assert "hunter2" not in str(caught.value)


def test_a_list_of_tags_without_end_is_no_list(
    registry: OciRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The highest of those that were read may not be the highest that there is."""
    monkeypatch.setattr(oci_registry, "_MOST_PAGES", 5)
    registry.files[TAGS] = (200, {"Link": f'<{TAGS}>; rel="next"'}, b'{"tags": ["1.0.0"]}')
    with pytest.raises(SourceError, match="has too many tags to list them all"):
        Charts(tmp_path, "anywhere").resolve(redis(f"{registry.address}/charts"), "1.x")


# ── what never ends ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def speaking(first: bytes, again: bytes, pause: float) -> Iterator[str]:
    """A server that says `first`, and `again` for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connected = server.accept()[0]
                    connected.sendall(first)
                    while True:
                        connected.sendall(again)
                        time.sleep(pause)

        threading.Thread(target=speak, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a head that trickles": (b"HTTP/1.1 200 OK\r\nX: ", b"y", 0.05),
    "a line that trickles": (b"", b"H", 0.05),
    "never the answer itself": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    "a body that trickles": (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"y", 0.05),
    "the size of a chunk that trickles": (CHUNKED, b"0", 0.05),
    "trailers without end": (CHUNKED + b"0\r\n", b"A: b\r\n", 0.01),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_ends_in_time_however_slowly_it_comes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(http_get, "_MOST_SECONDS", 1.0)
    with speaking(*ENDLESS[name]) as url:
        begun = time.monotonic()
        with pytest.raises(HostUnreachableError, match=r"it takes more than 1 s|timed out"):
            HttpReader("anywhere").get(url, most=100_000)
        assert time.monotonic() - begun < 5


# ── what is large ────────────────────────────────────────────────────────────────────────────────────────────────────

OTHERS = b"".join(b"  chart-%d:\n  - urls: [a]\n    version: 1.0.0\n" % number for number in range(500_000))


@pytest.mark.parametrize("more", [b"  redis:\n  - urls: [a]\n    version: 1.0.0\n", b""])
def test_a_large_index_costs_no_more_than_the_one_chart_in_it(more: bytes) -> None:
    begun = time.process_time()
    found = ChartIndex("https://charts.example.com", b"entries:\n" + OTHERS + more).versions("redis")
    assert (len(found), time.process_time() - begun < 5) == (len(more) and 1, True)


@pytest.mark.parametrize(
    "data",
    [
        b"entries:\n  redis:\n" + b"  - urls: [a]\n" * 1_200_000,
        b'{"entries": {"redis": [' + b"1," * 9_000_000 + b"1]}}",
        b"entries:\n  redis:\n" + b"".join(b"  - version: %d\n" % number for number in range(20_001)),
    ],
)
def test_an_index_that_says_too_much_of_a_chart_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"more of redis than the 16 MiB read|more than 20,000 versions of redis"):
        ChartIndex("https://charts.example.com", data).versions("redis")


def test_charts_that_are_kept_in_memory_are_so_many_bytes(
    repository: ChartRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_repositories, "_MOST_BYTES_KEPT", 5_000_000)
    for number in range(6):
        repository.add("redis", f"1.{number}.0", {"values.yaml": f"text: {'x' * 1_000_000}\n"})

    async def looks() -> int:
        found = ChartRepositories(tmp_path, lambda *_: "", lambda _: True)
        for number in range(6):
            app = Application("app", source=redis(repository.url, f"1.{number}.0"))
            revision = (await found.look(app)).revision(app)
            assert revision
            assert (await found.tree(app, revision)).kind("Chart.yaml") == "file"
        await found.close()
        return len(found._trees)

    assert asyncio.run(looks()) == 4


# ── archives ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sparse(size: int, count: int) -> bytes:
    """A small archive whose files are large when they are unpacked."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number in range(count):
            member = tarfile.TarInfo(f"redis/{number}")
            member.pax_headers = {
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.realsize": str(size),
                "GNU.sparse.name": f"redis/{number}",
            }
            member.size = 512
            archive.addfile(member, io.BytesIO(b"0\n".ljust(512, b"\0")))
    return gzip.compress(inner.getvalue())


@pytest.mark.parametrize(("size", "count"), [(1 << 50, 1), (16 << 20, 40)])
@pytest.mark.parametrize("is_chart", [True, False])
def test_files_that_are_mostly_holes_are_no_way_to_fill_the_memory(size: int, count: int, is_chart: bool) -> None:
    with pytest.raises(GitopsError, match=r"16 MiB|100 MiB"):
        unpacked(sparse(size, count), "redis.tgz", strip=is_chart)


def test_a_file_that_is_the_folder_itself_is_refused(registry: OciRegistry, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("./."), io.BytesIO())
    registry.push("files", "1", gzip.compress(inner.getvalue()), FILES_LAYER)
    charts, spec = Charts(tmp_path, "anywhere"), SourceSpec(f"{registry.address}/files", "1")
    with pytest.raises(SourceError, match="is neither a file nor a folder"):
        charts.tree(spec, charts.resolve(spec, "1"))


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────────

OF_THE_MACHINE = [
    "127.0.0.1",
    "0.0.0.0",
    "169.254.169.254",
    "224.0.0.1",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "fe80::1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
]


@pytest.mark.parametrize("address", OF_THE_MACHINE)
def test_no_form_of_an_address_leads_to_the_machine_or_its_metadata(address: str) -> None:
    for reach in ("public", "network"):
        assert refused(ipaddress.ip_address(address), reach)
    assert not refused(ipaddress.ip_address(address), "anywhere")


@pytest.mark.parametrize("address", ["10.0.0.5", "64:ff9b::a00:5", "2002:a00:5::", "fd12::1", "100.64.0.1"])
def test_what_is_public_is_so_in_all_its_forms(address: str) -> None:
    assert refused(ipaddress.ip_address(address), "public")
    assert not refused(ipaddress.ip_address(address), "network")


# ── what a person types ──────────────────────────────────────────────────────────────────────────────────────────────

DEPENDS = (
    "apiVersion: v2\nname: redis\nversion: 1.0.0\ndependencies: [{name: x, version: '1', repository: 'https://['}]\n"
)


@pytest.mark.parametrize("chart", ["null", "", "# nothing", DEPENDS])
def test_a_chart_that_makes_no_sense_is_one_line(repository: ChartRepository, tmp_path: Path, chart: str) -> None:
    repository.add("redis", "1.0.0", {"Chart.yaml": chart})
    assert _complaint(tmp_path, "redis", "--repo", repository.url)


@pytest.mark.parametrize("version", ["\udcff", "^\udcff", "a" * 5000])
def test_a_version_of_any_letters_is_none_that_is_there(
    repository: ChartRepository, tmp_path: Path, version: str
) -> None:
    repository.add("redis", "1.0.0")
    assert "has no version" in _complaint(tmp_path, "redis", "--repo", repository.url, "--version", version)


@pytest.mark.parametrize(
    "address", ["https://[", "http://[::", "https://u:hunter2@[/x", "https://u:hunter2@127.0.0.1:1"]
)
def test_an_address_that_leads_nowhere_is_said_without_its_password(tmp_path: Path, address: str) -> None:
    said = _complaint(tmp_path, "redis", "--repo", address)
    assert "is no URL" in said or "cannot be read" in said
    assert "hunter2" not in said
    assert "hunter2" not in _complaint(tmp_path, address.replace("https:", "oci:").replace("http:", "oci:"))


def test_the_newest_chart_of_a_registry_is_rendered_by_its_address_alone(registry: OciRegistry, tmp_path: Path) -> None:
    registry.add_chart("charts/redis", "1.0.0")
    done = _gitops(tmp_path, f"{registry.address}/charts/redis")
    assert (done.returncode, b'version: "1.0.0"' in done.stdout) == (0, True)


def _complaint(folder: Path, *arguments: str) -> str:
    """The one line that a render ends with."""
    done = _gitops(folder, *arguments)
    said = done.stderr.decode()
    assert (done.returncode, said.count("\n")) == (2, 1), said
    return said


def _gitops(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    code = "import sys; from gitops.cli.entry import main; sys.exit(main())"
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}
    command = [sys.executable, "-c", code, "render", *arguments]
    return subprocess.run(command, capture_output=True, env=environment, timeout=30, check=False)
