"""Keys of PGP, by the program `gpg`: with a keyring of its own that is gone afterwards, or with a person's own."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Final

from gitops.adapters.sops.child import run
from gitops.model.errors import ConfigError, RenderError

_MEMORY: Final = "/dev/shm"  # noqa: S108 - where it is there, keys are never written to a disk
_QUIET: Final = ("--batch", "--no-tty", "--quiet", "--no-auto-key-locate", "--disable-dirmngr")


@contextmanager
def keyring(keys: Iterable[str], source: str, variables: Mapping[str, str] | None) -> Iterator["Keyring"]:
    """A keyring that holds `keys` and nothing else; with no keys the person's own, whom `variables` tell.

    Raises ConfigError for keys that cannot be read, RenderError where there is no gpg.
    """
    program = which("gpg")
    if program is None:
        raise RenderError("the program gpg is not installed here, by which PGP keys are used")
    texts = list(keys)
    if not texts:
        yield Keyring(program, dict(variables or {}))
        return
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="gpg-", dir=place, ignore_cleanup_errors=True) as home:
        environment = {"GNUPGHOME": home, "HOME": home, "PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        ring = Keyring(program, environment)
        try:
            for text in texts:
                code, _, _ = run([program, *_QUIET, "--import"], text.encode(), environment)
                if code != 0:
                    raise ConfigError(f"{source}: holds a PGP key that gpg cannot read")
            yield ring
        finally:
            ring.close()


class Keyring:
    """What gpg has keys for."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        self._program = program
        self._environment = environment

    def decrypted(self, armored: str) -> bytes | None:
        """The key of the data; None where there is no key for it."""
        code, output, _ = run([self._program, *_QUIET, "--decrypt"], armored.encode(), self._environment)
        return output if code == 0 and output else None

    def close(self) -> None:
        """End the agent that gpg started, which has the keys in its memory."""
        kill = Path(self._program).with_name("gpgconf")
        if kill.exists():
            run([str(kill), "--kill", "gpg-agent"], b"", self._environment)
