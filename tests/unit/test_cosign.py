"""What has to be signed: by which keys, in which forms, and what is used of what is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gitops.adapters.charts import Charts
from gitops.adapters.cosign import PublicKeys
from gitops.adapters.credentials import Secret, read_secret
from gitops.adapters.kubernetes.registered import credentials_text
from gitops.manifests.secrets import with_data_only
from gitops.model.application import SourceSpec
from gitops.model.errors import ConfigError, SourceError
from gitops.model.source_access import Verify
from tests.chart_servers import FILES_LAYER, OciRegistry, packed, served

registry = served(OciRegistry)
Sign = Callable[[bytes], bytes]


def ecdsa(curve: ec.EllipticCurve) -> tuple[str, Sign]:
    key = ec.generate_private_key(curve)
    return pem(key), lambda data: key.sign(data, ec.ECDSA(hashes.SHA256()))


def of_rsa(size: int = 2048) -> tuple[str, Sign]:
    key = rsa.generate_private_key(65537, size)
    return pem(key), lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def of_ed25519() -> tuple[str, Sign]:
    key = ed25519.Ed25519PrivateKey.generate()
    return pem(key), key.sign


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


KEY, SIGN = ecdsa(ec.SECP256R1())
OTHER, SIGN_OTHER = of_ed25519()


def signed(registry: OciRegistry) -> tuple[SourceSpec, str]:
    digest = registry.push("manifests/app", "v1", packed("", {"a.yaml": "a: 1\n"}), FILES_LAYER)
    return SourceSpec(f"{registry.address}/manifests/app", "v1", verify=Verify("cosign", "keys")), digest


def read(tmp_path: Path, spec: SourceSpec, *keys: str) -> bytes:
    charts = Charts(tmp_path / "charts", "anywhere", keys=PublicKeys.of_text("\n".join(keys), "Secret team/keys"))
    return charts.tree(spec, charts.resolve(spec, spec.targetRevision)).read("a.yaml")


@pytest.mark.parametrize(
    "made",
    [lambda: ecdsa(ec.SECP256R1()), lambda: ecdsa(ec.SECP384R1()), of_rsa, of_ed25519],
    ids=["P-256", "P-384", "RSA", "Ed25519"],
)
def test_what_one_of_the_keys_signed_is_used(tmp_path: Path, registry: OciRegistry, made: Any) -> None:
    spec, digest = signed(registry)
    key, sign = made()
    registry.sign("manifests/app", digest, SIGN_OTHER)
    registry.sign("manifests/app", digest, sign)
    assert read(tmp_path, spec, KEY, key) == b"a: 1\n"
    with pytest.raises(SourceError, match="has 2 signatures, and none is by a key of Secret team/keys"):
        read(tmp_path, spec, KEY)


def test_what_is_not_signed_is_not_used_though_it_was_read_before(tmp_path: Path, registry: OciRegistry) -> None:
    spec, digest = signed(registry)
    plain = Charts(tmp_path / "charts", "anywhere")
    unsigned = SourceSpec(spec.repoURL, "v1")
    assert plain.tree(unsigned, plain.resolve(unsigned, "v1")).read("a.yaml")
    with pytest.raises(SourceError, match=f"sha256:{digest[:12]} is not signed: it is not used"):
        read(tmp_path, spec, KEY)


def test_an_artifact_that_was_changed_after_it_was_signed_is_not_used(tmp_path: Path, registry: OciRegistry) -> None:
    spec, digest = signed(registry)
    registry.sign("manifests/app", digest, SIGN)
    read(tmp_path, spec, KEY)
    changed = registry.push("manifests/app", "v1", packed("", {"a.yaml": "a: 2\n"}), FILES_LAYER)
    with pytest.raises(SourceError, match="is not signed"):
        read(tmp_path, spec, KEY)
    registry.sign("manifests/app", changed, SIGN, of=digest)  # what was signed is another one
    with pytest.raises(SourceError, match="is not signed"):
        read(tmp_path, spec, KEY)


def test_a_payload_that_is_not_what_its_digest_names_is_not_believed(tmp_path: Path, registry: OciRegistry) -> None:
    spec, digest = signed(registry)
    registry.sign("manifests/app", digest, SIGN)
    path = next(path for path, (_, _, data) in registry.files.items() if b"docker-manifest-digest" in data)
    registry.files[path] = (200, {}, registry.files[path][2].replace(b"null", b"{}"))
    with pytest.raises(SourceError, match="it lies"):
        read(tmp_path, spec, KEY)


@pytest.mark.parametrize("by_tag", [False, True])
def test_a_bundle_is_a_signature_too(tmp_path: Path, registry: OciRegistry, by_tag: bool) -> None:
    spec, digest = signed(registry)
    registry.attest("manifests/app", digest, SIGN, by_tag=by_tag)
    assert read(tmp_path, spec, KEY) == b"a: 1\n"
    with pytest.raises(SourceError, match="has 1 signatures, and none"):
        read(tmp_path, spec, OTHER)


@pytest.mark.parametrize(
    "statement",
    [
        {"subject": [{"digest": {"sha256": "0" * 64}}]},
        {"subject": []},
        {"subject": "x"},
        {"predicateType": "https://slsa.dev/provenance/v1"},
    ],
    ids=str,
)
def test_a_statement_on_something_else_is_no_signature(
    tmp_path: Path, registry: OciRegistry, statement: dict[str, Any]
) -> None:
    spec, digest = signed(registry)
    registry.attest("manifests/app", digest, SIGN, **statement)
    with pytest.raises(SourceError, match="is not signed"):
        read(tmp_path, spec, KEY)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"layers": {}}', b'{"layers": [1, {"annotations": 2}]}'])
def test_a_damaged_manifest_of_signatures_is_none(tmp_path: Path, registry: OciRegistry, text: bytes) -> None:
    spec, digest = signed(registry)
    registry.files[f"/v2/manifests/app/manifests/sha256-{digest}.sig"] = (200, {}, text)
    with pytest.raises(SourceError, match=r"is not signed|cannot be read"):
        read(tmp_path, spec, KEY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected 1 to 32 public keys"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be read"),
        (KEY + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "expected 1 to 32 public keys"),
        (of_rsa(1024)[0], r"neither ECDSA, RSA \(2048 bits\) nor Ed25519"),
    ],
    ids=["none", "damaged", "a private one", "a short one"],
)
def test_what_is_no_public_key_is_told(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^Secret team/keys: .*{words}"):
        PublicKeys.of_text(text, "Secret team/keys")


def test_the_keys_of_a_secret_are_its_entries_pub() -> None:
    entries = {"one.pub": KEY, "two.pub": OTHER, "cosign.key": "private"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": entries}
    secret = read_secret("keys", credentials_text(with_data_only(body)))
    assert len(PublicKeys.of_text(secret.publicKeys, "keys").keys) == 2
    assert read_secret("keys", KEY) == Secret(publicKeys=KEY)
