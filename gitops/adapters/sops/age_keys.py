"""Keys of age, and of ssh as age uses them: the key of a file's data is decrypted here, in this process."""

from collections.abc import Iterable
from typing import Any, Final

from gitops.model.errors import ConfigError

_POST_QUANTUM: Final = "AGE-SECRET-KEY-PQ-1"
_PLUGIN: Final = "AGE-PLUGIN-"
_SSH: Final = "-----BEGIN "


def identities_of(texts: Iterable[str], source: str) -> list[Any]:
    """What can decrypt, of texts as `age-keygen` and `ssh-keygen` write them.

    Raises ConfigError, which holds nothing of them, for a text with none, and for a kind that is not supported.
    """
    return [one for text in texts for one in _identities(text, source)]


def _identities(text: str, source: str) -> list[Any]:
    from pyrage import IdentityError, ssh, x25519

    try:
        if text.lstrip().startswith(_SSH):
            return [ssh.Identity.from_buffer(text.strip().encode() + b"\n")]
        words = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        for kind, what in ((_POST_QUANTUM, "post-quantum keys of age"), (_PLUGIN, "plug-ins of age")):
            if any(word.startswith(kind) for word in words):
                raise ConfigError(f"{source}: {what} ({kind}...) are not supported; encrypt for an X25519 key as well")
        return [x25519.Identity.from_str(word) for word in words]
    except IdentityError:
        raise ConfigError(f"{source}: holds an age key that cannot be read") from None


def decrypted(armored: str, identities: list[Any]) -> bytes | None:
    """The key of the data; None where it is for none of the identities."""
    from pyrage import DecryptError, decrypt

    try:
        return bytes(decrypt(armored.encode(), identities)) if identities else None
    except DecryptError:
        return None
