"""Files that SOPS encrypted and nobody decrypted: applied as they are, ciphertext would be the password."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body
from gitops.manifests.manifest import Manifest

# What each encrypted value begins with, in YAML, JSON, dotenv and ini files; a binary file is JSON with `"sops": {`.
_MARK = "ENC[AES256_GCM,data:"
# Keys that SOPS writes for each kind of recipient, and the field of an entry that names the recipient.
_RECIPIENTS = {
    "age": "recipient",
    "pgp": "fp",
    "kms": "arn",
    "gcp_kms": "resource_id",
    "azure_kv": "vault_url",
    "hc_vault": "vault_address",
}
_MOST_NAMED = 4


def check_encrypted(manifest: Manifest) -> None:
    """Raise ManifestError for a manifest that SOPS encrypted, or whose generator took an encrypted file."""
    body = manifest.body
    sops = body.get("sops")
    if isinstance(sops, dict) and ("mac" in sops or "lastmodified" in sops):
        whom = recipients_of(sops)
        raise ManifestError(
            f"{manifest.origin}: {manifest.key.kind} {manifest.key.name}: is encrypted by SOPS{whom}, and cannot be "
            "decrypted here: set source.decryption, have it decrypted before (sops -d), or make the object otherwise"
        )
    found = next((name for name, text in _values(body) if _MARK in text), None)
    if found is not None:
        raise ManifestError(
            f"{manifest.origin}: {manifest.key.kind} {manifest.key.name}: {found}: holds what SOPS encrypted, and "
            "cannot be decrypted here: set source.decryption, or decrypt the file before it is taken in (sops -d)"
        )


def recipients_of(sops: Mapping[str, Any]) -> str:
    """Who can decrypt it, in words, as far as it says."""
    groups = [sops, *(one for one in _list(sops.get("key_groups")) if isinstance(one, dict))]
    entries = [
        (kind, entry)
        for group in groups
        for kind in _RECIPIENTS
        for entry in _list(group.get(kind))
        if isinstance(entry, dict)
    ]
    names = [f"{kind} {entry[_RECIPIENTS[kind]]}" for kind, entry in entries if entry.get(_RECIPIENTS[kind])]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f" for {', '.join(names[:_MOST_NAMED])}{more}" if names else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _values(body: Body) -> Iterator[tuple[str, str]]:
    """The values of a ConfigMap or a Secret in words, by the field's path."""
    if body.get("apiVersion") != "v1" or body.get("kind") not in ("ConfigMap", "Secret"):
        return
    is_secret = body["kind"] == "Secret"
    for field in ("data", "stringData", "binaryData"):
        values = body.get(field)
        for name, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, str):
                is_packed = field == "binaryData" or (is_secret and field == "data")
                yield f"{field}.{name}", _unpacked(value) if is_packed else value


def _unpacked(value: Any) -> str:
    try:
        return base64.b64decode(value).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
