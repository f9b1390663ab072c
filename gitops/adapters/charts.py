"""Charts, and other packed files, of chart repositories (HTTP) and OCI registries: looked at, fetched, kept by digest.

    repository ──► ChartRefs (what versions mean) ──► Revision (digest@version) ──► Tree (the files of the archive)

An archive is kept on disk under what names it, so that one that was fetched is never fetched again; how much all of
them may take is bounded, and those that were not used for longest go first.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gitops.adapters.archive import packed, unpacked
from gitops.adapters.bucket import Found, S3Bucket, revision_of
from gitops.adapters.chart_index import ChartIndex, ChartVersion
from gitops.adapters.cosign import PublicKeys, check_signature
from gitops.adapters.credentials import Secret, read_secret
from gitops.adapters.http_get import HttpReader, Reach, Way, basic, origin
from gitops.adapters.kept_files import KeptFiles
from gitops.adapters.oci_registry import CHART_LAYER, OciRepository, home_of
from gitops.adapters.remote_files import RemoteFiles
from gitops.adapters.s3_signature import AccessKey
from gitops.bounds import MIB
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import ConfigError, SourceError
from gitops.model.revision import Revision, Tree
from gitops.model.source_name import is_oci, url_login, why_no_url, without_userinfo

MOST_INDEX: Final = 64 * MIB
MOST_ARCHIVE: Final = 32 * MIB
# For so long an index is not asked for again: what is fetched after a look is of what that saw.
_FRESH_SECONDS: Final = 5.0
_INDEXES_KEPT: Final = 2


@dataclass(frozen=True, slots=True)
class ChartRefs:
    """`gitops.ports.Refs` of one chart: what each target means that was asked for, or why it means nothing."""

    found: Mapping[str, Revision]
    absent: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict, compare=False)

    def revision(self, app: Application) -> Revision | None:
        return self.found.get(app.source.targetRevision)

    def missing(self, app: Application) -> str:
        return f"{app.source.name}: {self.absent.get(app.source.targetRevision, '')}"

    def hint(self, app: Application) -> str:
        return self.hints.get(app.source.targetRevision, "")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an index that was read: its digest, and those of its charts that were asked for."""

    digest: str
    charts: dict[str, Mapping[str, ChartVersion]]
    fresh_until: float


