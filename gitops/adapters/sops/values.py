"""The values of a file that SOPS encrypted, and the MAC of them all.

A value is AES-256-GCM with the file's own key, and the path to it as what else is authenticated: moved to another
place, it cannot be decrypted. The MAC is over all values in the order of the file, comments left out.
"""

import base64
import binascii
import hashlib
import hmac
import math
import re
from decimal import Decimal
from typing import Any, Final

from gitops.adapters.sops.metadata import Metadata, encrypted_paths
from gitops.model.errors import RenderError

_VALUE: Final = re.compile(
    r"ENC\[AES256_GCM,data:([A-Za-z0-9+/=]+),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:([a-z]+)\]"
)
# What SOPS hashes first where its MAC is of encrypted values only: the sha256 of "sops".
_ONLY_ENCRYPTED: Final = hashlib.sha256(b"sops").digest()
_TRUE: Final = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE: Final = {"0", "f", "F", "false", "FALSE", "False"}
_LONGEST_NUMBER: Final = 400
_IV_BYTES: Final = range(8, 129)
MOST_VALUES: Final = 100_000


class Time(str):
    """A moment, RFC 3339."""

    __slots__ = ()


class WrongValue(Exception):
    """Says what is wrong with one value, and nothing of what it holds."""


def is_encrypted(value: Any) -> bool:
    """Whether it is what SOPS writes for a value."""
    return isinstance(value, str) and value.startswith("ENC[") and _VALUE.fullmatch(value) is not None


class Cipher:
    """Decrypts values with the key of one file's data."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._aead = AESGCM(key)

    def decrypted(self, text: str, also: str) -> Any:
        """The value that `text` stands for; `also` is what was authenticated with it. Raises WrongValue."""
        if not text:
            return ""
        from cryptography.exceptions import InvalidTag

        match = _VALUE.fullmatch(text)
        if match is None:
            raise WrongValue("is not encrypted, though the file's rules say that it is")
        try:
            data, iv, tag = (base64.b64decode(match[part], validate=True) for part in (1, 2, 3))
            if len(iv) not in _IV_BYTES:
                raise WrongValue("is damaged")
            plain = self._aead.decrypt(iv, data + tag, also.encode())
        except (binascii.Error, ValueError):
            raise WrongValue("is damaged") from None
        except InvalidTag:
            raise WrongValue("was changed, or belongs to another place or file") from None
        return _typed(plain, match[4])


def _typed(plain: bytes, kind: str) -> Any:
    try:
        text = plain.decode()
    except UnicodeDecodeError:
        raise WrongValue("is not text (UTF-8)") from None
    if kind in ("str", "bytes", "comment"):
        return text
    if kind == "time":
        return Time(text)
    try:
        if kind in ("int", "float") and len(text) <= _LONGEST_NUMBER:
            return int(text) if kind == "int" else float(text)
    except ValueError:
        pass
    if kind == "bool" and text in _TRUE | _FALSE:
        return text in _TRUE
    raise WrongValue("is of a type that is not known here")


def bytes_of(value: Any) -> bytes:
    """A value as the MAC has it, which is as Go writes it."""
    if isinstance(value, bool):
        return b"True" if value else b"False"
    if isinstance(value, float):
        return float_text(value).encode()
    return str(value).encode("utf-8", "surrogateescape")


def float_text(value: float) -> str:
    """All digits that tell it from others, without an exponent."""
    if math.isnan(value):
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def too_many(name: str) -> RenderError:
    return RenderError(f"{name}: is encrypted, and holds more than {MOST_VALUES:,} values (split it)")


class Walk:
    """Goes along the values of one file, in their order: decrypts them, and at the end knows whether all is whole."""

    def __init__(self, metadata: Metadata, key: bytes, name: str) -> None:
        self._metadata = metadata
        self._is_encrypted = encrypted_paths(metadata)
        self._left = MOST_VALUES
        self._cipher = Cipher(key)
        self._name = name
        self._mac = hashlib.sha512(_ONLY_ENCRYPTED if metadata.mac_of_encrypted_only else b"")

    def leaf(self, path: tuple[str, ...], value: Any) -> Any:
        """The value at `path` in the clear. Raises RenderError, which says nothing of what it holds."""
        if value is None:
            return None
        self._left -= 1
        if self._left < 0:
            raise too_many(self._name)
        is_secret = self._is_encrypted(path, is_encrypted(value))
        if is_secret:
            if not isinstance(value, str):
                raise self._error(path, "is not encrypted, though the file's rules say that it is")
            try:
                value = self._cipher.decrypted(value, f"{':'.join(path)}:")
            except WrongValue as exc:
                raise self._error(path, str(exc)) from None
        if is_secret or not self._metadata.mac_of_encrypted_only:
            self._mac.update(bytes_of(value))
        return value

    def comment(self, path: tuple[str, ...], text: str) -> str:
        """A comment in the clear; one that is none of SOPS' stays as it is."""
        try:
            return str(self._cipher.decrypted(text, f"{':'.join(path)}:")) if is_encrypted(text) else text
        except WrongValue:
            return text

    def check(self) -> None:
        """Raise RenderError when a value was added, taken away or changed since SOPS wrote the file."""
        try:
            said = self._cipher.decrypted(self._metadata.mac, self._metadata.modified)
        except WrongValue:
            said = ""
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), self._mac.hexdigest().upper().encode()):
            raise RenderError(
                f"{self._name}: was changed after SOPS had encrypted it: its MAC is of other values (change it with "
                "sops, or encrypt it again)"
            )

    def _error(self, path: tuple[str, ...], reason: str) -> RenderError:
        return RenderError(f"{self._name}: {'.'.join(path)[:200] or 'a value'}: {reason}")
