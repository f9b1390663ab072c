"""Decrypts what SOPS encrypted, with the keys of one Application: in memory, and nothing of it in any message."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from gitops.adapters.sops import age_keys, json_file, line_files, pgp, program, yaml_file
from gitops.adapters.sops.keys import Keys
from gitops.adapters.sops.metadata import Metadata, Recipient
from gitops.adapters.sops.shamir import combined
from gitops.adapters.sops.values import Walk
from gitops.engine.encrypted import recipients_of
from gitops.model.errors import RenderError
from renderers.result import Encrypted

MOST_BYTES: Final = 5 * 1024 * 1024
# What all files of one render may have: they are read in this process, which others wait for.
_MOST_IN_ALL: Final = 16 * 1024 * 1024
# What programs may need for all files of one render.
_MOST_SECONDS: Final = 60.0
_KEY_BYTES: Final = 32
_NATIVE: Final = ("age", "pgp")
_ENDINGS: Final = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".dockerconfigjson": "json",
    ".env": "dotenv",
    ".ini": "ini",
}


T = TypeVar("T")


class _AsksServiceError(Exception):
    """The key of a file is one that only a key service has."""


class SopsDecryptor:
    """Decrypts, for one render; `keys` are looked for when something is encrypted, and not before."""

    def __init__(self, keys: Callable[[], Keys]) -> None:
        self._find = keys
        self._keys: Keys | None = None
        self._found: dict[Recipient, bytes | None] = {}
        self._seconds = 0.0
        self._bytes = 0
        self._lock = threading.Lock()

    def __call__(self, what: Encrypted) -> bytes:
        """`what` in the clear; as it is where nothing of SOPS is in it.

        Raises RenderError, with the recipients that it is encrypted for where no key is one of these; ConfigError
        where there are no keys.
        """
        if len(what.data) > MOST_BYTES:
            raise RenderError(f"{what.name}: is encrypted, and longer than the {MOST_BYTES // 2**20} MiB that are read")
        with self._lock:
            self._bytes += len(what.data)
            if self._bytes > _MOST_IN_ALL:
                raise RenderError(f"{what.name}: more than {_MOST_IN_ALL // 2**20} MiB are encrypted in all (split it)")
            kind = _kind_of(what)
            try:
                plain = self._opened(what, kind)
            except _AsksServiceError:
                plain = self._asked(what, kind)
            return what.data if plain is None else plain

    def _opened(self, what: Encrypted, kind: str) -> bytes | None:
        data, name, marked = what.data, what.name, what.form == "manifests"

        def walk_of(metadata: Metadata) -> Walk:
            return Walk(metadata, self._data_key(metadata, name), name)

        match kind:
            case "json":
                return json_file.opened(data, name, walk_of, marked=marked, whole=what.form != "object")
            case "binary":
                return json_file.opened_binary(data, name, walk_of)
            case "dotenv":
                return line_files.opened_dotenv(data, name, walk_of)
            case "ini":
                return line_files.opened_ini(data, name, walk_of)
        return yaml_file.opened(data, name, walk_of, marked=marked)

    def _asked(self, what: Encrypted, kind: str) -> bytes:
        keys = self._own_keys()
        if keys.variables is None:
            raise RenderError(
                f"{what.name}: is encrypted with keys of a cloud or of Vault alone; those are asked for in the "
                "operator's name, and so for Applications that the operator wrote (encrypt it for an age or PGP key "
                "as well)"
            )
        variables, token = keys.variables, keys.vault_token
        return self._timed(
            lambda: program.decrypted(what.data, what.name, kind, variables, token, whole=what.form != "object")
        )

    def _own_keys(self) -> Keys:
        if self._keys is None:
            self._keys = self._find()
        return self._keys

    def _data_key(self, metadata: Metadata, name: str) -> bytes:
        """The key of a file's data, put together of its groups' parts where it has several."""
        needed = (metadata.threshold or len(metadata.groups)) if len(metadata.groups) > 1 else 1
        parts: list[bytes] = []
        for group in metadata.groups:
            part = self._part(group)
            parts += [part] if part is not None else []
            if len(parts) == needed:
                break
        key = parts[0] if needed == 1 and parts else combined(parts) if len(parts) >= needed else None
        if key is None or len(key) != _KEY_BYTES:
            if any(one.kind not in _NATIVE for group in metadata.groups for one in group):
                raise _AsksServiceError
            several = f" (of its {len(metadata.groups)} key groups {needed} are needed)" if needed > 1 else ""
            raise RenderError(
                f"{name}: is encrypted by SOPS{recipients_of(metadata.block)}, and no key of "
                f"{self._own_keys().source} can decrypt it{several}"
            )
        return key

    def _part(self, group: tuple[Recipient, ...]) -> bytes | None:
        for recipient in sorted(group, key=lambda one: one.kind != "age"):
            if recipient.kind in _NATIVE and recipient not in self._found:
                self._found[recipient] = self._decrypted(recipient)
            if self._found.get(recipient) is not None:
                return self._found[recipient]
        return None

    def _decrypted(self, recipient: Recipient) -> bytes | None:
        keys = self._own_keys()
        if recipient.kind == "age":
            return age_keys.decrypted(recipient.encrypted, age_keys.identities_of(keys.age, keys.source))
        if not keys.pgp and not keys.own_keyring:
            return None
        return self._timed(lambda: self._by_gpg(recipient, keys))

    @staticmethod
    def _by_gpg(recipient: Recipient, keys: Keys) -> bytes | None:
        with pgp.keyring(keys.pgp, keys.source, keys.variables) as ring:
            return ring.decrypted(recipient.encrypted)

    def _timed(self, work: Callable[[], T]) -> T:
        if self._seconds > _MOST_SECONDS:
            raise RenderError(f"decrypting what is encrypted takes programs more than {_MOST_SECONDS:.0f} s (use age)")
        began = time.monotonic()
        try:
            return work()
        finally:
            self._seconds += time.monotonic() - began


def _kind_of(what: Encrypted) -> str:
    """yaml, json, binary, dotenv or ini, by what is in it; by its name where that leaves two."""
    start = what.data.lstrip()[:1]
    if start == b"{":
        if what.form != "file" or _named(what.name) in ("json", "yaml") or not json_file.is_envelope(what.data):
            return "json"
        return "binary"
    lines = what.data.splitlines()
    if any(line.startswith(b"sops_mac=") for line in lines):
        return "dotenv"
    return "ini" if b"[sops]" in lines else "yaml"


def _named(name: str) -> str:
    return next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), "binary")
