"""Secret values at rest: encrypted before a rendered set is stored, opened when it is read back.

AES-256-GCM with a key of this store's own, kept in a file that only its owner may read, or given by GITOPS_KEY.
"""

import base64
import hmac
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from gitops.manifests.key import Body
from gitops.manifests.secrets import is_hidden, is_secret
from gitops.model.errors import ConfigError, StoreError

_MARK = "gitops.dev/sealed:"
_FIELDS = ("data", "stringData")
_NOT_SEALED = ("apiVersion", "kind", "metadata")
_NONCE_BYTES = 12
_KEY_BYTES = 32


class Sealer:
    """`key` is 32 bytes in base64, or "" to take (or make) the file `path`; None where there can be no such file."""

    def __init__(self, key: str, path: Path | None) -> None:
        self._given = key
        self._path = path
        self._name = "GITOPS_KEY" if key or path is None else str(path)
        self._key: bytes | None = None

    def fingerprint(self) -> str:
        """Names the key and does not tell it. Raises ConfigError or StoreError when there is none."""
        return hmac.digest(self._load(), b"gitops.dev/key", "sha256").hex()

    def mac(self, text: str) -> str:
        """A keyed digest of `text`, in hex. Raises as `fingerprint`."""
        return hmac.digest(self._load(), b"gitops.dev/seal:" + text.encode(), "sha256").hex()

    def sealed(self, body: Body) -> Body:
        """`body` with hidden values encrypted: a Secret's each, of another kind each field; any other as it is."""
        if is_hidden(body) and not is_secret(body):
            return {
                name: value if name in _NOT_SEALED else self._seal(json.dumps(value)) for name, value in body.items()
            }
        return self._each_value(body, self._seal)

    def opened(self, body: Body) -> Body:
        """The reverse of `sealed`. Raises StoreError when the key is not the one it was sealed with."""
        if is_hidden(body) and not is_secret(body):
            return {name: self._opened_field(value) for name, value in body.items()}
        return self._each_value(body, self._open)

    def _opened_field(self, value: Any) -> Any:
        return json.loads(self._open(value)) if isinstance(value, str) and value.startswith(_MARK) else value

    def _each_value(self, body: Body, change: Any) -> Body:
        if not is_secret(body):
            return body
        values = {
            field: {name: change(value) for name, value in body[field].items()}
            for field in _FIELDS
            if isinstance(body.get(field), dict)
        }
        return {**body, **values}

    def _seal(self, value: Any) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not isinstance(value, str):
            return value
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._load()).encrypt(nonce, value.encode(), None)
        return _MARK + base64.b64encode(nonce + sealed).decode()

    def _open(self, value: Any) -> Any:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not isinstance(value, str) or not value.startswith(_MARK):
            return value
        raw = base64.b64decode(value[len(_MARK) :])
        if len(raw) < 2 * _NONCE_BYTES:
            raise StoreError("a stored Secret is damaged: its sealed value is too short")
        try:
            return AESGCM(self._load()).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
        except InvalidTag:
            raise StoreError(
                f"a stored Secret cannot be opened: {self._name} is not the key it was sealed with"
            ) from None

    def _load(self) -> bytes:
        if self._key is None:
            text = self._given or (_read_or_make(self._path) if self._path else "")
            try:
                self._key = base64.b64decode(text, validate=True)
            except ValueError:
                self._key = b""
            if len(self._key) != _KEY_BYTES:
                wrong = StoreError if self._path and not self._given else ConfigError
                raise wrong(f"{self._name}: expected {_KEY_BYTES} bytes in base64")
        return self._key


def _read_or_make(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    fresh = base64.b64encode(os.urandom(_KEY_BYTES)).decode()
    try:
        handle, written = tempfile.mkstemp(prefix="key-", dir=path.parent)  # for its owner alone
        try:
            with open(handle, "w") as file:
                file.write(fresh)
            os.link(written, path)
        except FileExistsError:  # another of our processes was faster
            return path.read_text().strip()
        finally:
            os.unlink(written)
    except OSError as exc:
        raise StoreError(f"{path}: cannot write the key for Secret values: {exc.strerror}") from exc
    return fresh
