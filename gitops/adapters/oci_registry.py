"""One repository of an OCI registry: its tags, manifests and layers (OCI distribution specification 1.1).

What is named by a digest has to have it. Who is asked for a token first (the `WWW-Authenticate` of the registry) is
asked once for each repository. Docker Hub counts no HEAD, so that is how a tag is looked at.
"""

import hashlib
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

from gitops.adapters.chart_versions import chosen_tag, closest
from gitops.adapters.http_get import Answer, HttpReader, basic, origin, shown_url
from gitops.bounds import MIB, parsed_map
from gitops.model.errors import SourceError

CHART_LAYER: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_FILES_LAYERS: Final = (
    "application/vnd.cncf.flux.content.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_MANIFESTS: Final = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MOST_MANIFEST: Final = 4 * MIB
_MOST_TAGS, _MOST_PAGES = 100_000, 200
_MOST_TOKEN: Final = 65536
_LIST_SECONDS: Final = 60.0
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_CHALLENGE: Final = re.compile(r'([a-z]+)="([^"]*)"')
_NEXT: Final = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_HUB: Final = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
_LOOPBACK: Final = re.compile(r"localhost|127\.[0-9.]+|::1")


@dataclass(frozen=True, slots=True)
class Layer:
    """One part of what a manifest names."""

    media_type: str
    digest: str
    size: int


class OciRepository:
    """The repository that an address such as `oci://ghcr.io/org/charts/redis` names.

    Without TLS only where the registry is on this machine, as Docker has it. Everything raises SourceError.
    """

    def __init__(self, address: str, reader: HttpReader, username: str = "", password: str = "") -> None:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        self.name = parts.path.strip("/")
        if parts.scheme != "oci" or not host or not self.name:
            raise SourceError(f"{address[:200]}: expected oci://REGISTRY/REPOSITORY")
        self._scheme = urlsplit(home_of(address)).scheme
        self._base = f"{home_of(address)}/v2/{quote(self.name)}"
        self.address = f"oci://{host}/{self.name}"
        self._reader = reader
        self._basic = basic(username, password) if password else ""
        self._authorization = ""

    def resolve(self, target: str) -> tuple[str, str] | None:
        """The digest (hex) and the tag that a tag, a digest, a range or "" (the newest) means; None where none does."""
        by_digest = _DIGEST.fullmatch(target)
        if by_digest:
            return (by_digest[1], "") if self.has(by_digest[1]) else None
        tag = target.replace("+", "_")  # which no tag may have: as Helm does it
        if tag and _TAG.fullmatch(tag):
            found = self._digest_of(tag)
            if found:
                return found, target
        name = chosen_tag(target, self.versions())
        if name is None or name == target:
            return None
        found = self._digest_of(name.replace("+", "_"))
        return (found, name) if found else None

    def versions(self) -> frozenset[str]:
        """All tags; a `_` stands for the `+` that a tag may not have."""
        url, found = f"{self._base}/tags/list?n=1000", set[str]()
        deadline = time.monotonic() + _LIST_SECONDS
        for page in range(_MOST_PAGES):
            answer = self._get(url, "application/json", _MOST_MANIFEST)
            if answer.status == 404 and page == 0:
                return frozenset()
            tags = _json(answer).get("tags")
            found |= {tag.replace("_", "+") for tag in tags if _is_tag(tag)} if isinstance(tags, list) else set()
            more = _NEXT.search(answer.headers.get("Link") or "")
            if more is None:
                return frozenset(found)
            url = self._next_page(url, more[1])
            if len(found) > _MOST_TAGS or time.monotonic() > deadline:
                break
        raise SourceError(
            f"{self.address}: has too many tags to list them all ({len(found):,} were read); name one of them, or a "
            "digest, in place of a range"
        )

    def _next_page(self, url: str, link: str) -> str:
        """Where a list goes on: at the same server, whatever scheme a proxy in front of it makes of that."""
        with suppress(ValueError):
            found, own = urlsplit(urljoin(url, link)), urlsplit(self._base)
            if found.hostname == own.hostname:
                return found._replace(scheme=own.scheme, netloc=own.netloc).geturl()
        raise SourceError(f"{self.address}: the registry's list of tags goes on at another server, which is not asked")

    def has(self, digest: str) -> bool:
        """Whether there is a manifest of this digest (hex)."""
        return self._get(f"{self._base}/manifests/sha256:{digest}", _MANIFESTS, 0, "HEAD").status == 200

    def missing(self, target: str) -> str:
        """In words: nothing is called `target`."""
        return f"there is no version {target}" if target else "there is no version that is released"

    def hint(self, target: str) -> str:
        return closest(target, self.versions())

    def layers(self, digest: str) -> tuple[Layer, ...]:
        """What the manifest of this digest (hex) names."""
        manifest = self.manifest(f"sha256:{digest}")
        if manifest is None:
            raise SourceError(f"{self.address}: there is no manifest sha256:{digest}")
        if manifest.get("mediaType") in _INDEXES:
            raise SourceError(f"{self.address}: is an index of images, and no chart or artifact")
        return tuple(layer for layer, _ in self.layers_in(manifest))

    def manifest(self, name: str) -> dict[str, Any] | None:
        """What a tag, or a digest, names; None where there is none."""
        answer = self._get(f"{self._base}/manifests/{quote(name, safe=':')}", _MANIFESTS, _MOST_MANIFEST)
        if answer.status != 200:
            return None
        by_digest = _DIGEST.fullmatch(name)
        if by_digest:
            self._check(answer.data, by_digest[1])
        return _json(answer)

    def layers_in(self, manifest: dict[str, Any] | None) -> list[tuple[Layer, dict[str, Any]]]:
        """The layers of a manifest, each with its annotations."""
        layers = manifest.get("layers") if manifest is not None else None
        found = [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
        return [(self._layer(layer), _map(layer.get("annotations"))) for layer in found]

    def referrers(self, digest: str, kind: str) -> list[str]:
        """The digests (hex) of manifests that refer to this one, whose type begins with `kind`.

        A registry that does not list them may have an index of them under a tag (OCI distribution 1.1).
        """
        index: dict[str, Any] = {}
        for place in (f"referrers/sha256:{digest}", f"manifests/sha256-{digest}"):
            answer = self._get(f"{self._base}/{place}", _INDEXES[0], _MOST_MANIFEST)
            if answer.status == 200:
                index = _json(answer)
                break
        listed = index.get("manifests")
        found = [_map(item) for item in listed] if isinstance(listed, list) else []
        named = [_DIGEST.fullmatch(str(item.get("digest"))) for item in found if _is_kind(item, kind)]
        return [each[1] for each in named if each is not None]

    def content(self, layer: Layer, most: int) -> bytes:
        """The bytes of a layer."""
        if layer.size > most:
            raise SourceError(f"{self.address}: is larger than {most // MIB} MiB")
        answer = self._get(f"{self._base}/blobs/sha256:{layer.digest}", "*/*", most)
        if answer.status != 200:
            raise SourceError(f"{self.address}: the registry has no layer sha256:{layer.digest} ({answer.status})")
        self._check(answer.data, layer.digest)
        return answer.data

    def files_layer(self, digest: str) -> Layer:
        """The layer of a manifest that holds a chart, or else files."""
        layers = self.layers(digest)
        for media_type in (CHART_LAYER, *_FILES_LAYERS):
            found = [layer for layer in layers if layer.media_type == media_type]
            if found:
                return found[0]
        kinds = ", ".join(sorted({layer.media_type for layer in layers})) or "none"
        raise SourceError(f"{self.address}: holds neither a chart nor packed files (layers: {kinds})")

    def _layer(self, layer: dict[str, Any]) -> Layer:
        digest, size = _DIGEST.fullmatch(str(layer.get("digest"))), layer.get("size")
        if digest is None or not isinstance(size, int):
            raise SourceError(f"{self.address}: its manifest cannot be read")
        return Layer(str(layer.get("mediaType")), digest[1], size)

    def _check(self, data: bytes, digest: str) -> None:
        if hashlib.sha256(data).hexdigest() != digest:
            raise SourceError(f"{self.address}: what the registry gives is not what sha256:{digest} names; it lies")

    def _digest_of(self, tag: str) -> str:
        """The digest of a tag's manifest, "" where there is no such tag."""
        url = f"{self._base}/manifests/{quote(tag)}"
        answer = self._get(url, _MANIFESTS, 0, "HEAD")
        if answer.status != 200:
            return ""
        found = _DIGEST.fullmatch(answer.headers.get("Docker-Content-Digest") or "")
        if found:
            return found[1]
        answer = self._get(url, _MANIFESTS, _MOST_MANIFEST)
        return hashlib.sha256(answer.data).hexdigest() if answer.status == 200 else ""

    def _get(self, url: str, accept: str, most: int, method: str = "GET") -> Answer:
        headers = {"Accept": accept}
        answer = self._reader.get(url, headers, authorization=self._authorization, most=most, method=method)
        is_own = origin(answer.url) == origin(url)  # and not one that it redirects to, which is told no secret
        if answer.status == 401 and is_own and self._authenticate(answer.headers.get("WWW-Authenticate") or ""):
            answer = self._reader.get(url, headers, authorization=self._authorization, most=most, method=method)
        if answer.status in (401, 403):
            why = "refuses the credentials" if self._basic else "wants credentials: name them in credentials.secretRef"
            raise SourceError(f"{self.address}: the registry {why} ({answer.status}; a private or unknown repository)")
        if answer.status not in (200, 404):
            raise SourceError(f"{shown_url(answer.url)}: the registry answered {answer.status}")
        return answer

    def _authenticate(self, challenge: str) -> bool:
        """Do as the registry asks; whether there is anything new to try."""
        kind, _, rest = challenge.partition(" ")
        before, given = self._authorization, dict(_CHALLENGE.findall(rest))
        if kind.lower() == "basic":
            self._authorization = self._basic
        elif kind.lower() == "bearer" and given.get("realm", "").startswith(("https://", f"{self._scheme}://")):
            asked = {"service": given.get("service", ""), "scope": given.get("scope", f"repository:{self.name}:pull")}
            mark = "&" if "?" in given["realm"] else "?"
            answer = self._reader.get(
                f"{given['realm']}{mark}{urlencode(asked)}", authorization=self._basic, most=_MOST_MANIFEST
            )
            token = _json(answer).get("token") or _json(answer).get("access_token") if answer.status == 200 else None
            self._authorization = f"Bearer {token}" if isinstance(token, str) and _is_token(token) else ""
        return self._authorization != before


def home_of(address: str) -> str:
    """The URL of the registry that an `oci://` address names."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{'http' if _LOOPBACK.fullmatch(parts.hostname or '') else 'https'}://{_HUB.get(host, host)}"


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_kind(item: dict[str, Any], kind: str) -> bool:
    return str(item.get("artifactType") or "").startswith(kind)


def _is_tag(tag: object) -> bool:
    return isinstance(tag, str) and _TAG.fullmatch(tag) is not None


def _is_token(text: str) -> bool:
    return len(text) <= _MOST_TOKEN and text.isascii() and text.isprintable() and " " not in text


def _json(answer: Answer) -> dict[str, Any]:
    try:
        return parsed_map(answer.data)
    except ValueError as error:
        raise SourceError(f"{shown_url(answer.url)}: what the registry answers cannot be read ({error})") from error
