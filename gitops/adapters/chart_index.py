"""The index of a chart repository (`index.yaml`): which versions of one chart there are, and where.

A public index has tens of megabytes, of which one chart is wanted. As `helm repo index` writes it, each chart is a
block of lines of its own, which is found without parsing the others; an index of another form is parsed whole.
"""

import hashlib
import re
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from gitops.adapters.chart_versions import chosen_version, closest
from gitops.bounds import MIB, shown_size
from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import SourceError

_ENTRIES: Final = re.compile(rb"^entries:[ \t]*\r?$", re.MULTILINE)
# The next key beside a chart's, or the end of `entries`: a line that is indented by two blanks at most, and no item.
_BLOCK_END: Final = re.compile(rb"^(?:  [^ \-#\r\n]|[^ #\r\n])", re.MULTILINE)
_TOP_LEVEL: Final = re.compile(rb"^[^ #\r\n]", re.MULTILINE)
# A line under `entries` that Helm would not write: no chart's key, no item, no part of one.
_ODD_LINE: Final = re.compile(
    rb"^(?: ?[^ \r\n#]|  (?! |#|\r?$|-[ \r\n]|[A-Za-z0-9][A-Za-z0-9._-]*:[ \t]*\r?$))", re.MULTILINE
)
_NOT_PLAIN: Final = re.compile(rb"[&*][A-Za-z0-9_]+[ \t]*\r?$", re.MULTILINE)
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_MOST_PARSED: Final = 16 * MIB
_MOST_VERSIONS: Final = 20_000
# What is large costs memory and a processor while it is parsed, which all others want too.
_LARGE: Final = MIB
_ONE_AT_A_TIME: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class ChartVersion:
    """One version of a chart: where its archive is, and the sha256 that it has to have ("" where that has none)."""

    version: str
    url: str
    digest: str
    created: str = ""

    @property
    def sha(self) -> str:
        """What names its content: the digest or, without one, whatever the index says of it."""
        return self.digest or hashlib.sha256(f"{self.version}\n{self.url}\n{self.created}".encode()).hexdigest()


class ChartIndex:
    """The index `data` of the repository at `url`; `known` are the charts that were read of it already."""

    def __init__(self, url: str, data: bytes, known: dict[str, Mapping[str, ChartVersion]] | None = None) -> None:
        self._url = url
        self._data = data
        self._known = known if known is not None else {}

    def versions(self, chart: str) -> Mapping[str, ChartVersion]:
        """The versions of a chart, by their names. Raises SourceError for an index that cannot be read."""
        if chart not in self._known:
            self._known[chart] = {found.version: found for found in self._read(chart)}
        return self._known[chart]

    def chosen(self, chart: str, target: str) -> ChartVersion | None:
        """What `target` means of a chart; None where nothing does."""
        versions = self.versions(chart)
        name = chosen_version(target, versions.keys())
        return None if name is None else versions[name]

    def missing(self, chart: str, target: str) -> str:
        """In words: there is no such version, or no such chart."""
        if not self.versions(chart):
            return f"the repository has no chart {chart}"
        return f"chart {chart} has no version {target}" if target else f"chart {chart} has no version that is released"

    def hint(self, chart: str, target: str) -> str:
        return closest(target, self.versions(chart).keys())

    def _read(self, chart: str) -> list[ChartVersion]:
        try:
            items = self._items(chart)
        except ManifestError as error:
            raise SourceError(f"the index of {self._url} cannot be read: {error}") from error
        found = [self._version(item) for item in items if isinstance(item, dict)]
        return [version for version in found if version is not None]

    def _items(self, chart: str) -> list[Any]:
        block = _block(self._data, chart)
        text = self._data if block is None else block
        if block == b"":
            return []
        if len(text) > _MOST_PARSED:
            raise SourceError(f"the index of {self._url} says more of {chart} than the {shown_size(_MOST_PARSED)} read")
        with _ONE_AT_A_TIME if len(text) > _LARGE else nullcontext():
            documents = load_all(text, "index.yaml")
        whole = documents[0].value if documents else None
        entries = whole.get("entries") if block is None and isinstance(whole, dict) else whole
        if not isinstance(entries, dict):
            raise SourceError(f"{self._url}/index.yaml: is not the index of a chart repository")
        items = entries.get(chart)
        if isinstance(items, list) and len(items) > _MOST_VERSIONS:
            raise SourceError(f"the index of {self._url} has more than {_MOST_VERSIONS:,} versions of {chart}")
        return items if isinstance(items, list) else []

    def _version(self, item: dict[str, Any]) -> ChartVersion | None:
        version, urls, digest = item.get("version"), item.get("urls"), item.get("digest")
        if not isinstance(version, str) or not isinstance(urls, list) or not urls or not isinstance(urls[0], str):
            return None
        found = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
        created = item.get("created")
        return ChartVersion(
            version,
            _archive_url(self._url, urls[0]),
            found[1] if found else "",
            created if isinstance(created, str) else "",
        )


def _archive_url(repository: str, url: str) -> str:
    """As Helm resolves it: below the repository, whose query it takes where it has none."""
    base = urlsplit(repository)
    try:
        joined = urljoin(base._replace(path=base.path.rstrip("/") + "/", query="").geturl(), url)
        parts = urlsplit(joined)
    except ValueError:  # which is said when it is asked for
        return url
    return parts._replace(query=base.query).geturl() if not parts.query and parts.netloc == base.netloc else joined


def _block(data: bytes, chart: str) -> bytes | None:
    """The lines of one chart, as a document of their own; b"" where it is not there, None for an index of another form.

    What it would cost to parse the others is not paid, whether the chart is there or not.
    """
    entries = _ENTRIES.search(data)
    if entries is None:
        return None
    name = re.escape(chart.encode())
    key = re.compile(rb"^  (?:" + name + rb'|"' + name + rb"\"|'" + name + rb"'):[ \t]*\r?$", re.MULTILINE)
    found = key.search(data, entries.end())
    top = _TOP_LEVEL.search(data, entries.end())
    end = top.start() if top else len(data)
    if found is None or found.start() > end:
        return None if _ODD_LINE.search(data, entries.end(), end) else b""
    after = _BLOCK_END.search(data, found.end())
    block = data[found.start() : after.start() if after else len(data)]
    return None if _NOT_PLAIN.search(block) else block
