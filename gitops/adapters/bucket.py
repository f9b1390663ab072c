"""The files of one bucket of a store that speaks S3's protocol: listed, named as a whole, and fetched.

    list of keys with their ETags ──► without what is ignored ──► a digest of all (the revision) ──► their content

As source-controller 1.7 reads a Bucket: the revision is the SHA-256 of the lines `KEY ETAG`, by key; `.sourceignore` at
the root and `ignore` leave objects out. What is listed and what is fetched is bounded; an object that was changed in
between is an error, and the next look sees it.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import unquote_plus, urlsplit
from xml.etree import ElementTree

from gitops.adapters.archive import MOST_FILES, MOST_UNPACKED
from gitops.adapters.http_get import Answer, HttpReader, shown_url
from gitops.adapters.s3_signature import AccessKey, encoded_path, encoded_query, signed_headers
from gitops.bounds import MIB, shown_size
from gitops.model.errors import SourceError
from gitops.model.revision import join
from gitops.model.source_access import Bucket
from renderers.ignored import FILE, Line, lines_of

_DEFAULT_REGION: Final = "us-east-1"
_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")
_MOST_LIST: Final = 8 * MIB
_MOST_IGNORE: Final = MIB
_MOST_PAGES, _LIST_SECONDS = 200, 60.0
_AT_ONCE, _FETCH_SECONDS = 8, 300.0
_LEAST_ANSWER: Final = 64 * 1024  # an error is told in more letters than a small object has
# Stores that know a bucket by a name of its own only.
_BY_HOST: Final = (".amazonaws.com", ".aliyuncs.com")


class Found(NamedTuple):
    """One object: what names its content, and its size."""

    etag: str
    size: int


Index = Mapping[str, Found]
Held = tuple[str, str]  # a key and its ETag


class S3Bucket:
    """The bucket at `s3://ENDPOINT/BUCKET`. Everything raises SourceError; called in threads."""

    def __init__(
        self,
        address: str,
        options: Bucket,
        reader: HttpReader,
        key: AccessKey | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        parts = urlsplit(address)
        self.address = address
        self._options = options
        self._reader = reader
        self._key = key
        self._now = now
        self._region = options.region or _DEFAULT_REGION
        name = parts.path.strip("/")
        if parts.scheme != "s3" or not parts.netloc or not name or "/" in name:
            raise SourceError(f"{address[:200]}: expected s3://ENDPOINT/BUCKET")
        scheme = "http" if options.insecure else "https"
        by_host = (parts.hostname or "").endswith(_BY_HOST) and "." not in name
        self._base = f"{scheme}://{name}.{parts.netloc}" if by_host else f"{scheme}://{parts.netloc}/{name}"

    def index(self, ignore: str) -> dict[str, Found]:
        """The objects that are not ignored, by their keys."""
        answer = self._get(f"/{FILE}", most=_MOST_IGNORE)
        own = answer.data.decode("utf-8", "replace") if answer.status == 200 else ""
        lines = [*lines_of(own), *lines_of(ignore)]
        found: dict[str, Found] = {}
        for key, facts in self._listed():
            if not key.endswith("/") and key != FILE and not _is_ignored(lines, key):
                found[key] = facts
        size = sum(facts.size for facts in found.values())
        if len(found) > MOST_FILES or size > MOST_UNPACKED:
            held = f"{len(found):,} objects of {shown_size(size)}"
            bound = f"{MOST_FILES:,}, or {shown_size(MOST_UNPACKED)}"
            raise SourceError(f"{self.address}: holds {held}, more than {bound}; name a prefix, or what to ignore")
        return found

    def files(self, index: Index, held: Mapping[Held, bytes]) -> dict[str, bytes]:
        """The content of the objects, by their paths; what is `held` already is not fetched."""
        paths = self.paths(index)
        deadline = monotonic() + _FETCH_SECONDS
        missing = [key for key in index if (key, index[key].etag) not in held]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bucket") as pool:
            fetched = dict(
                zip(missing, pool.map(lambda key: self._content(key, index[key], deadline), missing), strict=True)
            )
        return {path: fetched[key] if key in fetched else held[key, index[key].etag] for key, path in paths.items()}

    def paths(self, index: Index) -> dict[str, str]:
        """The path of each key."""
        found = {key: self._path_of(key) for key in index}
        names = set(found.values())
        double = sorted({path[:at] for path in names for at, mark in enumerate(path) if mark == "/"} & names)
        if len(names) < len(index) or double:
            what = f"{double[0][:200]} is both an object and a folder" if double else "two keys name one file"
            raise SourceError(f"{self.address}: {what}")
        return found

    def _path_of(self, key: str) -> str:
        path = join("", key.lstrip("/"))
        if not path or "\0" in key:
            raise SourceError(f"{self.address}: the key {key[:200]!r} names no file in a folder")
        return path

    def _content(self, key: str, facts: Found, deadline: float) -> bytes:
        if monotonic() > deadline:
            raise SourceError(f"{self.address}: takes more than {_FETCH_SECONDS:.0f} s to read")
        most = max(facts.size, _LEAST_ANSWER)
        answer = self._get(f"/{key}", most=most, headers={"If-Match": f'"{facts.etag}"'})
        etag = (answer.headers.get("ETag") or "").strip('"')
        if answer.status != 200 or etag not in ("", facts.etag) or len(answer.data) != facts.size:
            raise SourceError(f"{self.address}: {key[:200]} was changed while it was read; it is read again soon")
        return answer.data

    def _listed(self) -> Iterator[tuple[str, Found]]:
        query = {"list-type": "2", "encoding-type": "url", "prefix": self._options.prefix}
        deadline = monotonic() + _LIST_SECONDS
        for _ in range(_MOST_PAGES):
            answer = self._get("/", query)
            if answer.status == 404:
                raise SourceError(f"{self.address}: there is no such bucket")
            page = _xml(answer)
            is_encoded = _text(page, "EncodingType") == "url"
            for item in page.iter("Contents"):
                key = _text(item, "Key")
                size = _text(item, "Size")
                if not size.isdigit() or not _text(item, "ETag"):
                    raise SourceError(f"{self.address}: its list of objects cannot be read")
                yield unquote_plus(key) if is_encoded else key, Found(_text(item, "ETag").strip('"'), int(size))
            token = _text(page, "NextContinuationToken")
            if _text(page, "IsTruncated") != "true" or not token:
                return
            if monotonic() > deadline:
                break
            query = {**query, "continuation-token": token}
        raise SourceError(f"{self.address}: has too many objects to list them all; name a prefix")

    def _get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        most: int = _MOST_LIST,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        url = f"{self._base}{encoded_path(path)}{'?' if query else ''}{encoded_query(query or {})}"
        answer = self._once(url, most, headers or {})
        region = answer.headers.get("x-amz-bucket-region") or ""
        if answer.status in (301, 400, 403) and self._is_elsewhere(region):
            self._region = region
            answer = self._once(url, most, headers or {})
        if answer.status in (401, 403):
            why = "refuses the access key" if self._key else "wants an access key: name it in credentials.secretRef"
            raise SourceError(f"{self.address}: the store {why} ({answer.status})")
        if answer.status not in (200, 404, 412):
            raise SourceError(f"{shown_url(answer.url)}: the store answered {answer.status}")
        return answer

    def _is_elsewhere(self, region: str) -> bool:
        """Whether the store says that the bucket is in another region, where nobody has named one."""
        is_other = region != self._region and _REGION.fullmatch(region) is not None
        return is_other and not self._options.region and self._key is not None

    def _once(self, url: str, most: int, headers: Mapping[str, str]) -> Answer:
        signed = signed_headers(url, self._key, self._region, self._now()) if self._key is not None else {}
        own = signed.pop("Authorization", "")
        return self._reader.get(url, {**headers, **signed}, authorization=own, most=most)


def revision_of(index: Index) -> str:
    """What names all of the objects."""
    lines = (f"{key} {index[key].etag}\n" for key in sorted(index, key=str.encode))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _is_ignored(lines: Sequence[Line], key: str) -> bool:
    parts = key.split("/")
    decided = (line.decides(parts) for line in reversed(lines))
    return next((found for found in decided if found is not None), False)


def _xml(answer: Answer) -> ElementTree.Element:
    """A list of objects, names without their space. Raises SourceError; what declares anything is no such list."""
    try:
        text = answer.data.decode()
        if "<!" in text:
            raise ValueError("it has declarations")
        found = ElementTree.fromstring(text)  # noqa: S314 - without declarations there are no entities
    except (ElementTree.ParseError, ValueError) as error:
        raise SourceError(f"{shown_url(answer.url)}: what the store answers is no list of objects ({error})") from None
    for element in found.iter():
        element.tag = element.tag.rpartition("}")[2]
    return found


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(name) or "").strip() if name != "Key" else element.findtext(name) or ""
