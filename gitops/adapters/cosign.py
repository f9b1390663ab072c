"""Signatures that cosign made of what a registry holds, checked with public keys; nothing else is asked or trusted.

    digest of a manifest ──► its signatures in the same repository ──► one of the keys made one ──► the digest is good

Two forms are read: that of cosign 2 (a manifest under the tag `sha256-<hex>.sig`, each layer a payload which names the
digest, its signature an annotation), and that of cosign 3 (a Sigstore bundle that refers to the manifest: a signed
in-toto statement about the digest). Signatures of an identity instead of a key are not read.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gitops.adapters.oci_registry import Layer, OciRepository
from gitops.bounds import parsed_map
from gitops.model.errors import ConfigError, SourceError

_PEM: Final = re.compile(
    r"-----BEGIN (?:RSA )?PUBLIC KEY-----[A-Za-z0-9+/=\s]{1,16384}-----END (?:RSA )?PUBLIC KEY-----"
)
_MOST_KEYS, _MOST_SIGNATURES, _MOST_PAYLOAD = 32, 64, 1024 * 1024
_SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_STATEMENT: Final = "application/vnd.in-toto+json"
# What a statement says that is a signature, and not some other word on what it is about.
_SIGNED: Final = "https://sigstore.dev/cosign/sign/v1"


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Keys of those who are trusted; `source` says where they are from."""

    source: str
    keys: tuple[Any, ...] = field(repr=False)

    @classmethod
    def of_text(cls, text: str, source: str) -> "PublicKeys":
        """The keys in a text, in PEM. Raises ConfigError where there is none, or one that cannot be used."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        found = _PEM.findall(text)
        if not found or len(found) > _MOST_KEYS or text.count("-----BEGIN") != len(found):
            raise ConfigError(f"{source}: expected 1 to {_MOST_KEYS} public keys in PEM, in a Secret as entries *.pub")
        keys = []
        for pem in found:
            try:
                keys.append(load_pem_public_key(pem.encode()))
            except (ValueError, UnsupportedAlgorithm):
                raise ConfigError(f"{source}: holds a public key that cannot be read") from None
            if not _is_usable(keys[-1]):
                raise ConfigError(f"{source}: holds a key that is neither ECDSA, RSA (2048 bits) nor Ed25519")
        return cls(source, tuple(keys))

    def made(self, signature: bytes, data: bytes) -> bool:
        """Whether one of them made the signature of the data."""
        return any(_made(key, signature, data) for key in self.keys)


def check_signature(repository: OciRepository, digest: str, keys: PublicKeys) -> None:
    """Raises SourceError unless one of the keys signed the manifest of this digest (hex)."""
    seen = 0
    for payload, signature in _signatures(repository, digest):
        seen += 1
        if keys.made(signature, payload):
            return
    why = f"has {seen} signatures, and none is by a key of {keys.source}" if seen else "is not signed"
    raise SourceError(f"{repository.address}: sha256:{digest[:12]} {why}: it is not used (source.verify)")


def _signatures(repository: OciRepository, digest: str) -> Iterator[tuple[bytes, bytes]]:
    """What was signed, with the signature, of all that is about this digest."""
    manifest = repository.manifest(f"sha256-{digest}.sig")
    for layer, annotations in repository.layers_in(manifest)[:_MOST_SIGNATURES]:
        signature = _decoded(annotations.get(_SIGNATURE))
        payload = repository.content(layer, _MOST_PAYLOAD) if signature else b""
        if signature and _names(payload, digest):
            yield payload, signature
    for referrer in repository.referrers(digest, _BUNDLE)[:_MOST_SIGNATURES]:
        for layer, _ in repository.layers_in(repository.manifest(f"sha256:{referrer}"))[:1]:
            yield from _of_bundle(repository, layer, digest)


def _of_bundle(repository: OciRepository, layer: Layer, digest: str) -> Iterator[tuple[bytes, bytes]]:
    envelope = _map(_parsed(repository.content(layer, _MOST_PAYLOAD)).get("dsseEnvelope"))
    payload, kind, signatures = _decoded(envelope.get("payload")), envelope.get("payloadType"), _map_list(envelope)
    statement = _parsed(payload)
    digests = [_map(_map(one).get("digest")).get("sha256") for one in _list(statement.get("subject"))]
    if kind == _STATEMENT and statement.get("predicateType") == _SIGNED and digest in digests:
        for one in signatures[:_MOST_SIGNATURES]:
            # DSSE's encoding of what is signed.
            head = f"DSSEv1 {len(_STATEMENT)} {_STATEMENT} {len(payload)} ".encode()
            yield head + payload, _decoded(one.get("sig"))


def _map_list(envelope: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in _list(envelope.get("signatures")) if isinstance(one, dict)]


def _names(payload: bytes, digest: str) -> bool:
    image = _map(_map(_parsed(payload).get("critical")).get("image"))
    return image.get("docker-manifest-digest", image.get("Docker-manifest-digest")) == f"sha256:{digest}"


def _is_usable(key: Any) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    is_rsa = isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 8192
    return is_rsa or isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)


def _made(key: Any, signature: bytes, data: bytes) -> bool:
    """As cosign: SHA-256 with ECDSA, and with RSA in the form of PKCS#1 v1.5; Ed25519 has its own."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        return parsed_map(data)
    except ValueError:
        return {}


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
