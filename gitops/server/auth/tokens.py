"""Bearer tokens: made once and shown once; the file that a controller reads holds their digests only.

One line each, `NAME SCOPE EXPIRES sha256:DIGEST [only=GLOB …]`; a `#` begins a comment, EXPIRES is RFC 3339 or
`never`. The file is read again when it changed, so a line that is taken out ends its token at once. A token has 256
bits of chance: its plain digest tells nothing to guess by.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from gitops.bounds import MIB, read_file
from gitops.model.errors import ConfigError
from gitops.model.globs import glob

PREFIX: Final = "gitops_"
NEVER: Final = "never"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,62}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_MOST_BYTES: Final = MIB
_ONLY: Final = "only="
log = structlog.get_logger()


class Scope(StrEnum):
    """What a token is good for: a viewer reads, an operator acts as well, an admin may all that there is."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """Whose it is, what it is good for, and until when; None: it does not expire.

    `only` are globs of the Applications (NAMESPACE/NAME) that it is good for; none of them: for all.
    """

    name: str
    scope: Scope
    expires: datetime | None
    only: tuple[str, ...] = ()

    def is_valid(self, now: datetime) -> bool:
        return self.expires is None or now < self.expires


def new_token(name: str, scope: Scope, expires: datetime | None, only: tuple[str, ...] = ()) -> tuple[str, str]:
    """A new token, and the line for the file. Raises ConfigError for a name or a glob that no line can have."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name}: expected a name of letters, digits and @._- (63 at most)")
    try:
        globs = "".join(f" {_ONLY}{_checked_glob(text)}" for text in only)
    except ValueError as exc:
        raise ConfigError(f"--only: {exc}") from exc
    token = PREFIX + secrets.token_urlsafe(32)
    until = NEVER if expires is None else expires.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return token, f"{name} {scope.value} {until} sha256:{_digest(token)}{globs}"


def read_tokens(text: str) -> tuple[dict[str, Token], list[str]]:
    """The tokens of a file by their digests, and what is wrong with each line that is none: nobody gets in by it."""
    found: dict[str, Token] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            digest, token = _token_in(words)
            found[digest] = token
        except ValueError as exc:
            wrong.append(f"line {number}: {exc}")
    return found, wrong


def _token_in(words: list[str]) -> tuple[str, Token]:
    if len(words) < 4 or not all(word.startswith(_ONLY) for word in words[4:]):
        raise ValueError("expected NAME SCOPE EXPIRES sha256:DIGEST [only=GLOB], as gitops token prints it")
    name, scope, expires, digest = words[:4]
    if not _NAME.fullmatch(name):
        raise ValueError("the name may have letters, digits and @._- only")
    if scope not in set(Scope):
        raise ValueError(f"the scope is {' or '.join(Scope)}, not {scope[:40]!r}")
    if not _DIGEST.fullmatch(digest):
        raise ValueError("expected sha256: and 64 hexadecimal digits, not the token itself")
    until = None if expires == NEVER else datetime.fromisoformat(expires)
    if until is not None and until.tzinfo is None:
        raise ValueError(f"{expires} has no time zone (write 2027-01-31T12:00:00Z)")
    only = tuple(_checked_glob(word.removeprefix(_ONLY)) for word in words[4:])
    return digest.removeprefix("sha256:"), Token(name, Scope(scope), until, only)


def _checked_glob(text: str) -> str:
    """A glob of Applications that a line can hold. Raises ValueError."""
    if re.search(r"[\s#]", text) or "/" not in text:
        raise ValueError(f"{text[:60]!r}: expected a glob of NAMESPACE/NAME, such as shop/*")
    glob(text)
    return text


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class TokenFile:
    """The tokens of one file, as it is now; what cannot be read lets nobody in, and is logged once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._tokens: Mapping[str, Token] = {}
        self._told = ""

    def find(self, token: str, now: datetime) -> Token | None:
        """Whose token this is, if it is valid."""
        self._refresh()
        found = self._tokens.get(_digest(token))
        return found if found is not None and found.is_valid(now) else None

    def check(self) -> None:
        """Raise ConfigError for a file that cannot be read, or a line that is no token's: for who starts us."""
        try:
            _, wrong = read_tokens(self._text())
        except (OSError, ValueError) as exc:
            raise ConfigError(f"--tokens {self._path}: {getattr(exc, 'strerror', '') or exc}") from exc
        if wrong:
            raise ConfigError(f"--tokens {self._path}: {wrong[0]}")

    def _text(self) -> str:
        return read_file(self._path, _MOST_BYTES).decode(errors="replace")

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            self._tokens, wrong = read_tokens(self._text())
            self._seen = seen
        except (OSError, ValueError, ConfigError) as exc:
            self._tokens, self._seen, wrong = {}, None, [str(exc)]
        told = "; ".join(wrong[:5])
        if told and told != self._told:
            log.error("tokens.wrong", path=str(self._path), error=told)
        self._told = told
