"""What a render asks to be decrypted: files as they are read, and afterwards objects that are encrypted still.

A render holds no keys: `Context.decrypt` asks whoever does. Only files that are known to be taken in for what they hold
are opened (manifests, patches, values, what a secretGenerator reads), never one that goes into a ConfigMap.
"""

from typing import Literal

from gitops.model.errors import RenderError
from renderers.result import Decrypt, Encrypted

_VALUE = b"ENC[AES256_GCM,data:"
_BLOCK = b"sops"


def looks_encrypted(data: bytes) -> bool:
    """Whether SOPS may have encrypted it; nearly everything else is told at once."""
    return _VALUE in data and _BLOCK in data


def opened(
    decrypt: Decrypt | None, data: bytes, name: str, form: Literal["file", "manifests", "object"] = "file"
) -> bytes:
    """`data` in the clear; as it is where it is not encrypted, or where nothing is to be decrypted."""
    if decrypt is None or not looks_encrypted(data):
        return data
    return decrypt(Encrypted(name, data, form))


def opened_values(decrypt: Decrypt | None, data: bytes, name: str) -> bytes:
    """A file of values in the clear. Raises RenderError where it is encrypted and the Application decrypts nothing."""
    if decrypt is None and looks_encrypted(data):
        raise RenderError(f"{name}: is encrypted by SOPS: set source.decryption, or decrypt it before (sops -d)")
    return opened(decrypt, data, name)
