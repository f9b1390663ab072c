"""The file of policy lines, as it is now. What cannot be taken changes nothing: the last policy that could stays."""

from pathlib import Path
from typing import Final

import structlog

from gitops.bounds import MIB, read_file
from gitops.model.errors import ConfigError
from gitops.server.auth.policy import Policy, read_policy

_MOST_BYTES: Final = MIB
log = structlog.get_logger()


class PolicyFile:
    """The policy of a file, or the built-in roles alone where `path` is None. `number` counts the versions of it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._policy, _ = read_policy("")
        self._told = ""
        self.number = 0

    def check(self) -> None:
        """Take it in. Raises ConfigError for a file that cannot be read, or a line that is none: for who starts us."""
        if self._path is None:
            return
        try:
            policy, wrong = read_policy(self._text(self._path))
        except (OSError, ValueError) as exc:
            raise ConfigError(f"--policy-file {self._path}: {getattr(exc, 'strerror', '') or exc}") from exc
        if wrong:
            raise ConfigError(f"--policy-file {self._path}: {wrong[0]}")
        self._policy = policy

    @property
    def policy(self) -> Policy:
        """The policy as the file has it now."""
        if self._path is not None:
            self._refresh(self._path)
        return self._policy

    def _text(self, path: Path) -> str:
        return read_file(path, _MOST_BYTES).decode()

    def _refresh(self, path: Path) -> None:
        wrong: list[str] = []
        try:
            status = path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            policy, wrong = read_policy(self._text(path))
            self._seen = seen
            if not wrong:
                self._policy = policy
                self.number += 1
        except (OSError, ValueError, ConfigError) as exc:
            self._seen, wrong = None, [str(exc)]
        told = "; ".join(wrong[:5])
        if told and told != self._told:
            log.error("policy.wrong", path=str(path), error=told, goes_by="the policy that it had before")
        self._told = told