class Charts:
    """Reads with the credentials of `secret`; `caFile` and `proxy` are the spec's own. Called in threads."""

    def __init__(self, cache: Path, reach: Reach, secret: Secret | None = None, keys: PublicKeys | None = None) -> None:
        """With `keys` nothing is unpacked that none of them has signed."""
        self._cache = cache
        self._reach = reach
        self._secret = secret or Secret()
        self._versions: dict[str, _Known] = {}  # by the repository's URL
        self._registries: dict[tuple[str, str], OciRepository] = {}
        self._indexes: dict[str, dict[str, dict[str, Found]]] = {}  # of buckets, by place and revision
        self._keys = keys
        self._signed: set[tuple[str, str]] = set()

    def resolve(self, spec: SourceSpec, target: str) -> Revision:
        """The revision that `target` (a version, a range, a digest or "") means now. Raises SourceError."""
        refs = self.look(spec, (target,))
        if target in refs.found:
            return refs.found[target]
        raise SourceError(f"{spec.name}: {refs.absent[target]}{refs.hints[target]}")

    def look(self, spec: SourceSpec, targets: tuple[str, ...]) -> ChartRefs:
        """What each of `targets` means now. Raises SourceError where the repository cannot be read."""
        found: dict[str, Revision] = {}
        absent: dict[str, str] = {}
        hints: dict[str, str] = {}
        if spec.is_bucket:
            return self._look_at_bucket(spec, targets)
        repository: OciRepository | ChartIndex = self._oci(spec) if is_oci(spec.repoURL) else self._index(spec)
        for target in targets:
            revision = _revision(repository, spec.chart, target)
            if revision is not None:
                found[target] = revision
            elif isinstance(repository, OciRepository):
                absent[target], hints[target] = repository.missing(target), repository.hint(target)
            else:
                absent[target] = repository.missing(spec.chart, target)
                hints[target] = repository.hint(spec.chart, target)
        return ChartRefs(found, absent, hints)

    def has(self, spec: SourceSpec, sha: str) -> bool:
        """Whether the repository offers what `sha` names, now."""
        if spec.is_bucket:  # it is read as it is now
            return self._look_at_bucket(spec, ("",)).found[""].sha == sha
        if is_oci(spec.repoURL):
            return self._oci(spec).has(sha)
        return any(found.sha == sha for found in self._index(spec).versions(spec.chart).values())

    def tree(self, spec: SourceSpec, revision: Revision) -> Tree:
        """The files of a revision: a chart's own folder is the root. Raises SourceError."""
        return self.tree_and_size(spec, revision)[0]

    def tree_and_size(self, spec: SourceSpec, revision: Revision) -> tuple[Tree, int]:
        """The same, and how many bytes of memory it takes."""
        self.check_signature(spec, revision.sha)
        data, is_chart = self._archive(spec, revision)
        label = f"{spec.chart or spec.name.rpartition('/')[2]}-{revision.ref}" if revision.ref else spec.name
        files = unpacked(data, label, strip=is_chart)
        tree = Tree.of_files(files)
        tree.label = label
        return tree, sum(map(len, files.values()))

    def check_signature(self, spec: SourceSpec, digest: str) -> None:
        """Raises SourceError for what has to be signed and is not; ConfigError where there are no keys for that."""
        place = (f"{spec.repoURL} {spec.chart}", digest)
        if not spec.verify.is_wanted or place in self._signed:
            return
        if self._keys is None:
            raise ConfigError("source.verify.secretRef: name a Secret with public keys (*.pub)")
        check_signature(self._oci(spec), digest, self._keys)
        self._signed.add(place)

    def _archive(self, spec: SourceSpec, revision: Revision) -> tuple[bytes, bool]:
        """The archive, and whether it is a chart's, whose files are below one folder."""
        archives, name = KeptFiles(self._cache / "archives"), self._archive_name(spec, revision.sha)
        kept = archives.get(name)
        if kept is not None:
            return kept[1:], kept[:1] == b"c"
        data, is_chart = self._fetched(spec, revision)
        archives.put(name, (b"c" if is_chart else b"f") + data)
        return data, is_chart

    def _archive_name(self, spec: SourceSpec, sha: str) -> str:
        """What it is kept under: a digest names its content for everybody, other names are the server's word."""
        trust = "" if is_oci(spec.repoURL) else self._reader(spec, "").trust
        return f"{_bucket_place(spec) if spec.is_bucket else spec.repoURL} {sha} {trust}".rstrip()

    def _look_at_bucket(self, spec: SourceSpec, targets: tuple[str, ...]) -> ChartRefs:
        index = self._bucket(spec).index(spec.ignore)
        sha = revision_of(index)
        known = self._indexes.setdefault(_bucket_place(spec), {})
        known.pop(sha, None)
        known[sha] = index
        for oldest in list(known)[:-_INDEXES_KEPT]:
            del known[oldest]
        return ChartRefs(dict.fromkeys(targets, Revision(sha, "")))

    def _packed_bucket(self, spec: SourceSpec, sha: str) -> bytes:
        """The files of a bucket's revision, fetched but for those that another one that is kept has too."""
        known = self._indexes.setdefault(_bucket_place(spec), {})
        if sha not in known:
            self._look_at_bucket(spec, ("",))
        if sha not in known:
            raise SourceError(f"{spec.name}: the bucket is not at {sha[:12]} any more")
        bucket, held = self._bucket(spec), dict[tuple[str, str], bytes]()
        for other, index in known.items():
            kept = KeptFiles(self._cache / "archives").get(self._archive_name(spec, other))
            if kept is not None:
                files = unpacked(kept[1:], spec.name, strip=False)
                held |= {(key, index[key].etag): files[path] for key, path in bucket.paths(index).items()}
        return packed(bucket.files(known[sha], held))

    def _bucket(self, spec: SourceSpec) -> S3Bucket:
        secret, address = self._secret, _address(spec)
        user, password = (secret.accessKey, secret.secretKey) if secret.accessKey else url_login(spec.repoURL)
        if bool(user) != bool(password):
            raise ConfigError("source.credentials.secretRef: a bucket's has both accessKey and secretKey")
        scheme = "http" if spec.bucket.insecure else "https"
        reader = self._reader(spec, f"{scheme}://{urlsplit(address).netloc}")
        return S3Bucket(address, spec.bucket, reader, AccessKey(user, password) if user else None)

    def _fetched(self, spec: SourceSpec, revision: Revision) -> tuple[bytes, bool]:
        if spec.is_bucket:
            return self._packed_bucket(spec, revision.sha), False
        if is_oci(spec.repoURL):
            repository = self._oci(spec)
            layer = repository.files_layer(revision.sha)
            return repository.content(layer, MOST_ARCHIVE), layer.media_type == CHART_LAYER
        versions = self._index(spec).versions(spec.chart).values()
        found = next((version for version in versions if version.sha == revision.sha), None)
        if found is None:
            raise SourceError(f"{spec.name}: the repository does not offer {revision} any more")
        data = self._read(spec, found.url, MOST_ARCHIVE)
        if found.digest and hashlib.sha256(data).hexdigest() != found.digest:
            raise SourceError(
                f"{spec.name}: the archive of {found.version} is not what the index says (its sha256 is another one)"
            )
        return data, True

    def _index(self, spec: SourceSpec) -> ChartIndex:
        address = _address(spec)
        parts = urlsplit(address)
        known = self._versions.get(spec.repoURL)
        if known is not None and spec.chart in known.charts and time.monotonic() < known.fresh_until:
            return ChartIndex(address, b"", known.charts)
        data = self._read(spec, parts._replace(path=f"{parts.path}/index.yaml").geturl(), MOST_INDEX)
        digest = hashlib.sha256(data).hexdigest()
        charts = known.charts if known is not None and known.digest == digest else {}
        self._versions[spec.repoURL] = _Known(digest, charts, time.monotonic() + _FRESH_SECONDS)
        return ChartIndex(address, data, charts)

    def _read(self, spec: SourceSpec, url: str, most: int) -> bytes:
        """A file of the repository; where that lies elsewhere, without the credentials."""
        home = without_userinfo(spec.repoURL)
        own = self._authorization(spec, home) if origin(url) == origin(home) else ""
        return RemoteFiles(self._cache / "http", self._reader(spec, home)).read(url, most, own)

    def _authorization(self, spec: SourceSpec, home: str) -> str:
        if self._secret.token and not self._secret.username:
            return f"Bearer {self._secret.token}"
        user, password = self._login(spec, home)
        return basic(user, password) if password else ""

    def _login(self, spec: SourceSpec, address: str) -> tuple[str, str]:
        """Who reads what is at an address: as the Secret says, or else as the repository's own URL does."""
        secret = self._secret
        if secret.password or secret.token or secret.dockerConfig:
            return secret.login_at(urlsplit(address).netloc)
        return url_login(spec.repoURL)

    def _oci(self, spec: SourceSpec) -> OciRepository:
        address = _address(spec) + (f"/{spec.chart}" if spec.chart else "")
        place = (address, spec.repoURL)  # two may be read with credentials of their own
        if place not in self._registries:
            login = self._login(spec, address)
            self._registries[place] = OciRepository(address, self._reader(spec, home_of(address)), *login)
        return self._registries[place]

    def _reader(self, spec: SourceSpec, home: str) -> HttpReader:
        pem = "\n".join(filter(None, (self._secret.certificate, self._secret.key)))
        proxy = self._secret.address or spec.credentials.proxy
        return HttpReader(self._reach, Way(spec.credentials.caFile, self._secret.ca, pem, proxy, home))


def keys_of(spec: SourceSpec, secrets: Callable[[str], str]) -> PublicKeys | None:
    """The keys by which what a source gives has to be signed, None where nothing has to be. Raises ConfigError."""
    reference = spec.verify.secretRef
    if not reference:
        return None
    where = f"source.verify.secretRef {reference}"
    return PublicKeys.of_text(read_secret(reference, secrets(reference), "source.verify.secretRef").publicKeys, where)


def _bucket_place(spec: SourceSpec) -> str:
    """What is read in one way of a bucket."""
    return f"{spec.repoURL} {spec.bucket} {spec.ignore}"


def _address(spec: SourceSpec) -> str:
    """Where its repository is, whoever reads it. Raises SourceError for what is no address."""
    address = without_userinfo(spec.repoURL).rstrip("/")
    try:
        urlsplit(address)
    except ValueError as error:
        raise SourceError(f"{address[:200]}: is no URL ({why_no_url(error)})") from error
    return address


def _revision(repository: OciRepository | ChartIndex, chart: str, target: str) -> Revision | None:
    if isinstance(repository, OciRepository):
        found = repository.resolve(target)
        return None if found is None else Revision(*found)
    version = repository.chosen(chart, target)
    return None if version is None else Revision(version.sha, version.version)
